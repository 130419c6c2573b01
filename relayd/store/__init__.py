"""The store room: SQL lives here and nowhere else.

Works enter - submissions, acknowledgements, verbs; after their commit was synced, replies, entries and holes leave.
"""
