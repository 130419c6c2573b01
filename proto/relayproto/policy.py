"""The contract: policies - who may do what to whom, as tables that can only be tightened (spec 70 §6).

Tables enter and leave. The rules of this file: the strictest of all tables counts; a table may say less than nothing,
never more than the one above it; a look-up is an index.
"""

from collections.abc import Iterable
from typing import Final

from relayproto.errors import Malformed
from relayproto.standing import Action, Permission, Standing

ACTIONS: Final = len(Action)
STANDINGS: Final = len(Standing)
ROW_BYTES: Final = STANDINGS * ACTIONS
"""What one side of a policy takes: for each standing of the other, a permission an action."""
TABLE_BYTES: Final = STANDINGS * ROW_BYTES
"""150: from each standing, to each standing, each action."""

_A, _R, _D = Permission.ALLOW, Permission.REQUEST, Permission.DENY
_STRICTEST: Final = max(Permission)


def cell(sender: Standing, target: Standing, action: Action) -> int:
    """Return where a table has the permission of ``sender`` to do ``action`` to ``target``."""
    return (sender * STANDINGS + target) * ACTIONS + action


def checked(table: bytes, length: int = TABLE_BYTES) -> bytes:
    """Return a table (or a row of ROW_BYTES) of permissions, or raise Malformed."""
    if len(table) != length or max(table) > _STRICTEST:
        raise Malformed("not a table of permissions")
    return table


def strictest(tables: Iterable[bytes]) -> bytes:
    """Return the table whose every cell is the strictest of those given; there is at least one."""
    return bytes(map(max, zip(*tables, strict=True)))


def inbound(table: bytes, target: Standing) -> bytes:
    """Return ROW_BYTES: by standing of who asks and action, what may be done to people of a standing."""
    starts = range(target * ACTIONS, TABLE_BYTES, ROW_BYTES)
    return b"".join(table[start : start + ACTIONS] for start in starts)


def outbound(table: bytes, sender: Standing) -> bytes:
    """Return ROW_BYTES: by standing of whom it is done to and action, what people of a standing may do."""
    return table[sender * ROW_BYTES : (sender + 1) * ROW_BYTES]


def loosened(above: bytes, below: bytes) -> tuple[int, ...]:
    """Return the cells where ``below`` allows more than ``above``; such a document is refused (spec 75 §3)."""
    return tuple(index for index, (high, low) in enumerate(zip(above, below, strict=True)) if low < high)


def _platform() -> bytes:
    """Return the default: public people write first to nobody who is verified, offices apart, and add nobody."""
    table = bytearray(TABLE_BYTES)
    for action in (Action.FIRST_CONTACT, Action.LOOKUP, Action.CALL, Action.FILE):
        for target in (Standing.INVITED, Standing.VERIFIED):
            table[cell(Standing.PUBLIC, target, action)] = _D
    for target in Standing:
        table[cell(Standing.PUBLIC, target, Action.ADD_TO_GROUP)] = _D
    table[cell(Standing.PUBLIC, Standing.PUBLIC, Action.ADD_TO_GROUP)] = _R
    table[cell(Standing.PUBLIC, Standing.PUBLIC, Action.FIRST_CONTACT)] = _R
    table[cell(Standing.PUBLIC, Standing.OFFICE, Action.CALL)] = _D
    return bytes(table)


PLATFORM_DEFAULT: Final = _platform()
"""What holds where nobody says more (../notes: gematik's and Tchap's defaults, spec 70 §6)."""
