"""An organisation's document: live on open connections, gone back from, rehearsed, and every bad one without effect.

Issue 5 (K1, K3; done when 6): clear error, nothing changed, audit entry.
"""

import asyncio
import itertools
import time
from pathlib import Path

import pytest

from relayproto import acts, document
from relayproto.administration import Approve, CreateUnit, GetDocument, MoveUnit, PlaceMember, PutDocument
from relayproto.administration_replies import Acted, Document
from relayproto.codes import Class, Code, Kind, SubmitFlag
from relayproto.commands import Act
from relayproto.limits import ACT_BYTES_MAX, DOCUMENT_BYTES_MAX
from relayproto.message import Message
from relayproto.notices import Deliver
from relayproto.primitives import ed25519_public
from relayproto.replies import Submitted
from relayproto.standing import PLATFORM, ActState, Role, Standing
from support.acting import ROOT, ROOT_SEED, Session, found_an_organisation, session
from support.device import number_in, submit
from support.documents import denied, draft, signed
from support.officers import MINUTE_MS, Chamber, chamber, instruction
from support.officers import signed as signed_act
from support.processes import a_relay
from support.visitors import Visitor, visitors

OPEN = {"lifetimes": {"chat_s": 86_400}}
TIGHT = {
    "lifetimes": {"chat_s": 60}, "limits": {"targets": 1, "body_bytes": 6_144},
    "policy": {each: {each: {"call": "deny"}} for each in ("invited", "verified")},
}  # fmt: skip
UNIT, LOW = 2, 3
DAY_S = 86_400
LOGGED = ("audit", "denial", "relay_time")
"""Tables that change although nothing else may: the log, and the time."""


# --- live ---


class Correspondence:
    """Two people's open connections, over which everything goes."""

    def __init__(self, sender: Session, receiver: Session, third: Visitor) -> None:
        self.sender, self.receiver, self.third = sender, receiver, third
        self.numbers = itertools.count(1)

    async def code(self, *, both: bool = False, number: int = 0, **options: object) -> Code:
        to = [self.receiver.who.person, *([self.third.person] if both else [])]
        self.sender.line.say(submit(number or next(self.numbers), *to, flags=SubmitFlag.NONE, **options))
        answer = await self.sender.line.expect(Submitted)
        return Code(answer.codes[0])

    async def lives_s(self) -> float:
        """Return how long a text that asks for a day lives, seconds."""
        number = next(self.numbers)
        assert await self.code(ttl_s=DAY_S, number=number) is Code.STORED
        while number_in(delivered := await self.receiver.line.expect(Deliver)) != number:
            pass
        return delivered.expires_ms / 1000 - time.time()

    async def may(self) -> dict[str, bool]:
        return {
            "call": await self.code(class_=Class.CALL, ttl_s=60) is Code.STORED,
            "two": await self.code(both=True) is Code.STORED,
            "large": await self.code(body=bytes(6_145)) is Code.STORED,
        }


