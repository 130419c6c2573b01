"""Conversations of bare devices with the wire's room, over real TCP and a real store."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from unittest import mock

import pytest

from relayd.domain.refusals import Fault
from relayd.net.session import Session
from relayd.net.shares import FRAMES_AT_ONCE_MAX, WASTE_MAX
from relayd.services.login import BAD_ENDS, BAD_ENDS_WITHIN_S
from relayproto import frame, identity, message
from relayproto.codes import Class, Code, GoawayCode, Lane, PrekeyKind, Purpose, SubmitFlag, Suite
from relayproto.commands import Body, Credit, GetBundles, GetDevices, GetRelayKeys, Lookup, PutDevices, PutPrekeys
from relayproto.connection import RelayConnection
from relayproto.events import Closed, DescriptorReceived, Established
from relayproto.limits import CONNECTION_LIFETIME_S
from relayproto.notices import Deliver, Drained, Gap, NewEpoch, Outcome, Ping, PrekeysLow
from relayproto.record import prefixed
from relayproto.replies import (
    Account,
    Bundles,
    Devices,
    NotTaken,
    PrekeysLeft,
    Refused,
    RelayKeys,
    Submitted,
    Welcome,
)
from support.device import (
    ack,
    client,
    connect,
    dial,
    enrol,
    enrolment,
    hello,
    login,
    number_in,
    send,
    submit,
)
from support.live_relay import DESCRIPTOR, Before, LiveRelay, live_relay, until
from support.people import Person
from support.transports import FakeTransport


@contextlib.asynccontextmanager
async def office(directory: Path, **options: object) -> AsyncIterator[tuple[LiveRelay, Person, Person]]:
    """A relay where alice and bob have enrolled."""
    async with live_relay(directory, **options) as relay:
        alice, bob = Person("alice"), Person("bob")
        for person in (alice, bob):
            await enrol(relay.port, person, await relay.ticket(f"{person.name}@gad.example"))
        yield relay, alice, bob
        assert relay.counters.internal_errors == 0


async def settled(relay: LiveRelay) -> None:
    """Wait until the relay has forgotten every connection that has ended."""
    await until(lambda: not (relay.counters.connections_open > len(relay.listener) or relay.rooms.tasks))


async def test_what_is_sent_to_a_device_that_is_online_reaches_it(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, _ = await login(relay.port, bob)

        submitted = await send(a, 1, bob)

        delivered = await b.expect(Deliver)
        assert submitted.codes == (Code.STORED,)
        assert (delivered.sender, delivered.sequence, number_in(delivered)) == (alice.account, 1, 1)
        assert (delivered.body, delivered.wrap) == (b"sealed", b"wrap")


async def test_what_is_sent_to_a_device_that_is_away_waits_for_it(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        a.say(*[submit(number, bob) for number in range(1, 201)])
        await a.several(Submitted, 200)

        b, _ = await login(relay.port, bob)

        delivered = await b.several(Deliver, 200)
        assert [each.sequence for each in delivered] == list(range(1, 201))
        assert [number_in(each) for each in delivered] == list(range(1, 201))
        await b.expect(Drained)


async def test_one_write_carries_what_one_turn_has_to_say(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        a.say(*[submit(number, bob) for number in range(1, 31)])
        await a.several(Submitted, 30)
        before = relay.counters.bytes_out

        b, _ = await login(relay.port, bob)
        await b.several(Deliver, 30)

        # 30 deliveries of about 250 bytes share records; one padded record each would be 30 x 1,042 bytes.
        assert relay.counters.bytes_out - before < 20_000


async def test_never_more_is_in_flight_than_the_device_has_granted(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, welcome = await login(relay.port, bob, credit=Credit(2, 1 << 20))
        a.say(*[submit(number, bob) for number in range(1, 6)])

        await b.several(Deliver, 2)

        assert not any(isinstance(each, Deliver) for each in await b.silence())
        b.say(ack(welcome.epoch, 2, credit=Credit(3, 1 << 20)))
        assert (await b.expect(Deliver)).sequence == 3
        assert await b.silence() == []


async def test_the_urgent_lane_is_served_first(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        a.say(submit(1, bob), submit(2, bob), submit(3, bob, class_=Class.OTP))
        await a.several(Submitted, 3)

        b, _ = await login(relay.port, bob)

        lanes = [each.lane for each in await b.several(Deliver, 3)]
        assert lanes == [Lane.URGENT, Lane.NORMAL, Lane.NORMAL]


async def test_an_acknowledged_envelope_is_never_delivered_again(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, welcome = await login(relay.port, bob)
        a.say(submit(1, bob), submit(2, bob), submit(3, bob))
        await b.several(Deliver, 3)
        b.say(ack(welcome.epoch, 2))
        await b.close()

        b, welcome = await login(relay.port, bob, epoch=welcome.epoch, floors=(2, 0, 0))

        assert welcome.lanes[Lane.NORMAL].floor == 2
        assert [each.sequence for each in await b.several(Deliver, 1)] == [3]
        await b.expect(Drained)


async def test_redelivery_happens_on_reconnect_only(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, welcome = await login(relay.port, bob)
        await send(a, 1, bob)
        await b.expect(Deliver)

        relay.pass_time(30.0)
        assert not any(isinstance(each, Deliver) for each in await b.silence())

        await b.close()
        b, _ = await login(relay.port, bob, epoch=welcome.epoch)
        assert (await b.expect(Deliver)).sequence == 1


async def test_the_sender_hears_what_became_of_it(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, welcome = await login(relay.port, bob)
        await send(a, 1, bob, flags=SubmitFlag.OUTCOME)
        await b.expect(Deliver)

        b.say(ack(welcome.epoch, 1))

        assert (await a.expect(Outcome)).submission == 1


async def test_what_expires_unread_is_explained_by_a_gap(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, _ = await login(relay.port, bob, credit=Credit(0, 0))
        await send(a, 1, bob, ttl_s=10)

        relay.clock.advance(10.0)
        await relay.store.sweep()

        assert (await b.expect(Gap)).last == 1
        assert not any(isinstance(each, Deliver) for each in b.passed)


async def test_the_newest_connection_wins(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        older, _ = await login(relay.port, alice)

        newer, _ = await login(relay.port, alice)

        closed = await older.expect(Closed)
        assert (closed.code, closed.reconnect) == (GoawayCode.SUPERSEDED, False)
        assert (await send(newer, 1, bob)).codes == (Code.STORED,)
        assert relay.counters.takeovers == 1


async def test_two_copies_of_a_device_may_not_throw_each_other_out_for_ever(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line, _ = await login(relay.port, alice)
        for _ in range(3):
            newer, _ = await login(relay.port, alice)
            assert (await line.expect(Closed)).code == GoawayCode.SUPERSEDED
            await line.lost.wait()
            line = newer
        await until(lambda: len(relay.listener) == 1)

        refused = await connect(relay.port, alice)

        closed = await refused.expect(Closed)
        assert (closed.code, closed.reconnect) == (GoawayCode.RATE, True)
        assert 0 < closed.after_ms <= 20_001
        assert not line.connection.closed
        await refused.lost.wait()
        relay.clock.advance(20.0)
        await login(relay.port, alice)


async def test_a_predecessor_that_does_not_answer_any_more_does_not_count(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        for _ in range(5):
            line, _ = await login(relay.port, alice)
            line.transport.pause_reading()
        await settled(relay)

        relay.pass_time(6.0)

        await until(lambda: len(relay.listener) == 1)
        await login(relay.port, alice)


async def test_a_predecessor_that_waits_for_its_turn_to_leave_does_not_count(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line, _ = await login(relay.port, alice)
        leave = []
        with mock.patch.object(relay.rooms.exits, "_soon", leave.append):
            for number in range(1, 6):
                line.transport.write_eof()
                await until(lambda number=number: len(relay.rooms.exits._leavers) == number)
                line, _ = await login(relay.port, alice)
            while leave:
                leave.pop()()

        await until(lambda: len(relay.listener) == 1)
        await login(relay.port, alice)


async def test_what_a_device_says_before_it_closes_its_side_is_taken(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, _ = await login(relay.port, bob)

        a.say(*[submit(number, bob) for number in range(1, 101)])
        a.transport.write_eof()

        await b.several(Deliver, 100)
        await a.lost.wait()


async def test_who_breaks_the_protocol_again_and_again_is_not_let_in_at_once(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        for _ in range(BAD_ENDS):
            line, _ = await login(relay.port, alice)
            line.transport.write(prefixed(bytes(272)))
            assert (await line.expect(Closed)).code == GoawayCode.BAD_RECORD

        refused = await connect(relay.port, alice)
        closed = await refused.expect(Closed)
        other, _ = await login(relay.port, bob)

        assert (closed.code, closed.reconnect) == (GoawayCode.RATE, True)
        assert 0 < closed.after_ms <= 20_001
        assert not other.connection.closed
        relay.clock.advance(20.0)
        back, _ = await login(relay.port, alice)
        assert not back.connection.closed


async def test_a_login_whose_connection_has_gone_still_supersedes_the_older_one(tmp_path: Path) -> None:
    holding, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Before):
        async def login(self, *arguments: object) -> object:
            login = await self.store.login(*arguments)
            if login.seat.generation == 2:
                holding.set()
                await go_on.wait()
            return login

    async with office(tmp_path, through=Slow) as (relay, alice, _):
        older, _ = await login(relay.port, alice)
        newer = await connect(relay.port, alice)
        await holding.wait()
        await newer.close()
        await until(lambda: len(relay.listener) == 1)

        go_on.set()

        assert (await older.expect(Closed)).code == GoawayCode.SUPERSEDED
        await settled(relay)
        assert relay.counters.connections_open == len(relay.listener)


async def test_somebody_else_is_not_let_in(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        mallory = Person("mallory")
        stranger = await connect(relay.port, mallory)
        thief = await dial(relay.port, client(Purpose.DEVICE, hello(alice), mallory.dh_private))

        for line in (stranger, thief):
            closed = await line.expect(Closed)
            assert (closed.code, closed.reconnect, closed.by_peer) == (GoawayCode.AUTHENTICATION, False, True)
        assert relay.counters.handshakes_failed["authentication"] == 2


async def test_a_bulk_connection_has_nothing_to_do_yet(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line = await dial(relay.port, client(Purpose.BULK, hello(alice), alice.dh_private))

        closed = await line.expect(Closed)

        assert (closed.code, closed.reconnect) == (GoawayCode.BAD_STATE, False)


async def test_a_floor_that_was_never_given_is_a_fault(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line, welcome = await login(relay.port, alice)
        await line.close()

        line = await connect(relay.port, alice, epoch=welcome.epoch, floors=(9, 0, 0))

        assert (await line.expect(Closed)).code == GoawayCode.BAD_ACK


async def test_an_acknowledgement_above_what_was_delivered_ends_the_connection(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line, welcome = await login(relay.port, alice)

        line.say(ack(welcome.epoch, 1))

        closed = await line.expect(Closed)
        assert (closed.code, closed.reconnect) == (GoawayCode.BAD_ACK, True)
        assert closed.after_ms > 0


async def test_an_acknowledgement_of_another_epoch_is_ignored(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line, welcome = await login(relay.port, alice)

        line.say(ack(welcome.epoch + 1, 1))

        assert await line.expect(NewEpoch) == NewEpoch(welcome.epoch)


async def test_bytes_that_are_nobodys_protocol_end_in_silence(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)

        writer.write(b"GET / HTTP/1.1\r\nHost: relay.example\r\n\r\n")

        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        await settled(relay)
        assert relay.counters.handshakes_failed["preface"] == 1


async def test_a_client_that_names_another_key_hears_which_one_there_is(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line = await dial(relay.port, client(Purpose.DEVICE, hello(alice), alice.dh_private, key_id=99))

        assert (await line.expect(DescriptorReceived)).descriptor == DESCRIPTOR


async def test_the_plain_suite_is_off_unless_it_is_allowed(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        plain = client(Purpose.DEVICE, hello(alice), alice.dh_private, suite=Suite.PLAIN_XK)
        await (await dial(relay.port, plain)).expect(DescriptorReceived)

    async with live_relay(tmp_path, suites=frozenset({Suite.HYBRID, Suite.PLAIN_XK})) as relay:
        plain = client(Purpose.DEVICE, hello(alice), alice.dh_private, suite=Suite.PLAIN_XK)
        await (await dial(relay.port, plain)).expect(Welcome)


async def test_who_says_nothing_is_sent_away(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        await until(lambda: len(relay.listener) == 1)

        relay.pass_time(6.0)

        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        await settled(relay)
        assert relay.counters.handshakes_failed["timeout"] == 1


async def test_a_device_that_takes_nothing_is_asked_and_then_sent_away(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, _ = await login(relay.port, bob, credit=Credit(0, 0))
        await send(a, 1, bob)
        await b.silence()

        relay.pass_time(61.0)
        await b.silence()
        assert not b.connection.closed
        relay.pass_time(60.0)

        closed = await b.expect(Closed)
        assert (closed.code, closed.reconnect) == (GoawayCode.STALLED, True)
        assert relay.counters.stalled == 1


async def test_a_device_that_is_gone_without_a_word_is_noticed(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line, _ = await login(relay.port, alice)
        line.transport.pause_reading()

        for _ in range(4):
            relay.pass_time(100.0)
            await asyncio.sleep(0.02)
        relay.pass_time(6.0)

        await until(lambda: len(relay.listener) == 0)
        assert relay.counters.connections_closed[GoawayCode.IDLE] == 1


async def test_once_a_day_a_device_makes_a_new_handshake(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line, _ = await login(relay.port, alice)
        await line.expect(Drained)
        relay.pass_time(CONNECTION_LIFETIME_S - 3700.0)
        assert await line.silence() == []

        relay.pass_time(3500.0)

        closed = await line.expect(Closed)
        assert (closed.code, closed.reconnect) == (GoawayCode.RENEW, True)


async def test_a_reader_that_is_too_slow_is_cut_off(tmp_path: Path) -> None:
    async with office(tmp_path, outbox_bytes_max=1 << 16, device_rate_per_s=10_000, device_burst=10_000) as (
        relay,
        alice,
        bob,
    ):
        a, _ = await login(relay.port, alice)
        b, _ = await login(relay.port, bob)
        b.transport.pause_reading()
        for number in range(1, 1001):
            await send(a, number, bob, body=bytes(13_000))
            if number % 50 == 0 and any(session._outbox._deadline for session in relay.listener._sessions):
                break
        assert relay.counters.write_aborts == 0

        relay.pass_time(21.0)
        await until(lambda: len(relay.listener) == 1)

        assert relay.counters.write_aborts == 1
        b.transport.abort()


async def test_a_full_intake_is_waited_for_and_then_nothing_is_taken(tmp_path: Path) -> None:
    class Full(Before):
        room = 100
        emptied = asyncio.Event()

        async def space(self) -> None:
            await self.emptied.wait()

    fulls: list[Full] = []

    def through(store: object) -> Full:
        fulls.append(Full(store))
        return fulls[0]

    async with office(tmp_path, through=through) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)
        [before] = fulls
        before.room = 0
        line.say(submit(1, bob), submit(2, bob))
        assert not any(isinstance(each, Submitted | NotTaken) for each in await line.silence())

        relay.pass_time(3.0)

        assert [each.code for each in await line.several(NotTaken, 2)] == [Code.BUSY, Code.BUSY]
        line.say(submit(1, bob), submit(2, bob))
        await line.silence()
        before.room = 100
        before.emptied.set()
        assert [each.submission for each in await line.several(Submitted, 2)] == [1, 2]
        assert relay.counters.not_taken[Code.BUSY] == 2


async def test_a_small_intake_slows_a_sender_down_and_loses_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, intake_messages_max=3) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)

        line.say(*[submit(number, bob) for number in range(1, 201)])

        answers = await line.several(Submitted, 200)
        assert [each.submission for each in answers] == list(range(1, 201))
        assert {each.codes for each in answers} == {(Code.STORED,)}


class Held(Before):
    """Commits nothing until it is let, and has room for two submissions of each device."""

    room = 2

    def __init__(self, store: object) -> None:
        super().__init__(store)
        self.waiting: list[tuple[object, ...]] = []

    def submit(self, *arguments: object) -> None:
        self.waiting.append(arguments)

    def let(self) -> None:
        waiting, self.waiting = self.waiting, []
        for arguments in waiting:
            self.store.submit(*arguments)


def numbers(held: Held) -> list[int]:
    return [command.submission for _, command, *_ in held.waiting]


async def test_whoever_has_as_much_under_way_as_there_is_room_for_waits_and_others_do_not(tmp_path: Path) -> None:
    async with office(tmp_path, through=Held) as (relay, alice, bob):
        held = relay.rooms.store
        a, _ = await login(relay.port, alice)
        b, _ = await login(relay.port, bob)

        a.say(*[submit(number, bob) for number in range(1, 6)])
        await until(lambda: len(held.waiting) == 2)
        b.say(submit(1, alice))
        await until(lambda: len(held.waiting) == 3)
        await a.silence()
        assert numbers(held) == [1, 2, 1]

        held.let()
        await until(lambda: len(held.waiting) == 2)
        assert numbers(held) == [3, 4]
        held.let()
        await until(lambda: len(held.waiting) == 1)
        held.let()
        assert [each.submission for each in await a.several(Submitted, 5)] == [1, 2, 3, 4, 5]
        assert (await b.expect(Submitted)).submission == 1


async def test_whoever_waits_for_room_is_told_after_two_seconds_in_which_it_got_none(tmp_path: Path) -> None:
    async with office(tmp_path, through=Held) as (relay, alice, bob):
        held = relay.rooms.store
        line, _ = await login(relay.port, alice)

        line.say(*[submit(number, bob) for number in range(1, 6)])
        await until(lambda: len(held.waiting) == 2)
        relay.pass_time(1.5)
        held.let()
        await until(lambda: len(held.waiting) == 2)
        relay.pass_time(1.5)
        await line.silence()
        assert not relay.counters.not_taken[Code.BUSY]
        relay.pass_time(1.5)

        refused = await line.expect(NotTaken)
        assert (refused.submission, refused.code) == (5, Code.BUSY)
        held.let()
        assert [each.submission for each in await line.several(Submitted, 2)] == [3, 4]


async def test_what_was_read_behind_a_full_line_of_verbs_is_answered_when_these_are(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)

        line.say(*[GetDevices(bob.account)] * 5 * FRAMES_AT_ONCE_MAX)

        assert len(await line.several(Devices, 5 * FRAMES_AT_ONCE_MAX)) == 5 * FRAMES_AT_ONCE_MAX


async def test_a_message_hurries_once_it_was_taken_in(tmp_path: Path) -> None:
    class Hurried(Before):
        def __init__(self, store: object) -> None:
            super().__init__(store)
            self.did: list[str] = []

        def submit(self, *arguments: object) -> None:
            self.did.append("submit")
            self.store.submit(*arguments)

        def hurry(self) -> None:
            self.did.append("hurry")

    async with office(tmp_path, through=Hurried) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)
        relay.rooms.store.did.clear()

        await send(line, 1, bob)

        assert relay.rooms.store.did[:2] == ["submit", "hurry"]


async def test_a_device_over_its_rate_is_told_when_to_try_again(tmp_path: Path) -> None:
    async with office(tmp_path, device_rate_per_s=1, device_burst=1) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)

        line.say(submit(1, bob), submit(2, bob))

        assert (await line.expect(Submitted)).submission == 1
        [refused] = [each for each in line.passed if isinstance(each, NotTaken)]
        assert (refused.submission, refused.code) == (2, Code.RATE)
        assert refused.retry_after_ms > 0
        line.say(Lookup("bob@gad.example"))
        assert (await line.expect(Refused)).code == Code.RATE
        relay.clock.advance(2.0)
        assert (await send(line, 2, bob)).codes == (Code.STORED,)


async def test_a_body_that_was_parked_serves_many_submissions(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, _ = await login(relay.port, bob)

        a.say(Body(5, b"parked"), submit(1, bob, body=None, handle=5), submit(2, bob, body=None, handle=6))

        assert [each.codes for each in await a.several(Submitted, 2)] == [(Code.STORED,), (Code.NO_BODY,)]
        assert (await b.expect(Deliver)).body == b"parked"


async def test_the_directory_answers(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)

        line.say(Lookup("Bob@GAD.example"), GetDevices(bob.account), GetRelayKeys(), Lookup("carol@gad.example"))

        assert (await line.expect(Account)).account == bob.account
        assert (await line.expect(Devices)).devices == identity.encode(bob.list)
        assert (await line.expect(RelayKeys)).descriptors == (DESCRIPTOR,)
        assert (await line.expect(Refused)).code == Code.NOT_AVAILABLE
        assert relay.counters.refused[Code.NOT_AVAILABLE] == 1


async def test_many_verbs_are_answered_in_their_order(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)

        line.say(*[GetDevices(bob.account) if n % 2 else Lookup("alice@gad.example") for n in range(100)])

        async with asyncio.timeout(30):
            for n in range(100):
                await line.expect(Devices if n % 2 else Account)
        assert not [each for each in line.passed if not isinstance(each, Drained | Established)]


async def test_a_device_whose_prekeys_run_low_hears_it(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, _ = await login(relay.port, bob)
        b.say(PutPrekeys((bob.prekeys[PrekeyKind.ONE_TIME], bob.prekeys[PrekeyKind.KEM_ONE_TIME])))
        assert await b.expect(PrekeysLeft) == PrekeysLeft(1, 1)

        a.say(GetBundles(bob.account, ()))

        assert (await a.expect(Bundles)).bundles[0].one_time == bob.prekeys[PrekeyKind.ONE_TIME]
        assert await b.expect(PrekeysLow) == PrekeysLow(0, 0)


async def test_a_device_that_was_removed_is_sent_away(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, _):
        line, _ = await login(relay.port, alice)
        replaced = alice.next_list(
            highest_device=2, devices=(identity.DeviceEntry(2, bytes(32), bytes(range(32)), 1),)
        )  # fmt: skip
        listed = identity.encode(replaced)

        line.say(PutDevices(listed, identity.sign_list(alice.identity_seed, listed)))

        closed = await line.expect(Closed)
        assert (closed.code, closed.reconnect) == (GoawayCode.AUTHENTICATION, False)


async def test_a_mistake_of_ours_in_a_verb_is_an_incident_and_the_connection_lives(tmp_path: Path) -> None:
    class Broken(Before):
        async def account_of(self, address: str, asker: bytes) -> Account:
            raise ZeroDivisionError(address)

    async with office(tmp_path, through=Broken) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)

        line.say(Lookup("bob@gad.example"))

        assert (await line.expect(Refused)).code == Code.INTERNAL
        assert relay.counters.internal_errors == 1
        assert (await send(line, 1, bob)).codes == (Code.STORED,)
        relay.counters.internal_errors = 0


async def test_a_fault_of_the_store_in_a_verb_says_when_to_try_again(tmp_path: Path) -> None:
    class Faulty(Before):
        async def account_of(self, address: str, asker: bytes) -> Account:
            raise Fault(Code.UNAVAILABLE, 1500)

    async with office(tmp_path, through=Faulty) as (relay, alice, _):
        line, _ = await login(relay.port, alice)

        line.say(Lookup("bob@gad.example"))

        assert await line.expect(Refused) == Refused(Code.UNAVAILABLE, 1500)


@pytest.mark.parametrize(
    ("error", "code"),
    [(Fault(Code.UNAVAILABLE, 700), GoawayCode.BUSY), (ZeroDivisionError(), GoawayCode.INTERNAL)],
)
@pytest.mark.parametrize("verb", ["page", "login"])
async def test_a_failure_that_leaves_a_connection_useless_ends_it(
    tmp_path: Path, verb: str, error: Exception, code: GoawayCode
) -> None:
    async def fail(*_: object) -> None:
        raise error

    def through(store: object) -> Before:
        before = Before(store)
        setattr(before, verb, fail)
        return before

    async with office(tmp_path, through=through) as (relay, alice, _):
        line = await connect(relay.port, alice)

        closed = await line.expect(Closed)

        assert (closed.code, closed.reconnect) == (code, True)
        assert closed.after_ms > 0
        relay.counters.internal_errors = 0


@pytest.mark.parametrize("where", ["acknowledge", "submit"])
async def test_a_mistake_of_ours_in_a_command_ends_its_connection_only(tmp_path: Path, where: str) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    def through(store: object) -> Before:
        before = Before(store)
        setattr(before, where, fail)
        return before

    async with office(tmp_path, through=through) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)
        other, welcome = await login(relay.port, bob)
        if where == "acknowledge":
            line, other = other, line
            await send(other, 1, bob)
            await line.expect(Deliver)

        line.say(submit(1, bob) if where == "submit" else ack(welcome.epoch, 1))

        assert (await line.expect(Closed)).code == GoawayCode.INTERNAL
        assert not other.connection.closed
        assert relay.counters.internal_errors == 1
        relay.counters.internal_errors = 0


async def test_who_has_gone_is_forgotten_without_the_collector(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        gc.collect()
        before = [each for each in gc.get_objects() if isinstance(each, Session)]
        gc.disable()
        try:
            device, _ = await login(relay.port, alice)
            await send(device, 1, bob)
            _, stranger = await asyncio.open_connection("127.0.0.1", relay.port)
            await until(lambda: len(relay.listener) == 2)

            device.transport.abort()
            stranger.transport.abort()
            await settled(relay)
            await login(relay.port, bob)  # the loop lets go of a transport when it has the next one
            await relay.store.probe()  # and the thread of an answer when it has given the next one

            left = [each for each in gc.get_objects() if isinstance(each, Session) and each not in before]
        finally:
            gc.enable()

        assert left == list(relay.listener._sessions)


async def test_a_mistake_of_ours_while_speaking_cuts_its_connection_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)
        other, _ = await login(relay.port, bob)
        await line.silence()
        await other.silence()
        flush = Session._flush
        [alices] = [s for s in relay.listener._sessions if s._router.seat.account == alice.account]

        def fail(session: Session, now_ms: int, now: float) -> None:
            if session is alices:
                raise ZeroDivisionError
            flush(session, now_ms, now)

        monkeypatch.setattr(Session, "_flush", fail)
        line.say(submit(1, bob))

        await asyncio.wait_for(line.lost.wait(), 30)
        await other.expect(Deliver)
        assert relay.counters.internal_errors == 1
        relay.counters.internal_errors = 0


async def test_a_mistake_of_ours_while_taking_what_came_cuts_its_connection_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)
        other, _ = await login(relay.port, bob)
        take = Session._take
        [alices] = [s for s in relay.listener._sessions if s._router.seat.account == alice.account]
        taken = []

        def fail(session: Session) -> bool:
            taken.append(session)
            if taken.count(session) == 2 and session is alices:
                raise ZeroDivisionError
            return take(session)

        monkeypatch.setattr(Session, "_take", fail)
        for each in (line, other):
            # More than one part: the first is taken at once, the rest when it is its turn.
            for _ in range(2 * FRAMES_AT_ONCE_MAX):
                each.connection.send_frames((message.encode(Ping()),))
            each.flush()

        await asyncio.wait_for(line.lost.wait(), 30)
        other.say(GetRelayKeys())
        await other.expect(RelayKeys)
        assert relay.counters.internal_errors == 1
        relay.counters.internal_errors = 0


async def test_enrolment_is_refused_without_a_ticket_and_may_be_tried_again(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        carol = Person("carol")
        ticket = await relay.ticket("carol@gad.example")
        line = await dial(relay.port, client(Purpose.ENROL, None, None))
        await line.expect(Established)

        line.say(enrolment(carol, bytes(16)))

        assert (await line.expect(Refused)).code == Code.BAD_TICKET
        await line.close()
        assert (await enrol(relay.port, carol, ticket)).address == "carol@gad.example"
        assert (await enrol(relay.port, carol, ticket)).account == carol.account
        assert relay.counters.accounts_enrolled == 1


async def test_a_mistake_of_ours_in_an_enrolment_ends_it(tmp_path: Path) -> None:
    class Broken(Before):
        async def enrol(self, *_: object) -> None:
            raise ZeroDivisionError

    async with live_relay(tmp_path, through=Broken) as relay:
        line = await dial(relay.port, client(Purpose.ENROL, None, None))
        await line.expect(Established)

        line.say(enrolment(Person("carol"), bytes(16)))

        assert (await line.expect(Closed)).code == GoawayCode.INTERNAL
        assert relay.counters.internal_errors == 1


async def test_who_asks_too_much_without_an_answer_breaks_the_protocol(tmp_path: Path) -> None:
    class Silent(Before):
        full = False

        def submit(self, *_: object) -> bool:
            return True

    async with office(tmp_path, through=Silent) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)

        line.say(*[submit(number, bob) for number in range(1, 258)])

        assert (await line.expect(Closed)).code == GoawayCode.BAD_SUBMISSION


async def test_who_never_waits_is_sent_away(tmp_path: Path) -> None:
    async with office(tmp_path, device_rate_per_s=1, device_burst=1) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)
        await send(line, 1, bob)

        with contextlib.suppress(Exception):
            for _ in range(5):
                line.say(*[submit(2, bob)] * 250)
                await line.several(NotTaken, 250)

        async with asyncio.timeout(30):
            await line.lost.wait()
        assert relay.counters.connections_closed[GoawayCode.RATE] == 1


async def test_a_session_without_a_peer_does_what_its_transport_says(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        left: list[Session] = []
        transport = FakeTransport()
        session = Session(transport, relay.rooms, left.append, b"here")
        assert relay.rooms.admission.admit(b"here", 0.0) is None
        relay.rooms.admission.entered(b"here", session)

        session.pause_writing()
        assert not transport.reading
        session.resume_writing()
        assert transport.reading
        session.pause_writing()
        relay.pass_time(21.0)
        for _ in range(2):  # in the first turn it is asked what it has to say
            await asyncio.sleep(0)

        assert transport.aborted
        session.connection_lost(None)
        assert left == [session]
        await asyncio.sleep(0)
        assert transport.written == []


async def test_what_was_acknowledged_in_one_breath_with_goaway_is_kept(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        a, _ = await login(relay.port, alice)
        b, welcome = await login(relay.port, bob)
        await send(a, 1, bob)
        await b.expect(Deliver)

        b.connection.send(ack(welcome.epoch, 1))
        b.connection.goaway(GoawayCode.BYE, reconnect=False)
        b.flush()

        await b.lost.wait()
        b, welcome = await login(relay.port, bob, epoch=welcome.epoch)
        assert welcome.lanes[Lane.NORMAL].floor == 1


async def test_a_wrong_acknowledgement_in_the_last_breath_harms_nobody(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, _, bob):
        b, welcome = await login(relay.port, bob)

        b.connection.send(ack(welcome.epoch, 99))
        b.connection.goaway(GoawayCode.BYE, reconnect=False)
        b.flush()

        await b.lost.wait()
        # Our end is lost at once: the relay may not have read anything yet.
        await until(lambda: len(relay.listener) == 0)
        await settled(relay)


async def test_a_mistake_of_ours_with_the_last_breath_is_an_incident(tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    def through(store: object) -> Before:
        before = Before(store)
        before.acknowledge = fail
        return before

    async with office(tmp_path, through=through) as (relay, alice, bob):
        b, welcome = await login(relay.port, bob)
        a, _ = await login(relay.port, alice)
        await send(a, 1, bob)
        await b.expect(Deliver)
        await a.close()

        b.connection.send(ack(welcome.epoch, 1))
        b.connection.goaway(GoawayCode.BYE, reconnect=False)
        b.flush()

        await b.lost.wait()
        await until(lambda: len(relay.listener) == 0)
        await settled(relay)
        assert relay.counters.internal_errors == 1
        relay.counters.internal_errors = 0


async def test_a_submission_far_above_the_others_ends_the_connection(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)

        line.say(submit(900, bob))

        assert (await line.expect(Closed)).code == GoawayCode.BAD_SUBMISSION


async def test_works_of_a_superseded_connection_are_dropped_without_an_answer(tmp_path: Path) -> None:
    waiting: list[tuple[object, ...]] = []

    class Late(Before):
        full = False

        def submit(self, *arguments: object) -> None:
            if arguments[0].generation > 1:
                self.store.submit(*arguments)
            else:
                waiting.append(arguments)

    async with office(tmp_path, through=Late) as (relay, alice, bob):
        older, _ = await login(relay.port, alice)
        older.say(submit(1, bob))
        await until(lambda: waiting)
        newer, _ = await login(relay.port, alice)

        relay.store.submit(*waiting[0])

        assert (await send(newer, 1, bob)).codes == (Code.STORED,)
        assert not any(isinstance(each, Submitted) for each in await older.silence())
        bobs, _ = await login(relay.port, bob)
        await bobs.expect(Deliver)
        await bobs.expect(Drained)
        assert sum(isinstance(each, Deliver) for each in bobs.passed) == 0


async def test_a_fault_at_login_says_when_to_come_back(tmp_path: Path) -> None:
    async def fail(*_: object) -> None:
        raise Fault(Code.DISK, 30_000)

    def through(store: object) -> Before:
        before = Before(store)
        before.login = fail
        return before

    async with office(tmp_path, through=through) as (relay, alice, _):
        closed = await (await connect(relay.port, alice)).expect(Closed)

        assert (closed.code, closed.reconnect, closed.after_ms) == (GoawayCode.BUSY, True, 30_000)


async def test_a_mistake_of_ours_at_a_deadline_cuts_its_connection_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        line, _ = await login(relay.port, alice)
        other, _ = await login(relay.port, bob)
        overdue = Session._overdue
        [alices] = [s for s in relay.listener._sessions if s._router.seat.account == alice.account]

        def fail(session: Session, now: float) -> None:
            if session is alices:
                raise ZeroDivisionError
            overdue(session, now)

        monkeypatch.setattr(Session, "_overdue", fail)
        alices.overdue(0.0)

        await asyncio.wait_for(line.lost.wait(), 5)
        assert not other.connection.closed
        assert relay.counters.internal_errors == 1
        relay.counters.internal_errors = 0


@pytest.mark.parametrize("said", ["ping", "unknown", "ack", "lookup"])
async def test_who_says_nothing_again_and_again_is_sent_away_and_not_let_in_at_once(tmp_path: Path, said: str) -> None:
    async with office(tmp_path, device_burst=1, device_rate_per_s=1) as (relay, alice, bob):
        line, welcome = await login(relay.port, alice)
        frames = {
            "ping": message.encode(Ping()), "unknown": frame.encode(250, 1, ()),
            "ack": message.encode(ack(welcome.epoch, 0)), "lookup": message.encode(GetRelayKeys(), 1),
        }  # fmt: skip

        for _ in range(WASTE_MAX + 2):
            line.connection.send_frames((frames[said],))
        line.flush()
        closed = await line.expect(Closed)
        again = await connect(relay.port, alice)
        refused = await again.expect(Closed)
        other, _ = await login(relay.port, bob)

        assert (closed.code, refused.code) == (GoawayCode.RATE, GoawayCode.RATE)
        assert refused.after_ms > 0
        assert relay.counters.handshakes_failed == {"rate": 1}
        assert not other.connection.closed
        relay.pass_time(BAD_ENDS_WITHIN_S)
        back, _ = await login(relay.port, alice)
        assert not back.connection.closed


async def test_a_flood_is_taken_in_parts_and_others_are_answered_between_them(tmp_path: Path) -> None:
    async with office(tmp_path) as (relay, alice, bob):
        flood, _ = await login(relay.port, alice)
        other, _ = await login(relay.port, bob)
        parts = []
        advance = RelayConnection.advance

        def counted(connection, now, frames_max):
            before = connection.empty
            more = advance(connection, now, frames_max)
            parts.append(connection.empty - before)
            return more

        with mock.patch.object(RelayConnection, "advance", counted):
            for _ in range(WASTE_MAX // 2):
                flood.connection.send_frames((message.encode(Ping()),))
            flood.flush()
            other.say(GetRelayKeys())
            await other.expect(RelayKeys)
            await until(lambda: sum(parts) == WASTE_MAX // 2)

        assert max(parts) == FRAMES_AT_ONCE_MAX
        assert not flood.connection.closed
