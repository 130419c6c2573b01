"""What of somebody a viewer is shown: nothing of what is hidden is left, and some see all."""

from itertools import combinations

import pytest

from relayd.domain.acting import Authority
from relayd.domain.permits import Side
from relayd.store import projections
from relayd.store.authority import View
from relayd.store.projections import Projection, Seen, Viewing
from relayproto import attestation, visibility
from relayproto.standing import PLATFORM, Field, Role, Standing
from support import attesting
from support.attestable import Department, department
from support.attesting import TEXTS
from support.changed import replace
from support.organisations import NOW_MS

HIDDEN = b"\x01" * visibility.TABLE_BYTES
PROOF = attestation.encode_proof(attesting.proof())
BOB = Seen(b"b" * 32, Side(Standing.VERIFIED, organisation=1, unit=2), "bob@gad.example", PROOF, "on leave", HIDDEN)


@pytest.mark.parametrize("shown", [each for count in range(6) for each in combinations(Field, count)])
def test_of_two_people_who_differ_in_what_is_hidden_the_same_is_shown(shown: tuple[Field, ...]) -> None:
    """Byte for byte: the proof of one is that of the other, as long as they are attested in the same moment."""
    other_texts = {each: TEXTS[each] if each in shown else "7" for each in TEXTS}
    other = replace(
        BOB,
        address=BOB.address if Field.ADDRESS in shown else "else@gad.example",
        about=BOB.about if Field.ABOUT in shown else "",
        proof=attestation.encode_proof(attesting.proof(texts=other_texts)),
    )

    made = projections.of(BOB, frozenset(shown))

    assert made == projections.of(other, frozenset(shown))
    stated = attestation.texts(attestation.decode_proof(made.proof).statements)
    assert stated == {each: TEXTS[each] for each in shown if each in TEXTS}
    assert bool(made.address) == (Field.ADDRESS in shown)
    assert bool(made.about) == (Field.ABOUT in shown)


def test_of_whom_nothing_is_attested_nothing_is_shown() -> None:
    assert projections.of(replace(BOB, proof=b"", about=""), frozenset()) == Projection("", b"", "")


def fields(at: Department, account: bytes, side: Side, held=(), seen: Seen = BOB) -> frozenset[Field]:
    viewing = Viewing(account, side, list(held))
    return projections.fields(View(at.desk.db, NOW_MS), viewing, replace_side(at, seen))


def replace_side(at: Department, seen: Seen) -> Seen:
    return replace(seen, side=replace(seen.side, organisation=at.root, unit=at.unit))


def test_who_has_to_know_people_and_the_person_see_all_and_nobody_else_does(tmp_path) -> None:
    with department(tmp_path) as at:
        colleague = Side(Standing.VERIFIED, organisation=at.root, unit=at.unit)
        above, beside = at.root, at.unit + 7

        assert fields(at, BOB.account, colleague) == set(Field), "oneself"
        assert fields(at, at.vera, colleague) == set()
        for role in Role:
            sees = role in {Role.VERIFIER, Role.UNIT_ADMIN, Role.ORGANISATION_ADMIN}
            for unit in (at.unit, above):
                expected = set(Field) if sees else set()
                assert fields(at, at.vera, colleague, [Authority(role, unit)]) == expected, role
            for unit in (beside, PLATFORM):
                assert fields(at, at.vera, colleague, [Authority(role, unit)]) == set(), role
