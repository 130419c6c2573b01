"""The command line's room: after a copy of the database was put back by hand (spec 50 §10).

A database that nobody serves enters and has new epochs. The rule of this file: it is for copies that the relay can't
tell by itself; doing it once too often costs duplicates, which devices recognise, and loses nothing.
"""

import sqlite3
from pathlib import Path

from relayd.config import StoreSection
from relayd.domain.refusals import Fatal
from relayd.entropy import system_entropy
from relayd.exits import Exit, Expected
from relayd.store import database, restored


class CannotRenew(Expected):
    """Nothing was changed; the text says why, in one line."""

    status = Exit.CANNOT_CREATE


def renew(path: Path) -> int:
    """Give all mailboxes and ledgers of a database new epochs and return how many devices there are."""
    if not path.is_file():
        raise CannotRenew(f"{path}: there is no database; put the copy there first")
    try:
        db = database.connect(path, autocheckpoint_pages=StoreSection().wal_autocheckpoint_pages)
        try:
            return restored.renew(db, system_entropy, restored.Mark(path.parent).read())
        finally:
            db.close()
    except (Fatal, sqlite3.Error) as error:
        raise CannotRenew(f"{path}: {error}") from None
