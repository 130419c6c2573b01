"""People of organisations: invited by their address, placed by others, removed with all that they held."""

import pytest

from relayd.domain.acting import Effect
from relayproto.administration import (
    AssignOffice,
    CloseUnit,
    CreateUnit,
    InviteMember,
    MergeOrganisation,
    PlaceMember,
    SuspendOrganisation,
)
from relayproto.codes import Code
from relayproto.primitives import blake2b_256
from relayproto.standing import PLATFORM, Role, Standing
from support.organisations import NOW_MS, registry

HOUR_S = 3_600


def unit_of(desk) -> tuple[bytes, int, int]:
    """Make an organisation with a unit; return its admin, itself and the unit."""
    root, admin = desk.organisation()
    return admin, root, desk.done(admin, CreateUnit(root, "Records")).value


@pytest.mark.parametrize("standing", [Standing.INVITED, Standing.APPLICATION, Standing.OFFICE])
def test_a_ticket_carries_address_unit_and_standing(tmp_path, standing: Standing) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)

        effect = desk.done(admin, InviteMember(unit, " Bob@GAD.example", standing, HOUR_S))

        kept = desk.db.execute("SELECT hash, address, expires_ms, unit, standing, inviter FROM ticket").fetchall()
        assert kept == [
            (blake2b_256(effect.ticket), "bob@gad.example", NOW_MS + HOUR_S * 1000, unit, standing, desk.row(admin))
        ]
        assert (len(effect.ticket), effect.unit, effect.before, len(effect.after)) == (16, unit, b"", 32)
        assert effect.ticket.hex() not in repr(effect)


@pytest.mark.parametrize("standing", [Standing.PUBLIC, Standing.VERIFIED])
def test_nobody_is_invited_as_public_or_as_verified(tmp_path, standing: Standing) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)

        assert desk.do(admin, InviteMember(unit, "bob@gad.example", standing, 60)) is Code.NOT_PERMITTED


@pytest.mark.parametrize(
    "address", ["bob", "bob@pwd.example", "bob@nobody.example", "bob@sub.gad.example", "bob@notgad.example"]
)
def test_an_address_that_is_not_the_organisations_is_refused(tmp_path, address: str) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        desk.organisation("pwd.example")

        assert desk.do(admin, InviteMember(unit, address, Standing.INVITED, 60)) is Code.BAD_ADDRESS


