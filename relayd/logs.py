"""A leaf of the relay: its log.

Events with names and values enter; one JSON line each leaves, with the priority prefix that the journal reads
(sd-daemon(3)), or a readable line where somebody looks at a terminal. The rules of this file: no event for a
message, no address of a machine, no secret; values are identifiers, codes and counts; and nobody outside can make more
than so many lines a minute (``relayd.events``).
"""

import logging
import sqlite3
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from relayd.events import EVENTS, LINES_A_MINUTE
from relayproto.errors import CryptoFailure, ProtocolError

_PRIORITY: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_MINUTE_S: Final = 60.0
_CAUSES_MAX: Final = 8
_SPEAKING: Final = (ProtocolError, CryptoFailure, OSError, sqlite3.Error)
"""Exceptions whose text never has what a peer sent. Any other's is left out: what went wrong is where it went wrong."""


def get_logger(room: str) -> FilteringBoundLogger:
    """Return the log of one room, to be kept by its module; what ``configure`` set counts from the first event on."""
    logger: FilteringBoundLogger = structlog.get_logger(room=room)
    return logger


class Limiter:
    """Lets so many lines of each event through a minute, and counts the others."""

    __slots__ = ("_limits", "_monotonic", "_windows")

    def __init__(self, monotonic: Callable[[], float], limits: Mapping[str, int] | None = None) -> None:
        """Take the time in seconds, and how many lines of each event a minute may have."""
        self._monotonic = monotonic
        self._limits = {event.name: event.a_minute for event in EVENTS} if limits is None else limits
        self._windows: dict[str, list[float]] = {}
        """Event -> [when its minute began, lines in it]; as many as there are events."""

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Pass an event on, or drop it."""
        name, now = event["event"], self._monotonic()
        window = self._windows.get(name)
        if window is None:
            self._windows[name] = [now, 1]
            return event
        window[1] += 1
        if window[1] > self._limits.get(name, LINES_A_MINUTE):
            raise structlog.DropEvent
        return event

    def tell(self) -> None:
        """End the minutes that are over, and say of how many lines each event had too many. To be called every second.

        A window ends here alone, so that nothing is left out without being counted.
        """
        now = self._monotonic()
        for name, (began, lines) in list(self._windows.items()):
            if now < began + _MINUTE_S:
                continue
            del self._windows[name]
            left_out = int(lines) - self._limits.get(name, LINES_A_MINUTE)
            if left_out > 0:
                get_logger("log").warning("lines were left out", of=name, count=left_out)


def configure(stream: TextIO, level: str, limiter: Limiter | None = None) -> None:
    """Write events of ``level`` (debug, info, warning, error) and above to ``stream``, as many as are let through."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
    readable = structlog.dev.ConsoleRenderer(timestamp_key="at")
    structlog.configure(
        processors=[
            *([] if limiter is None else [limiter]),
            structlog.processors.add_log_level,
            stamp,
            _exception,
            readable if stream.isatty() else _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )


def _exception(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["exception"] = _told(error)
    return event


def _told(error: BaseException) -> str:
    """Return where an exception and what led to it came from, without values that might be a person's."""
    parts: list[str] = []
    following: BaseException | None = error
    while following is not None and len(parts) < _CAUSES_MAX:
        kind = type(following)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        said = f": {following}" if isinstance(following, _SPEAKING) else ""
        parts.append("".join(traceback.format_tb(following.__traceback__)) + name + said)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return "\nbecause of\n".join(parts)


def _line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    head: dict[str, Any] = {name: event.pop(name) for name in ("at", "level", "room", "event")}
    return f"<{_PRIORITY[head['level']]}>{msgspec.json.encode({**head, **event}, enc_hook=repr).decode()}"
