"""The backups' room: a relay's state, sealed to a key that is not here, and back again (docs/operating/backup.md).

A state directory enters; a directory of sealed files leaves, and the other way round. The rules of this room: whoever
makes a backup can't open it; what is in a backup under its name is whole, whenever whoever wrote it was killed; no
private key of the relay is in one; and there is one copy of the day keys, the newest, however many backups are kept.
"""
