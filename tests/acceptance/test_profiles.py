"""What of somebody is shown to whom: every field x viewer x who hides it, by everything that shows a person.

The expectation is written down here once more, from spec 88 and not from the code. A new field or viewer is in the
matrix by itself.
"""

from itertools import product

import pytest

from relayd.store import policies
from relayproto import attestation, policy, visibility
from relayproto.people import GetPeople
from relayproto.standing import PLATFORM, Field, Standing, Viewer
from support import attesting
from support.stores import Guest, House, house

ROOT, UNIT, SIBLING, OTHER = 1, 2, 3, 7
STANDS = {
    Viewer.SAME_UNIT: (Standing.VERIFIED, UNIT), Viewer.SAME_ORGANISATION: (Standing.VERIFIED, SIBLING),
    Viewer.OFFICERS: (Standing.VERIFIED, OTHER), Viewer.APPLICATION: (Standing.APPLICATION, OTHER),
    Viewer.PUBLIC: (Standing.PUBLIC, PLATFORM),
}  # fmt: skip
BOB = "bob@gad.example"
TEXTS = {Field.NAME: "Bob Roy", Field.TITLE: "Registrar", Field.UNIT: "2", Field.ADDRESS: BOB, Field.ABOUT: "on leave"}
DAY_MS = 86_400_000


class Department:
    """Bob of a unit, attested, and one who looks at him as each kind of viewer."""

    def __init__(self, relay: House, bob: Guest, viewers: dict[Viewer, Guest]) -> None:
        self.relay, self.bob, self.viewers = relay, bob, viewers

    @classmethod
    async def of(cls, relay: House) -> "Department":
        bob = await relay.enrol("bob")
        viewers = {each: await relay.enrol(each.name.lower()) for each in Viewer}
        now_ms = relay.clock.now_ms()
        stated = {each: text for each, text in TEXTS.items() if each is not Field.ABOUT}
        said = attesting.attested(account=bob.account, not_before_ms=now_ms, expires_ms=now_ms + DAY_MS)
        proof = attestation.encode_proof(attesting.proof(said, texts=stated))

        def found(commit) -> None:
            for unit, under, root in ((ROOT, 0, ROOT), (UNIT, ROOT, ROOT), (SIBLING, ROOT, ROOT), (OTHER, 0, OTHER)):
                commit.db.execute(
                    "INSERT INTO unit VALUES (?, ?, ?, ?, 1, NULL, NULL, NULL)", (unit, under, root, unit)
                )
            for guest, (standing, unit) in ((bob, (Standing.VERIFIED, UNIT)), *zip_of(viewers)):
                commit.db.execute(
                    "UPDATE account SET standing = ?, unit = ? WHERE account = ?", (standing, unit, guest.account)
                )
            commit.db.execute("UPDATE account SET about = ? WHERE account = ?", (TEXTS[Field.ABOUT], bob.account))
            commit.db.execute(
                "INSERT INTO attestation (account, serial, warrant, expires_ms, proof)"
                " SELECT id, zeroblob(16), zeroblob(16), ?, ? FROM account WHERE account = ?",
                (said.expires_ms, proof, bob.account),
            )
            commit.tools.residents.forget_parties()

        await relay.store._act(found)
        return cls(relay, bob, viewers)

    async def hide(self, by: str, table: bytes) -> None:
        """Let somebody hide what a table says, and nobody else anything; everybody may look everybody up."""
        anything = bytes(policy.TABLE_BYTES)

        def put(commit) -> None:
            nothing = visibility.NOTHING_HIDDEN
            policies.put(commit, PLATFORM, anything, None, table if by == "platform" else nothing)
            policies.put(commit, ROOT, None, None, table if by == "root" else None)
            policies.put(commit, UNIT, None, None, table if by == "unit" else None)

        await self.relay.store._act(put)
        await self.relay.store.put_profile(self.bob.seat, TEXTS[Field.ABOUT], table if by == "person" else bytes(25))

    async def shown(self, viewer: Viewer) -> list[dict[Field, str]]:
        """Return what everything that shows bob shows of him; by his address, he who asks knows that."""
        store, asker = self.relay.store, self.viewers[viewer]
        typed = await store.account_of(BOB, asker.account)
        listed = await store.devices_of(self.bob.account, asker.account)
        views = [of(typed.proof, typed.about), of(listed.proof, listed.about)]
        if viewer in (Viewer.SAME_UNIT, Viewer.SAME_ORGANISATION):
            people = (await store.answer(asker.seat, GetPeople(ROOT, "", b"", 9))).people
            views += [of(each.proof, each.about) for each in people if each.account == self.bob.account]
        assert (listed.address == BOB) is (Field.ADDRESS in views[1])
        assert typed.address == BOB
        return views


def zip_of(viewers: dict[Viewer, Guest]) -> list[tuple[Guest, tuple[Standing, int]]]:
    return [(guest, STANDS[viewer]) for viewer, guest in viewers.items()]


def of(proof: bytes, about: str) -> dict[Field, str]:
    stated = attestation.texts(attestation.decode_proof(proof).statements)
    return {**stated, Field.ABOUT: about} if about else stated


@pytest.mark.parametrize("by", ["platform", "root", "unit", "person"])
async def test_one_cell_hides_that_field_from_that_viewer_and_nothing_else(tmp_path, by: str) -> None:
    async with house(tmp_path) as relay:
        made = await Department.of(relay)
        wrong = []
        for field, hidden_from in product(Field, Viewer):
            table = bytearray(visibility.TABLE_BYTES)
            table[field * 5 + hidden_from] = 1
            await made.hide(by, bytes(table))
            for viewer in Viewer:
                expected = {each: text for each, text in TEXTS.items() if (each, viewer) != (field, hidden_from)}
                views = await made.shown(viewer)
                if any(view != expected for view in views) or len(views) < 2 + (viewer <= Viewer.SAME_ORGANISATION):
                    wrong.append((field, hidden_from, viewer, views))

    assert wrong == []


async def test_without_a_word_of_anybody_citizens_and_applications_see_name_and_title(tmp_path) -> None:
    async with house(tmp_path) as relay:
        made = await Department.of(relay)
        await relay.store._act(lambda commit: policies.put(commit, PLATFORM, bytes(policy.TABLE_BYTES)))
        seen = {viewer: await made.shown(viewer) for viewer in Viewer}

    for viewer, views in seen.items():
        outside = viewer in (Viewer.APPLICATION, Viewer.PUBLIC)
        expected = {Field.NAME: "Bob Roy", Field.TITLE: "Registrar"} if outside else TEXTS
        assert all(view == expected for view in views), viewer
