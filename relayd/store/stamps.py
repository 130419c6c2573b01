"""The store room: origin stamps at intake (cryptography.md §6).

The submissions of a commit enter, their stamps leave. The rules of this file: an hour's key is in memory for its
hour only; it is sealed to the moderators in the first commit that uses it; without moderators nobody ever has it.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from relayd.store.vault import Nonces
from relayproto.audit import sign_checkpoint
from relayproto.organisation import sign_record
from relayproto.primitives import KEY_BYTES, Aead, Entropy, SigningKey
from relayproto.stamp import Author, key_id_at, seal_author, seal_hour_key, stamp_all

TREE_MAX: Final = 64
"""Messages under one signature. Twice as many take as long and make each stamp 32 bytes longer, on disk and on the way;
half as many take longer."""
_DAY_MS: Final = 86_400_000


class Tracing(NamedTuple):
    """How stamps are made.

    The relay's number, its Ed25519 seed, the X25519 keys of its two moderators or none, and for how many days they can
    open.
    """

    relay_id: int
    stamp_seed: bytes
    moderators: tuple[bytes, ...]
    retention_days: int

    def __repr__(self) -> str:
        """Hide the seed."""
        return f"Tracing(relay_id={self.relay_id}, retention_days={self.retention_days})"


class Stamper:
    """Makes stamps; for the writer's thread only."""

    __slots__ = ("_entropy", "_hour_key", "_key_id", "_nonces", "_stamp_key", "_tracing")

    def __init__(self, tracing: Tracing, nonces: Nonces, entropy: Entropy) -> None:
        self._tracing = tracing
        self._stamp_key = SigningKey(tracing.stamp_seed)
        self._nonces = nonces
        self._entropy = entropy
        self.forget()

    def forget(self) -> None:
        """Give up the hour's key: its hour is over, or the commit that sealed it to the moderators failed."""
        self._key_id = b""
        self._hour_key: Aead | None = None

    def end_hour(self, now_ms: int) -> None:
        """Give up the hour's key if its hour is over, though nothing was stamped since."""
        if self._key_id != key_id_at(self._tracing.relay_id, now_ms):
            self.forget()

    def sign_checkpoint(self, relay: bytes, records: int, head: bytes, at_ms: int) -> bytes:
        """Return the relay's signature over how far its audit log has come (spec 80 §3)."""
        return sign_checkpoint(self._tracing.stamp_seed, relay, records, head, at_ms)

    def sign_record(self, octets: bytes) -> bytes:
        """Return the relay's signature over an organisation's public record (spec 85 §1)."""
        return sign_record(self._tracing.stamp_seed, octets)

    def _hour(self, db: sqlite3.Connection, now_ms: int) -> Aead:
        key_id = key_id_at(self._tracing.relay_id, now_ms)
        if self._hour_key is not None and key_id == self._key_id:
            return self._hour_key
        key = self._entropy(KEY_BYTES)
        if self._tracing.moderators:
            db.execute(
                "INSERT INTO hour_key (key_id, expires_ms, sealed) VALUES (?, ?, ?)",
                (
                    key_id,
                    now_ms + self._tracing.retention_days * _DAY_MS,
                    seal_hour_key(key, *self._tracing.moderators),
                ),
            )
        self._key_id, self._hour_key = key_id, Aead(key)
        return self._hour_key

    def stamp(self, db: sqlite3.Connection, now_ms: int, authored: Sequence[tuple[Author, bytes]]) -> list[bytes]:
        """Return a stamp for each author and commitment of a commit; their times are ``now_ms``."""
        if not authored:
            return []
        hour_key = self._hour(db, now_ms)
        key_id, next_nonce = self._key_id, self._nonces.next
        sealed = [
            (seal_author(hour_key, key_id, next_nonce(), commitment, author), commitment)
            for author, commitment in authored
        ]
        stamps: list[bytes] = []
        for at in range(0, len(sealed), TREE_MAX):
            stamps += stamp_all(sealed[at : at + TREE_MAX], self._stamp_key)
        return stamps
