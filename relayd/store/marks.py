"""The store room: the keyed hashes by which a block lies on disk (cryptography.md §7).

Two accounts enter and a mark leaves. The rule of this file: without the master key a mark says nothing, and two marks
of one person, blocked by two others, are not seen to be one person's.
"""

import sqlite3
from typing import Final

from relayproto.ids import AccountId
from relayproto.primitives import blake2b_256

_LABEL: Final = b"relayd/block/1"


class Marks:
    """Makes marks; any thread may ask."""

    __slots__ = ("_key",)

    def __init__(self, master_key: bytes) -> None:
        self._key = blake2b_256(_LABEL, key=master_key)

    def of(self, owner: AccountId, other: AccountId) -> bytes:
        """Return what says, 32 bytes, that ``owner`` has blocked ``other``."""
        return blake2b_256(owner + other, key=self._key)

    def blocked(self, db: sqlite3.Connection, row: int, owner: AccountId, other: AccountId) -> bool:
        """Say whether ``owner``, whose account is that row, has blocked ``other``."""
        mark = self.of(owner, other)
        return db.execute("SELECT 1 FROM block WHERE account = ? AND mark = ?", (row, mark)).fetchone() is not None
