"""A leaf of the relay: its log.

Events with names and values enter; one JSON line each leaves, with the priority prefix that the journal reads
(sd-daemon(3)), or a readable line where somebody looks at a terminal. The rules of this file: no event for a
message, no address of a machine, no secret; values are identifiers, codes and counts.
"""

import logging
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

_PRIORITY: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def get_logger(room: str) -> FilteringBoundLogger:
    """Return the log of one room, to be kept by its module; what ``configure`` set counts from the first event on."""
    logger: FilteringBoundLogger = structlog.get_logger(room=room)
    return logger


def configure(stream: TextIO, level: str) -> None:
    """Write events of ``level`` (debug, info, warning, error) and above to ``stream``."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
    readable = structlog.dev.ConsoleRenderer(timestamp_key="at")
    tail = [readable] if stream.isatty() else [structlog.processors.format_exc_info, _line]
    structlog.configure(
        processors=[structlog.processors.add_log_level, stamp, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )


def _line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    head: dict[str, Any] = {name: event.pop(name) for name in ("at", "level", "room", "event")}
    return f"<{_PRIORITY[head['level']]}>{msgspec.json.encode({**head, **event}, enc_hook=repr).decode()}"