def test_an_address_that_names_an_account_is_taken(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        desk.person("bob@gad.example")

        assert desk.do(admin, InviteMember(unit, "bob@gad.example", Standing.INVITED, 60)) is Code.ADDRESS_TAKEN


def test_so_many_tickets_into_a_unit_are_open(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("relayd.store.accounts.TICKETS_OPEN_MAX", 2)
    with registry(tmp_path) as desk:
        admin, root, unit = unit_of(desk)

        def invited(where: int, name: str) -> Effect | Code:
            return desk.do(admin, InviteMember(where, f"{name}@gad.example", Standing.INVITED, 60))

        assert all(isinstance(invited(unit, name), Effect) for name in ("a", "b"))
        assert invited(unit, "c") is Code.LIMIT
        assert isinstance(invited(root, "c"), Effect)
        desk.db.execute("UPDATE ticket SET account = x'00' WHERE address = 'a@gad.example'")
        assert isinstance(invited(unit, "d"), Effect), "what was used takes no room"
        assert invited(unit, "e") is Code.LIMIT
        desk.db.execute("UPDATE ticket SET expires_ms = ? WHERE address = 'b@gad.example'", (NOW_MS,))
        assert isinstance(invited(unit, "e"), Effect), "nor what is over"


def test_nobody_is_invited_or_placed_where_nothing_works(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit = unit_of(desk)
        closed = desk.done(admin, CreateUnit(root, "closed")).value
        desk.done(admin, CloseUnit(closed))
        bob = desk.person("bob@gad.example")

        def tried(where: int) -> list[Code]:
            invited = desk.do(admin, InviteMember(where, "new@gad.example", Standing.INVITED, 60))
            return [invited, desk.do(admin, PlaceMember(where, bob, Standing.INVITED))]

        assert tried(closed) == [Code.CONFLICT] * 2
        assert tried(999) == [Code.NOT_PERMITTED] * 2
        desk.done(desk.operator(), SuspendOrganisation(root, True))
        assert tried(unit) == [Code.CONFLICT] * 2


def test_an_account_with_an_address_of_the_domain_is_placed_and_moved(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit = unit_of(desk)
        bob = desk.person("bob@gad.example")
        parties = [desk.commit.party(bob)]

        placed = desk.done(admin, PlaceMember(unit, bob, Standing.INVITED))
        parties.append(desk.commit.party(bob))
        moved = desk.done(admin, PlaceMember(root, bob, Standing.INVITED))
        parties.append(desk.commit.party(bob))

        assert desk.belongs(bob) == (root, Standing.INVITED)
        assert (placed.before, placed.after) == (b"", moved.before)
        assert (placed.unit, moved.unit) == (unit, root)
        assert [effect.also for effect in (placed, moved)] == [set(), {unit}], "whence he goes"
        assert len({id(party) for party in parties}) == 3


def test_who_is_neither_the_organisations_nor_has_its_address_is_not_placed(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        other, foreign = desk.organisation("pwd.example")
        ours_there = desk.person("bob@gad.example", other, Standing.VERIFIED)

        for account in (desk.person("public@home.example"), foreign, ours_there, b"x" * 32):
            for standing in (Standing.INVITED, Standing.VERIFIED, Standing.PUBLIC):
                assert desk.do(admin, PlaceMember(unit, account, standing)) is Code.NOT_PERMITTED


def test_who_may_place_in_two_organisations_moves_nobody_between_them(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        other, foreign = desk.organisation("pwd.example")
        desk.hold(admin, Role.VERIFIER, other)

        assert desk.do(admin, PlaceMember(unit, foreign, Standing.INVITED)) is Code.NOT_PERMITTED


def test_a_merged_domain_is_the_organisations(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        other, _ = desk.organisation("pwd.example")
        bob = desk.person("bob@pwd.example")
        before = desk.do(admin, PlaceMember(unit, bob, Standing.INVITED))

        desk.done(desk.operator(), MergeOrganisation(other, unit))

        assert before is Code.NOT_PERMITTED
        assert isinstance(desk.do(admin, PlaceMember(unit, bob, Standing.INVITED)), Effect)


def test_nobody_places_himself(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)

        for standing in (Standing.INVITED, Standing.PUBLIC):
            assert desk.do(admin, PlaceMember(unit, admin, standing)) is Code.NOT_PERMITTED


def test_nobody_is_taken_from_a_unit_where_the_actor_places_nobody(tmp_path) -> None:
    with registry(tmp_path) as desk:
        _, root, unit = unit_of(desk)
        carol = desk.person("carol@gad.example", unit, Standing.VERIFIED)
        desk.hold(carol, Role.VERIFIER, unit)
        bob = desk.person("bob@gad.example", root, Standing.VERIFIED)

        for standing in (Standing.INVITED, Standing.PUBLIC):
            assert desk.do(carol, PlaceMember(unit, bob, standing)) is Code.NOT_PERMITTED


@pytest.mark.parametrize(
    ("was", "becomes", "code"),
    [
        (Standing.OFFICE, Standing.INVITED, Code.CONFLICT),
        (Standing.APPLICATION, Standing.INVITED, Code.CONFLICT),
        (Standing.APPLICATION, Standing.OFFICE, Code.CONFLICT),
        (Standing.VERIFIED, Standing.OFFICE, Code.CONFLICT),
        (Standing.INVITED, Standing.APPLICATION, Code.CONFLICT),
        (Standing.INVITED, Standing.INVITED, Code.CONFLICT),
        (Standing.INVITED, Standing.VERIFIED, Code.NOT_PERMITTED),
        (Standing.VERIFIED, Standing.VERIFIED, Code.NOT_PERMITTED),
        (Standing.OFFICE, Standing.VERIFIED, Code.NOT_PERMITTED),
        (Standing.VERIFIED, Standing.INVITED, None),
    ],
)
def test_nobody_is_verified_by_being_placed_and_what_something_is_stays(tmp_path, was, becomes, code) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        bob = desk.person("bob@gad.example", unit, was)

        done = desk.do(admin, PlaceMember(unit, bob, becomes))

        assert (done if isinstance(done, Code) else None) == code


@pytest.mark.parametrize("standing", [Standing.OFFICE, Standing.APPLICATION])
def test_nobody_becomes_an_office_by_way_of_the_public(tmp_path, standing: Standing) -> None:
    """Whoever has been a person would be several at once, with the key and the contacts that were his."""
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        bob = desk.person("bob@gad.example", unit, Standing.VERIFIED)
        desk.done(admin, PlaceMember(unit, bob, Standing.PUBLIC))

        assert desk.do(admin, PlaceMember(unit, bob, standing)) is Code.CONFLICT


@pytest.mark.parametrize("standing", [Standing.OFFICE, Standing.APPLICATION])
def test_a_verifier_moves_and_removes_people_alone(tmp_path, standing: Standing) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit = unit_of(desk)
        carol = desk.person("carol@gad.example", root, Standing.VERIFIED)
        desk.hold(carol, Role.VERIFIER, root)
        bob = desk.person("bob@gad.example", unit, Standing.VERIFIED)
        post = desk.person("post@gad.example", unit, standing)

        for becomes in (standing, Standing.PUBLIC):
            assert desk.do(carol, PlaceMember(root, post, becomes)) is Code.NOT_PERMITTED
        assert isinstance(desk.do(carol, PlaceMember(root, bob, Standing.PUBLIC)), Effect)
        assert isinstance(desk.do(admin, PlaceMember(root, post, standing)), Effect)


def test_an_auditor_is_not_taken_out(tmp_path) -> None:
    """Two end his role; taking him out with all his roles would be an end by one."""
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        bob = desk.person("bob@gad.example", unit, Standing.VERIFIED)
        desk.hold(bob, Role.AUDITOR, unit)

        assert desk.do(admin, PlaceMember(unit, bob, Standing.PUBLIC)) is Code.CONFLICT


def test_an_office_goes_to_another_unit_as_an_office(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit = unit_of(desk)
        post = desk.person("post@gad.example", unit, Standing.OFFICE)

        desk.done(admin, PlaceMember(root, post, Standing.OFFICE))

        assert desk.belongs(post) == (root, Standing.OFFICE)


def test_who_is_removed_keeps_nothing_of_the_organisation(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit = unit_of(desk)
        bob = desk.person("bob@gad.example", unit, Standing.VERIFIED)
        post = desk.person("post@gad.example", unit, Standing.OFFICE)
        for role, over in ((Role.UNIT_ADMIN, unit), (Role.VERIFIER, root), (Role.STATISTICS_VIEWER, PLATFORM)):
            desk.hold(bob, role, over)
        desk.done(admin, AssignOffice(unit, post, bob, True))

        effect = desk.done(admin, PlaceMember(root, bob, Standing.PUBLIC))

        assert (desk.belongs(bob), desk.held(bob)) == ((0, Standing.PUBLIC), {(Role.STATISTICS_VIEWER, PLATFORM)})
        assert desk.db.execute("SELECT * FROM holder").fetchall() == []
        assert (effect.unit, len(effect.before), effect.after) == (unit, 32, b"")
        assert desk.do(admin, PlaceMember(root, bob, Standing.PUBLIC)) is Code.CONFLICT


def test_nobody_answers_for_an_office_that_was_removed(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit = unit_of(desk)
        bob = desk.person("bob@gad.example", unit, Standing.VERIFIED)
        post = desk.person("post@gad.example", unit, Standing.OFFICE)
        desk.done(admin, AssignOffice(unit, post, bob, True))

        desk.done(admin, PlaceMember(unit, post, Standing.PUBLIC))

        assert desk.db.execute("SELECT * FROM holder").fetchall() == []


def test_who_is_removed_is_removed_where_he_belongs_and_by_who_could_take_his_roles(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit = unit_of(desk)
        other = desk.done(admin, CreateUnit(root, "Other")).value
        bob, carol = (desk.person(f"{name}@gad.example", unit, Standing.VERIFIED) for name in ("bob", "carol"))
        desk.hold(bob, Role.UNIT_ADMIN, unit)
        desk.hold(carol, Role.VERIFIER, root)

        assert desk.do(admin, PlaceMember(other, bob, Standing.PUBLIC)) is Code.NOT_PERMITTED
        assert desk.do(carol, PlaceMember(unit, bob, Standing.PUBLIC)) is Code.NOT_PERMITTED
        assert isinstance(desk.do(admin, PlaceMember(unit, bob, Standing.PUBLIC)), Effect)
