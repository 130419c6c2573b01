"""The device port, from the accept to the drain, over real TCP and a real store."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
import uvloop

from relayd.net import listener
from relayd.net.listener import SPREAD_MS_EACH, SPREAD_MS_MIN, UNSENT_OCTETS_MAX, bind
from relayproto.codes import Code, GoawayCode
from relayproto.events import Closed
from relayproto.notices import Deliver, Drained
from relayproto.replies import Submitted
from support.device import ack, enrol, login, send, submit
from support.live_relay import Before, LiveRelay, live_relay, until
from support.people import Person


async def knock(relay: LiveRelay, source: str = "127.0.0.1") -> bytes | None:
    """Connect and return what is read at once: b"" for a refusal, None where the relay waits for us."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port, local_addr=(source, 0))
    except ConnectionResetError:
        return b""
    try:
        return await asyncio.wait_for(reader.read(1), 0.2)
    except ConnectionResetError:
        return b""
    except TimeoutError:
        return None
    finally:
        writer.close()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return socket.create_connection(listening.getsockname()), listening.accept()[0]


async def gone(relay: LiveRelay) -> None:
    await until(lambda: len(relay.listener) == 0)


async def test_connections_are_counted_and_bounded(tmp_path: Path) -> None:
    async with live_relay(tmp_path, connections_max=1) as relay:
        _, writer = await asyncio.open_connection("127.0.0.1", relay.port)

        assert await knock(relay) == b""

        assert relay.counters.connections_refused["connections"] == 1
        assert relay.counters.connections_open == 1
        writer.close()
        await gone(relay)
        assert relay.counters.connections_open == 0
        assert await knock(relay) is None


async def test_who_has_not_shown_who_it_is_for_longest_gives_way_to_who_comes(tmp_path: Path) -> None:
    async with live_relay(tmp_path, half_open_max=2) as relay:
        alice, bob = Person("alice"), Person("bob")
        for person in (alice, bob):
            await enrol(relay.port, person, await relay.ticket(f"{person.name}@gad.example"))
        await gone(relay)
        line, _ = await login(relay.port, alice)
        first, second = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(2)]
        await until(lambda: relay.rooms.admission.half_open == 2)

        other, _ = await login(relay.port, bob)

        with contextlib.suppress(ConnectionError):
            assert await first[0].read() == b""
        assert relay.counters.connections_refused["half_open"] == 1
        assert relay.rooms.admission.half_open == 1
        assert not line.connection.closed
        assert not other.connection.closed
        assert not second[0].at_eof()
        for _, writer in (first, second):
            writer.close()


async def test_a_flood_that_says_nothing_keeps_nobody_from_logging_in(tmp_path: Path) -> None:
    async with live_relay(tmp_path, half_open_max=4) as relay:
        alice = Person("alice")
        await enrol(relay.port, alice, await relay.ticket("alice@gad.example"))
        source = ("127.0.0.2", 0)
        silent = [await asyncio.open_connection("127.0.0.1", relay.port, local_addr=source) for _ in range(40)]

        line, _ = await login(relay.port, alice)

        assert not line.connection.closed
        assert relay.rooms.admission.half_open <= 4
        for _, writer in silent:
            writer.close()


