-- What a restore must not bring back, what counts by account, what is marked for the day.

-- == restores: devices and accounts ==

-- == restores: what was taken away ==

-- == rates by account ==

-- == rights and second persons ==

-- == addresses and reachability ==

-- == the clock ==
