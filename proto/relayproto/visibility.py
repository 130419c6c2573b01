"""The contract: visibility - which fields of somebody which viewers are shown, as tables (spec 88 §2).

Tables enter and leave. The rules of this file: as of policies, the strictest of all tables counts, and a look-up is an
index; nobody's table shows what another hides.
"""

from collections.abc import Iterable
from typing import Final

from relayproto.errors import Malformed
from relayproto.standing import Field, Viewer, Visibility

VIEWERS: Final = len(Viewer)
TABLE_BYTES: Final = len(Field) * VIEWERS
"""25: for each field a visibility a viewer."""
NOTHING_HIDDEN: Final = bytes(TABLE_BYTES)
_STRICTEST: Final = max(Visibility)


def cell(field: Field, viewer: Viewer) -> int:
    """Return where a table has whether ``viewer`` is shown ``field``."""
    return field * VIEWERS + viewer


def checked(table: bytes) -> bytes:
    """Return a table of visibilities, or raise Malformed."""
    if len(table) != TABLE_BYTES or max(table) > _STRICTEST:
        raise Malformed("not a table of visibilities")
    return table


def strictest(tables: Iterable[bytes]) -> bytes:
    """Return the table that hides what any of those given hides; there is at least one."""
    return bytes(map(max, zip(*tables, strict=True)))


def shown(table: bytes, viewer: Viewer) -> frozenset[Field]:
    """Return the fields that a viewer is shown."""
    return frozenset(field for field in Field if table[cell(field, viewer)] == Visibility.SHOW)


def _platform() -> bytes:
    """Return the default: citizens and applications of elsewhere learn neither unit nor address, nor what he says."""
    table = bytearray(TABLE_BYTES)
    for field in (Field.UNIT, Field.ADDRESS, Field.ABOUT):
        for viewer in (Viewer.APPLICATION, Viewer.PUBLIC):
            table[cell(field, viewer)] = Visibility.HIDE
    return bytes(table)


PLATFORM_DEFAULT: Final = _platform()
"""What holds where nobody says more."""
