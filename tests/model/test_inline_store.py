"""What the store's model rests on: a crash leaves the files as they are, with a log to recover."""

import sqlite3
from functools import partial

from relayd.domain.mailbox import Quota
from relayd.store import accounts
from support.clocks import HandClock
from support.inline_store import InlineStore

QUOTA = Quota(messages=20, octets=1 << 16, reopen_percent=80)


def tickets(db: sqlite3.Connection) -> int:
    return db.execute("SELECT count(*) FROM ticket").fetchone()[0]


def ticket(store: InlineStore, address: str) -> None:
    store.act(partial(accounts.create_ticket, address=address, expires_ms=1 << 50))


def test_a_crash_leaves_the_files_as_they_are_whatever_is_open(tmp_path) -> None:
    store = InlineStore(tmp_path, HandClock(), QUOTA)
    ticket(store, "alice@gad.example")
    store.db.execute("BEGIN IMMEDIATE")
    store.db.execute("DELETE FROM ticket")
    before = {file.name: file.read_bytes() for file in (store.path, store.log)}

    store.lose()

    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert before[store.log.name], "everything is in the file already: nothing to recover"


def test_what_was_committed_before_a_crash_is_recovered_from_the_log(tmp_path) -> None:
    store = InlineStore(tmp_path, HandClock(), QUOTA)
    ticket(store, "alice@gad.example")
    store.close()
    store.open()
    in_the_file = store.path.read_bytes()
    ticket(store, "bob@gad.example")
    store.db.execute("BEGIN IMMEDIATE")
    store.db.execute("DELETE FROM ticket")

    store.crash()

    assert store.path.read_bytes() == in_the_file
    assert tickets(store.db) == 2
    store.close()
    assert not store.log.exists(), "in order, the log is moved into the file"
