import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relayd.domain.refusals import Fault, Refusal
from relayd.metrics import Counters
from relayd.net import operator
from relayd.net.operator import OperatorListener
from relayproto import frame, message
from relayproto.administration import BreakGlass
from relayproto.administration_replies import Acted
from relayproto.codes import Code, GoawayCode, Kind
from relayproto.commands import ConfirmClock, GetStatus, Invite, Lookup
from relayproto.limits import BREAK_GLASS_S_MAX
from relayproto.message import Message
from relayproto.notices import Goaway
from relayproto.operating import LOCAL_COMMANDS
from relayproto.replies import Done, Invited, Refused, Status
from relayproto.standing import ActState
from support.samples import SAMPLES

TOO_SHORT = frame.encode(Kind.INVITE, 1, ["alice@office.example", 59])
"""An invitation for less than a minute."""


class Verbs:
    """The operator's service, as a test wants it."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.taken: list[tuple[Message, int]] = []

    async def answer(self, command: Message, uid: int) -> Message:
        if self.error is not None and isinstance(command, Invite):
            raise self.error
        self.taken.append((command, uid))
        match command:
            case Invite():
                return Invited(command.address, bytes(16), 5, "relay.example:7443", b"descriptor")
            case GetStatus():
                return Status("1.2.3", (("connections open", 7),))
            case ConfirmClock():
                return Done()
            case _:
                return Acted(ActState.DONE, 3, 0, b"")


class Operator:
    """Somebody at the other end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, command: Message, request: int = 1) -> None:
        octets = message.encode(command, request)
        self.writer.write(len(octets).to_bytes(2) + octets)

    async def heard(self) -> frame.Frame:
        async with asyncio.timeout(30):
            return frame.decode(await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(2))))

    async def ended(self) -> bool:
        async with asyncio.timeout(30):
            return await self.reader.read() == b""


