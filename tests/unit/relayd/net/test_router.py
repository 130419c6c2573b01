"""One device's commands, with a store and a session of the test's own."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from relayd.delivery.pump import Pump
from relayd.metrics import Counters
from relayd.net.router import VERBS_MAX, Router
from relayproto.administration import GetCheckpoints, GetUnits
from relayproto.administration_replies import Acted, Checkpoints
from relayproto.codes import Code, GoawayCode
from relayproto.commands import Act, Block, Body, Credit, Ephemeral, GetRelayKeys, PutPolicy, PutProfile, Report, Target
from relayproto.errors import RemoteProtocolError
from relayproto.limits import CONNECTION_LIFETIME_S, REPORT_BYTES, UNANSWERED_MAX
from relayproto.message import Message
from relayproto.notices import Passing, Ping, PrekeysLow
from relayproto.operating import Line
from relayproto.people import GetPeople
from relayproto.replies import Done, LaneState, NotTaken, Refused, RelayKeys, Submitted
from relayproto.standing import PLATFORM, ActState
from support.desks import seat_of
from support.device import PLENTY, ack, enrol, login, submit
from support.entries import envelope, gap, page
from support.live_relay import Before, live_relay, until
from support.people import Person

ALICE, BOB = Person("alice"), Person("bob")
NOW = 1000.0


class Driver:
    def __init__(self) -> None:
        self.said: list[tuple[Message, int]] = []
        self.left: list[tuple[GoawayCode, bool]] = []
        self.retired: list[GoawayCode] = []
        self.spoken = self.resumed = self.rested = self.wasted = 0
        self.has_room = True
        self.traffic = (10, 20, 30)

    def say(self, message: Message, request: int) -> None:
        self.said.append((message, request))

    def speak(self) -> None:
        self.spoken += 1

    def resume(self) -> None:
        self.resumed += 1

    def settled(self) -> None:
        self.rested += 1

    def waste(self, frames: int) -> None:
        self.wasted += frames

    def leave(self, code: GoawayCode, *, reconnect: bool, after_ms: int = 0) -> None:
        self.left.append((code, reconnect))

    def retire(self, code: GoawayCode, *, after_ms: int) -> None:
        self.retired.append(code)


class Quiet(Before):
    """Keeps what it is given and answers when the test wants it to."""

    def __init__(self, store: object) -> None:
        super().__init__(store)
        self.full = False
        self.room = UNANSWERED_MAX
        self.settles = []
        self.acknowledged = []

    def submit(self, seat, command, body, settle) -> None:
        self.settles.append(settle)

    def acknowledge(self, seat, ack) -> None:
        self.acknowledged.append(ack)


class Deciding(Before):
    """Says what becomes of acts."""

    def __init__(self, store: object, came: Acted | Code) -> None:
        super().__init__(store)
        self.came = came

    async def domain_to_prove(self, seat, command) -> None:
        return None

    async def act(self, seat, command, *, relay, proven) -> Acted | Code:
        return self.came


class Stage:
    """A router with everything around it."""

    def __init__(self, rooms, *, credit: Credit = PLENTY) -> None:
        lanes = (LaneState(0, 1),) * 3
        self.pump = Pump(epoch=7, cursors=(0, 0, 0), lanes=lanes, credit=credit, counters=Counters())
        while (want := self.pump.want()) is not None:
            self.pump.paged(want, page())
        self.driver = Driver()
        self.clock = rooms.clock
        self.store = rooms.store
        self.router = Router(seat_of(ALICE), self.pump, rooms, self.driver, NOW)

    def deliver(self) -> None:
        """Send one envelope, so that there is something to acknowledge."""
        self.pump.offer(envelope(1))
        assert self.pump.fill(1 << 16, 0, NOW)

    def route(self, command: Message, request: int = 1, *, patient: bool = True) -> bool:
        return self.router.route(request, command, self.clock.monotonic(), patient=patient)


async def test_an_answer_carries_the_number_of_its_request(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms)

        stage.route(submit(1, BOB), 11)
        stage.route(submit(2, BOB), 12)
        assert stage.router.pending == 2
        for settle, number in zip(stage.store.settles, (1, 2), strict=True):
            settle(Submitted(number, (0,), (), 0))

        assert [request for _, request in stage.driver.said] == [11, 12]
        assert stage.router.pending == 0
        assert stage.driver.rested == 1


async def test_a_superseded_submission_has_no_answer(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms)
        stage.route(submit(1, BOB))

        stage.store.settles[0](None)

        assert stage.driver.said == []
        assert stage.router.pending == 0


async def test_a_protocol_error_that_the_store_finds_ends_the_connection(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms)
        stage.route(submit(1, BOB))

        stage.store.settles[0](RemoteProtocolError(GoawayCode.BAD_SUBMISSION, "too far"))

        assert stage.driver.left == [(GoawayCode.BAD_SUBMISSION, True)]


async def test_more_than_there_is_room_for_is_for_the_session_to_wait_for(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms)
        stage.store.room = 1
        assert stage.route(submit(1, BOB))

        assert not stage.route(submit(2, BOB))
        assert stage.router.pending == 1
        assert stage.route(submit(2, BOB), 5, patient=False)

        [(answer, request)] = stage.driver.said
        assert isinstance(answer, NotTaken)
        assert (answer.code, request, stage.router.pending) == (Code.BUSY, 5, 1)


async def test_more_than_256_without_an_answer_are_a_fault(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms)
        for number in range(1, UNANSWERED_MAX + 1):
            stage.route(submit(number, BOB))

        with pytest.raises(RemoteProtocolError) as caught:
            stage.route(submit(UNANSWERED_MAX + 1, BOB))

        assert caught.value.code is GoawayCode.BAD_SUBMISSION


SLOW = {"device_rate_per_s": 1, "device_burst": 1}


async def test_what_is_behind_a_submission_over_the_rate_comes_for_nothing(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet, **SLOW) as relay:
        stage = Stage(relay.rooms)
        stage.route(submit(1, BOB))

        for number in (2, 3, 4):
            stage.route(submit(number, BOB), number)

        said = [(answer.submission, answer.code, request) for answer, request in stage.driver.said]
        assert said == [(2, Code.RATE, 2), (3, Code.GO_BACK, 3), (4, Code.GO_BACK, 4)]
        assert relay.counters.not_taken == {Code.RATE: 1, Code.GO_BACK: 2}
        assert (len(stage.store.settles), stage.router.pending, stage.driver.wasted) == (1, 1, 0)


async def test_who_waits_as_long_as_he_was_told_goes_on_from_there(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet, **SLOW) as relay:
        stage = Stage(relay.rooms)
        for number in (1, 2, 3):
            stage.route(submit(number, BOB))

        for number in (2, 3):
            relay.pass_time(1.001)
            stage.route(submit(number, BOB))

        assert (len(stage.store.settles), stage.driver.wasted) == (3, 0)


async def test_who_comes_before_his_time_says_it_for_nothing_and_what_follows_too(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet, **SLOW) as relay:
        stage = Stage(relay.rooms)
        for number in (1, 2, 3):
            stage.route(submit(number, BOB))

        for number in (2, 3, 4):
            stage.route(submit(number, BOB))

        assert (len(stage.store.settles), stage.driver.wasted) == (1, 3)
        relay.pass_time(1.001)
        for number in (2, 3):
            stage.route(submit(number, BOB))
        assert (len(stage.store.settles), stage.driver.wasted) == (2, 3)


async def test_a_number_that_came_twice_and_was_taken_holds_nobody(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet, device_rate_per_s=1, device_burst=2) as relay:
        stage = Stage(relay.rooms)
        for number in (1, 2, 2, 3):
            stage.route(submit(number, BOB))

        stage.store.settles[1](Submitted(2, (0,), (), 0))
        relay.pass_time(1.001)
        stage.route(submit(3, BOB))

        assert len(stage.store.settles) == 3


async def test_who_does_not_wait_for_an_answer_breaks_the_protocol(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet, **SLOW) as relay:
        stage = Stage(relay.rooms)
        for number in range(1, UNANSWERED_MAX + 2):
            stage.route(submit(number, BOB))

        with pytest.raises(RemoteProtocolError) as caught:
            stage.route(submit(UNANSWERED_MAX + 2, BOB))

        assert caught.value.code is GoawayCode.BAD_SUBMISSION


async def test_an_acknowledgement_reaches_the_store_if_the_pump_believes_it(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms)

        stage.deliver()

        assert stage.route(ack(7, 1))
        assert stage.route(ack(8, 1))

        assert stage.store.acknowledged == [ack(7, 1)]
        assert stage.driver.spoken == 1


async def test_a_storm_of_acknowledgements_without_news_costs_no_commit(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms, credit=Credit(1, 1))
        stage.deliver()

        for _ in range(1_000):
            assert stage.route(ack(7, 0, credit=Credit(5, 5)))
            assert stage.route(ack(7, 1, credit=Credit(9, 9)))

        assert stage.store.acknowledged == [ack(7, 1, credit=Credit(9, 9))]
        assert stage.pump.window == 8
        assert stage.driver.wasted == 1_999


async def test_an_acknowledgement_waits_for_room_unless_its_connection_ends(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms)
        stage.deliver()
        stage.store.full = True

        assert not stage.route(ack(7, 1))
        assert stage.route(ack(7, 1), patient=False)

        assert stage.store.acknowledged == [ack(7, 1)]


async def test_whatever_is_not_taken_is_counted_by_its_reason(tmp_path: Path) -> None:
    async with live_relay(tmp_path, through=Quiet) as relay:
        stage = Stage(relay.rooms)
        stage.route(submit(1, BOB))
        stage.route(submit(2, BOB))

        stage.store.settles[0](NotTaken(1, Code.DISK, 30_000))
        stage.store.settles[1](NotTaken(2, Code.GO_BACK, 0))

        assert relay.counters.not_taken == {Code.DISK: 1, Code.GO_BACK: 1}


async def test_verbs_wait_in_a_bounded_line(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stage = Stage(relay.rooms)
        taken = [stage.route(GetRelayKeys(), request) for request in range(VERBS_MAX + 1)]

        assert taken == [True] * VERBS_MAX + [False]
        await until(lambda: stage.driver.resumed == VERBS_MAX)
        assert [request for _, request in stage.driver.said] == list(range(VERBS_MAX))
        assert all(isinstance(answer, RelayKeys) for answer, _ in stage.driver.said)
        assert stage.route(GetRelayKeys(), 99)
        await until(lambda: stage.driver.resumed > VERBS_MAX)
        assert stage.driver.said[-1][1] == 99


async def test_a_verb_over_the_rate_is_refused(tmp_path: Path) -> None:
    async with live_relay(tmp_path, device_rate_per_s=1, device_burst=1) as relay:
        stage = Stage(relay.rooms)
        stage.route(Body(1, b"free of charge"))
        stage.route(GetRelayKeys(), 1)

        stage.route(GetRelayKeys(), 2)

        [(refused, request)] = stage.driver.said
        assert isinstance(refused, Refused)
        assert (refused.code, request) == (Code.RATE, 2)
        await asyncio.sleep(0.01)


async def test_verbs_of_a_connection_that_is_gone_are_forgotten(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stage = Stage(relay.rooms)
        for request in range(5):
            stage.route(GetRelayKeys(), request)

        assert stage.router.gone() is False
        await asyncio.sleep(0.01)

        assert [request for _, request in stage.driver.said] == [0]


async def test_what_the_mailbox_says_reaches_the_pump_and_wakes_the_session(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stage = Stage(relay.rooms)

        stage.router.offer(envelope(1))
        stage.router.explain(gap(2, 2))
        stage.router.say(PrekeysLow(1, 1))

        assert stage.driver.spoken == 3
        assert stage.pump.ready


async def test_superseded_and_revoked_are_different_goodbyes(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stage = Stage(relay.rooms)

        stage.router.revoke()
        stage.router.supersede()

        assert stage.driver.left == [(GoawayCode.AUTHENTICATION, False), (GoawayCode.SUPERSEDED, False)]
        assert stage.router.gone() is True
        assert relay.counters.takeovers == 1


async def test_a_connection_in_numbers_and_its_dismissal(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stage = Stage(relay.rooms, credit=Credit(5, 1 << 20))
        stage.router.offer(envelope(1))
        stage.pump.fill(1 << 16, 0, NOW)

        line = stage.router.line()
        stage.router.dismiss(5_000)

        seat = seat_of(ALICE)
        assert line == Line(seat.row, seat.since_ms, 10, 20, window=4, owed=1, waiting=30)
        assert stage.driver.left == [(GoawayCode.RENEW, True)]


async def test_a_full_window_is_asked_and_given_up(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stage = Stage(relay.rooms, credit=Credit(0, 0))
        stage.router.offer(envelope(1))
        stage.pump.fill(1 << 16, 0, NOW)

        assert stage.router.next_deadline() == NOW + 60.0
        stage.router.overdue(NOW + 59.0)
        assert stage.driver.said == []
        stage.router.overdue(NOW + 60.0)
        assert stage.driver.said == [(Ping(), 0)]
        stage.router.overdue(NOW + 120.0)
        assert stage.driver.left == [(GoawayCode.STALLED, True)]
        assert relay.counters.stalled == 1


async def test_a_day_ends_once_and_not_for_everybody_at_the_same_time(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stages = [Stage(relay.rooms) for _ in range(10)]
        ends = {stage.router.next_deadline() for stage in stages}

        assert len(ends) > 1
        assert all(CONNECTION_LIFETIME_S - 3600.0 <= end - NOW <= CONNECTION_LIFETIME_S - 360.0 for end in ends)
        stages[0].router.overdue(NOW + CONNECTION_LIFETIME_S)
        stages[0].router.overdue(NOW + CONNECTION_LIFETIME_S)
        assert stages[0].driver.retired == [GoawayCode.RENEW]


async def test_people_defend_themselves_and_hear_that_it_was_done(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        ticket = await relay.ticket("alice@gad.example")
        await enrol(relay.port, ALICE, ticket)
        line, _ = await login(relay.port, ALICE)

        line.say(Block(BOB.account, True), Report(bytes(REPORT_BYTES)))

        assert await line.several(Done, 2) == [Done(), Done()]
        await line.close()


async def test_officers_ask_and_act_and_people_tighten_what_others_may(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        await enrol(relay.port, ALICE, await relay.ticket("alice@gad.example"))
        line, _ = await login(relay.port, ALICE)

        line.say(GetCheckpoints(0, 9), GetUnits(PLATFORM, 0, 9), Act(b"no act", bytes(64)), PutPolicy(bytes(30)))

        assert await line.expect(Checkpoints) == Checkpoints((), False)
        refused = await line.several(Refused, 2)
        assert [answer.code for answer in refused] == [Code.NOT_PERMITTED, Code.BAD_SIGNATURE]
        assert await line.expect(Done) == Done()
        line.say(PutProfile("on leave", bytes(25)), GetPeople(1, "", b"", 9))
        assert await line.expect(Done) == Done()
        assert (await line.expect(Refused)).code == Code.NOT_PERMITTED
        await line.close()
        assert relay.counters.acts == {"denied": 1}


@pytest.mark.parametrize(
    ("came", "counted"),
    [
        (Acted(ActState.PROPOSED, 7, 3, b""), "proposed"),
        (Acted(ActState.DONE, 7, 0, b""), "done"),
        (Code.NOT_PERMITTED, "denied"),
        (Code.RATE, "rate"),
    ],
)
async def test_acts_are_counted_by_what_became_of_them(tmp_path: Path, came: Acted | Code, counted: str) -> None:
    async with live_relay(tmp_path, through=partial(Deciding, came=came)) as relay:
        stage = Stage(relay.rooms)

        stage.route(Act(b"an act", bytes(64)))
        await until(lambda: bool(stage.driver.said))

        assert relay.counters.acts == {counted: 1}


async def test_what_passes_by_has_no_answer_and_is_dropped_above_the_rate(tmp_path: Path) -> None:
    async with live_relay(tmp_path, device_rate_per_s=1, device_burst=1) as relay:
        stage = Stage(relay.rooms)
        typing = Ephemeral(Target(BOB.account, 1, ()))

        assert stage.route(typing)
        assert stage.route(typing)
        assert len(stage.router._verbs) == 1
        await until(lambda: not stage.router._verbs)

        assert stage.driver.said == []


async def test_what_passes_by_never_waits_for_its_turn(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stage = Stage(relay.rooms)
        for _ in range(VERBS_MAX):
            stage.route(GetRelayKeys())

        assert stage.route(Ephemeral(Target(BOB.account, 1, ())))

        assert len(stage.router._verbs) == VERBS_MAX


async def test_a_device_that_does_not_read_is_not_told_who_types(tmp_path: Path) -> None:
    async with live_relay(tmp_path) as relay:
        stage = Stage(relay.rooms)

        stage.driver.has_room = False
        stage.router.pass_by(Passing(BOB.account, 1, b"typing"))
        slow = stage.pump.ready
        stage.driver.has_room = True
        stage.pump.fill(1 << 20, 0, NOW)
        stage.router.pass_by(Passing(BOB.account, 1, b"typing"))

        assert not slow
        assert stage.driver.spoken == 1
        assert stage.pump.ready
