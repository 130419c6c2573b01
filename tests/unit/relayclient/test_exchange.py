"""exchange.py: what a device and the relay say to each other on one connection, with a device that is a script."""

import asyncio
import contextlib

import pytest

from relayclient import exchange as exchange_module
from relayclient.clock import RelayClock
from relayclient.errors import RelayUntrusted
from relayclient.events import Connected, Drained, RelayKeyChanged
from relayclient.exchange import IN_FLIGHT_MAX, Exchange
from relayproto import events, notices
from relayproto.codes import Class, Code, GoawayCode, Lane
from relayproto.commands import Ack, Body, Credit, Ephemeral, GetRelayKeys, Lookup, Submit, Target
from relayproto.ids import KeyId
from relayproto.replies import LaneState, NotTaken, Refused, RelayKeys, Submitted, Welcome

WELCOME = Welcome(1, 0, 10**12, 1, (LaneState(0, 1),) * 3, 1, 0, 1, 100, 10)


def submit(number):
    return Submit(number, 0, Class.CHAT, 60, 0, bytes(33), b"body", None, (), None)


class Device:
    """Says what the test put there, and keeps what it is told."""

    def __init__(self):
        self.needs, self.submits, self.ack_list, self.told, self.limits = [], [], [], [], []
        self.wait, self.failure = None, None

    def _take(self, name):
        taken, remaining = getattr(self, name), []
        setattr(self, name, remaining)
        return taken

    def welcomed(self, welcome, now_ms):
        if self.failure is not None:
            raise self.failure
        self.told.append(welcome)
        return []

    def descriptor(self, descriptor, now_ms):
        if descriptor == b"forged":
            raise RelayUntrusted
        return [RelayKeyChanged(KeyId(2))] if descriptor == b"newer" else []

    def next_needs(self, now_ms):
        return self._take("needs")

    def next_submits(self, limit, now_ms):
        self.limits.append(limit)
        given, self.submits = self.submits[:limit], self.submits[limit:]
        return given

    def acks(self):
        return self._take("ack_list")

    def answered(self, reply, command, now_ms):
        self.told.append((reply, command))
        return []

    def noticed(self, notice, now_ms):
        self.told.append(notice)
        return [Drained()] if isinstance(notice, notices.Drained) else []

    def make_last(self):
        pass

    def together(self):
        return contextlib.nullcontext()

    def wait_ms(self, now_ms):
        return self.wait


class Session:
    """Keeps what is said."""

    def __init__(self):
        self.said, self.writable, self.ended = [], True, None

    def send(self, message, request=0):
        self.said.append((request, message))

    def goaway(self):
        self.ended = "goaway"

    def abort(self):
        self.ended = "abort"


def opened(device):
    told = []
    exchange = Exchange(device, clock=RelayClock(), tell=told.append)
    exchange.session = Session()
    exchange.on_event(events.Established(bytes(32)))
    exchange.on_event(events.MessageReceived(0, WELCOME))
    return exchange, exchange.session, told


async def turn():
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def answer(exchange, request, reply):
    exchange.on_event(events.MessageReceived(request, reply))


async def test_a_welcome_opens_the_talk_and_sets_the_clock():
    device = Device()

    exchange, _, told = opened(device)
    await turn()

    assert exchange.open
    assert exchange.established
    assert told == [Connected()]
    assert device.told == [WELCOME]
    assert exchange._clock.now_ms() >= WELCOME.now_ms
    exchange.finish()


async def test_one_turn_says_acknowledgements_then_needs_then_submissions():
    device = Device()
    _, session, _ = opened(device)
    ack = Ack(1, Lane.NORMAL, 3, (), Credit(64, 1), ())
    device.needs, device.submits, device.ack_list = [GetRelayKeys()], [Body(1, b"x"), submit(1)], [ack]

    await turn()

    assert session.said == [(0, ack), (1, GetRelayKeys()), (0, Body(1, b"x")), (2, submit(1))]


async def test_no_more_than_so_many_submissions_are_in_flight():
    device = Device()
    exchange, session, _ = opened(device)
    device.submits = [submit(number) for number in range(1, 201)]
    await turn()
    assert len(session.said) == IN_FLIGHT_MAX

    answer(exchange, 1, Submitted(1, (0,), (), 0))
    answer(exchange, 2, Submitted(2, (0,), (), 0))
    await turn()

    assert len(session.said) == IN_FLIGHT_MAX + 2
    assert device.limits[-1] == 2
    exchange.soon()
    await turn()
    assert device.limits[-1] == 2


async def test_after_not_taken_nothing_is_submitted_until_everything_in_flight_is_answered():
    device = Device()
    exchange, session, _ = opened(device)
    device.submits = [submit(1), submit(2)]
    await turn()

    answer(exchange, 1, NotTaken(1, Code.RATE, 0))
    device.submits = [submit(1), submit(2)]
    await turn()
    waiting = len(session.said)
    answer(exchange, 2, NotTaken(2, Code.GO_BACK, 0))
    await turn()

    assert waiting == 2
    assert [message.submission for _, message in session.said] == [1, 2, 1, 2]


