"""The store room: opening a store's directory.

A directory and its secrets enter; the two threads and what commits need leave. The rule of this file: nothing is
opened that cannot be read - a missing day key is said at the start, not when the first device asks for its envelopes.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from relayd.clock import Clock
from relayd.config import StoreSection
from relayd.domain.lifetimes import Lifetimes, day, longest_s
from relayd.domain.mailbox import Quota
from relayd.domain.refusals import Fatal
from relayd.lifecycle import CannotStart
from relayd.store import figures, sound
from relayd.store.commit import Numbers, Tools
from relayd.store.contacts import Contacts, Passes
from relayd.store.counting import Counting
from relayd.store.database import Thread, connect, connect_reader, unmoved
from relayd.store.daykeys import DayKeys
from relayd.store.disk import Disk
from relayd.store.failures import Failure, classify, fatal
from relayd.store.marks import Marks
from relayd.store.residents import Residents
from relayd.store.restored import Mark, renew_if_restored
from relayd.store.stamps import Stamper, Tracing
from relayd.store.vault import Nonces, Vault
from relayd.store.waiting import Waiting
from relayproto.primitives import Entropy

_CONTACTS_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Opened:
    """An open store: its threads, and what is shared between them.

    ``reader`` is what messages wait for; ``desk`` answers officers and operators, whose questions may take longer.
    """

    path: Path
    writer: Thread
    reader: Thread
    desk: Thread
    keys: DayKeys
    tools: Tools
    high_water_ms: int
    queued: tuple[int, int, int]
    """Envelopes, bytes and outcomes that were found."""
    mark: Mark
    restored: bool
    """It was an older copy and has new epochs now."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator has set, as far as it concerns the store."""

    settings: StoreSection
    quota: Quota
    lifetimes: Lifetimes
    audit_days: int
    statistics_days: int
    root_key: bytes = b""


async def open_all(
    directory: Path, *, master_key: bytes, tracing: Tracing, rules: Rules, entropy: Entropy, clock: Clock, disk: Disk
) -> Opened:
    """Open what is in the directory, or begin it.

    Raises Fatal where it cannot be read or trusted, CannotStart where the disk is full and no ballast is left.
    """
    made = partial(_open, directory, master_key=master_key, tracing=tracing, rules=rules, entropy=entropy, clock=clock)
    try:
        return await made()
    except (sqlite3.Error, OSError) as error:
        if classify(error) is not Failure.DISK_FULL:
            raise
    disk.ran_full()
    try:
        return await made()
    except (sqlite3.Error, OSError) as error:
        if classify(error) is not Failure.DISK_FULL:
            raise
        raise CannotStart(f"{directory}: the disk is full; make room on it") from error


async def _open(
    directory: Path, *, master_key: bytes, tracing: Tracing, rules: Rules, entropy: Entropy, clock: Clock
) -> Opened:
    path, settings, now_ms = directory / rules.settings.file, rules.settings, clock.now_ms()
    sound.expect_file(path)
    mark = Mark(directory)
    with readable(path):
        keys = DayKeys(directory, master_key, entropy)

    def check(db: sqlite3.Connection) -> None:
        if settings.check_timeout_s:
            sound.check(db, path, settings.check_timeout_s, clock.monotonic)

    with readable(path):
        writer = await Thread.start(
            lambda: connect(path, autocheckpoint_pages=settings.wal_autocheckpoint_pages, check=check)
        )
    try:

        def begin(db: sqlite3.Connection) -> tuple[Tools, bool, int, tuple[int, int, int]]:
            restored = renew_if_restored(db, mark, entropy)
            (high_water_ms,) = db.execute("SELECT high_water_ms FROM relay_time").fetchone()
            check_keys(db, keys, max(now_ms, high_water_ms))
            tools = _tools(db, keys, tracing, rules, master_key, entropy)
            return tools, restored, high_water_ms, figures.queued(db)

        with readable(path):
            tools, restored, high_water_ms, queued = await writer.run(begin)
        reader = await Thread.start(lambda: connect_reader(path))
        try:
            desk = await Thread.start(lambda: connect_reader(path))
        except BaseException:
            await reader.close()
            raise
    except BaseException:
        with unmoved(path):
            await writer.close()
        raise
    return Opened(path, writer, reader, desk, keys, tools, high_water_ms, queued, mark, restored)


def _tools(
    db: sqlite3.Connection, keys: DayKeys, tracing: Tracing, rules: Rules, master_key: bytes, entropy: Entropy
) -> Tools:
    nonces = Nonces(entropy)
    return Tools(
        quota=rules.quota,
        residents=Residents(),
        vault=Vault(keys, nonces),
        stamper=Stamper(tracing, nonces, entropy),
        numbers=Numbers(db),
        entropy=entropy,
        longest_s=longest_s(rules.lifetimes),
        retention_days=tracing.retention_days,
        audit_days=rules.audit_days,
        statistics_days=rules.statistics_days,
        root_key=rules.root_key,
        marks=Marks(master_key),
        counting=Counting(),
        contacts=Contacts(Passes(master_key), entropy(_CONTACTS_KEY_BYTES)),
        waiting=Waiting(),
    )


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise Fatal, with the file's name and the next step, where it is damaged, no database, or of a newer relay."""
    try:
        yield
    except Fatal as error:
        raise error if str(path) in str(error) else Fatal(f"{path}: {error}") from None
    except (sqlite3.Error, OSError) as error:
        if classify(error) is Failure.FATAL:
            raise fatal(error, path) from error
        raise


def check_keys(db: sqlite3.Connection, keys: DayKeys, now_ms: int) -> None:
    """Return if every day with rows that have not expired has its key, else raise Fatal.

    One index look-up a day: rows live at most 30 days.
    """
    from_ms = now_ms + 1
    while True:
        (found,) = db.execute("SELECT min(expires_ms) FROM envelope WHERE expires_ms >= ?", (from_ms,)).fetchone()
        if found is None:
            return
        if day(found) not in keys.days:
            raise Fatal(
                "the file day-keys lacks the key of envelopes that are still queued; put back day-keys and the "
                "database of one and the same moment"
            )
        from_ms = (day(found) + 1) * 86_400_000
