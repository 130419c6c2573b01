"""The store room: the keyed hashes by which blocks, contacts and codes lie on disk (cryptography.md §7).

Two accounts, a contact or its code enter and a mark leaves. The rule of this file: without the master key a mark says
nothing, and two marks of one person, blocked by two others, are not seen to be one person's.
"""

import sqlite3
from typing import Final

from relayproto.ids import AccountId
from relayproto.primitives import blake2b_256

_LABEL: Final = b"relayd/block/1"
_CONTACT_LABEL: Final = b"relayd/contact/1"


class Marks:
    """Makes marks; any thread may ask."""

    __slots__ = ("_contact_key", "_key")

    def __init__(self, master_key: bytes) -> None:
        self._key = blake2b_256(_LABEL, key=master_key)
        self._contact_key = blake2b_256(_CONTACT_LABEL, key=master_key)

    def of(self, owner: AccountId, other: AccountId) -> bytes:
        """Return what says, 32 bytes, that ``owner`` has blocked ``other``."""
        return blake2b_256(owner + other, key=self._key)

    def of_contact(self, contact: str) -> bytes:
        """Return what says, 32 bytes, that somebody has registered with a contact, in whichever of its spellings.

        What stands behind a plus in a mail address reaches the same person, so it makes no second one.
        """
        name, _, domain = contact.rpartition("@")
        return blake2b_256(f"{name.partition('+')[0]}@{domain}".encode(), key=self._contact_key)

    def of_code(self, contact: str, code: str) -> bytes:
        """Return what says, 32 bytes, which code was sent to just this contact."""
        return blake2b_256(f"{contact}\n{code}".encode(), key=self._contact_key)

    def blocked(self, db: sqlite3.Connection, row: int, owner: AccountId, other: AccountId) -> bool:
        """Say whether ``owner``, whose account is that row, has blocked ``other``."""
        mark = self.of(owner, other)
        return db.execute("SELECT 1 FROM block WHERE account = ? AND mark = ?", (row, mark)).fetchone() is not None
