"""client.py: a device with a network - real devices, a scripted relay, loopback TCP."""

import asyncio
import os

import pytest

from relayclient import client as client_module
from relayclient import holder
from relayclient.client import WINDOW, Client
from relayclient.errors import (
    ActLost,
    ActUnclear,
    ClientError,
    ConnectionHeld,
    Denied,
    DeviceRemoved,
    NoRight,
    RelayAway,
    RelayUntrusted,
    Superseded,
)
from relayclient.events import (
    Connected,
    Disconnected,
    Drained,
    GapSeen,
    MessageReceived,
    MessageState,
    RelayKeyChanged,
    StateChanged,
    TypingSeen,
)
from relayproto import acts
from relayproto.administration import CreateUnit, GetUnits
from relayproto.administration_replies import Acted, Document, Roles, Unit, Units
from relayproto.codes import Code, GoawayCode, Lane
from relayproto.commands import Ack, Act, Ephemeral, Hello, Lookup, PutPrekeys, Submit
from relayproto.connection import ClientConnection
from relayproto.ids import Address
from relayproto.replies import Account, Done, NotTaken, Refused
from relayproto.standing import ActState, UnitState
from support.changed import replace
from support.devices import joined, seen, started, until
from support.resetting import resetting
from support.scripted_relay import ordinary

BOB = Address("bob@office.example")
GAP = GapSeen(Lane.NORMAL, 1, 1, None)


def at_once(count):
    """Randomness whose jitter is nothing, so that a second connection comes at once; keys are still random."""
    return bytes(4) if count == 4 else os.urandom(count)


def client(device, tmp_path, name, **options):
    return Client(device, tmp_path / name, entropy=at_once, **options)


async def pair(tmp_path):
    relay = await started()
    return relay, await joined(relay, tmp_path, "alice"), await joined(relay, tmp_path, "bob")


async def ended(relay, *devices):
    for device in devices:
        device.close()
    await relay.stop()


