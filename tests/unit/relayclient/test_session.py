"""session.py: one connection to the relay over asyncio, spoken over loopback TCP."""

import asyncio
import os
import time

import uvloop

from relayclient import session as session_module
from relayclient.session import Session
from relayproto.codes import GoawayCode, Purpose
from relayproto.commands import Credit, Hello, Lookup
from relayproto.connection import ClientConnection
from relayproto.events import Closed, DescriptorReceived, Established, MessageReceived
from relayproto.ids import AccountId, DeviceId
from relayproto.notices import Drained
from relayproto.primitives import x25519_public
from relayproto.replies import Refused, Welcome
from support.devices import until
from support.scripted_relay import FAR_MS, Mailbox, ScriptedRelay

ALICE = AccountId(b"a" * 32)


class Clock:
    def __init__(self):
        self.ahead_s = 0.0

    def monotonic(self):
        return time.monotonic() + self.ahead_s

    def now_ms(self):
        return FAR_MS


class Client:
    """What takes a session's events: a list, and a way to wait for one."""

    def __init__(self, relay, *, relay_key=None):
        self.relay, self.events, self.clock = relay, [], Clock()
        self.relay_key = relay_key or x25519_public(relay.private_key)
        self.static_key = os.urandom(32)
        relay.mailboxes[ALICE, 1] = Mailbox(ALICE, 1, x25519_public(self.static_key))

    async def connect(self):
        loop = asyncio.get_running_loop()
        hello = Hello(ALICE, DeviceId(1), 1, 0, (0, 0, 0), 0, 0, 0, Credit(64, 1 << 20), "test")
        _, self.session = await loop.create_connection(
            lambda: Session(
                ClientConnection(
                    purpose=Purpose.DEVICE, relay_key=self.relay_key, key_id=self.relay.key_id, hello=hello,
                    static_key=self.static_key, entropy=os.urandom, now=self.clock.monotonic(),
                ),
                clock=self.clock,
                on_event=self.events.append,
            ),
            self.relay.host,
            self.relay.port,
        )  # fmt: skip
        return self.session

    async def until(self, kind, count=1):
        async with asyncio.timeout(30):
            while len(found := [event for event in self.events if isinstance(event, kind)]) < count:  # noqa: ASYNC110 - a test looks
                await asyncio.sleep(0.005)
        return found


async def started():
    relay = ScriptedRelay()
    await relay.start()
    return relay


async def test_a_session_shakes_hands_and_hands_over_what_the_relay_says():
    relay = await started()
    client = Client(relay)
    session = await client.connect()

    await client.until(MessageReceived, 2)
    session.send(Lookup("nobody@office.example"), request=5)
    answers = await client.until(MessageReceived, 3)

    assert isinstance(client.events[0], Established)
    assert isinstance(answers[0].message, Welcome)
    assert isinstance(answers[1].message, Drained)
    assert (answers[2].request, type(answers[2].message)) == (5, Refused)
    session.goaway()
    await client.until(Closed)
    await relay.stop()


async def test_what_is_said_in_one_turn_leaves_in_one_write():
    relay = await started()
    client = Client(relay)
    session = await client.connect()
    await client.until(MessageReceived, 2)
    written = []
    write = session._transport.write
    session._transport.write = lambda octets: (written.append(octets), write(octets))

    for request in range(1, 21):
        session.send(Lookup("nobody@office.example"), request)
    await client.until(MessageReceived, 22)

    assert len(written) == 1
    session.goaway()
    await client.until(Closed)
    await relay.stop()


async def test_a_clean_end_says_goaway_and_is_told_once():
    relay = await started()
    client = Client(relay)
    session = await client.connect()
    await client.until(MessageReceived, 2)

    session.goaway()
    session.goaway()
    await client.until(Closed)
    await until(lambda: relay.closed and session._transport is None)

    assert [event.code for event in client.events if isinstance(event, Closed)] == [GoawayCode.BYE]
    assert [(closed.code, closed.by_peer) for closed in relay.closed] == [(GoawayCode.BYE, True)]
    assert session._transport is None
    await relay.stop()


