"""The store room: a database that is an older copy of itself (spec 50 §10).

A database and the mark beside it enter; new epochs leave. The rules of this file: the mark is never ahead of what was
committed, so a database behind it was restored; after a restore no number of before means anything any more, and no
one-time prekey is handed out twice.
"""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Final

from relayproto.codes import PrekeyKind
from relayproto.primitives import Entropy

FILE_NAME: Final = "high-water"
UNFINISHED: Final = "restore-unfinished"
"""The folder in the state directory in which a restore puts together what it then puts in place."""
EVERY_MS: Final = 10_000
"""How often the mark is moved: a copy that is younger than this, and was not closed in order, is not told apart."""
EPOCH_BYTES: Final = 7
"""56 random bits: an epoch is never met twice, and fits the wire's 63."""
_DIGITS_MAX: Final = 20


def new_epoch(entropy: Entropy) -> int:
    """Return an epoch that was never there before."""
    return int.from_bytes(entropy(EPOCH_BYTES)) or 1


class Mark:
    """The file beside the database that says how far the database has been, in relay time."""

    __slots__ = ("_path", "_said_ms")

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._said_ms = 0

    def read(self) -> int:
        """Return what it says, 0 where there is none or nobody can read it."""
        try:
            digits = self._path.read_bytes()[: _DIGITS_MAX + 1]
        except FileNotFoundError:
            return 0
        return int(digits) if digits.isdigit() and len(digits) <= _DIGITS_MAX else 0

    def follow(self, db: sqlite3.Connection, *, at_once: bool = False) -> None:
        """Move the mark to what the last commit left, if it is time.

        A full disk is no reason to fail; OSError where the disk itself does. It must be called before anything is
        changed in a transaction, or outside of one.
        """
        (high_water_ms,) = db.execute("SELECT high_water_ms FROM relay_time").fetchone()
        if high_water_ms < self._said_ms + (1 if at_once else EVERY_MS):
            return
        try:
            self._write(high_water_ms)
        except OSError as error:
            if error.errno == errno.EIO:
                raise
        else:
            self._said_ms = high_water_ms

    def _write(self, high_water_ms: int) -> None:
        new = self._path.with_name(FILE_NAME + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(str(high_water_ms).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def renew_if_restored(db: sqlite3.Connection, mark: Mark, entropy: Entropy) -> bool:
    """Renew the database where it is behind the mark, and say whether it was."""
    said_ms = mark.read()
    (high_water_ms,) = db.execute("SELECT high_water_ms FROM relay_time").fetchone()
    if high_water_ms >= said_ms:
        return False
    renew(db, entropy, said_ms)
    return True


def renew(db: sqlite3.Connection, entropy: Entropy, now_ms: int) -> int:
    """Give every mailbox and every ledger a new epoch in one transaction; return how many devices there are.

    What senders hold without an outcome they submit again, under new numbers: outcomes of old ones would be taken for
    those. One-time prekeys may have been handed out after the copy was made; devices deposit others.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        rows = [row for (row,) in db.execute("SELECT id FROM mailbox").fetchall()]
        for row in rows:
            db.execute("UPDATE mailbox SET epoch = ?, outcomes = 0 WHERE id = ?", (new_epoch(entropy), row))
            db.execute("UPDATE ledger SET epoch = ?, floor = 0 WHERE device = ?", (new_epoch(entropy), row))
        for statement in (
            "DELETE FROM refusal",
            "DELETE FROM envelope WHERE class = 0",
            "UPDATE envelope SET fan = NULL WHERE fan IS NOT NULL",
            "DELETE FROM fan",
            "DELETE FROM attempt",
        ):
            db.execute(statement)
        db.execute("DELETE FROM prekey WHERE kind IN (?, ?)", (PrekeyKind.ONE_TIME, PrekeyKind.KEM_ONE_TIME))
        db.execute("UPDATE relay_time SET high_water_ms = max(high_water_ms, ?)", (now_ms,))
        db.execute("COMMIT")
    except BaseException:
        # After a failing disk SQLite has rolled back itself, and the failure is what has to be told.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return len(rows)
