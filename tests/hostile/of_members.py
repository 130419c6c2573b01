"""Hostile peers with an account: somebody was let in, or a device was stolen."""

import asyncio
import itertools
import os

from hostile.kinds import WAIT_S, Kind, Stand, Talk, login
from relayproto import acts, frame, message
from relayproto.acts import Instruction
from relayproto.administration import Approve
from relayproto.codes import Class, Code, GoawayCode, Lane, SubmitFlag
from relayproto.commands import Ack, Act, Credit, GetBundles, GetDevices, Lookup, Submit, Target, Wrap
from relayproto.limits import FRAME_BYTES_MAX, UINT_MAX
from relayproto.notices import Ping
from relayproto.record import prefixed

RECORD_FRAMES = 2_000
"""Tiny ones, of one write."""
PAUSE_S = 0.05
QUESTIONS = 900
GUESSES = 140
BUNDLES = 60
APPROVALS = 20
FIGHTS = 10
ENVELOPES = 150
FLOOD = 1_600
UNKNOWN_KIND = 250
LIE = Credit(UINT_MAX, UINT_MAX)


async def _flood(talk: Talk, octets: bytes) -> None:
    """Say a frame as often as it goes, until one is sent away."""
    while not talk.ended.is_set():
        talk.frame(*[octets] * RECORD_FRAMES)
        async with asyncio.timeout(WAIT_S):
            await talk.room.wait()
        await asyncio.sleep(0)


async def never_reads(stand: Stand) -> None:
    """Have the relay say more and more, and read nothing of it."""
    talk = await login(stand, narrow=True)
    talk.transport.pause_reading()
    asked = GetDevices(stand.victim.account)
    talk.say(*[asked] * QUESTIONS)
    while not talk.ended.is_set():
        # Nothing is read, so the end of the connection shows by a write that fails.
        talk.say(asked)
        await asyncio.sleep(PAUSE_S)


async def acknowledgement_storm(stand: Stand) -> None:
    """Say again and again that nothing is acknowledged."""
    talk = await login(stand)
    await _flood(talk, message.encode(Ack(talk.epoch, Lane.NORMAL, 0, (), LIE, ())))


async def credit_lie(stand: Stand) -> None:
    """Grant credit without end, and acknowledge what was never delivered."""
    talk = await login(stand, LIE)
    talk.say(Ack(talk.epoch, Lane.NORMAL, 1_000, (), LIE, ()))
    await talk.end()


async def takeover_fight(stand: Stand) -> None:
    """Be two copies of one device, each of which throws the other out."""
    before = None
    for _ in range(FIGHTS):
        talk = await login(stand)
        if talk.ended.is_set():
            break
        if before is not None:
            await before.end()
        before = talk
    if before is not None:
        before.close()


async def tiny_frames(stand: Stand) -> None:
    """Say as many of the smallest frames as go."""
    talk = await login(stand)
    await _flood(talk, message.encode(Ping()))


async def unknown_frames(stand: Stand) -> None:
    """Say what nobody knows, which has an answer each time."""
    talk = await login(stand)
    await _flood(talk, frame.encode(UNKNOWN_KIND, 1, ()))


async def giant_record(stand: Stand) -> None:
    """Announce a record that none is."""
    talk = await login(stand)
    talk.write(b"\xff\xff" + os.urandom(1 << 16))
    await talk.end()


async def forged_record(stand: Stand) -> None:
    """Send a record of a right length that was never sealed."""
    talk = await login(stand)
    talk.write(prefixed(os.urandom(272)))
    await talk.end()


async def replayed_record(stand: Stand) -> None:
    """Send a record a second time."""
    talk = await login(stand)
    talk.sent.clear()
    talk.say(GetDevices(stand.account.account))
    talk.write(bytes(talk.sent))
    await talk.end()


BOMBS = (
    b"\x91" * FRAME_BYTES_MAX,
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdc\x3f\xf0\x03\x01" + b"\x90" * 0x3FEE,
    b"\x93\x03\x01" + b"\x80" * 3,
)
"""Nesting to the end; an array, a map, bytes of four thousand million; sixteen thousand empty fields; wrong types."""


async def msgpack_bombs(stand: Stand) -> None:
    """Say frames that would unpack to more than there is."""
    for bomb in BOMBS:
        talk = await login(stand)
        talk.frame(bomb)
        await talk.end()


async def prekey_draining(stand: Stand) -> None:
    """Take somebody's one-time prekeys, so that first messages to him are less well protected."""
    talk = await login(stand)
    for _ in range(BUNDLES):
        await talk.ask(GetBundles(stand.victim.account, ()))
    talk.close()


def _submission(number: int, stand: Stand) -> Submit:
    to = stand.away
    target = Target(to.account, 1, (Wrap(to.device, b"wrap"),))
    return Submit(number, 0, Class.CHAT, 600, SubmitFlag.NONE, b"\x01" + os.urandom(32), b"x", None, (target,), None)


