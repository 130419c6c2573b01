"""What is hidden from somebody leaves no trace in anything that he is told (spec 88 §4).

Two worlds differ in one field of Bob's and in nothing else: the same keys, the same randomness, the same clock. Who may
not see that field asks all that there is to ask, of every kind that the contract has; every frame that comes, asked
for or not, and the bytes on the wire are compared.
"""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from relayproto import frame
from relayproto.codes import Kind
from relayproto.commands import PutPolicy, PutProfile
from relayproto.policy import ACTIONS, ROW_BYTES
from relayproto.rules import SHOWN_ALL
from relayproto.standing import Action, Field, Permission, Role, Standing, Viewer, Visibility
from relayproto.visibility import NOTHING_HIDDEN, cell
from support.asking import Heard, patient_relay, voice
from support.every_kind import EVERY, SCENARIOS, Whom
from support.inline_store import PLACE
from support.people import Person
from support.silence import ACCOUNTS, ARCHIVE, BOB, GAD, RECORDS, WORKS, Seen, World

FACTS = {
    Field.NAME: ("Bob Roy", "Balan Krishnamurthy"),
    Field.TITLE: ("Registrar", "Deputy Registrar of Deeds"),
    Field.UNIT: (str(RECORDS), str(ARCHIVE)),
    Field.ADDRESS: ("bob@gad.example", "balan.krishnamurthy@gad.example"),
    Field.ABOUT: ("", "Away until the end of May"),
}
"""Each field in one world and in the other, of different lengths where it can have."""
EXACT = "neither.of.both@gad.example"
"""Whom a viewer looks up where the address differs: who types an address knows it, and learns whether it is taken."""
UNLISTED = bytes([Permission.DENY if cell % ACTIONS == Action.LOOKUP else 0 for cell in range(ROW_BYTES)])


ALL_BUT_AUDITING = frozenset(Role) - {Role.AUDITOR, Role.PLATFORM_OPERATOR}
WITHOUT_STAFF = ALL_BUT_AUDITING - SHOWN_ALL
"""Roles over Bob himself whose holders are told no more of him than others."""
VIEWERS = {
    Viewer.SAME_UNIT: (Seen("anna", RECORDS, Standing.VERIFIED),),
    Viewer.SAME_ORGANISATION: (
        Seen("carl", ACCOUNTS, Standing.VERIFIED),
        Seen("kim", GAD, Standing.VERIFIED, WITHOUT_STAFF),
    ),
    Viewer.OFFICERS: (
        Seen("otto", WORKS, Standing.VERIFIED),
        Seen("mallory", WORKS, Standing.VERIFIED, ALL_BUT_AUDITING),
        Seen("desk", WORKS, Standing.OFFICE),
    ),
    Viewer.APPLICATION: (Seen("app", WORKS, Standing.APPLICATION),),
    Viewer.PUBLIC: (Seen("paul", 0, Standing.PUBLIC), Seen("ina", WORKS, Standing.INVITED)),
}
SAME_UNIT_IS_TOLD = (Field.UNIT, Viewer.SAME_UNIT)
"""Who is of somebody's unit knows it by that: to another unit he would be another viewer."""


@contextlib.asynccontextmanager
async def a_world(facts: dict[Field, str], viewers: Iterable[Seen]) -> AsyncIterator[World]:
    """Let a world come about, in memory where that can be: nobody looks at its disk."""
    with tempfile.TemporaryDirectory(dir=PLACE) as directory:
        async with patient_relay(Path(directory)) as relay:
            world = World(relay, facts, viewers)
            await world.come_about()
            yield world


def sought(address: str) -> Whom:
    """Return Bob as who looks for him asks for him: by an address, and by all that he is or might be."""
    texts = ("", "a", "@", *[text for each in FACTS.values() for text in each if text])
    return Whom(BOB, address, RECORDS, GAD, (ARCHIVE,), texts=texts)


def differing(one: dict[Kind, Heard], other: dict[Kind, Heard]) -> dict[str, tuple[object, object]]:
    """Return which kinds were answered otherwise in the other world, and how."""
    assert one.keys() == other.keys()
    return {kind.name: (said(one[kind]), said(other[kind])) for kind in one if one[kind] != other[kind]}


