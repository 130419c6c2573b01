"""The store room: names that people have chosen themselves, under a domain that nobody had proven (spec 89 §5).

A domain enters and addresses leave. The rules of this file: while one of them is there for others, no organisation
comes that has the domain or one that looks like it; and it never becomes one of that organisation's people.
"""

import sqlite3
from typing import Final

from relayd.domain import lookalikes
from relayproto.ids import Address

_UNDER: Final = "SELECT address FROM account WHERE chosen = ? AND NOT suspended ORDER BY address LIMIT ?"


def first(db: sqlite3.Connection, domain: str, maximum: int) -> list[Address]:
    """Return the first such addresses under what looks like a domain, of accounts that are not suspended."""
    return [Address(address) for (address,) in db.execute(_UNDER, (lookalikes.skeleton(domain), maximum))]


def may_go_on(db: sqlite3.Connection, row: int) -> bool:
    """Say whether an account that was suspended may be there again: nobody has proven the domain meanwhile."""
    (under,) = db.execute("SELECT chosen FROM account WHERE id = ?", (row,)).fetchone()
    return under is None or all(lookalikes.skeleton(name) != under for (name,) in db.execute("SELECT name FROM domain"))
