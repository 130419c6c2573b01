"""The store room: many rows by few statements.

Rows enter and are in the database. The rule of this file: 64, 16, 4 or 1 rows a statement, so that the interpreter's
lock is given back once for many rows and the number of different statements stays small (performance.md).
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

_SIZES: Final = (64, 16, 4, 1)


class Insertion:
    """How rows of one table are put in; with ``replace``, a row of the same key is overwritten."""

    __slots__ = ("_statements",)

    def __init__(self, table: str, columns: Sequence[str], *, replace: bool = False) -> None:
        """Take names from our own code only: they become SQL."""
        verb = "INSERT OR REPLACE" if replace else "INSERT"
        row = f"({','.join('?' * len(columns))})"
        head = f"{verb} INTO {table} ({','.join(columns)}) VALUES "
        self._statements = tuple((size, head + ",".join([row] * size)) for size in _SIZES)

    def run(self, db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Put the rows in, in their order."""
        at, count = 0, len(rows)
        for size, statement in self._statements:
            while count - at >= size:
                db.execute(statement, list(chain.from_iterable(rows[at : at + size])))
                at += size


ID_SHIFT: Final = 20
"""An envelope's id is the relay time of its commit, ms, above so many bits that count: the order of commits, and an
age that costs no column."""
ENVELOPES: Final = Insertion(
    "envelope", ("id", "lane", "sequence", "expires_ms", "class", "octets", "body", "fan", "sealed")
)  # fmt: skip
BODIES: Final = Insertion("body", ("id", "refs", "sealed"))
FANS: Final = Insertion("fan", ("id", "remaining", "told"), replace=True)
REFUSALS: Final = Insertion("refusal", ("device", "submission", "codes"))
LEDGERS: Final = Insertion("ledger", ("device", "generation", "epoch", "floor"), replace=True)
MAILBOXES: Final = Insertion(
    "mailbox",
    (
        "id", "epoch", "floor_normal", "next_normal", "floor_urgent", "next_urgent", "floor_outcome", "next_outcome",
        "messages", "octets", "receipts", "outcomes", "over", "refused",
    ),
    replace=True,
)  # fmt: skip
PREKEYS: Final = Insertion("prekey", ("device", "kind", "number", "key", "signature"))