def said(heard: Heard) -> list[object]:
    return [frame.decode(each) for each in heard.frames]


def test_every_kind_has_a_scenario() -> None:
    assert {Kind(number) for number in EVERY} == SCENARIOS.keys()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("viewer", Viewer)
async def test_whom_nobody_may_look_up_is_the_same_to_everybody_whoever_he_is(viewer: Viewer) -> None:
    heard = []
    for one in (0, 1):
        async with a_world({field: facts[one] for field, facts in FACTS.items()}, VIEWERS[viewer]) as world:
            async with voice(world.relay, BOB) as bob:
                await bob.say(PutPolicy(UNLISTED))

            heard.append([await world.heard_by(seen, sought(EXACT)) for seen in VIEWERS[viewer]])

    found_out = [differing(one, other) for one, other in zip(*heard, strict=True)]
    assert found_out == [{}] * len(VIEWERS[viewer])


HIDDEN_CELLS = [(field, viewer) for field in Field for viewer in Viewer if (field, viewer) != SAME_UNIT_IS_TOLD]


def hiding(field: Field, *viewers: Viewer) -> bytes:
    """Return a table that hides one field from viewers."""
    table = bytearray(NOTHING_HIDDEN)
    for viewer in viewers:
        table[cell(field, viewer)] = Visibility.HIDE
    return bytes(table)


async def both_worlds(
    field: Field, viewer: Viewer, hidden: bytes, *, viewers: tuple[Seen, ...] = ()
) -> list[tuple[dict[Kind, Heard], dict[Kind, Heard]]]:
    """Return what each of the viewers of a class, or each of some others, is told in the one world and in the other."""
    viewers = viewers or VIEWERS[viewer]
    address = EXACT if field is Field.ADDRESS else FACTS[Field.ADDRESS][0]
    heard = []
    for one in (0, 1):
        facts = {each: texts[one if each is field else 0] for each, texts in FACTS.items()}
        async with a_world(facts, viewers) as world:
            async with voice(world.relay, BOB) as bob:
                await bob.say(PutProfile(facts[Field.ABOUT], hidden))
            for seen in viewers:
                await world.write_to(Person(seen.name))
            heard.append([await world.heard_by(seen, sought(address)) for seen in viewers])
    return list(zip(*heard, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("field", "viewer"), HIDDEN_CELLS)
async def test_a_hidden_field_changes_no_byte_of_anything_that_the_viewer_is_told(field: Field, viewer: Viewer) -> None:
    told = await both_worlds(field, viewer, hiding(field, viewer))

    assert [differing(*each) for each in told] == [{}] * len(told)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("field", Field)
async def test_a_field_that_is_shown_changes_answers_so_the_comparison_means_something(field: Field) -> None:
    viewer = Viewer.SAME_ORGANISATION
    others = [each for each in Viewer if each is not viewer]

    told, *_ = await both_worlds(field, viewer, hiding(field, *others))

    changed = {"GET_DEVICES", "GET_PEOPLE"} if field is Field.ADDRESS else {"GET_DEVICES", "GET_PEOPLE", "LOOKUP"}
    assert differing(*told).keys() >= changed


AUDITOR = Seen("aude", GAD, Standing.VERIFIED, frozenset({Role.AUDITOR}))
AUDITED = {
    Field.NAME: {"GET_AUDIT"},
    Field.TITLE: {"GET_AUDIT"},
    Field.UNIT: {"GET_AUDIT"},
    Field.ADDRESS: {"GET_AUDIT", "GET_ROLES"},
    Field.ABOUT: set(),
}
"""What tells an auditor more than others: the digests and units of acts, and who holds which role, by address."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("field", Field)
async def test_an_auditor_is_told_by_his_log_and_by_the_list_of_roles_alone(field: Field) -> None:
    """Which acts there were and who holds roles is what he is for (spec 88 §2)."""
    [told] = await both_worlds(field, Viewer.SAME_ORGANISATION, hiding(field, *Viewer), viewers=(AUDITOR,))

    assert differing(*told).keys() == AUDITED[field]