async def quota_fight(stand: Stand) -> None:
    """Fill somebody's mailbox, together with others who do the same."""
    talk = await login(stand)
    for number in itertools.count(talk.ledger + 1):
        if number > talk.ledger + ENVELOPES or talk.ended.is_set():
            break
        await talk.ask(_submission(number, stand))
    talk.close()


async def submission_flood(stand: Stand) -> None:
    """Submit without waiting, whatever the answers are."""
    talk = await login(stand)
    numbers = itertools.count(talk.ledger + 1)
    for _ in range(0, FLOOD, 200):
        if talk.ended.is_set():
            break
        wanted = talk.answers + 200
        talk.say(*[_submission(number, stand) for number in itertools.islice(numbers, 200)])
        await talk.until(lambda wanted=wanted: talk.answers >= wanted)
    talk.close()


async def directory_scraping(stand: Stand) -> None:
    """Look up names by guess."""
    talk = await login(stand)
    for _ in range(GUESSES):
        await talk.ask(Lookup(f"a{os.urandom(4).hex()}@office.example"))
    talk.close()


async def forged_approvals(stand: Stand) -> None:
    """Be the second person for proposals, without a role, as somebody else, or with a signature of nobody's."""
    talk = await login(stand)
    who, numbers = stand.account, itertools.count(int.from_bytes(os.urandom(2)) + 1)
    for turn in range(APPROVALS):
        account = stand.victim.account if turn % 2 else who.account
        octets = acts.encode(
            Instruction(stand.root, account, who.device, next(numbers), talk.now_ms, talk.now_ms + 60_000, "forged",
                        False, Approve(1 + turn, os.urandom(32)))
        )  # fmt: skip
        signature = os.urandom(64) if turn % 3 == 0 else acts.signature_of(who.sign_seed, octets)
        await talk.ask(Act(octets, signature))
    talk.close()


_CLOSED = 'relayd_connections_closed_total{{code="{}"}}'

MEMBERS = (
    Kind(
        "readers that never read", "More and more is answered to who reads nothing.",
        never_reads, "relayd_write_aborts_total", enrolled=True, peers=8,
    ),
    Kind(
        "acknowledgement storms", "The same acknowledgement without news, as often as it goes.",
        acknowledgement_storm, _CLOSED.format("rate"), GoawayCode.RATE, enrolled=True,
    ),
    Kind(
        "credit lies", "Credit without end, and an acknowledgement of what was never delivered.",
        credit_lie, _CLOSED.format("bad_ack"), GoawayCode.BAD_ACK, enrolled=True,
    ),
    Kind(
        "takeover fights", "Two copies of a device that throw each other out.",
        takeover_fight, _CLOSED.format("rate"), GoawayCode.RATE, enrolled=True,
    ),
    Kind(
        "a million tiny frames", "PING, as fast as it goes, two thousand a write.",
        tiny_frames, _CLOSED.format("rate"), GoawayCode.RATE, enrolled=True,
    ),
    Kind(
        "unknown frames", "Frames that nobody knows; each has an answer.",
        unknown_frames, _CLOSED.format("rate"), Code.UNSUPPORTED, enrolled=True,
    ),
    Kind(
        "giant records", "The length of a record that none has.",
        giant_record, _CLOSED.format("bad_record"), GoawayCode.BAD_RECORD, enrolled=True,
    ),
    Kind(
        "forged records", "A record that was never sealed.",
        forged_record, _CLOSED.format("bad_record"), GoawayCode.BAD_RECORD, enrolled=True,
    ),
    Kind(
        "replayed records", "A record a second time.",
        replayed_record, _CLOSED.format("bad_record"), GoawayCode.BAD_RECORD, enrolled=True,
    ),
    Kind(
        "msgpack bombs", "Frames that would unpack to more than there is.",
        msgpack_bombs, _CLOSED.format("bad_frame"), GoawayCode.BAD_FRAME, enrolled=True,
    ),
    Kind(
        "prekey draining", "Somebody's one-time prekeys, one bundle after the other.",
        prekey_draining, 'relayd_refused_total{code="rate"}', Code.RATE, enrolled=True,
    ),
    Kind(
        "quota fights", "A mailbox that many fill together.",
        quota_fight, 'relayd_submission_targets_total{code="over_quota"}', Code.OVER_QUOTA, enrolled=True, peers=5,
    ),
    Kind(
        "submission floods", "Submissions without a pause, whatever the answers are.",
        submission_flood, 'relayd_not_taken_total{code="rate"}', Code.RATE, enrolled=True,
    ),
    Kind(
        "directory scraping", "Look-ups of names by guess.",
        directory_scraping, 'relayd_refused_total{code="rate"}', Code.RATE, enrolled=True,
    ),
    Kind(
        "forged approvals", "Approvals without a role, as somebody else, or with a signature of nobody's.",
        forged_approvals, 'relayd_acts_total{result="denied"}', Code.NOT_PERMITTED, enrolled=True,
    ),
)  # fmt: skip
