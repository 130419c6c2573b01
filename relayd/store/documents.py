"""The store room: documents of units as they were signed (spec 75).

A signed version enters and is in force, or a question enters and a version leaves. The rules of this file: a version
counts once everything about it was checked, and at once for everybody; every version that was in force is kept, the
newest is.
"""

import sqlite3
from typing import Final

from relayd.domain import bounds
from relayd.domain.acting import Actor, Denied, Effect
from relayd.store import authority, organisations, policies, units
from relayd.store.authority import Sight
from relayd.store.commit import Commit
from relayproto import document, rootkeys, schema
from relayproto.administration import GetDocument, PutDocument
from relayproto.administration_replies import Document
from relayproto.codes import Code
from relayproto.errors import CryptoFailure, Malformed
from relayproto.ids import UnitId
from relayproto.primitives import blake2b_256
from relayproto.standing import PLATFORM

_NEWEST: Final = "SELECT version, document, signature FROM document WHERE unit = ? ORDER BY version DESC LIMIT 1"
_Compiled = tuple[bytes | None, bytes | None, bytes | None]
"""Permissions, bounds and visibilities, as the store has them."""
_THAT: Final = "SELECT version, document, signature FROM document WHERE unit = ? AND version = ?"


_UNITS: Final = (
    "SELECT 0, policy, bounds, visibility FROM platform UNION ALL SELECT id, policy, bounds, visibility FROM unit"
    " WHERE coalesce(policy, bounds, visibility) IS NOT NULL OR id IN (SELECT unit FROM document)"
)
"""What is compiled of documents, for the platform and every unit that has any."""


def get(sight: Sight, question: GetDocument) -> Document:
    """Return a version of a unit's document, the one in force where none is named; version 0 where there is none."""
    if question.version is None:
        return _newest(sight, question.unit)
    found = sight.db.execute(_THAT, (question.unit, question.version)).fetchone()
    return Document(question.unit, *(found or (0, b"", b"")))


def put(commit: Commit, actor: Actor, change: PutDocument) -> Effect:  # noqa: ARG001 - the same for every actor
    """Put the next version of a unit's document in force.

    Denied: CONFLICT where the unit does not work, or it is not the version after the one in force; BAD_SIGNATURE;
    BAD_DOCUMENT for what is no document, or another unit's; LOCKED where a document above does not allow it.
    """
    new = _read(commit, change)
    before = _newest(commit, change.unit)
    previous = document.digest(before.document) if before.version else document.FIRST_PREVIOUS
    if (new.version, new.previous) != (before.version + 1, previous):
        raise Denied(Code.CONFLICT)
    if document.loosened(document.inherited(_above(commit, change.unit)), new):
        raise Denied(Code.LOCKED)
    commit.db.execute(
        "INSERT INTO document (unit, version, document, signature, since_ms) VALUES (?, ?, ?, ?, ?)",
        (change.unit, new.version, change.document, change.signature, commit.now_ms),
    )
    policies.put(commit, change.unit, *_compiled(new))
    return Effect(
        change.unit,
        before=blake2b_256(before.document) if before.version else b"",
        after=blake2b_256(change.document),
    )


def _newest(sight: Sight, unit: UnitId) -> Document:
    return Document(unit, *(sight.db.execute(_NEWEST, (unit,)).fetchone() or (0, b"", b"")))


def _read(commit: Commit, change: PutDocument) -> schema.Document:
    """Return what a signed version says; Denied: CONFLICT, BAD_SIGNATURE, BAD_DOCUMENT."""
    try:
        rootkeys.check_document(
            _root_key(commit, change.unit), organisations.relay(commit), change.document, change.signature
        )
        new = document.read(change.document)
    except CryptoFailure:
        raise Denied(Code.BAD_SIGNATURE) from None
    except Malformed:
        raise Denied(Code.BAD_DOCUMENT) from None
    if new.unit != change.unit:
        raise Denied(Code.BAD_DOCUMENT)
    return new


def _root_key(commit: Commit, unit: UnitId) -> bytes:
    """Return whose signature a unit's document needs: its organisation's; for the platform's the relay's root's."""
    if unit == PLATFORM:
        return commit.tools.root_key
    return organisations.root_key(commit, units.working(commit, unit).organisation)


def _above(commit: Commit, unit: UnitId) -> list[schema.Document]:
    """Return the documents in force above a unit, from the top down."""
    if unit == PLATFORM:
        return []
    way = (PLATFORM, *reversed(authority.chain(commit, unit)[1:]))
    found = [_newest(commit, each) for each in way]
    return [document.read(one.document) for one in found if one.version]


def check(db: sqlite3.Connection) -> tuple[int, list[UnitId]]:
    """Return how many units were looked at, and those whose documents break their chain or aren't what is enforced."""
    found = db.execute(_UNITS).fetchall()
    return len(found), [UnitId(unit) for unit, *compiled in found if _in_force(db, unit) != tuple(compiled)]


def _in_force(db: sqlite3.Connection, unit: int) -> _Compiled | None:
    """Return what the store should have of a unit's documents, None where they don't follow each other."""
    compiled: _Compiled = (None, None, None)
    expected = (unit, 1, document.FIRST_PREVIOUS)
    rows = db.execute("SELECT version, document FROM document WHERE unit = ? ORDER BY version", (unit,))
    for version, octets in rows:
        try:
            said = document.read(octets)
        except (Malformed, TypeError):
            return None
        if expected != (said.unit, said.version, said.previous) or version != said.version:
            return None
        expected = (unit, version + 1, document.digest(octets))
        compiled = _compiled(said)
    return compiled


def _compiled(said: schema.Document) -> _Compiled:
    return document.permissions(said), bounds.octets_of(said), document.views(said)