async def agreed(author: Session, second: Session, change: PutDocument) -> Message:
    """Let two admins put a document of the organisation's root in force."""
    proposal = author.act(change)
    proposed = await author.ask(proposal)
    assert isinstance(proposed, Acted), proposed
    assert proposed.state is ActState.PROPOSED
    return await second.do(Approve(proposed.value, acts.digest(proposal.octets)))


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_document_counts_at_once_on_open_connections_and_is_gone_back_from(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as relay:
        async with visitors(relay, "alice", "bob", "dave", "erin", "frank") as (alice, bob, dave, erin, frank):
            await asyncio.to_thread(relay.stop)
            found_an_organisation(relay, [alice, bob], (dave, erin, frank))
            await asyncio.to_thread(relay.start)
            admin, second, *pair = [await session(who) for who in (alice, bob, dave, erin)]
            people = Correspondence(*pair, frank)
            made = [await admin.do(CreateUnit(ROOT, "Records"))]
            made += [await admin.do(PlaceMember(UNIT, each.person.account, Standing.INVITED)) for each in (dave, erin)]
            assert isinstance(await agreed(admin, second, signed(ROOT, draft(ROOT), ROOT_SEED, admin.relay)), Acted)
            first = draft(UNIT, **OPEN)
            tight = draft(UNIT, 2, first, **TIGHT)
            back = draft(UNIT, 3, tight, **OPEN)

            # Below the root one person is enough: no proposal that is taken back makes the relay forget anything.
            said = []
            for version in (first, tight, back):
                made.append(await admin.do(signed(UNIT, version, ROOT_SEED, admin.relay)))
                said.append((await people.may(), await people.lives_s()))

            kept = [await pair[0].ask(GetDocument(UNIT, version)) for version in (1, 2, 3, None)]
            assert not any(each.line.lost.is_set() for each in (admin, second, *pair)), "no connection was dropped"

    every = {"call": True, "two": True, "large": True}
    assert [each.state for each in made if isinstance(each, Acted)] == [ActState.DONE] * 6
    assert [may for may, _ in said] == [every, dict.fromkeys(every, False), every]
    assert said[0][1] > DAY_S - 60
    assert said[1][1] <= 61
    assert said[2][1] > DAY_S - 60
    assert [each.document for each in kept if isinstance(each, Document)] == [first, tight, back, back]
    assert document.difference(document.read(first), document.read(back)) == [], "the old content again"


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_what_a_document_says_outlives_the_relays_process(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as relay:
        async with visitors(relay, "alice", "bob", "dave", "erin", "frank") as (alice, bob, dave, erin, frank):
            await asyncio.to_thread(relay.stop)
            found_an_organisation(relay, [alice, bob], (dave, erin, frank))
            await asyncio.to_thread(relay.start)
            admin, second = await session(alice), await session(bob)
            assert isinstance(
                await agreed(admin, second, signed(ROOT, draft(ROOT, **TIGHT), ROOT_SEED, admin.relay)), Acted
            )

            await asyncio.to_thread(relay.kill)
            await asyncio.to_thread(relay.start)
            people = Correspondence(await session(dave), await session(erin), frank)

            assert await people.may() == {"call": False, "two": False, "large": False}
            assert await people.lives_s() <= 61


# --- bad input ---


FIRST = draft(UNIT, lifetimes={"chat_s": 3_600}, locked=["branding", "policy.public"])


@pytest.fixture
def office():
    """An organisation whose unit 2 has a document, and unit 3 below it; alice is its admin."""
    with chamber() as made:
        made.unit(ROOT)
        made.unit(UNIT, ROOT)
        made.unit(LOW, UNIT)
        made.db.execute("UPDATE organisation SET root_key = ?", (ed25519_public(ROOT_SEED),))
        for officer in (made.alice, made.bob):
            made.place(officer, ROOT)
            made.hold(officer.account, Role.ORGANISATION_ADMIN, ROOT)
        done = made.act(made.alice, signed(UNIT, FIRST, ROOT_SEED))
        assert isinstance(done, Acted)
        yield made


def put(unit: int, octets: bytes) -> PutDocument:
    return signed(unit, octets, ROOT_SEED)


BAD = {
    "the same again": (put(UNIT, FIRST), Code.CONFLICT),
    "an old version": (put(UNIT, draft(UNIT, 1, lifetimes={"chat_s": 9})), Code.CONFLICT),
    "a version too far": (put(UNIT, draft(UNIT, 3, FIRST)), Code.CONFLICT),
    "after another than the last": (put(UNIT, draft(UNIT, 2, draft(UNIT))), Code.CONFLICT),
    "another key's signature": (signed(UNIT, draft(UNIT, 2, FIRST), b"x" * 32), Code.BAD_SIGNATURE),
    "another document's signature": (
        PutDocument(UNIT, draft(UNIT, 2, FIRST), put(UNIT, FIRST).signature), Code.BAD_SIGNATURE,
    ),
    "another unit's document": (put(LOW, draft(UNIT, 2, FIRST)), Code.BAD_DOCUMENT),
    "no JSON": (put(UNIT, b"\x00" * 100), Code.BAD_DOCUMENT),
    "as deep as it is long": (put(UNIT, b"[" * DOCUMENT_BYTES_MAX), Code.BAD_DOCUMENT),
    "an unknown field": (put(UNIT, draft(UNIT, 2, FIRST)[:-1] + b',"z":1}'), Code.BAD_DOCUMENT),
    "a lifetime beyond the protocol's": (
        put(UNIT, draft(UNIT, 2, FIRST, lifetimes={"otp_s": 899}).replace(b"899", b"901")), Code.BAD_DOCUMENT,
    ),
    "a lifetime longer than above": (put(LOW, draft(LOW, lifetimes={"chat_s": 3_601})), Code.LOCKED),
    "a locked colour": (put(LOW, draft(LOW, branding={"primary": "#000000"})), Code.LOCKED),
    "a locked word, tightened": (put(LOW, draft(LOW, **denied("public", "office", "text"))), Code.LOCKED),
    "the platform's default, loosened": (
        put(UNIT, draft(UNIT, 2, FIRST, **denied("public", "verified", "call", "allow"))), Code.LOCKED,
    ),
    "a unit below itself": (MoveUnit(UNIT, LOW), Code.CONFLICT),
    "the platform's": (put(PLATFORM, draft(PLATFORM)), Code.NOT_PERMITTED),
}  # fmt: skip


@pytest.mark.parametrize(("change", "code"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("rehearsal", [False, True])
def test_a_bad_change_is_denied_and_nothing_but_the_log_changes(office: Chamber, change, code, rehearsal) -> None:
    before, records = office.dump(without=(*LOGGED, "account")), len(office.records())

    came = office.act(office.alice, change, rehearsal=rehearsal)

    assert came is code
    assert office.dump(without=(*LOGGED, "account")) == before
    added = office.records()[records:]
    assert [(each.kind, each.code, each.account) for each in added] == [(change.KIND, code, office.alice.account)]


def oversized(office: Chamber) -> Act:
    change = PutDocument(UNIT, bytes(DOCUMENT_BYTES_MAX + 1), bytes(64))
    return signed_act(office.alice, instruction(office.alice, change, office.now_ms))


def replayed(office: Chamber) -> Act:
    command = signed_act(office.alice, instruction(office.alice, put(UNIT, draft(UNIT, 2, FIRST)), office.now_ms))
    assert isinstance(office.perform(office.alice, command), Acted)
    return command


def reordered(office: Chamber) -> Act:
    """Two acts of which the later one comes first."""
    first, second = (
        signed_act(office.alice, instruction(office.alice, change, office.now_ms))
        for change in (put(UNIT, draft(UNIT, 2, FIRST)), put(LOW, draft(LOW)))
    )
    assert isinstance(office.perform(office.alice, second), Acted)
    return first


def late(office: Chamber) -> Act:
    act = instruction(office.alice, put(UNIT, draft(UNIT, 2, FIRST)), office.now_ms)
    office.clock.advance((act.expires_ms - act.issued_ms) / 1000)
    return signed_act(office.alice, act)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (oversized, Code.BAD_SIGNATURE), (replayed, Code.REPLAYED), (reordered, Code.REPLAYED), (late, Code.EXPIRED),
    ],
)  # fmt: skip
def test_an_act_that_does_not_count_puts_no_document_in_force(office: Chamber, made, code: Code) -> None:
    command = made(office)
    before, records = office.dump(without=LOGGED), len(office.records())

    came = office.perform(office.alice, command)

    assert came is code
    assert office.dump(without=LOGGED) == before
    assert [each.code for each in office.records()[records:]] == [code]


def test_the_largest_document_fits_an_act() -> None:
    change = PutDocument(UNIT, bytes(DOCUMENT_BYTES_MAX), bytes(64))

    assert len(acts.encode(instruction_of(change))) <= ACT_BYTES_MAX


def instruction_of(change: PutDocument) -> acts.Instruction:
    return acts.Instruction(bytes(32), bytes(32), 1, 1, 0, MINUTE_MS, "x" * 500, False, change)


def test_an_approval_of_another_document_or_too_late_puts_none_in_force(office: Chamber) -> None:
    proposal = signed_act(office.alice, instruction(office.alice, put(ROOT, draft(ROOT)), office.now_ms))
    proposed = office.perform(office.alice, proposal)
    assert isinstance(proposed, Acted)
    before = office.dump(without=(*LOGGED, "account"))

    forged = office.act(office.bob, Approve(proposed.value, acts.digest(proposal.octets[::-1])))
    own = office.act(office.alice, Approve(proposed.value, acts.digest(proposal.octets)))
    office.clock.advance(7 * DAY_S)
    expired = office.act(office.bob, Approve(proposed.value, acts.digest(proposal.octets)))

    assert (forged, own, expired) == (Code.CONFLICT, Code.NOT_PERMITTED, Code.EXPIRED)
    assert office.dump(without=(*LOGGED, "account")) == before
    assert [each.code for each in office.records()[-3:]] == [Code.CONFLICT, Code.NOT_PERMITTED, Code.EXPIRED]


def test_of_two_proposals_for_one_version_the_second_one_is_refused_at_its_approval(office: Chamber) -> None:
    proposals = [
        signed_act(office.alice, instruction(office.alice, put(ROOT, draft(ROOT, **fields)), office.now_ms))
        for fields in ({}, OPEN)
    ]
    numbers = [office.perform(office.alice, each).value for each in proposals]

    came = [
        office.act(office.bob, Approve(number, acts.digest(each.octets)))
        for number, each in zip(numbers, proposals, strict=True)
    ]

    assert isinstance(came[0], Acted)
    assert came[1] is Code.CONFLICT


# --- the dry run ---


def test_a_rehearsal_says_what_would_change_and_changes_nothing(office: Chamber) -> None:
    new = draft(UNIT, 2, FIRST, lifetimes={"chat_s": 60}, **denied("verified", "verified", "call"))
    before = office.dump(without=("audit", "denial"))

    rehearsed = office.act(office.alice, put(UNIT, new), rehearsal=True)

    assert isinstance(rehearsed, Acted)
    assert rehearsed.state is ActState.REHEARSED
    assert office.dump(without=("audit", "denial")) == before
    assert (office.last().kind, office.last().state) == (Kind.PUT_DOCUMENT, ActState.REHEARSED)
    shown = office.ask(office.alice.account, GetDocument(UNIT, None))
    assert document.difference(document.read(shown.document), document.read(new)) == [
        "lifetimes.chat_s: 3600 -> 60",
        "policy.verified.verified.call: nothing -> deny",
        "no longer locked: branding",
        "no longer locked: policy.public",
    ]
    assert isinstance(office.act(office.alice, put(UNIT, new)), Acted), "what was rehearsed can be done"


def test_whoever_writes_a_document_finds_by_himself_what_the_relay_would_call_locked(office: Chamber) -> None:
    new = draft(LOW, lifetimes={"chat_s": 3_601}, branding={"accent": "#123456"})
    above = [office.ask(office.alice.account, GetDocument(unit, None)) for unit in (PLATFORM, ROOT, UNIT)]

    holds = document.inherited([document.read(each.document) for each in above if each.version])

    assert document.loosened(holds, document.read(new)) == ("branding.accent", "lifetimes.chat_s")
    assert office.act(office.alice, put(LOW, new)) is Code.LOCKED