async def test_a_relay_that_takes_less_is_sent_less_at_once_and_more_again_with_each_that_it_takes():
    device = Device()
    exchange, _, _ = opened(device)
    device.submits = [submit(number) for number in range(1, IN_FLIGHT_MAX + 1)]
    await turn()

    for number in range(1, IN_FLIGHT_MAX + 1):
        answer(exchange, number, NotTaken(number, Code.RATE, 0))
    await turn()
    halved = device.limits[-1]
    device.submits = [submit(1)]
    exchange.soon()
    await turn()
    answer(exchange, IN_FLIGHT_MAX + 1, Submitted(1, (0,), (), 0))
    await turn()
    grown = device.limits[-1]
    for number in range(2, 20):
        device.submits = [submit(number)]
        exchange.soon()
        await turn()
        answer(exchange, IN_FLIGHT_MAX + number, NotTaken(number, Code.RATE, 0))
        await turn()

    assert halved == IN_FLIGHT_MAX // 2
    assert grown == IN_FLIGHT_MAX // 2 + 1
    assert device.limits[-1] == 1


async def test_a_relay_that_reads_slowly_gets_no_submissions_but_acknowledgements():
    device = Device()
    exchange, session, _ = opened(device)
    ack = Ack(1, Lane.NORMAL, 3, (), Credit(64, 1), ())
    session.writable = False
    device.submits, device.ack_list = [submit(1)], [ack]

    await turn()

    assert session.said == [(0, ack)]
    assert exchange.open


async def test_typing_is_said_without_a_number_and_only_where_there_is_room():
    device = Device()
    exchange, session, _ = opened(device)
    command = Ephemeral(Target(bytes(32), 1, ()))
    device.typing = lambda to, now_ms: command if to == "bob@office.example" else None

    exchange.typing("nobody@office.example")
    session.writable = False
    exchange.typing("bob@office.example")
    before = list(session.said)
    session.writable = True
    exchange.typing("bob@office.example")

    assert before == []
    assert session.said == [(0, command)]


async def test_an_answer_goes_to_the_device_and_to_whoever_asked():
    device = Device()
    exchange, session, _ = opened(device)

    answered = exchange.ask(Lookup("bob@office.example"))
    [(request, command)] = session.said
    answer(exchange, request, Refused(Code.NOT_AVAILABLE, 0))

    assert await answered == Refused(Code.NOT_AVAILABLE, 0)
    assert (Refused(Code.NOT_AVAILABLE, 0), command) in device.told


async def test_whoever_asked_and_was_cancelled_is_not_answered():
    device = Device()
    exchange, session, _ = opened(device)
    answered = exchange.ask(Lookup("bob@office.example"))
    answered.cancel()

    answer(exchange, session.said[0][0], Refused(Code.NOT_AVAILABLE, 0))

    assert answered.cancelled()
    assert exchange.open


async def test_an_answer_that_nobody_waits_for_and_a_word_that_means_nothing_are_ignored():
    device = Device()
    exchange, _, _ = opened(device)
    before = len(device.told)

    answer(exchange, 99, Submitted(9, (0,), (), 0))
    answer(exchange, 0, RelayKeys(()))

    assert len(device.told) == before
    assert exchange.open


async def test_a_notice_goes_to_the_device_and_its_events_are_told():
    device = Device()
    exchange, _, told = opened(device)

    answer(exchange, 0, notices.Drained())
    await turn()

    assert device.told[-1] == notices.Drained()
    assert told[-1] == Drained()


async def test_what_came_and_what_is_to_be_said_lasts_before_it_is_told_answered_or_said():
    device = Device()
    exchange, session, told = opened(device)
    await turn()
    asked = exchange.ask(Lookup("bob@office.example"))
    seen = []
    device.make_last = lambda: seen.append((list(told), asked.done(), list(session.said), list(device.submits)))
    before = list(told), False, list(session.said), []
    device.submits, device.ack_list = [submit(1)], [Ack(1, Lane.NORMAL, 3, (), Credit(64, 1), ())]

    answer(exchange, 1, Refused(Code.NOT_AVAILABLE, 0))
    answer(exchange, 0, notices.Drained())
    await turn()

    assert seen == [before]
    assert told == [Connected(), Drained()]
    assert asked.done()
    assert len(session.said) == 3


async def test_what_cannot_be_made_to_last_is_not_told_answered_or_said():
    device = Device()
    exchange, session, told = opened(device)
    await turn()
    asked = exchange.ask(Lookup("bob@office.example"))
    device.submits, device.ack_list = [submit(1)], [Ack(1, Lane.NORMAL, 3, (), Credit(64, 1), ())]
    device.make_last = lambda: 1 / 0

    answer(exchange, 1, Refused(Code.NOT_AVAILABLE, 0))
    answer(exchange, 0, notices.Drained())
    await turn()

    with pytest.raises(ZeroDivisionError):
        await exchange.ended
    assert told == [Connected()]
    assert asked.cancelled()
    assert len(session.said) == 1
    assert session.ended == "abort"


