"""The wire's room: how connections end or are refused: in figures, in the log, and in the kernel.

What a connection said at its end enters; counters and an event leave. The rules of this file: an event has a code and
which rule was broken - never what the peer sent, where it is, or who it is; and of who is refused or cut off the kernel
keeps nothing.
"""

import contextlib
import socket
import struct
from typing import Final, Protocol

from relayd.logs import get_logger
from relayd.metrics import Counters
from relayproto.codes import Code, GoawayCode
from relayproto.events import Closed

_FAILURES: Final[dict[int | None, str]] = {
    None: "eof",
    GoawayCode.BAD_PREFACE: "preface",
    GoawayCode.BAD_HANDSHAKE: "handshake",
    GoawayCode.TIMEOUT: "timeout",
    GoawayCode.AUTHENTICATION: "authentication",
    GoawayCode.RATE: "rate",
}
"""Codes of a connection that never showed who it was -> the reason."""
GOAWAY_OF: Final = {
    Code.AUTHENTICATION: GoawayCode.AUTHENTICATION,
    Code.UNSUPPORTED: GoawayCode.BAD_STATE,
    Code.RATE: GoawayCode.RATE,
}
"""How HELLO is refused; what is not here is BUSY, for now."""

_NO_LINGERING: Final = struct.pack("ii", 1, 0)
"""``struct linger`` of socket(7): on, for no time."""

_log = get_logger("net")


class Link(Protocol):
    """A socket."""

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        """As in the standard library."""


def reset(link: Link) -> None:
    """Have a connection end with a reset once its socket is closed.

    Whoever closes first keeps the connection in TIME_WAIT for a minute, and what the peer has not taken for longer: a
    flood that is refused five thousand times a second would fill the machine's table of these in half a minute.
    """
    with contextlib.suppress(OSError):  # whatever a kernel has against it: the connection ends all the same
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)


def refused(limit: str, counters: Counters) -> None:
    """Note a connection that was closed before anything was read, by the limit that it met."""
    counters.connections_refused[limit] += 1
    _log.info("a connection was refused", limit=limit)


def ended(closed: Closed, counters: Counters, *, shown: bool) -> bool:
    """Note the end of a connection and say whether a device broke the protocol; ``shown``: it had shown who it was."""
    code = closed.code or 0
    broke = shown and not closed.by_peer and GoawayCode.BAD_PREFACE <= code < GoawayCode.AUTHENTICATION
    counters.connections_closed[code] += 1
    if not shown:
        reason = _FAILURES.get(closed.code, "other")
        counters.handshakes_failed[reason] += 1
        if reason != "eof":  # who only looks whether the port is open is no news
            _log.info("a handshake failed", reason=reason, detail=closed.detail)
    elif broke:
        _log.info("a device broke the protocol", code=code, detail=closed.detail)
    _log.debug("connection ended", code=closed.code, by_peer=closed.by_peer, detail=closed.detail)
    return broke
