"""The store room: the keys under which rows are sealed, one for each day on which something expires.

A day's number enters, its cipher leaves. The rules of this file: a key is in the file, synced, before it is used;
each lies there wrapped by the master key; and when its day is over and its rows are gone it is deleted, which makes
what backups and free pages still hold of them unreadable (cryptography.md §7).
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from relayd import keyring
from relayd.domain.refusals import Fatal
from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import octets, sequence, uint
from relayproto.packed import pack, unpack
from relayproto.primitives import KEY_BYTES, Aead, Entropy
from relayproto.value import Packable

FILE_NAME: Final = keyring.DAY_KEYS
_VERSION: Final = b"\x01"
_LABEL: Final = b"relayd/day-key/1"
_NONCE_BYTES: Final = 12
_DAYS_MAX: Final = 4096
_DAY_MAX: Final = 1 << 32
_UNREADABLE: Final = (
    "the day keys can't be read: another master key, or a damaged file; put back day-keys, the database and "
    "keys/master.key that belong together"
)


class _Entry(Packable, frozen=True):
    """A day, and its key as the master key wraps it."""

    day: Annotated[int, uint(_DAY_MAX)]
    nonce: Annotated[bytes, octets(_NONCE_BYTES)]
    wrapped: Annotated[bytes, octets(KEY_BYTES + 16)]


_Entries = Annotated[tuple[_Entry, ...], sequence(_DAYS_MAX)]


class KeyGone(Exception):  # noqa: N818 - the key is gone, and with it what it sealed
    """The key of this day was deleted or never was."""


def days_in(kept: bytes) -> frozenset[int]:
    """Return the days that a key file has keys of, which is no secret; Fatal where it is none."""
    return frozenset(entry.day for entry in _entries(kept))


def _entries(kept: bytes) -> tuple[_Entry, ...]:
    if kept[:1] != _VERSION:
        raise Fatal("the file day-keys was made by a newer relay, or is damaged")
    try:
        return unpack(kept[1:], _Entries)
    except Malformed:
        raise Fatal(_UNREADABLE) from None


def _associated(day: int) -> bytes:
    return _LABEL + day.to_bytes(8)


class DayKeys:
    """Day -> cipher. Only the writer's thread makes and deletes keys; any thread may ask for one that is there."""

    __slots__ = ("_ciphers", "_entropy", "_master", "_path", "_wrapped")

    def __init__(self, directory: Path, master_key: bytes, entropy: Entropy) -> None:
        """Read the key file, if there is one; Fatal where the master key does not open it."""
        self._path = directory / FILE_NAME
        self._master = Aead(master_key)
        self._entropy = entropy
        self._wrapped: dict[int, tuple[bytes, bytes]] = {}
        self._ciphers: dict[int, Aead] = {}
        if self._path.exists():
            self._load()

    def _load(self) -> None:
        try:
            for entry in _entries(self._path.read_bytes()):
                key = self._master.open(entry.nonce, entry.wrapped, _associated(entry.day))
                self._ciphers[entry.day] = Aead(key)
                self._wrapped[entry.day] = (entry.nonce, entry.wrapped)
        except CryptoFailure:
            raise Fatal(_UNREADABLE) from None

    @property
    def days(self) -> frozenset[int]:
        """The days that have a key."""
        return frozenset(self._ciphers)

    def cipher(self, day: int) -> Aead:
        """Return a day's cipher, or raise KeyGone."""
        try:
            return self._ciphers[day]
        except KeyError:
            raise KeyGone from None

    def cipher_for_sealing(self, day: int) -> Aead:
        """Return a day's cipher, made and written down now if this is its first use; OSError where that fails."""
        cipher = self._ciphers.get(day)
        if cipher is None:
            key, nonce = self._entropy(KEY_BYTES), self._entropy(_NONCE_BYTES)
            wrapped = dict(self._wrapped)
            wrapped[day] = (nonce, self._master.seal(nonce, key, _associated(day)))
            self._write(wrapped)
            cipher = self._ciphers[day] = Aead(key)
        return cipher

    def forget(self, days: Iterable[int]) -> None:
        """Delete the keys of these days; nothing that they sealed can be opened again."""
        gone = self._wrapped.keys() & set(days)
        if not gone:
            return
        self._write({day: kept for day, kept in self._wrapped.items() if day not in gone})
        for day in gone:
            del self._ciphers[day]

    def _write(self, wrapped: dict[int, tuple[bytes, bytes]]) -> None:
        """Replace the file as a whole: a crash leaves the old one or the new one."""
        new = self._path.with_name(FILE_NAME + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_VERSION + pack(*((day, *kept) for day, kept in sorted(wrapped.items()))))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self._wrapped = wrapped
