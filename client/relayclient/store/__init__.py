"""Where a device keeps what must survive: one SQLite file in a private folder, contents and secrets sealed."""
