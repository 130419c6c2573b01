"""The backups' room: bringing one back.

A shelf and the secret key enter; a state directory leaves that a relay can start from. The rules of this file: a
database that is there is never overwritten; the restored one appears at once, last of all, and with new epochs, so
that no number of before means anything; relay time goes on from the newest backup, so what expired stays expired.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from re import fullmatch
from typing import Final

from relayd import keyring, lifecycle
from relayd.backups import snapshot
from relayd.backups.making import CONFIG, Told
from relayd.backups.recipient import Opener
from relayd.backups.shelf import DAY_KEYS, Shelf
from relayd.backups.snapshot import Contents, Snapshot
from relayd.config import StoreSection
from relayd.domain.refusals import Fatal
from relayd.exits import CannotGoOn, Exit
from relayd.store import copies, database, daykeys, restored, whole
from relayd.store.restored import Mark
from relayproto import descriptor
from relayproto.errors import CryptoFailure
from relayproto.primitives import Entropy, blake2b_256

_ALLOWED: Final = rf"{keyring.ROOT_PUBLIC}|{CONFIG}|{keyring.KEYS}/descriptor-[0-9]{{1,10}}"
"""What a backup may put into a state directory beside the database and the day keys."""
_DATABASE: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and from which backup; ``root_fingerprint`` is whose relay it was."""

    name: str
    database: Path
    devices: int
    high_water_ms: int
    root_fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Looked:
    """What a check of one backup came to; ``opened`` is false where there was no key to open it with."""

    name: str
    chunks: int
    octets: int
    root_fingerprint: bytes
    opened: bool


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup, opened, with the day keys of the newest."""

    name: str
    snapshot: Snapshot
    contents: Contents
    day_keys: bytes
    high_water_ms: int


def check(shelf: Shelf, opener: Opener | None, told: Told) -> list[Looked]:
    """Check every backup of a shelf; CannotGoOn at the first that is not whole. Nothing is written anywhere."""
    looked: list[Looked] = []
    for name in _names(shelf):
        one = shelf.snapshot(name)
        found = snapshot.open_contents(one, opener, shelf.path / name) if opener else None
        octets = 0
        for position, chunk in enumerate(one.chunks):
            sealed = shelf.sealed(chunk)
            octets += len(sealed)
            if found is not None and opener is not None:
                _content(shelf, opener, sealed, found.hashes[position])
            told(f"checking {name}", position + 1, len(one.chunks))
        looked.append(Looked(name, len(one.chunks), octets, one.root_fingerprint, found is not None))
    keys = shelf.snapshot(DAY_KEYS)
    if opener is not None:
        _keys_of(snapshot.open_contents(keys, opener, shelf.path / DAY_KEYS), shelf)
    return looked


def _names(shelf: Shelf) -> list[str]:
    names = shelf.names()
    if not names:
        raise CannotGoOn(f"{shelf.path}: there are no backups here", Exit.NO_INPUT)
    return names


def _content(shelf: Shelf, opener: Opener, sealed: bytes, hash_: bytes) -> bytes:
    with contextlib.suppress(CryptoFailure):
        content = opener.open(sealed)
        if blake2b_256(content) == hash_:
            return content
    raise CannotGoOn(f"{shelf.path}: a chunk does not open; use another backup", Exit.NOT_WHOLE)


def _keys_of(contents: Contents, shelf: Shelf) -> bytes:
    kept = dict(contents.files).get(daykeys.FILE_NAME)
    if kept is None:
        raise CannotGoOn(f"{shelf.path / DAY_KEYS}: there are no day keys in it", Exit.NOT_WHOLE)
    return kept


def pick(shelf: Shelf, opener: Opener, name: str | None) -> Backup:
    """Open a backup, the newest where no name is given. CannotGoOn where it can't be."""
    chosen = name or _names(shelf)[-1]
    if chosen not in shelf.names():
        raise CannotGoOn(
            f"{shelf.path}: there is no backup {chosen}; there are {', '.join(shelf.names())}", Exit.NO_INPUT
        )
    one = shelf.snapshot(chosen)
    contents = snapshot.open_contents(one, opener, shelf.path / chosen)
    keys = shelf.snapshot(DAY_KEYS)
    newest = snapshot.open_contents(keys, opener, shelf.path / DAY_KEYS)
    if fullmatch(_DATABASE, contents.database) is None or any(
        fullmatch(_ALLOWED, path) is None for path, _ in contents.files
    ):
        raise CannotGoOn(f"{shelf.path / chosen}: it names files that no relay has", Exit.NOT_WHOLE)
    if keys.root_fingerprint != one.root_fingerprint:
        raise CannotGoOn(f"{shelf.path / DAY_KEYS}: these day keys are another relay's", Exit.NOT_WHOLE)
    high_water_ms = max(contents.high_water_ms, newest.high_water_ms)
    return Backup(chosen, one, contents, _keys_of(newest, shelf), high_water_ms)


