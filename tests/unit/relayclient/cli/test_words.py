"""What a change does, in plain words."""

import pytest

from relayclient.cli import terminal, words
from relayproto.administration import (
    CHANGES,
    Approve,
    AssignOffice,
    CloseUnit,
    CreateOrganisation,
    CreateUnit,
    GrantRole,
    HandOver,
    InviteMember,
    MergeOrganisation,
    MoveUnit,
    PlaceMember,
    PutDocument,
    RenameUnit,
    RevokeRole,
    RotateKey,
    SuspendOrganisation,
    Withdraw,
)
from relayproto.attestation import Statement
from relayproto.rosters import ImportRoster, RefuseClaim, StrikeLine
from relayproto.standing import PLATFORM, Field, Role, Standing
from relayproto.verification import Attest, PutWarrant, RevokeAttestation, RevokeWarrant

ALICE, BOB, DAY_MS = b"a" * 32, b"b" * 32, 86_400_000
NAMES = {ALICE: "alice", BOB: "bob"}
STATED = {Field.NAME: "Bob Roy", Field.TITLE: "Registrar", Field.UNIT: "2", Field.ADDRESS: "b@works.example"}
SAID = {
    CreateOrganisation("Works", "works.example", b"k" * 32, bytes(64), b"f" * 32, ALICE, DAY_MS):
        f'let the organisation "Works" in, with the mail domain works.example, the root key {"6b" * 32} and the form'
        f" with hash {'66' * 32}; alice is its admin until {terminal.when(86_400_000)}",
    SuspendOrganisation(1, True): "suspend the organisation 1",
    SuspendOrganisation(1, False): "let the organisation 1 work again",
    MergeOrganisation(1, 2): "make the organisation 1, with all below it, a unit of unit 2",
    HandOver(3, ALICE, BOB): "give all that alice holds over unit 3 and below to bob",
    RotateKey(1, b"k" * 32, bytes(64), bytes(64)): f"replace the root key of the organisation 1 by {'6b' * 32}",
    CreateUnit(1, "North"): 'make a unit "North" below unit 1',
    RenameUnit(2, "South"): 'call unit 2 "South"',
    MoveUnit(2, 3): "put unit 2, with all below it, under unit 3",
    CloseUnit(2): "close unit 2 for good",
    GrantRole(PLATFORM, ALICE, Role.PLATFORM_OPERATOR, DAY_MS):
        f"let alice act as platform-operator over the platform until {terminal.when(86_400_000)}",
    RevokeRole(2, BOB, Role.UNIT_ADMIN): "take the role unit-admin over unit 2 from bob",
    InviteMember(2, "c@works.example", Standing.OFFICE, 7200):
        "invite c@works.example into unit 2 as office, for 2 hours",
    PlaceMember(2, ALICE, Standing.VERIFIED): "put alice into unit 2 as verified",
    PlaceMember(2, ALICE, Standing.PUBLIC):
        "take alice out of unit 2 and the organisation, with all roles and offices",
    AssignOffice(2, ALICE, BOB, True): "let bob answer for the office alice of unit 2",
    AssignOffice(2, ALICE, BOB, False): "let bob no longer answer for the office alice of unit 2",
    PutDocument(2, b"doc", bytes(64)): "put a document of 3 bytes in force for unit 2",
    PutWarrant(2, ALICE, b"w", bytes(64)):
        "let a device of alice attest for unit 2 and below, by the root key's warrant",
    RevokeWarrant(2, b"w" * 16):
        f"take back the warrant {'77' * 16} of unit 2 and all that was attested under it",
    Attest(2, BOB, b"a", bytes(64), tuple(Statement(field, text, bytes(64)) for field, text in STATED.items())):
        "attest that bob belongs to unit 2: Bob Roy, Registrar, b@works.example",
    Attest(2, BOB, b"a", bytes(64), ()): "attest that bob belongs to unit 2",
    ImportRoster(2, b"n" * 16, 1_987, b"d" * 32):
        f"expect the 1,987 people of the roster {'6e' * 16}, whose lines have the hash {'64' * 32}, in unit 2",
    StrikeLine(2, "bob@works.example"): "expect bob@works.example no longer in unit 2",
    RefuseClaim(2, BOB): "refuse the claim of bob to be of unit 2",
    RevokeAttestation(2, BOB): "take back what is attested of bob in unit 2, with all roles and offices",
    Approve(4, bytes(32)): "approve proposal 4",
    Withdraw(4): "withdraw proposal 4",
}  # fmt: skip


@pytest.mark.parametrize("change", SAID, ids=lambda change: type(change).__name__)
def test_a_change_is_told_in_plain_words(change):
    assert words.of(change, NAMES.get) == SAID[change]


def test_every_change_has_words():
    assert {type(change) for change in SAID} == set(CHANGES.values())


def test_a_name_cannot_command_the_terminal_of_who_approves():
    assert "\x1b" not in words.of(CreateUnit(1, "\x1b[2J"), NAMES.get)


def test_the_accounts_that_a_change_names_are_found():
    assert words.accounts(HandOver(3, ALICE, BOB)) == [ALICE, BOB]
    assert words.accounts(AssignOffice(2, ALICE, BOB, True)) == [BOB, ALICE]
    assert words.accounts(CloseUnit(2)) == []
