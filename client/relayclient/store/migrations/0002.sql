-- == sessions, resends, deletion ==

-- == after a restore ==

-- == linking ==
