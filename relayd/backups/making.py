"""The backups' room: making one, while the relay runs.

A state directory and a recipient's key enter; one backup more lies on the shelf. The rules of this file: what is kept
is one moment of the database, looked through before it counts; the day keys are read after that moment, so none that
is needed is missing, and replace those of the backups before; whoever makes it can't open it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from relayd import keyring
from relayd.backups import snapshot
from relayd.backups.recipient import Recipient
from relayd.backups.shelf import DAY_KEYS, Shelf, name_of
from relayd.backups.snapshot import CHUNK_BYTES, Chunk, Contents, Signer
from relayd.config import Config
from relayd.domain.refusals import Fatal
from relayd.exits import CannotGoOn, Exit
from relayd.keyring import Keyring
from relayd.store import copies, database, daykeys, disk, failures, figures, whole
from relayd.store.failures import Failure
from relayproto.primitives import blake2b_256

SCRATCH: Final = "backup-scratch"
"""The copy that a backup is made of, in the state directory; it is what relay.db is, and as secret."""
FINISHED: Final = "backup.json"
"""Says in the state directory when the last backup was finished; the relay's metrics read it."""
CONFIG: Final = "relayd.toml"
_NAMES: Final = b"relayd/backup/names/1"

_AS_BEFORE: Final = "nothing was kept, the earlier backups are as they were"
_STATUS: Final = {Failure.PASSING: Exit.LATER, Failure.DISK_FULL: Exit.CANNOT_CREATE}

Told = Callable[[str, int, int], None]
"""Is told what is being done, and how much of how much."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup came to: bytes of the database, and of what was written for it."""

    name: str
    octets: int
    chunks: int
    new_chunks: int
    new_octets: int
    kept: int
    finished_ms: int


@dataclass(frozen=True, slots=True)
class Job:
    """What a backup is made of and for whom; ``keep`` is how many are kept, this one included."""

    config: Config
    keys: Keyring
    recipient: Recipient
    keep: int
    now_ms: Callable[[], int]
    told: Told

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.config.state_directory

    @property
    def database(self) -> Path:
        """The database."""
        return self.state / self.config.store.file


def make(job: Job, to: Path) -> Made:
    """Make a backup in ``to``. CannotGoOn where it can't be made; the earlier ones are as they were then."""
    _check(job, to)
    try:
        with Shelf.to_write(to) as shelf:
            try:
                return _make(job, shelf)
            except OSError:
                # What was half written would only take the room that is lacking.
                with contextlib.suppress(OSError, CannotGoOn):
                    shelf.clean()
                raise
    except sqlite3.Error as error:
        raise CannotGoOn(
            f"{job.database}: {error}; {_AS_BEFORE}", _STATUS.get(failures.classify(error), Exit.NOT_WHOLE)
        ) from None
    except Fatal as error:
        raise CannotGoOn(f"{job.state}: {error}; {_AS_BEFORE}", Exit.NOT_WHOLE) from None
    except OSError as error:
        raise CannotGoOn(f"{error.filename or to}: {error.strerror}; {_AS_BEFORE}", Exit.CANNOT_CREATE) from None


def _check(job: Job, to: Path) -> None:
    if not job.database.is_file():
        raise CannotGoOn(f"{job.database}: there is no database yet; relayd serve makes it", Exit.NO_INPUT)
    if job.state.resolve() in (to.resolve(), *to.resolve().parents):
        raise CannotGoOn(f"{to}: in the state directory it would be lost with it; name another place", Exit.CONFIG)
    octets = job.database.stat().st_size
    if disk.fill_of(job.state).percent(octets) >= job.config.store.disk_refuse_percent:
        raise CannotGoOn(
            f"{job.state}: a backup needs {octets:,} bytes here for a while, and with them the relay would refuse "
            "submissions (store.disk_refuse_percent); make room",
            Exit.CANNOT_CREATE,
        )


def _make(job: Job, shelf: Shelf) -> Made:
    known = shelf.readable()
    sealing = _Sealing(job, shelf, {chunk.name: chunk for one in known.values() for chunk in one.chunks})
    scratch = job.state / SCRATCH
    try:
        copied = _copied(job, scratch)
        sealing.seal(scratch)
    finally:
        scratch.unlink(missing_ok=True)
    shelf.settle()
    for one in sealing.new:
        shelf.sealed(one)
    # Names have to go on where the clock went back.
    made_ms = max(job.now_ms(), *(one.made_ms + 1 for one in known.values()), 0)
    listed = _put(job, shelf, made_ms, copied, sealing)
    finished_ms = job.now_ms()
    _say_finished(job.state, finished_ms)
    _tidy(job, shelf, name_of(made_ms))
    return Made(
        name_of(made_ms), sealing.octets, len(sealing.chunks), len(sealing.new),
        listed + sum(each.octets for each in sealing.new), len(shelf.names()), finished_ms,
    )  # fmt: skip


def _put(job: Job, shelf: Shelf, made_ms: int, copied: "_Copied", sealing: "_Sealing") -> int:
    """Write the day keys and then, last of all, the backup's own file; return how many bytes that was."""
    signer = Signer(job.keys.stamp_seed, job.keys.newest, job.keys.root_fingerprint)
    name, version, high_water_ms = job.database.name, copied.version, copied.high_water_ms
    kept = Contents(name, version, high_water_ms, 0, (), ((daykeys.FILE_NAME, copied.day_keys),), ())
    keys = snapshot.encode(made_ms, (), snapshot.seal(kept, job.recipient), signer)
    contents = Contents(
        name, version, high_water_ms, sealing.octets, tuple(sealing.hashes), _files(job.state), copied.figures
    )
    backup = snapshot.encode(made_ms, tuple(sealing.chunks), snapshot.seal(contents, job.recipient), signer)
    shelf.put(DAY_KEYS, keys)
    shelf.put(name_of(made_ms), backup)
    return len(keys) + len(backup)


