"""What policies cost a relay with many organisations: ``python bench/policy.py``.

A database of 100,000 accounts in 500 organisations is filled; then the check that every message pays is timed on the
commit's own objects, in processor time, for accounts that commits have at hand and for some that have to be read; then
a real relay starts on that database. JSON lines go to standard output.
"""

import argparse
import contextlib
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import machine
from plant import insert
from relay import Relay

from relayd.domain import permits
from relayd.store.commit import Commit
from relayd.store.contacts import Contacts, Passes
from relayd.store.database import connect
from relayd.store.marks import Marks
from relayd.store.residents import KEPT_MAX, Residents
from relayproto import policy
from relayproto.standing import Action, Permission, Standing

UNITS_EACH = 8
OFFICERS, CITIZENS = 0.6, 0.3
"""Of the accounts; the rest are applications and offices."""
ROUNDS = 5
PAIRS = 50_000
COLD = 10_000
STARTS = 3


def fill(db: sqlite3.Connection, accounts: int, organisations: int) -> None:
    """Put accounts, units and policies in; every organisation has a table of its own, and so has one of its units."""
    chance = random.Random(1)
    units: list[int] = []
    for organisation in range(1, organisations + 1):
        root = (organisation - 1) * UNITS_EACH + 1
        for unit in range(root, root + UNITS_EACH):
            table = bytearray(policy.TABLE_BYTES)
            table[chance.randrange(policy.TABLE_BYTES)] = Permission.DENY
            db.execute(
                "INSERT INTO unit (id, under, organisation, name, state, policy) VALUES (?, ?, ?, ?, 1, ?)",
                (unit, 0 if unit == root else root + (unit - root) // 2, root, f"unit {unit}",
                 bytes(table) if unit < root + 2 else None),
            )  # fmt: skip
            units.append(unit)
        db.execute("INSERT INTO domain (name, unit) VALUES (?, ?)", (f"o{organisation}.example", root))
        db.execute(
            "INSERT INTO organisation (unit, root_key, form_hash, since_ms) VALUES (?, ?, ?, 0)",
            (root, chance.randbytes(32), chance.randbytes(32)),
        )
    for row in range(1, accounts + 1):
        kind = row / accounts
        standing = Standing.PUBLIC if kind < OFFICERS + CITIZENS else Standing.OFFICE
        standing = Standing.VERIFIED if kind < OFFICERS else standing
        unit = 0 if standing is Standing.PUBLIC else chance.choice(units)
        insert(
            db, row, account(row), address=f"a{row}@o{unit}.example", dh_key=chance.randbytes(32), unit=unit,
            standing=standing,
        )  # fmt: skip
    db.commit()


def account(row: int) -> bytes:
    """Return the id of the account of a row."""
    return row.to_bytes(8) * 4


def checks(commit: Commit, pairs: list[tuple[int, int]]) -> float:
    """Return the microseconds that a message's check takes: both parties at hand, tables, pass."""
    found = [(commit.party(account(one)), commit.party(account(other))) for one, other in pairs]
    text, contacts, now_ms = int(Action.TEXT), commit.tools.contacts, commit.now_ms
    begun = time.thread_time()
    for who, whom in found:
        permits.freely(who.side, whom.side, text)  # type: ignore[union-attr]
        commit.is_there(whom, who, permitted=True)  # type: ignore[arg-type]
        contacts.pass_for(whom, who, now_ms)  # type: ignore[arg-type]
    return (time.thread_time() - begun) / len(pairs) * 1e6


def empty(pairs: list[tuple[int, int]]) -> float:
    """Return what the loop itself takes, microseconds a turn."""
    begun = time.thread_time()
    for _one, _other in pairs:
        pass
    return (time.thread_time() - begun) / len(pairs) * 1e6


def reads(commit: Commit, rows: list[int]) -> float:
    """Return the microseconds that reading an account takes that no commit has at hand, its side included."""
    begun = time.thread_time()
    for row in rows:
        commit.party(account(row))
    return (time.thread_time() - begun) / len(rows) * 1e6


@contextlib.contextmanager
def a_commit(state: Path) -> Iterator[Commit]:
    """Yield a commit over the database, with what a check uses."""
    key = bytes(32)
    tools = SimpleNamespace(residents=Residents(), marks=Marks(key), contacts=Contacts(Passes(key), key))
    with contextlib.closing(connect(state / "relay.db", autocheckpoint_pages=1_000)) as db:
        yield Commit(db, tools, time.time_ns() // 1_000_000, disk_tight=False)  # type: ignore[arg-type]


def measured(relay: Relay, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the results."""
    chance = random.Random(2)
    officers = range(1, int(options.accounts * OFFICERS))[: KEPT_MAX // 4]
    citizens = range(int(options.accounts * OFFICERS) + 1, int(options.accounts * (OFFICERS + CITIZENS)))
    with a_commit(relay.state) as commit:
        for what, whom in (("officer to officer", officers), ("officer to citizen, a pass made", citizens)):
            pairs = [(chance.choice(officers), chance.choice(whom[: len(officers)])) for _ in range(PAIRS)]
            loop = min(empty(pairs) for _ in range(ROUNDS))
            took = sorted(checks(commit, pairs) - loop for _ in range(ROUNDS))
            yield {"case": "policy", "what": what, "us": round(took[ROUNDS // 2], 2), "worst_us": round(took[-1], 2)}
    with a_commit(relay.state) as commit:
        cold = chance.sample(range(1, options.accounts + 1), min(COLD, options.accounts))
        yield {"case": "policy", "what": "an account that was not at hand, read", "us": round(reads(commit, cold), 1)}
    starts = []
    for _ in range(STARTS):
        starts.append(relay.start())
        relay.stop()
    yield {"case": "start", "what": "to /readyz", "seconds": round(sorted(starts)[STARTS // 2], 2)}


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description="Measure what policies cost a relay with many organisations.")
    parser.add_argument("--accounts", type=int, default=100_000, help="accounts (100000)")
    parser.add_argument("--organisations", type=int, default=500, help="organisations (500)")
    parser.add_argument("--directory", type=Path, help="where the relay's state is made (default: the system's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relayd-bench-", dir=options.directory) as directory:
        sizes = {"accounts": options.accounts, "organisations": options.organisations}
        print(json.dumps({"case": "machine", **machine.describe(Path(directory)), **sizes}), flush=True)
        relay = Relay(Path(directory) / "state", min(os.sched_getaffinity(0)))
        relay.start()
        relay.stop()
        with contextlib.closing(connect(relay.state / "relay.db", autocheckpoint_pages=1_000)) as db:
            db.execute("BEGIN")
            fill(db, options.accounts, options.organisations)
        for result in measured(relay, options):
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    sys.exit(main())
