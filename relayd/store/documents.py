"""The store room: documents of units as they were signed (spec 75).

A question enters; a version leaves. The rule of this file: every version that was in force is kept; the newest is.
"""

from typing import Final

from relayd.store.authority import Sight
from relayproto.administration import GetDocument
from relayproto.administration_replies import Document

_NEWEST: Final = "SELECT version, document, signature FROM document WHERE unit = ? ORDER BY version DESC LIMIT 1"
_THAT: Final = "SELECT version, document, signature FROM document WHERE unit = ? AND version = ?"


def get(sight: Sight, question: GetDocument) -> Document:
    """Return a version of a unit's document, the one in force where none is named; version 0 where there is none."""
    if question.version is None:
        found = sight.db.execute(_NEWEST, (question.unit,)).fetchone()
    else:
        found = sight.db.execute(_THAT, (question.unit, question.version)).fetchone()
    return Document(question.unit, *(found or (0, b"", b"")))
