"""The domain room: the relay's nouns and their rules. It does no I/O, and knows no clock and no database."""
