"""Offices: who answers for them."""

import pytest

from relayd.domain.acting import Effect
from relayd.store import offices
from relayproto.administration import AssignOffice, CreateUnit, HandOver, SuspendOrganisation
from relayproto.codes import Code
from relayproto.standing import Role, Standing
from support.organisations import registry


def post_of(desk) -> tuple[bytes, int, int, bytes]:
    """Make an organisation with a unit and an office in it; return admin, organisation, unit and office."""
    root, admin = desk.organisation()
    unit = desk.done(admin, CreateUnit(root, "Records")).value
    return admin, root, unit, desk.person("post@gad.example", unit, Standing.OFFICE)


def holders(desk) -> set[tuple[int, int]]:
    return set(desk.db.execute("SELECT office, account FROM holder").fetchall())


def test_people_of_the_organisation_answer_for_an_office_and_no_longer(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, post = post_of(desk)
        bob = desk.person("bob@gad.example", root, Standing.VERIFIED)
        dave = desk.person("dave@gad.example", root, Standing.INVITED)

        begun = desk.done(admin, AssignOffice(unit, post, bob, True))
        desk.done(admin, AssignOffice(root, post, dave, True))
        both = holders(desk)
        ended = desk.done(admin, AssignOffice(unit, post, bob, False))

        assert both == {(desk.row(post), desk.row(one)) for one in (bob, dave)}
        assert holders(desk) == {(desk.row(post), desk.row(dave))}
        assert (begun.before, begun.after, begun.unit) == (b"", ended.before, unit)
        assert (ended.after, ended.unit) == (b"", unit)


@pytest.mark.parametrize("answers", [True, False])
def test_what_is_no_office_of_the_unit_is_forbidden(tmp_path, answers: bool) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, post = post_of(desk)
        foreign, _ = desk.organisation("pwd.example")
        other = desk.done(admin, CreateUnit(root, "Other")).value
        bob = desk.person("bob@gad.example", unit, Standing.VERIFIED)
        theirs = desk.person("post@pwd.example", foreign, Standing.OFFICE)
        application = desk.person("app@gad.example", unit, Standing.APPLICATION)

        for where, office in (
            (unit, bob),
            (unit, theirs),
            (unit, application),
            (unit, b"x" * 32),
            (other, post),
            (9, post),
        ):
            assert desk.do(admin, AssignOffice(where, office, bob, answers)) is Code.NOT_PERMITTED


def test_who_is_nobody_of_the_organisation_answers_for_nothing(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, post = post_of(desk)
        _, foreign = desk.organisation("pwd.example")
        application = desk.person("app@gad.example", root, Standing.APPLICATION)
        other_post = desk.person("desk@gad.example", root, Standing.OFFICE)

        for nobody in (foreign, desk.person("public@gad.example"), application, other_post, b"x" * 32):
            assert desk.do(admin, AssignOffice(unit, post, nobody, True)) is Code.NOT_PERMITTED


def test_what_is_so_already_is_told(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, _, unit, post = post_of(desk)
        bob = desk.person("bob@gad.example", unit, Standing.VERIFIED)

        assert desk.do(admin, AssignOffice(unit, post, bob, False)) is Code.CONFLICT
        desk.done(admin, AssignOffice(unit, post, bob, True))
        assert desk.do(admin, AssignOffice(unit, post, bob, True)) is Code.CONFLICT


def test_so_many_answer_for_one_office(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(offices, "HOLDERS_MAX", 2)
    with registry(tmp_path) as desk:
        admin, _, unit, post = post_of(desk)
        one, two, three = (desk.person(f"{name}@gad.example", unit, Standing.VERIFIED) for name in ("a", "b", "c"))
        for who in (one, two):
            desk.done(admin, AssignOffice(unit, post, who, True))

        assert desk.do(admin, AssignOffice(unit, post, three, True)) is Code.LIMIT
        desk.done(admin, AssignOffice(unit, post, one, False))
        assert isinstance(desk.do(admin, AssignOffice(unit, post, three, True)), Effect)


def test_a_full_office_is_handed_over_as_well(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(offices, "HOLDERS_MAX", 1)
    with registry(tmp_path) as desk:
        admin, _, unit, post = post_of(desk)
        bob, carol = (desk.person(f"{name}@gad.example", unit, Standing.VERIFIED) for name in ("bob", "carol"))
        desk.hold(bob, Role.VERIFIER, unit)
        desk.done(admin, AssignOffice(unit, post, bob, True))

        desk.done(admin, HandOver(unit, bob, carol))

        assert holders(desk) == {(desk.row(post), desk.row(carol))}


def test_an_office_that_both_answer_for_is_answered_for_by_one(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, post = post_of(desk)
        elsewhere = desk.person("elsewhere@gad.example", root, Standing.OFFICE)
        bob, carol = (desk.person(f"{name}@gad.example", unit, Standing.VERIFIED) for name in ("bob", "carol"))
        for office, who in ((post, bob), (post, carol), (elsewhere, bob)):
            desk.done(admin, AssignOffice(root, office, who, True))

        desk.done(admin, HandOver(unit, bob, carol))

        assert holders(desk) == {(desk.row(post), desk.row(carol)), (desk.row(elsewhere), desk.row(bob))}


def test_nobody_is_assigned_where_the_organisation_is_suspended(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, root, unit, post = post_of(desk)
        bob = desk.person("bob@gad.example", unit, Standing.VERIFIED)
        desk.done(desk.operator(), SuspendOrganisation(root, True))

        assert desk.do(admin, AssignOffice(unit, post, bob, True)) is Code.CONFLICT