def bring_back(shelf: Shelf, opener: Opener, backup: Backup, state: Path, entropy: Entropy, told: Told) -> Restored:
    """Put a backup into a state directory without a database. CannotGoOn, CannotStart where it can't be.

    Killed at any moment it leaves a directory without a database, in which it can be run again, or a restored one.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = lifecycle.claim(state)
        try:
            return _brought_back(shelf, opener, backup, state, entropy, told)
        finally:
            os.close(held)
    except (sqlite3.Error, Fatal) as error:
        raise CannotGoOn(f"{state}: {error}; nothing was restored", Exit.NOT_WHOLE) from None
    except OSError as error:
        raise CannotGoOn(
            f"{error.filename or state}: {error.strerror}; nothing was restored, run it again", Exit.CANNOT_CREATE
        ) from None


def _brought_back(shelf: Shelf, opener: Opener, backup: Backup, state: Path, entropy: Entropy, told: Told) -> Restored:
    place = state / backup.contents.database
    _refuse_what_is_there(place, state, backup)
    unfinished = state / restored.UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    copies.sync(state)
    made = unfinished / place.name
    _write_database(shelf, opener, backup, made, told)
    relay_time_ms = max(backup.high_water_ms, Mark(state).read())
    devices = _renewed(made, entropy, relay_time_ms)
    day_keys = _covering(made, state / daykeys.FILE_NAME, backup, relay_time_ms)
    if day_keys is not None:
        _put(unfinished, state / daykeys.FILE_NAME, day_keys)
    for path, octets in backup.contents.files:
        if not (state / path).exists():
            (state / path).parent.mkdir(mode=0o700, exist_ok=True)
            _put(unfinished, state / path, octets)
    for suffix in ("", "-wal", "-shm"):
        # Empty, as was seen above; an old log would be read into the new database.
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    copies.sync(state)
    made.rename(place)
    copies.sync(state)
    shutil.rmtree(unfinished, ignore_errors=True)
    return Restored(backup.name, place, devices, relay_time_ms, backup.snapshot.root_fingerprint)


def _refuse_what_is_there(place: Path, state: Path, backup: Backup) -> None:
    for path in (place, place.with_name(place.name + "-wal")):
        if path.exists() and path.stat().st_size:
            raise CannotGoOn(
                f"{path}: there is a database, and a restore overwrites none; "
                f"move {place.name}, {place.name}-wal and {place.name}-shm away first",
                Exit.CANNOT_CREATE,
            )
    root = state / keyring.ROOT_PUBLIC
    if root.exists() and descriptor.fingerprint(root.read_bytes()) != backup.snapshot.root_fingerprint:
        raise CannotGoOn(f"{root}: the backup is another relay's, or somebody made it up", Exit.CONFIG)


def _write_database(shelf: Shelf, opener: Opener, backup: Backup, made: Path, told: Told) -> None:
    total = len(backup.snapshot.chunks)
    descriptor_ = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor_, "wb") as file:
        for done, (chunk, hash_) in enumerate(zip(backup.snapshot.chunks, backup.contents.hashes, strict=True), 1):
            file.write(_content(shelf, opener, shelf.sealed(chunk), hash_))
            told("restoring", done, total)
        file.flush()
        os.fsync(file.fileno())


def _renewed(made: Path, entropy: Entropy, relay_time_ms: int) -> int:
    """Look the database through, give it new epochs, and leave it as one file; return how many devices there are."""
    with whole.one_moment(made) as db:
        found = whole.pages(db)
    if found.wrong:
        raise CannotGoOn(f"{made.name}: {found.first}; use another backup", Exit.NOT_WHOLE)
    db = database.connect(made, autocheckpoint_pages=StoreSection().wal_autocheckpoint_pages)
    try:
        devices = restored.renew(db, entropy, relay_time_ms)
        database.checkpoint(db)
    finally:
        db.close()
    copies.sync(made)
    return devices


def _covering(made: Path, kept: Path, backup: Backup, now_ms: int) -> bytes | None:
    """Return the day keys to put in place, None where those that are there go on; CannotGoOn where none will do.

    Those beside a lost database are newer than any backup's, so keys that were deleted stay deleted.
    """
    with whole.one_moment(made) as db:
        for octets in _candidates(kept, backup):
            with contextlib.suppress(Fatal):
                days = daykeys.days_in(octets) if octets else frozenset[int]()
                if not whole.keys(db, days, now_ms).wrong:
                    return octets if octets and octets is backup.day_keys else None
    raise CannotGoOn(
        f"{kept}: neither these day keys nor the backup's fit; put the shelf back together as it was", Exit.NOT_WHOLE
    )


def _candidates(kept: Path, backup: Backup) -> Iterator[bytes]:
    if kept.exists():
        yield kept.read_bytes()
    yield backup.day_keys


def _put(unfinished: Path, path: Path, octets: bytes) -> None:
    """Write a file whole, synced, in its place."""
    new = unfinished / path.name
    descriptor_ = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor_, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    copies.sync(path.parent)