class Rig:
    """A listener at a socket of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path / "operator.sock"
        self.verbs, self.counters = Verbs(), Counters()
        self.listener = OperatorListener(self.verbs, counters=self.counters, entropy=bytes)

    async def connect(self) -> Operator:
        return Operator(*await asyncio.open_unix_connection(str(self.path)))


@contextlib.asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Rig]:
    rig = Rig(path)
    await rig.listener.start(operator.bind(rig.path))
    try:
        yield rig
    finally:
        await rig.listener.close()


async def test_an_invitation_is_made(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        alice.say(Invite("alice@office.example", 3600), 9)
        kind, request, octets = await alice.heard()
        alice.writer.close()

    assert (kind, request) == (Kind.INVITED, 9)
    assert message.read(Invited, octets).address == "alice@office.example"
    assert rig.verbs.taken == [(Invite("alice@office.example", 3600), os.geteuid())]


async def test_the_glass_is_broken(tmp_path: Path) -> None:
    command = BreakGlass("alice@office.example", 3600, "nobody else can be reached")
    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        alice.say(command)
        answer = await alice.heard()
        alice.writer.close()

    assert message.read(Acted, answer.octets) == Acted(ActState.DONE, 3, 0, b"")
    assert rig.verbs.taken == [(command, os.geteuid())]


async def test_no_glass_is_broken_for_longer_than_a_day(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        alice.say(BreakGlass("alice@office.example", BREAK_GLASS_S_MAX + 1, "a long night"))
        answer = await alice.heard()
        assert await alice.ended()
        alice.writer.close()

    assert answer.kind == Kind.GOAWAY
    assert rig.verbs.taken == []


async def test_several_commands_are_answered_in_turn(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        alice.say(GetStatus(), 1)
        alice.say(Invite("alice@office.example", 3600), 2)
        alice.say(ConfirmClock(), 3)
        answers = [await alice.heard() for _ in range(3)]
        alice.writer.close()

    assert [(answer.kind, answer.request) for answer in answers] == [
        (Kind.STATUS, 1), (Kind.INVITED, 2), (Kind.DONE, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", list(LOCAL_COMMANDS), ids=lambda kind: Kind(kind).name)
async def test_each_command_of_the_night_reaches_the_service(tmp_path: Path, kind: int) -> None:
    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        alice.say(SAMPLES[kind])
        answer = await alice.heard()
        alice.writer.close()

    assert answer.kind == Kind.ACTED
    assert rig.verbs.taken == [(SAMPLES[kind], os.geteuid())]


@pytest.mark.parametrize("error", [Refusal(Code.ADDRESS_TAKEN, 7), Fault(Code.DISK, 7)])
async def test_an_expected_no_is_an_answer(tmp_path: Path, error: Exception) -> None:
    async with serving(tmp_path) as rig:
        rig.verbs.error = error
        alice = await rig.connect()
        alice.say(Invite("alice@office.example", 3600))
        answer = await alice.heard()
        alice.writer.close()

    assert message.read(Refused, answer.octets).retry_after_ms == 7
    assert rig.counters.internal_errors == 0


async def test_a_mistake_of_ours_is_counted_and_the_session_lives(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        rig.verbs.error = ZeroDivisionError()
        alice = await rig.connect()
        alice.say(Invite("alice@office.example", 3600))
        refused = await alice.heard()
        alice.say(GetStatus())
        answer = await alice.heard()
        alice.writer.close()

    assert message.read(Refused, refused.octets) == Refused(Code.INTERNAL, 0)
    assert answer.kind == Kind.STATUS
    assert rig.counters.internal_errors == 1


async def test_a_devices_command_is_not_the_operators(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        alice.say(Lookup("bob@office.example"))
        answer = await alice.heard()
        alice.writer.close()

    assert message.read(Refused, answer.octets) == Refused(Code.UNSUPPORTED, 0)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\x00",
        b"\xff\xff",
        b"\x00\x01\xc0",
        b"\x00\x02" + b"\x91\x0e",
        len(TOO_SHORT).to_bytes(2) + TOO_SHORT,
    ],
)
async def test_what_is_no_frame_ends_the_session(tmp_path: Path, octets: bytes) -> None:
    async with serving(tmp_path) as rig:
        mallory = await rig.connect()
        mallory.writer.write(octets)
        answer = await mallory.heard()
        assert await mallory.ended()
        mallory.writer.close()

    assert message.read(Goaway, answer.octets) == Goaway(GoawayCode.BAD_FRAME, reconnect=False, after_ms=0)


async def test_who_breaks_off_in_a_frame_is_forgotten(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        mallory = await rig.connect()
        mallory.writer.write(b"\x00\x10abc")
        mallory.writer.close()
        alice = await rig.connect()
        alice.say(GetStatus())
        answer = await alice.heard()
        alice.writer.close()

    assert answer.kind == Kind.STATUS


async def test_who_says_nothing_is_closed_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "IDLE_S", 0.05)

    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        assert await alice.ended()
        alice.writer.close()


async def test_another_user_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "peer_uid", lambda _connection: 65534)

    async with serving(tmp_path) as rig:
        mallory = await rig.connect()
        assert await mallory.ended()
        mallory.writer.close()

    assert rig.verbs.taken == []


async def test_sessions_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "SESSIONS_MAX", 1)

    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        alice.say(GetStatus())
        await alice.heard()
        bob = await rig.connect()
        assert await bob.ended()
        alice.writer.close()
        bob.writer.close()


async def test_closing_ends_the_sessions(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        alice = await rig.connect()
        alice.say(GetStatus())
        await alice.heard()
        await rig.listener.close()
        assert await alice.ended()
        alice.writer.close()


def test_the_peers_user_comes_from_the_kernel() -> None:
    one, other = socket.socketpair()

    with one, other:
        assert operator.peer_uid(one) == os.geteuid()


def test_the_socket_is_its_owners_alone_and_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "operator.sock"
    operator.bind(path).close()

    with operator.bind(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_place_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        operator.bind(tmp_path / "missing" / "operator.sock")