def _tidy(job: Job, shelf: Shelf, made: str) -> None:
    """Remove the backups beyond those that are kept, and chunks that no backup names."""
    shelf.drop(shelf.names()[: -job.keep])
    try:
        shelf.clean()
    except CannotGoOn as error:
        raise CannotGoOn(
            f"{made} was made and is good, but {error}. Move that file away, so that old chunks can go", Exit.NOT_WHOLE
        ) from None


@dataclass(frozen=True, slots=True)
class _Copied:
    """What goes with a copy of the database."""

    version: int
    high_water_ms: int
    day_keys: bytes
    figures: tuple[tuple[str, int], ...]


def _copied(job: Job, scratch: Path) -> _Copied:
    """Copy the database to ``scratch``, look it through, and return what goes with it.

    A day may end between the copy and the reading of its keys; then its key is gone and the copy is of another day.
    """
    day_keys = _copy(job, scratch)
    with whole.one_moment(scratch) as db:
        missing = whole.keys(db, _days(day_keys), whole.relay_time_ms(db)).wrong
    return _looked_through(job, scratch, _copy(job, scratch) if missing else day_keys)


def _copy(job: Job, scratch: Path) -> bytes:
    """Copy the database as it is now, and return the day keys as they are a moment later."""
    with whole.one_moment(job.database, alone=False) as db:
        copies.copy_pages(db, scratch, lambda done, total: job.told("copying", done, total))
    return _day_keys(job.state)


def _day_keys(state: Path) -> bytes:
    """Return the day keys as they lie there, wrapped; an empty file where nothing was sealed yet."""
    try:
        return (state / daykeys.FILE_NAME).read_bytes()
    except FileNotFoundError:
        return b""


def _days(day_keys: bytes) -> frozenset[int]:
    return daykeys.days_in(day_keys) if day_keys else frozenset()


def _looked_through(job: Job, scratch: Path, day_keys: bytes) -> _Copied:
    """Return what goes with a copy that is whole; CannotGoOn where it is not."""
    job.told("checking", 0, 1)
    with whole.one_moment(scratch) as db:
        version = database.version_of(db)
        if version != database.migrations()[-1][0]:
            raise CannotGoOn(
                f"{job.database}: its version is {version}, and this relayd is of another; start the relay first",
                Exit.CANNOT_CREATE,
            )
        high_water_ms = whole.relay_time_ms(db)
        for finding in (whole.pages(db), *whole.rules(db), whole.keys(db, _days(day_keys), high_water_ms)):
            if finding.wrong:
                raise CannotGoOn(
                    f"{job.database}: it is not whole ({finding.rule}: {finding.wrong} wrong, first {finding.first}); "
                    f"{_AS_BEFORE}; relayd verify says more",
                    Exit.NOT_WHOLE,
                )
        envelopes, octets, outcomes = figures.queued(db)
    counted = (("envelopes", envelopes), ("bytes", octets), ("outcomes", outcomes))
    return _Copied(version, high_water_ms, day_keys, counted)


class _Sealing:
    """Seals a copy chunk by chunk, and none that is kept already."""

    __slots__ = ("_job", "_key", "_known", "_shelf", "chunks", "hashes", "new", "octets")

    def __init__(self, job: Job, shelf: Shelf, known: dict[bytes, Chunk]) -> None:
        """Take the chunks of every backup that there is; one that none names may be half of one.

        A chunk is named by a keyed hash: without the master key nobody can tell by a name what is in it. The recipient
        is part of it, so that another one gets all of it sealed again.
        """
        self._job = job
        self._shelf = shelf
        self._known = known
        self._key = blake2b_256(_NAMES + job.recipient.public, key=job.keys.master_key)
        self.chunks: list[Chunk] = []
        self.hashes: list[bytes] = []
        self.new: list[Chunk] = []
        self.octets = 0

    def seal(self, path: Path) -> None:
        """Keep all of a file."""
        total = path.stat().st_size
        with path.open("rb") as file:
            while content := file.read(CHUNK_BYTES):
                self.hashes.append(blake2b_256(content))
                self.chunks.append(self._kept(content))
                self.octets += len(content)
                self._job.told("sealing", self.octets, total)

    def _kept(self, content: bytes) -> Chunk:
        name = blake2b_256(content, key=self._key)
        found = self._known.get(name)
        if found is None or not self._shelf.has(found):
            found = self._known[name] = self._shelf.put_chunk(name, self._job.recipient.seal(content))
            self.new.append(found)
        return found


def _files(state: Path) -> tuple[tuple[str, bytes], ...]:
    """Return the files that are no secret and that a restored relay needs."""
    paths = [state / keyring.ROOT_PUBLIC, state / CONFIG, *sorted((state / keyring.KEYS).glob("descriptor-*"))]
    return tuple((path.relative_to(state).as_posix(), path.read_bytes()) for path in paths if path.is_file())


def _say_finished(state: Path, finished_ms: int) -> None:
    new = state / (FINISHED + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode({"finished_ms": finished_ms}))
    new.replace(state / FINISHED)
