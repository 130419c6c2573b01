"""The domain room: what is counted of a target, as one small number (spec 87 §1).

An organisation, a class, a length and what became of it enter; a key leaves. The rule of this file: a key names no
account, no message and no time.
"""

from typing import Final, NamedTuple

from relayproto.codes import Code, Fate, Result

SMALL_BYTES_MAX: Final = 1_024
"""A short text, sealed and padded, in a session that exists."""
MEDIUM_BYTES_MAX: Final = 4_096
"""A long text, or a first message: the wrap of one has some 1,300 bytes."""
FATE_OF_CODE: Final[dict[int, int]] = {int(code): int(Fate.REFUSED) for code in Code} | {
    int(Code.STORED): int(Fate.STORED),
    int(Code.NOT_AVAILABLE): int(Fate.UNREACHABLE),
    int(Code.OVER_QUOTA): int(Fate.FULL),
    int(Code.MISMATCHED_DEVICES): int(Fate.MISMATCHED),
}
"""Of a target whose outcome was recorded."""
FATE_OF_RESULT: Final[dict[int, int]] = {
    int(result): int(Fate.DELIVERED) + int(result) - int(Result.DELIVERED) for result in Result
}
"""Of a target whose end was decided; results stand among the fates in their own order."""


class Counted(NamedTuple):
    """A key, taken apart again: the row of a counter."""

    organisation: int
    class_: int
    size: int
    fate: int


def key(organisation: int, class_: int, octets: int, fate: int) -> int:
    """Return the key of a target whose fate is known; ``octets`` are one envelope's, body and wrap."""
    # Plain numbers: this is done for every target, and an enumeration's member costs more than all of it.
    size = 1 if octets <= SMALL_BYTES_MAX else 2 if octets <= MEDIUM_BYTES_MAX else 3
    return organisation << 16 | class_ << 8 | size << 4 | fate


def apart(key: int) -> Counted:
    """Take a key apart."""
    return Counted(key >> 16, key >> 8 & 0xFF, key >> 4 & 0xF, key & 0xF)
