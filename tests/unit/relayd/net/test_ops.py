import asyncio
import json
import socket
from typing import Self

import pytest

from relayd.net import ops
from relayd.net.ops import OpsListener, Pages


class Served:
    """An operations port on 127.0.0.1."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.listener = OpsListener(Pages(lambda: b"relayd_up 1\n", "text/plain", lambda: self.reasons))
        self.port = 0

    async def __aenter__(self) -> Self:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        await self.listener.start([listening])
        return self

    async def __aexit__(self, *_: object) -> None:
        self.listener.close()
        await asyncio.sleep(0)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send the parts one after the other and return (status, fields, body)."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        response = await reader.read()
        writer.close()
        head, _, body = response.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        return int(line.split()[1]), dict(field.split(": ", 1) for field in fields), body


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: relay", *fields, "", ""]).encode()


async def test_metrics_are_what_the_counters_say() -> None:
    async with Served() as served:
        status, fields, body = await served.ask(get("/metrics", "Accept: */*"))

    assert (status, body) == (200, b"relayd_up 1\n")
    assert fields["Content-Type"] == "text/plain"
    assert fields["Content-Length"] == str(len(body))
    assert fields["Connection"] == "close"


async def test_a_relay_that_answers_is_alive() -> None:
    async with Served() as served:
        served.reasons = ["draining"]
        status, fields, body = await served.ask(get("/healthz"))

    assert (status, json.loads(body)) == (200, {"status": "alive", "reasons": []})
    assert fields["Content-Type"] == "application/json"


async def test_a_relay_without_a_reason_against_it_is_ready() -> None:
    async with Served() as served:
        status, _, body = await served.ask(get("/readyz"))

    assert (status, json.loads(body)) == (200, {"status": "ready", "reasons": []})


async def test_a_relay_that_is_not_ready_says_why() -> None:
    async with Served() as served:
        served.reasons = ["draining"]
        status, _, body = await served.ask(get("/readyz"))

    assert (status, json.loads(body)) == (503, {"status": "not ready", "reasons": ["draining"]})


async def test_a_request_may_come_in_pieces() -> None:
    request = get("/healthz")

    async with Served() as served:
        status, _, _ = await served.ask(request[:7], request[7:30], request[30:])

    assert status == 200


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (get("/"), 404),
        (get("/metrics?x=1"), 404),
        (get("/../metrics"), 404),
        (b"POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://relay/metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"get /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\r\n\r\n", 400),
        (get("/metrics", "Host: other"), 400),
        (get("/metrics", "Content-Length: 0"), 400),
        (get("/metrics", "Transfer-Encoding: chunked"), 400),
        (get("/metrics", "A : b"), 400),
        (get("/metrics", " folded"), 400),
        (get("/metrics", "A: b\nHost: c"), 400),
        (get("/metrics", "A: b\0"), 400),
        (get("/metrics", "A"), 400),
        (get("/metrics", "A: " + "b" * ops.REQUEST_BYTES_MAX), 431),
        (b"GET /metrics" + b"x" * ops.REQUEST_BYTES_MAX, 431),
    ],
)
async def test_what_is_not_a_plain_get_is_refused(request_: bytes, expected: int) -> None:
    async with Served() as served:
        status, fields, body = await served.ask(request_)

    assert status == expected
    assert json.loads(body)["status"] == "refused"
    assert ("Allow" in fields) == (expected == 405)


async def test_only_the_first_request_of_a_connection_is_answered() -> None:
    async with Served() as served:
        status, _, body = await served.ask(get("/healthz") + get("/metrics"), get("/metrics"))

    assert status == 200
    assert b"relayd_up" not in body


async def test_who_sends_nothing_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "TIMEOUT_S", 0.05)

    async with Served() as served:
        reader, writer = await served.connect()
        writer.write(b"GET /hea")
        async with asyncio.timeout(30):
            assert await _ended(reader)
        writer.close()


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "CONNECTIONS_MAX", 2)

    async with Served() as served:
        held = [await served.connect() for _ in range(2)]
        await asyncio.sleep(0.02)
        reader, writer = await served.connect()
        async with asyncio.timeout(30):
            assert await _ended(reader)
        for _, each in [*held, (reader, writer)]:
            each.close()


async def test_a_listener_that_closes_ends_its_sessions() -> None:
    async with Served() as served:
        reader, writer = await served.connect()
        await asyncio.sleep(0.02)
        served.listener.close()
        async with asyncio.timeout(30):
            assert await _ended(reader)
        writer.close()


async def _ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True