async def test_a_cut_connection_is_closed_without_a_code():
    relay = await started()
    client = Client(relay)
    await client.connect()
    await client.until(MessageReceived, 2)

    await relay.stop()
    [closed] = await client.until(Closed)

    assert (closed.code, closed.reconnect, closed.by_peer) == (None, True, True)


async def test_an_aborted_connection_is_closed_too():
    relay = await started()
    client = Client(relay)
    session = await client.connect()

    session.abort()
    await client.until(Closed)
    session.abort()

    await relay.stop()


async def test_a_relay_that_has_another_key_sends_its_descriptor():
    relay = await started()
    client = Client(relay)
    relay_key_before = client.relay_key
    relay.rotate()
    client.relay = type("Before", (), {"key_id": 1, "host": relay.host, "port": relay.port})
    client.relay_key = relay_key_before

    await client.connect()
    await client.until(Closed)

    assert client.events[0] == DescriptorReceived(relay.descriptor)
    await relay.stop()


async def test_a_silent_relay_is_pinged_and_then_left(monkeypatch):
    relay = await started()
    client = Client(relay)
    session = await client.connect()
    await client.until(MessageReceived, 2)
    for peer in relay.peers:
        peer.transport.pause_reading()

    client.clock.ahead_s = 241.0
    session._timeout()
    client.clock.ahead_s = 400.0
    session._timeout()
    [closed] = await client.until(Closed)

    assert (closed.code, closed.reconnect) == (GoawayCode.IDLE, True)
    await relay.stop()


async def test_a_handshake_that_nobody_answers_times_out_by_itself(monkeypatch):
    monkeypatch.setattr("relayproto.connection.HANDSHAKE_TIMEOUT_S", 0.05)
    server = await asyncio.start_server(lambda _reader, writer: writers.append(writer), "127.0.0.1", 0)
    writers = []
    relay = ScriptedRelay()
    relay.port = server.sockets[0].getsockname()[1]
    client = Client(relay)

    await client.connect()
    [closed] = await client.until(Closed)

    assert closed.code == GoawayCode.TIMEOUT
    server.close()
    for writer in writers:
        writer.close()


async def test_a_relay_that_does_not_read_the_last_bytes_does_not_hold_a_session(monkeypatch):
    monkeypatch.setattr(session_module, "LINGER_S", 0.05)
    relay = await started()
    client = Client(relay)
    session = await client.connect()
    await client.until(MessageReceived, 2)
    for peer in relay.peers:
        peer.transport.pause_reading()
    session._transport.write(bytes(32 << 20))

    session.goaway()
    await client.until(Closed)

    await until(lambda: session._transport is None)
    await relay.stop()


async def test_a_relay_that_reads_slowly_makes_the_session_unwritable_for_a_while():
    relay = await started()
    client = Client(relay)
    session = await client.connect()
    await client.until(MessageReceived, 2)

    session.pause_writing()
    assert not session.writable
    session.resume_writing()

    assert session.writable
    session.abort()
    await client.until(Closed)
    await relay.stop()


async def test_a_paused_session_reads_nothing_until_it_is_resumed():
    relay = await started()
    client = Client(relay)
    session = await client.connect()
    await client.until(MessageReceived, 2)

    session.pause_reading()
    session.send(Lookup("nobody@office.example"), 1)
    await asyncio.sleep(0.05)
    held_back = len(client.events)
    session.resume_reading()
    await client.until(MessageReceived, 3)

    assert held_back == 3
    session.abort()
    await client.until(Closed)
    session.pause_reading()
    session.resume_reading()
    await relay.stop()


def test_a_session_runs_on_uvloop_too():
    async def talk():
        relay = await started()
        client = Client(relay)
        session = await client.connect()
        await client.until(Established)
        session.goaway()
        await client.until(Closed)
        await relay.stop()

    uvloop.run(talk())