def kept(port: int, peers: set[int]) -> int:
    """Return how many connections of this port to those the kernel keeps in TIME_WAIT, as it does who closes first."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [(int(local[-4:], 16), int(remote[-4:], 16), state) for _, local, remote, state, *_ in rows]
    return sum(local == port and remote in peers and state == "06" for local, remote, state in ends)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_of_who_is_refused_or_cut_off_the_kernel_keeps_nothing(tmp_path: Path, factory) -> None:
    async def conversation() -> None:
        loop = asyncio.get_running_loop()
        async with live_relay(tmp_path, half_open_max=1, address_burst=4, address_rate_per_s=1) as relay:
            links = [socket.socket() for _ in range(5)]
            for link in links:
                link.setblocking(False)
                link.bind(("127.0.0.1", 0))
            peers = {link.getsockname()[1] for link in links}
            for link in links[:4]:
                await loop.sock_connect(link, ("127.0.0.1", relay.port))
            await until(lambda: relay.counters.connections_refused["half_open"] == 3)

            with contextlib.suppress(ConnectionResetError):  # as he connects, where the relay is quick; or afterwards
                await loop.sock_connect(links[4], ("127.0.0.1", relay.port))
                assert await loop.sock_recv(links[4], 1) is None
            for link in links[:3]:
                with pytest.raises(ConnectionResetError):
                    await loop.sock_recv(link, 1)

            assert relay.counters.connections_refused == {"half_open": 3, "address_rate": 1}
            for link in links:
                link.close()
            await gone(relay)
            assert kept(relay.port, peers) == 0

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(conversation(), 30))


async def test_one_address_may_not_connect_too_often(tmp_path: Path) -> None:
    async with live_relay(tmp_path, address_rate_per_s=1, address_burst=2) as relay:
        assert await knock(relay) is None
        assert await knock(relay) is None

        assert await knock(relay) == b""

        assert relay.counters.connections_refused["address_rate"] == 1
        relay.clock.advance(1.0)
        assert await knock(relay) is None


async def test_one_address_has_so_many_connections_at_a_time_and_crowds_nobody_out(tmp_path: Path) -> None:
    async with live_relay(tmp_path, address_connections_max=2) as relay:
        here = [await asyncio.open_connection("127.0.0.1", relay.port, local_addr=("127.0.0.2", 0)) for _ in range(2)]

        assert await knock(relay, "127.0.0.2") == b""
        assert await knock(relay, "127.0.0.3") is None

        assert relay.counters.connections_refused["address_connections"] == 1
        here.pop()[1].close()
        await until(lambda: relay.counters.connections_open == 1)
        assert await knock(relay, "127.0.0.2") is None
        here.pop()[1].close()


async def test_what_could_not_be_let_in_is_not_counted(tmp_path: Path) -> None:
    async with live_relay(tmp_path, connections_max=1) as relay:
        gone = socket.socket()
        gone.close()

        relay.listener._come(gone, "127.0.0.1")

        assert relay.counters.connections_open == 1
        await until(lambda: relay.counters.connections_open == 0)
        assert await knock(relay) is None


async def test_where_no_session_can_be_made_nothing_is_counted_and_the_peer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live_relay(tmp_path, connections_max=1) as relay:
        with monkeypatch.context() as broken:
            broken.setattr(listener, "Session", lambda *_: 1 / 0)
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)

            assert await knock(relay) == b""

        await until(lambda: relay.counters.connections_open == 0)
        assert await knock(relay) is None


async def test_the_end_waits_for_who_comes_in(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        await until(lambda: len(relay.listener) == 1)
        [first] = relay.listener._sessions
        ours, theirs = tcp_pair()
        with ours:
            relay.listener._come(theirs, "127.0.0.1")

            relay.listener.left(first)

            assert not relay.listener._empty.is_set()
            await until(lambda: len(relay.listener) == 1)
        await gone(relay)
        writer.close()


async def test_who_was_let_in_as_the_others_were_sent_away_goes_as_well(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        ours, theirs = tcp_pair()
        with ours:
            relay.listener._come(theirs, "127.0.0.1")
            drained = asyncio.ensure_future(relay.listener.drain(30.0))

            ours.settimeout(5)
            assert await asyncio.to_thread(ours.recv, 1) == b""

        await asyncio.wait_for(drained, 5)
        assert relay.counters.connections_open == 0


async def test_the_kernel_takes_no_more_than_a_little_for_who_reads_nothing(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        await until(lambda: len(relay.listener) == 1)
        [session] = relay.listener._sessions

        link = session._outbox._transport.get_extra_info("socket")

        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_OCTETS_MAX
        writer.close()


async def test_small_writes_are_not_held_back(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        await until(lambda: len(relay.listener) == 1)

        [session] = relay.listener._sessions

        theirs = session._outbox._transport.get_extra_info("socket")
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()


async def test_a_stop_sends_everybody_away_at_different_times(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        people = [Person(name) for name in ("alice", "bob", "carol", "dave")]
        lines = []
        for person in people:
            await enrol(relay.port, person, await relay.ticket(f"{person.name}@gad.example"))
            lines.append((await login(relay.port, person))[0])

        await relay.listener.drain(5.0)

        ends = [await line.expect(Closed) for line in lines]
        assert {(end.code, end.reconnect) for end in ends} == {(GoawayCode.RESTART, True)}
        assert len({end.after_ms for end in ends}) > 1
        assert all(end.after_ms < SPREAD_MS_MIN + SPREAD_MS_EACH * 8 for end in ends)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", relay.port)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_comes_while_nobody_is_let_in_waits_and_is_served_afterwards(tmp_path: Path, factory) -> None:
    async def conversation() -> None:
        async with live_relay(tmp_path) as relay:
            alice = Person("alice")
            await enrol(relay.port, alice, await relay.ticket("alice@gad.example"))
            line, _ = await login(relay.port, alice)

            relay.listener.pause()
            assert (await line.expect(Closed)).code == GoawayCode.RESTART
            await line.close()
            await gone(relay)
            waiting = asyncio.ensure_future(login(relay.port, alice))
            await asyncio.sleep(0.2)
            assert (waiting.done(), len(relay.listener), relay.listener.draining) == (False, 0, True)

            relay.listener.resume()
            again, _ = await waiting
            assert (len(relay.listener), relay.listener.draining) == (1, False)
            relay.listener.pause()
            assert (await again.expect(Closed)).code == GoawayCode.RESTART
            await again.close()
            assert sum(relay.counters.connections_refused.values()) == 0

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(conversation(), 30))


async def test_what_was_taken_in_is_answered_before_the_end(tmp_path: Path) -> None:
    class Late(Before):
        full = False

        def submit(self, *arguments: object) -> bool:
            asyncio.get_running_loop().call_later(0.2, self.store.submit, *arguments)
            return True

    async with live_relay(tmp_path, through=Late) as relay:
        alice, bob = Person("alice"), Person("bob")
        for person in (alice, bob):
            await enrol(relay.port, person, await relay.ticket(f"{person.name}@gad.example"))
        line, _ = await login(relay.port, alice)
        line.say(submit(1, bob))
        await line.silence(0.1)

        drained = asyncio.ensure_future(relay.listener.drain(5.0))
        await asyncio.sleep(0)
        line.say(submit(2, bob))

        assert (await line.expect(Submitted)).codes == (Code.STORED,)
        assert (await line.expect(Closed)).code == GoawayCode.RESTART
        assert not any(isinstance(each, Submitted) for each in line.passed)
        await drained


async def test_who_does_not_leave_in_time_is_cut_off(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        alice = Person("alice")
        await enrol(relay.port, alice, await relay.ticket("alice@gad.example"))
        line, _ = await login(relay.port, alice)
        line.transport.pause_reading()

        began = time.monotonic()
        await relay.listener.drain(0.3)

        assert 0.2 < time.monotonic() - began < 5
        assert len(relay.listener) == 0
        writer.close()


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open() -> None:
    [taken] = bind("127.0.0.1", 0)

    with taken, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1])


def test_an_ipv6_socket_takes_ipv6_only() -> None:
    sockets = bind("::1", 0)

    assert [each.family for each in sockets] == [socket.AF_INET6]
    for each in sockets:
        assert each.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        each.close()


def test_it_is_the_same_on_uvloop(tmp_path: Path) -> None:
    async def conversation() -> None:
        async with live_relay(tmp_path) as relay:
            alice, bob = Person("alice"), Person("bob")
            for person in (alice, bob):
                await enrol(relay.port, person, await relay.ticket(f"{person.name}@gad.example"))
            a, _ = await login(relay.port, alice)
            assert (await send(a, 1, bob)).codes == (Code.STORED,)
            b, welcome = await login(relay.port, bob)
            assert (await b.expect(Deliver)).sequence == 1
            await b.expect(Drained)
            b.say(ack(welcome.epoch, 1))
            newer, _ = await login(relay.port, bob, epoch=welcome.epoch, floors=(1, 0, 0))
            assert (await b.expect(Closed)).code == GoawayCode.SUPERSEDED
            await relay.listener.drain(5.0)
            assert (await newer.expect(Closed)).code == GoawayCode.RESTART
            assert relay.counters.internal_errors == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(conversation(), 30))
