"""The contract, lowest room: the names that both sides give to things.

Nothing enters or leaves; every other module imports these so that an account can't be passed for a device.
"""

from typing import NewType

AccountId = NewType("AccountId", bytes)
"""BLAKE2b-256 of an account's Ed25519 identity key, 32 bytes (spec 55 §1)."""

DeviceId = NewType("DeviceId", int)
"""A device's number within its account, 1 to 2^32-1, never reused (spec 55 §2)."""

Address = NewType("Address", str)
"""What people type, ``officer@gad.example``: names an account, at most 254 characters (spec 55 §1)."""

MessageId = NewType("MessageId", bytes)
"""16 random bytes that name a message between devices; the relay never sees it (spec 60 §5)."""

KeyId = NewType("KeyId", int)
"""The number of a relay key, u32, in the preface (spec 20 §1)."""

UnitId = NewType("UnitId", int)
"""The number of a unit of an organisation, u32, never reused; 0 is the platform itself (spec 70 §1)."""
