"""People who are put into the database of a relay that does not run: 50,000 enrolments would take minutes.

A database enters and has accounts of one device each afterwards. They log in like everybody; nobody signed anything
for them, so nobody can fetch their keys.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from people import Person

from relayd.store.database import connect
from relayproto.ids import AccountId
from relayproto.primitives import x25519_public
from relayproto.standing import Standing

_CHECKPOINT_PAGES = 1_000


def insert(
    db: sqlite3.Connection, row: int, account: bytes, *, address: str, dh_key: bytes, unit: int = 0,
    standing: Standing = Standing.PUBLIC,
) -> None:  # fmt: skip
    """Put one account with its device, mailbox and ledger in, all under the number ``row``."""
    db.execute(
        "INSERT INTO account (id, account, address, look, list_version, highest_device, devices, signature, standing,"
        " unit) VALUES (?1, ?2, ?3, ?3, 1, 1, x'', x'', ?4, ?5)",
        (row, account, address, standing, unit),
    )
    db.execute(
        "INSERT INTO device (id, account, device, dh_key, sign_key) VALUES (?, ?, 1, ?, ?)",
        (row, row, dh_key, os.urandom(32)),
    )
    db.execute("INSERT INTO mailbox VALUES (?, 9, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0)", (row,))
    db.execute("INSERT INTO ledger VALUES (?, 0, 9, 0)", (row,))


def plant(state: Path, count: int) -> list[Person]:
    """Put so many people behind those who are there and return them."""
    people = []
    with contextlib.closing(connect(state / "relay.db", autocheckpoint_pages=_CHECKPOINT_PAGES)) as db:
        db.execute("BEGIN")
        [(last,)] = db.execute("SELECT coalesce(max(id), 0) FROM (SELECT id FROM account UNION SELECT id FROM device)")
        for row in range(last + 1, last + 1 + count):
            person = Person(AccountId(os.urandom(32)), b"", b"", os.urandom(32))
            insert(
                db, row, person.account, address=f"p{row}@office.example", dh_key=x25519_public(person.dh_private)
            )  # fmt: skip
            people.append(person)
        db.execute("COMMIT")
    return people
