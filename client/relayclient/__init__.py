"""The device: the SDK under people's command line and applications.

It holds the end-to-end keys and imports ``relayproto`` and nothing of ``relayd``. ``Device`` is its synchronous core:
commands leave, replies and notices enter, everything that must survive lies in one SQLite file.
"""
