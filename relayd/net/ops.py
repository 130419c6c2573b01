"""The relay's door for its operators' machines: /metrics, /healthz and /readyz.

A strict and small part of HTTP/1.1 enters, one answer leaves, and the connection is closed. The rules of this file:
a listener of its own, never the devices'; one request a connection, bounded in bytes and in time; no right, no
secret and nothing about a person is behind it.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final, cast

import msgspec

REQUEST_BYTES_MAX: Final = 8192
"""What a scraper or a browser sends is under 2 KiB."""
CONNECTIONS_MAX: Final = 32
"""A few scrapers and people who look."""
TIMEOUT_S: Final = 5.0
"""From the first byte of a connection to the last of its request."""

_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]{0,255}) HTTP/1\.[01]")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
_JSON: Final = "application/json"
_END: Final = b"\r\n\r\n"


class _Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def target(request: bytes) -> str:
    """Return the path that a whole GET request asks for; anything else is refused (RFC 9112 §2-6)."""
    line, *fields = request.split(b"\r\n")
    asked = _REQUEST_LINE.fullmatch(line)
    if asked is None:
        raise _Refused(HTTPStatus.BAD_REQUEST)
    names = []
    for field in fields:
        read = _FIELD.fullmatch(field)
        if read is None:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        names.append(read[1].lower())
    if asked[1] != b"GET":
        raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED)
    # A body would be bytes that two readers may take for two things.
    if names.count(b"host") != 1 or b"content-length" in names or b"transfer-encoding" in names:
        raise _Refused(HTTPStatus.BAD_REQUEST)
    return asked[2].decode()


def answer(status: HTTPStatus, content_type: str, body: bytes) -> bytes:
    """Return one whole response."""
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        head.append("Allow: GET")
    return "\r\n".join(head).encode() + _END + body


def _said(status: HTTPStatus, word: str, reasons: list[str]) -> bytes:
    return answer(status, _JSON, msgspec.json.encode({"status": word, "reasons": reasons}) + b"\n")


class Pages:
    """What is behind each path."""

    __slots__ = ("_content_type", "_metrics", "_reasons")

    def __init__(self, metrics: Callable[[], bytes], content_type: str, reasons: Callable[[], list[str]]) -> None:
        """Take what makes the body of /metrics, and what says why the relay is not ready (nothing: it is)."""
        self._metrics = metrics
        self._content_type = content_type
        self._reasons = reasons

    def respond(self, request: bytes) -> bytes:
        """Return the response to one whole request."""
        try:
            path = target(request)
        except _Refused as refused:
            return _said(refused.status, "refused", [refused.status.phrase])
        match path:
            case "/metrics":
                return answer(HTTPStatus.OK, self._content_type, self._metrics())
            case "/healthz":
                # That this runs is the proof: the loop is alive. What it depends on is /readyz's.
                return _said(HTTPStatus.OK, "alive", [])
            case "/readyz":
                reasons = self._reasons()
                if reasons:
                    return _said(HTTPStatus.SERVICE_UNAVAILABLE, "not ready", reasons)
                return _said(HTTPStatus.OK, "ready", [])
            case _:
                return _said(HTTPStatus.NOT_FOUND, "refused", ["there are /metrics, /healthz and /readyz"])


class OpsSession(asyncio.Protocol):
    """One connection: one request in, one response out."""

    __slots__ = ("_deadline", "_open", "_pages", "_received", "_transport")

    def __init__(self, pages: Pages, sessions: set["OpsSession"]) -> None:
        """Take the pages, and the set of the sessions that are open."""
        self._pages = pages
        self._open = sessions
        self._received = bytearray()
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock, or close at once where too many are open."""
        # A cast and no check: uvloop's transports are no subclasses of asyncio's.
        self._transport = transport = cast("asyncio.Transport", transport)
        if len(self._open) >= CONNECTIONS_MAX:
            transport.abort()
            return
        self._open.add(self)
        self._deadline = asyncio.get_running_loop().call_later(TIMEOUT_S, transport.abort)

    def data_received(self, octets: bytes) -> None:
        """Collect one request, answer it, close."""
        self._received += octets
        end = self._received.find(_END)
        if 0 <= end <= REQUEST_BYTES_MAX:
            self._finish(self._pages.respond(bytes(self._received[:end])))
        elif len(self._received) > REQUEST_BYTES_MAX:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._finish(_said(status, "refused", [status.phrase]))

    def _finish(self, response: bytes) -> None:
        self._transport.write(response)
        self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the session."""
        self._open.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def abort(self) -> None:
        """Close without waiting for the peer."""
        self._transport.abort()


class OpsListener:
    """The operations port."""

    __slots__ = ("_pages", "_servers", "_sessions")

    def __init__(self, pages: Pages) -> None:
        """Take what is to be served."""
        self._pages = pages
        self._sessions: set[OpsSession] = set()
        self._servers: list[asyncio.Server] = []

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Serve on the sockets, which listen already."""
        loop = asyncio.get_running_loop()
        for listening in sockets:
            server = await loop.create_server(lambda: OpsSession(self._pages, self._sessions), sock=listening)
            self._servers.append(server)

    def close(self) -> None:
        """Stop listening and end what is open."""
        for server in self._servers:
            server.close()
        for session in tuple(self._sessions):
            session.abort()