async def test_what_came_before_the_end_of_a_connection_is_told():
    device = Device()
    exchange, _, told = opened(device)
    closed = events.Closed(GoawayCode.RESTART, reconnect=True, after_ms=5, by_peer=True, detail="")

    answer(exchange, 0, notices.Drained())
    exchange.on_event(closed)

    assert told == [Connected(), Drained()]
    assert exchange.ended.result() == closed


async def test_an_end_before_which_something_cannot_be_made_to_last_is_that_failure():
    device = Device()
    exchange, _, told = opened(device)
    device.make_last = lambda: 1 / 0

    exchange.on_event(events.Closed(GoawayCode.RESTART, reconnect=True, after_ms=5, by_peer=True, detail=""))

    with pytest.raises(ZeroDivisionError):
        await exchange.ended
    assert told == []


async def test_what_came_before_a_failure_is_told():
    device = Device()
    exchange, _, told = opened(device)
    device.answered = lambda reply, command, now_ms: 1 / 0
    exchange.ask(Lookup("bob@office.example"))

    answer(exchange, 0, notices.Drained())
    answer(exchange, 1, Refused(Code.NOT_AVAILABLE, 0))

    with pytest.raises(ZeroDivisionError):
        await exchange.ended
    assert told == [Connected(), Drained()]


async def test_the_next_turn_comes_when_the_device_asked_for_it(monkeypatch):
    device = Device()
    device.wait = 20
    _, session, _ = opened(device)
    await turn()

    device.needs = [GetRelayKeys()]
    await asyncio.sleep(0.1)

    assert session.said == [(1, GetRelayKeys())]


async def test_a_lost_poke_delays_a_message_by_no_more_than_a_tick(monkeypatch):
    monkeypatch.setattr(exchange_module, "TICK_S", 0.02)
    device = Device()
    _, session, _ = opened(device)
    await turn()

    device.submits = [submit(1)]
    await asyncio.sleep(0.1)

    assert session.said == [(1, submit(1))]


async def test_it_is_settled_when_everything_has_its_answer():
    device = Device()
    exchange, session, _ = opened(device)
    device.submits = [submit(1)]
    await turn()
    assert not exchange.settled.is_set()

    answer(exchange, session.said[0][0], Submitted(1, (0,), (), 0))
    await turn()

    assert exchange.settled.is_set()


async def test_the_end_cancels_questions_and_says_nothing_more():
    device = Device()
    exchange, session, _ = opened(device)
    answered = exchange.ask(Lookup("bob@office.example"))
    closed = events.Closed(GoawayCode.RESTART, reconnect=True, after_ms=5, by_peer=True, detail="")

    exchange.on_event(closed)
    device.submits = [submit(1)]
    exchange.soon()
    await turn()

    assert await exchange.ended == closed
    assert answered.cancelled()
    assert len(session.said) == 1
    exchange.on_event(closed)


async def test_what_the_device_raises_ends_the_connection_and_is_passed_on():
    device = Device()
    device.failure = ValueError("cloned")
    exchange, session, _ = opened(device)

    with pytest.raises(ValueError, match="cloned"):
        await exchange.ended

    assert session.ended == "abort"
    exchange.on_event(events.MessageReceived(0, WELCOME))


async def test_what_the_device_raises_in_a_turn_ends_the_connection_too():
    device = Device()
    exchange, session, _ = opened(device)
    device.acks = lambda: 1 / 0

    await turn()

    with pytest.raises(ZeroDivisionError):
        await exchange.ended
    assert session.ended == "abort"


async def test_a_failure_before_there_is_a_session_is_passed_on_as_well():
    device = Device()
    device.failure = ValueError("cloned")
    exchange = Exchange(device, clock=RelayClock(), tell=lambda event: None)

    exchange.on_event(events.MessageReceived(0, WELCOME))

    with pytest.raises(ValueError, match="cloned"):
        await exchange.ended
    exchange.finish()


async def test_nothing_can_be_asked_before_there_is_a_session():
    exchange = Exchange(Device(), clock=RelayClock(), tell=lambda event: None)

    with pytest.raises(RuntimeError, match="before there is a session"):
        exchange.ask(Lookup("bob@office.example"))


async def test_a_newer_key_is_noted_and_an_old_one_is_not():
    exchange = Exchange(Device(), clock=RelayClock(), tell=lambda event: None)

    exchange.on_event(events.DescriptorReceived(b"the same"))
    assert not exchange.key_adopted
    exchange.on_event(events.DescriptorReceived(b"forged"))
    assert not exchange.key_adopted
    assert not exchange.ended.done()
    exchange.on_event(events.DescriptorReceived(b"newer"))

    assert exchange.key_adopted


async def test_finishing_says_what_is_left_and_then_goes():
    device = Device()
    exchange, session, _ = opened(device)
    ack = Ack(1, Lane.NORMAL, 3, (), Credit(64, 1), ())
    device.ack_list = [ack]

    exchange.finish()

    assert session.said == [(0, ack)]
    assert session.ended == "goaway"
    assert not exchange.open  # who asks now is told that the relay is away, and does not talk to a closed connection
