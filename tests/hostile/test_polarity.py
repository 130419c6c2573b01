"""A cell of a visibility table shows or hides that field to that viewer, and nothing else (spec 88 §2).

Asked over the wire, so that a flag which is turned round, or an index that is off by one, shows wherever it is: once
with everything shown and one cell that hides, and once with everything hidden and one cell that shows. Everybody asks
everything that shows people, and all answers have to agree.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relayd.store.commit import Commit
from relayproto import attestation
from relayproto.commands import GetDevices, Lookup, PutProfile
from relayproto.people import GetPeople, People
from relayproto.replies import Account, Devices
from relayproto.standing import Field, Standing, Viewer, Visibility
from relayproto.visibility import NOTHING_HIDDEN, TABLE_BYTES
from support.asking import Voice, patient_relay, voice
from support.people import Person
from support.silence import ACCOUNTS, BOB, GAD, RECORDS, WORKS, Seen, World
from support.worlds import done

ABOUT = "Room 12"
FACTS = {Field.NAME: "Bob Roy", Field.TITLE: "Registrar", Field.UNIT: str(RECORDS), Field.ADDRESS: "bob@gad.example"}
VIEWERS = {
    Viewer.SAME_UNIT: Seen("anna", RECORDS, Standing.VERIFIED),
    Viewer.SAME_ORGANISATION: Seen("carl", ACCOUNTS, Standing.VERIFIED),
    Viewer.OFFICERS: Seen("otto", WORKS, Standing.VERIFIED),
    Viewer.APPLICATION: Seen("app", WORKS, Standing.APPLICATION),
    Viewer.PUBLIC: Seen("paul", 0, Standing.PUBLIC),
}
ALL_HIDDEN = bytes([Visibility.HIDE]) * TABLE_BYTES
Matrix = frozenset[tuple[Field, Viewer]]
EVERY_CELL: Matrix = frozenset((field, viewer) for field in Field for viewer in Viewer)


def flipped(table: bytes, field: Field, viewer: Viewer) -> bytes:
    """Return a table with one cell turned round; where that cell is, is written down here for a second time."""
    at = int(field) * 5 + int(viewer)
    return table[:at] + bytes([1 - table[at]]) + table[at + 1 :]


async def put_own(world: World, table: bytes) -> None:
    async with voice(world.relay, BOB) as bob:
        await bob.say(PutProfile(ABOUT, table))


async def put_units(world: World, table: bytes) -> None:
    def put(commit: Commit) -> None:
        commit.db.execute("UPDATE unit SET visibility = ? WHERE id = ?", (table, GAD))

    await done(world.relay, put)


async def put_platforms(world: World, table: bytes) -> None:
    def put(commit: Commit) -> None:
        commit.db.execute("UPDATE platform SET visibility = ?", (table,))

    await done(world.relay, put)


def fields_of(proof: bytes, about: str) -> frozenset[Field]:
    stated = attestation.texts_of(proof)
    assert all(FACTS[Field(field)] == text for field, text in stated.items())
    assert about in {"", ABOUT}
    return frozenset(map(Field, stated)) | ({Field.ABOUT} if about else frozenset())


async def shown_to(viewer: Viewer, asking: Voice) -> frozenset[Field]:
    """Return the fields that somebody is shown: by each answer that shows people, and all the same."""
    devices = await asking.ask(GetDevices(BOB.account, asking.shown), Devices)
    found = fields_of(devices.proof, devices.about)
    assert devices.address == (FACTS[Field.ADDRESS] if Field.ADDRESS in found else "")
    if viewer is not Viewer.PUBLIC:
        account = await asking.ask(Lookup(FACTS[Field.ADDRESS]), Account)
        assert fields_of(account.proof, account.about) == found
    if viewer in {Viewer.SAME_UNIT, Viewer.SAME_ORGANISATION}:
        people = await asking.ask(GetPeople(GAD, "", b"", 100), People)
        [listed] = [each for each in people.people if each.account == BOB.account]
        assert fields_of(listed.proof, listed.about) == found
    return found


async def matrix(voices: dict[Viewer, Voice]) -> Matrix:
    shown = {viewer: await shown_to(viewer, each) for viewer, each in voices.items()}
    return frozenset((field, viewer) for viewer, fields in shown.items() for field in fields)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("put", [put_own, put_units, put_platforms])
async def test_one_cell_turned_round_shows_or_hides_that_field_to_that_viewer_and_nothing_else(
    tmp_path: Path, put: Callable[[World, bytes], Awaitable[None]]
) -> None:
    async with patient_relay(tmp_path) as relay, AsyncExitStack() as stack:
        world = World(relay, FACTS, VIEWERS.values())
        await world.come_about()
        await world.attest()
        for each in VIEWERS.values():
            await world.write_to(Person(each.name))
        await put_platforms(world, NOTHING_HIDDEN)
        await put_own(world, NOTHING_HIDDEN)
        voices = {
            viewer: await stack.enter_async_context(voice(relay, Person(each.name))) for viewer, each in VIEWERS.items()
        }
        assert await matrix(voices) == EVERY_CELL

        wrong = []
        for field, viewer in sorted(EVERY_CELL):
            for table, expected in (
                (NOTHING_HIDDEN, EVERY_CELL - {(field, viewer)}),
                (ALL_HIDDEN, frozenset({(field, viewer)})),
            ):
                await put(world, flipped(table, field, viewer))
                if await matrix(voices) != expected:
                    wrong.append((field.name, viewer.name, table == ALL_HIDDEN))

        assert wrong == []
