"""The wire's room: how connections end or are refused, in figures and in the log.

What a connection said at its end enters; counters and an event leave. The rule of this file: an event has a code and
which rule was broken - never what the peer sent, where it is, or who it is.
"""

from typing import Final

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

_log = get_logger("net")


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
