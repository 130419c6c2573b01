"""The store room: what is attested of accounts, as it lies, and what ends with it (spec 85 §4).

Accounts enter, proofs leave; what is over or taken back goes. The rules of this file: of several the one that ends last
is shown; with the last one go the standing, the roles and the offices, in the same commit.
"""

import sqlite3
from typing import Final

from relayd.store import revocations
from relayd.store.commit import Commit
from relayproto.standing import PLATFORM, Standing

ENDED_MAX: Final = 4_000
"""Attestations that one pass of the sweep ends, some 50 ms: a hundred thousand of one day are over within a minute."""
_PROOF: Final = (
    "SELECT proof FROM attestation WHERE account = ? AND expires_ms > ? ORDER BY expires_ms DESC, id DESC LIMIT 1"
)


def proof(db: sqlite3.Connection, row: int, now_ms: int) -> bytes:
    """Return what is attested of an account at this moment, empty for nothing."""
    found: tuple[bytes] | None = db.execute(_PROOF, (row, now_ms)).fetchone()
    return b"" if found is None else found[0]


def serials(commit: Commit, row: int) -> list[tuple[bytes, int]]:
    """Return the serials and ends of all that is attested of an account."""
    return commit.db.execute(
        "SELECT serial, expires_ms FROM attestation WHERE account = ? AND expires_ms > ?", (row, commit.now_ms)
    ).fetchall()


def take_back(commit: Commit, row: int) -> None:
    """Take back all that is attested of an account; what else it is and holds is for the caller."""
    revocations.add(commit, serials(commit, row))
    commit.db.execute("DELETE FROM attestation WHERE account = ?", (row,))


def end_under(commit: Commit, warrant: bytes) -> None:
    """End all that was attested under a warrant."""
    _end(commit, "SELECT id, account FROM attestation WHERE warrant = ?", (warrant,))


def end_expired(commit: Commit) -> None:
    """End what is over, at most ENDED_MAX."""
    _end(
        commit,
        "SELECT id, account FROM attestation WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?",
        (commit.now_ms, ENDED_MAX),
    )


def _end(commit: Commit, which: str, arguments: tuple[object, ...]) -> None:
    ending = commit.db.execute(which, arguments).fetchall()
    for number, _ in ending:
        commit.db.execute("DELETE FROM attestation WHERE id = ?", (number,))
    left = {account for _, account in ending}
    for account in left:
        if not serials(commit, account):
            fall(commit, account)


def fall(commit: Commit, row: int) -> None:
    """Let an account of which nothing is attested any more be what it was before, without roles and offices."""
    db = commit.db
    (account,) = db.execute("SELECT account FROM account WHERE id = ?", (row,)).fetchone()
    db.execute(
        "UPDATE account SET standing = ? WHERE id = ? AND standing = ?", (Standing.INVITED, row, Standing.VERIFIED)
    )
    db.execute("DELETE FROM held_role WHERE account = ? AND unit <> ?", (row, PLATFORM))
    db.execute("DELETE FROM holder WHERE account = ?", (row,))
    commit.tools.residents.forget_account(account)