async def test_a_text_goes_from_one_device_to_another_and_its_state_comes_back(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice, client(bob, tmp_path, "bob") as at_bob:
        message = at_alice.send(BOB, "Good morning ✓\r\n")

        [received] = await seen(at_bob, MessageReceived)
        bob.mark_read([received.message], at_bob.now_ms())
        at_bob.soon()
        states = await seen(at_alice, StateChanged, 3)

    assert (received.text, received.message, received.address) == (
        "Good morning ✓\r\n",
        message,
        "alice@office.example",
    )
    assert [each.state for each in states] == [MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.READ]
    await ended(relay, alice, bob)


async def test_hello_grants_the_window_and_acknowledgements_grant_it_again(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        for number in range(70):
            at_alice.send(BOB, f"text {number}")
        await seen(at_alice, StateChanged, 70)

    async with client(bob, tmp_path, "bob") as at_bob:
        received = await seen(at_bob, MessageReceived, 70)

    assert relay.got(Hello)[-1].credit == WINDOW
    assert [message.text for message in received] == [f"text {number}" for number in range(70)]
    acks = [ack for ack in relay.got(Ack) if ack.lane is Lane.NORMAL]
    assert max(ack.credit.messages for ack in acks) > 70
    assert len(acks) < 70
    await ended(relay, alice, bob)


async def test_a_client_deposits_prekeys_and_replenishes_them_when_they_run_low(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(bob, tmp_path, "bob") as at_bob:
        await seen(at_bob, Drained)
        await at_bob.settle(5)
    box = relay.mailboxes[bob.identity.account, 1]
    deposited = box.left().one_time
    for kept in box.prekeys.values():
        del kept[2:]
    before = len(relay.got(PutPrekeys))

    async with client(bob, tmp_path, "bob") as at_bob:
        await seen(at_bob, Drained)
        await at_bob.settle(5)

    assert deposited > 10
    assert len(relay.got(PutPrekeys)) > before
    assert box.left().one_time > 10
    await ended(relay, alice, bob)


async def test_a_cut_connection_comes_back_and_what_was_not_answered_goes_again_under_its_number(tmp_path):
    relay, alice, bob = await pair(tmp_path)

    def cut(peer, command, request):
        del relay.script[Submit]
        peer.transport.abort()

    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        relay.script[Submit] = cut
        message = at_alice.send(BOB, "twice sent, once stored")
        [disconnected] = await seen(at_alice, Disconnected)
        [changed] = await seen(at_alice, StateChanged)

    first, second = relay.got(Submit)
    assert first == second
    assert changed == StateChanged(message, MessageState.ACCEPTED)
    assert disconnected.retry_in_s == 0
    assert "broke" in disconnected.reason
    assert len(relay.mailboxes[bob.identity.account, 1].waiting[Lane.NORMAL]) == 1
    await ended(relay, alice, bob)


async def test_not_taken_goes_back_and_waits_as_long_as_the_relay_asks(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    refused_at, taken_at = [], []
    loop = asyncio.get_running_loop()

    def busy_once(peer, command, request):
        if len(refused_at) < 3:
            refused_at.append(loop.time())
            code = Code.RATE if len(refused_at) == 1 else Code.GO_BACK
            return NotTaken(command.submission, code, 200 if code is Code.RATE else 0)
        taken_at.append(loop.time())
        return ordinary(peer, command, request)

    async with client(alice, tmp_path, "alice") as at_alice:
        at_alice.send(BOB, "one, so that there is a session")
        await seen(at_alice, StateChanged)
        relay.script[Submit] = busy_once
        for text in ("two", "three", "four"):
            at_alice.send(BOB, text)
        await seen(at_alice, StateChanged, 3)

    numbers = [submit.submission for submit in relay.got(Submit)]
    assert numbers == [1, 2, 3, 4, 2, 3, 4]
    assert taken_at[0] - refused_at[0] >= 0.19
    await ended(relay, alice, bob)


async def test_goaway_decides_when_to_come_back(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)

        for peer in list(relay.peers):
            peer.goaway(GoawayCode.RESTART, reconnect=True, after_ms=150)
        before = asyncio.get_running_loop().time()
        [disconnected] = await seen(at_alice, Disconnected)
        await seen(at_alice, Connected)

    assert disconnected == Disconnected("the relay restarts", 0.15)
    assert asyncio.get_running_loop().time() - before >= 0.14
    await ended(relay, alice, bob)


@pytest.mark.parametrize(
    ("code", "error"), [(GoawayCode.SUPERSEDED, Superseded), (GoawayCode.AUTHENTICATION, DeviceRemoved)]
)
async def test_a_goaway_that_forbids_it_is_not_followed_by_another_connection(tmp_path, code, error):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        hellos = len(relay.got(Hello))
        for peer in list(relay.peers):
            peer.goaway(code, reconnect=False)

        with pytest.raises(error):
            await seen(at_alice, Connected)
        with pytest.raises(error):
            await seen(at_alice, Connected)

    assert len(relay.got(Hello)) == hellos
    await ended(relay, alice, bob)


async def test_who_asks_while_the_client_ends_is_told_that_the_relay_is_away(tmp_path):
    relay, alice, bob = await pair(tmp_path)

    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        at_alice._device.acks = lambda: asked.append(asyncio.ensure_future(at_alice.ask(Lookup(BOB)))) or []
        asked = []
    with pytest.raises(RelayAway):
        await asked[0]

    await ended(relay, alice, bob)


async def test_a_relay_that_is_away_is_tried_until_it_is_back(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    await relay.stop()

    async with client(alice, tmp_path, "alice") as at_alice:
        [disconnected] = await seen(at_alice, Disconnected)
        with pytest.raises(RelayAway):
            await at_alice.ask(Lookup(BOB))
        assert not await at_alice.settle(0.01)
        await relay.start()
        await seen(at_alice, Connected)

    assert "refuses connections" in disconnected.reason
    await ended(relay, alice, bob)


async def test_a_relay_that_has_too_many_connections_is_told_as_such_and_tried_again(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    await relay.stop()
    full = await resetting(8, relay.port)

    async with client(alice, tmp_path, "alice") as at_alice:
        [disconnected] = await seen(at_alice, Disconnected)
        full.close()
        await full.wait_closed()
        await relay.start()
        await seen(at_alice, Connected)

    assert "most likely it has too many connections" in disconnected.reason
    await ended(relay, alice, bob)


async def test_a_newer_relay_key_is_adopted_and_used_at_once(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    relay.rotate()

    async with client(alice, tmp_path, "alice") as at_alice:
        [changed] = await seen(at_alice, RelayKeyChanged)
        [disconnected] = await seen(at_alice, Disconnected)
        await seen(at_alice, Connected)

    assert changed.key_id == relay.key_id
    assert disconnected.retry_in_s == 0
    await ended(relay, alice, bob)


async def test_a_key_past_its_date_is_not_connected_with(tmp_path, monkeypatch):
    relay, alice, bob = await pair(tmp_path)
    named = []

    def connection(**arguments):
        named.append((arguments["key_id"], arguments["relay_key"] == alice.endpoint().key))
        return ClientConnection(**arguments)

    monkeypatch.setattr(client_module, "ClientConnection", connection)
    monkeypatch.setattr(alice, "relay_key_is_over", lambda _: alice.endpoint().key_id == 1)
    relay.rotate()

    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)

    assert named[:2] == [(0, False), (relay.key_id, True)]
    await ended(relay, alice, bob)


async def test_an_answer_can_be_asked_for(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)

        known = await at_alice.ask(Lookup(BOB))
        unknown = await at_alice.ask(Lookup("nobody@office.example"))

    assert isinstance(known, Account)
    assert unknown == Refused(Code.NOT_AVAILABLE, 0)
    assert alice.contact(BOB).account == bob.identity.account
    await ended(relay, alice, bob)


async def test_a_question_whose_connection_ends_first_is_told(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    relay.script[Lookup] = lambda peer, command, request: peer.transport.abort()
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)

        with pytest.raises(RelayAway):
            await at_alice.ask(Lookup(BOB))

    await ended(relay, alice, bob)


async def test_a_home_has_one_connection_and_gives_it_back(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        with pytest.raises(ConnectionHeld):
            async with client(alice, tmp_path, "alice"):
                pass

    held = holder.take(tmp_path / "alice")
    assert held is not None
    async with client(alice, tmp_path, "alice", held=held) as at_alice:
        await seen(at_alice, Connected)
    await ended(relay, alice, bob)


async def test_a_poke_makes_the_holder_send_what_another_process_has_queued(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        await at_alice.settle(5)
        alice.queue(BOB, "queued elsewhere", now_ms=at_alice.now_ms())

        assert holder.poke(tmp_path / "alice")
        [changed] = await seen(at_alice, StateChanged, timeout_s=3)

    assert changed.state is MessageState.ACCEPTED
    await ended(relay, alice, bob)


async def test_leaving_says_goodbye_in_order(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        relay.closed.clear()

    await until(lambda: relay.closed)
    assert [(closed.code, closed.by_peer) for closed in relay.closed] == [(GoawayCode.BYE, True)]
    await ended(relay, alice, bob)


async def test_leaving_while_a_connection_is_made_does_not_wait_for_it(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    started_ = asyncio.Event()
    server = await asyncio.start_server(lambda reader, writer: (writers.append(writer), started_.set()), relay.host, 0)
    writers = []
    endpoint = alice.endpoint()
    silent = replace(endpoint, port=server.sockets[0].getsockname()[1])
    alice.endpoint = lambda: silent

    async with asyncio.timeout(8), client(alice, tmp_path, "alice"):
        await started_.wait()

    server.close()
    for writer in writers:
        writer.close()
    await ended(relay, alice, bob)


async def test_leaving_while_the_relay_is_away_does_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "CLOSE_TIMEOUT_S", 3600.0)
    relay, alice, bob = await pair(tmp_path)
    await relay.stop()

    async with asyncio.timeout(30), client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Disconnected)

    await ended(relay, alice, bob)


async def test_a_relay_that_does_not_read_the_goodbye_is_left_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "CLOSE_TIMEOUT_S", 0.05)
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        session = at_alice._exchange.session
        for peer in relay.peers:
            peer.transport.pause_reading()
        session._transport.write(bytes(32 << 20))

    await until(lambda: session._transport is None)
    await ended(relay, alice, bob)


async def test_events_that_nobody_takes_stop_the_reading_and_none_is_lost(tmp_path, monkeypatch):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice:
        for number in range(200):
            at_alice.send(BOB, f"{number}")
        await until(lambda: relay.mailboxes[bob.identity.account, 1].next[Lane.NORMAL] > 200)

    monkeypatch.setattr(client_module, "EVENTS_MAX", 8)
    async with client(bob, tmp_path, "bob") as at_bob:
        await asyncio.sleep(0.5)
        unread = len(relay.mailboxes[bob.identity.account, 1].waiting[Lane.NORMAL])
        received = await seen(at_bob, MessageReceived, 200)

    assert unread > 0
    assert [message.text for message in received] == [str(number) for number in range(200)]
    await ended(relay, alice, bob)


async def test_the_store_is_swept_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "HOUSEKEEPING_S", 0.01)
    relay, alice, bob = await pair(tmp_path)
    swept = []
    alice.housekeep = lambda now_ms: swept.append(now_ms) or [GAP]

    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, GapSeen, 3)

    assert len(swept) >= 3
    await ended(relay, alice, bob)


async def test_a_fault_of_the_store_ends_the_client(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    alice.housekeep = lambda now_ms: 1 / 0

    async with client(alice, tmp_path, "alice") as at_alice:
        with pytest.raises(ZeroDivisionError):
            await seen(at_alice, Drained)

    await ended(relay, alice, bob)


async def test_somebody_who_is_there_sees_that_the_other_types(tmp_path):
    relay, alice, bob = await pair(tmp_path)
    async with client(alice, tmp_path, "alice") as at_alice, client(bob, tmp_path, "bob") as at_bob:
        at_alice.send(BOB, "hello")
        [received] = await seen(at_bob, MessageReceived)
        at_bob.send(received.sender, "hello to you")
        await seen(at_alice, MessageReceived)

        at_alice.typing(BOB)
        at_alice.typing(BOB)

        [typing] = await seen(at_bob, TypingSeen)
        assert typing.sender == alice.identity.account
        assert len(relay.got(Ephemeral)) == 1
    await ended(relay, alice, bob)


async def test_typing_without_a_connection_is_nothing(tmp_path):
    relay, alice, bob = await pair(tmp_path)

    client(alice, tmp_path, "alice").typing(BOB)

    assert relay.got(Ephemeral) == []
    await ended(relay, alice, bob)


CHANGE = CreateUnit(1, "North")


def cut(peer, command, request):
    """Answer nothing and end the connection."""
    peer.transport.abort()


def in_turn(*answers):
    """Return what answers the first command so, the next so, and the last one ever after."""
    left = list(answers)

    def answer(*asked):
        return (left.pop(0) if len(left) > 1 else left[0])(*asked)

    return answer


def says(reply):
    return lambda peer, command, request: reply


DONE = Acted(ActState.DONE, 5, 7, b"")


async def acting(tmp_path, *answers):
    """Do one act at a relay that answers so; return what came of it, or was raised, and the acts that came."""
    relay = await started()
    alice = await joined(relay, tmp_path, "alice")
    relay.script[Act] = in_turn(*answers)
    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        try:
            came = await at_alice.act(CHANGE, reason="new depot")
        except ClientError as error:
            came = error
    await ended(relay, alice)
    return came, relay.got(Act)


async def test_an_act_is_signed_and_its_outcome_returned(tmp_path):
    came, [act] = await acting(tmp_path, says(DONE))

    assert came == DONE
    assert (acts.decode(act.octets).change, acts.decode(act.octets).reason) == (CHANGE, "new depot")


async def test_an_act_whose_answer_was_lost_is_asked_again_with_the_same_bytes(tmp_path):
    came, sent = await acting(tmp_path, cut, cut, says(DONE))

    assert came == DONE
    assert len(sent) == 3
    assert len(set(sent)) == 1


async def test_an_act_that_came_too_soon_after_others_is_asked_again_later(tmp_path):
    came, sent = await acting(tmp_path, says(Refused(Code.RATE, 1)), says(DONE))

    assert came == DONE
    assert len(sent) == 2
    assert len(set(sent)) == 1


async def test_an_act_that_had_come_through_before_its_answer_was_lost_is_told_as_unclear(tmp_path):
    came, sent = await acting(tmp_path, cut, says(Refused(Code.REPLAYED, 0)))

    assert isinstance(came, ActUnclear)
    assert len(set(sent)) == 1


async def test_an_act_that_is_refused_is_told_by_its_code(tmp_path):
    came, _ = await acting(tmp_path, says(Refused(Code.REPLAYED, 0)))

    assert isinstance(came, Denied)
    assert came.code == Code.REPLAYED


async def test_an_act_with_an_answer_that_is_none_is_not_believed(tmp_path):
    came, _ = await acting(tmp_path, says(Done()))

    assert isinstance(came, RelayUntrusted)


async def test_an_act_without_a_further_connection_is_told_as_lost(tmp_path):
    def removed(peer, command, request):
        peer.relay.mailboxes.clear()
        peer.transport.abort()

    came, _ = await acting(tmp_path, removed)

    assert isinstance(came, ActLost)


async def test_an_act_waits_for_a_connection_only_so_long(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "ACT_PATIENCE_S", 0.05)

    def silent(peer, command, request):
        return None

    came, _ = await acting(tmp_path, silent)

    assert isinstance(came, ActLost)


async def test_an_act_needs_a_connection(tmp_path):
    relay = await started()
    alice = await joined(relay, tmp_path, "alice")

    with pytest.raises(RelayAway):
        await client(alice, tmp_path, "alice").act(CHANGE)

    await ended(relay, alice)


async def test_pages_are_asked_for_until_the_last_one(tmp_path):
    relay = await started()
    alice = await joined(relay, tmp_path, "alice")
    units = [Unit(number, 1, f"unit {number}", UnitState.ACTIVE, "", b"") for number in range(2, 7)]
    relay.script[GetUnits] = lambda peer, asked, request: Units(
        tuple(unit for unit in units if unit.unit > asked.after)[:2], asked.after < 4
    )

    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        found = [unit async for page in at_alice.pages(GetUnits(1, 0, 2)) for unit in page.units]

    assert found == units
    await ended(relay, alice)


async def test_a_question_that_may_be_asked_later_waits_and_another_refusal_is_told(tmp_path):
    relay = await started()
    alice = await joined(relay, tmp_path, "alice")
    later, never, odd = Refused(Code.RATE, 1), Refused(Code.NOT_PERMITTED, 0), Done()
    relay.script[GetUnits] = in_turn(*map(says, (later, Units((), False), never, odd, Roles((), False))))

    async with client(alice, tmp_path, "alice") as at_alice:
        await seen(at_alice, Connected)
        asked = GetUnits(1, 0, 2)
        assert await at_alice.answer(asked) == Units((), False)
        with pytest.raises(NoRight):
            await at_alice.answer(asked)
        with pytest.raises(RelayUntrusted):
            await at_alice.answer(asked)
        relay.script[GetUnits] = says(Document(1, 0, b"", b""))
        with pytest.raises(RelayUntrusted):
            await anext(at_alice.pages(asked))

    await ended(relay, alice)
