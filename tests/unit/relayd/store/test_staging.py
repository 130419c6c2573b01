"""A roster comes in: by parts, each once however often it is said; a bad line spoils no other."""

import pytest

from relayd.store import rosters, staging
from relayproto import rosters as contract
from relayproto.administration import SuspendOrganisation
from relayproto.codes import Code
from relayproto.limits import ROSTER_STAGED_MS
from relayproto.rosters import Fault, Rostered
from relayproto.standing import Role, Standing
from support.attestable import DOMAIN, department
from support.organisations import NOW_MS
from support.rostered import NAME, in_force, line, listed, put

PEOPLE = [line("ann", "Ann Rao", "Clerk"), line("ben"), line("cy", "Cy", "")]


def test_a_part_is_kept_in_its_order_with_a_hash_over_it(tmp_path) -> None:
    with department(tmp_path) as at:
        first, second = put(at, PEOPLE[:2]), put(at, PEOPLE[2:], position=2)

        staged = rosters.staged(at.desk.commit, at.desk.row(at.vera), NAME)
        assert (first, second) == (Rostered(2, ()), Rostered(3, ()))
        assert (staged.unit, staged.sent, staged.kept) == (at.unit, 3, 3)
        assert staged.digest == contract.digest(PEOPLE)
        assert listed(at) == [one.address for one in PEOPLE]
        assert rosters.line_of(at.desk.commit, f"ann@{DOMAIN}") is None, "staged has no effect"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (line("no address"), Code.BAD_ADDRESS), (line("Upper"), Code.BAD_ADDRESS), (line(" ann"), Code.BAD_ADDRESS),
        (line("ann", domain="else.example"), Code.BAD_ADDRESS), (line("ann", domain="a.gad.example"), Code.BAD_ADDRESS),
        (line("\u0430nn"), Code.BAD_ADDRESS), (line("dan", "a\u202eb"), Code.LIMIT),
        (line("dan", "", "a\x1b"), Code.LIMIT),
        (line("dan", " "), Code.LIMIT), (line("ben", "Ben again"), Code.CONFLICT), (line("b0b"), Code.ADDRESS_TAKEN),
    ],
)  # fmt: skip
def test_a_bad_line_is_told_and_left_out_and_the_others_are_kept(tmp_path, bad, code) -> None:
    with department(tmp_path) as at:
        told = put(at, [PEOPLE[1], bad, PEOPLE[2]])

        assert told == Rostered(3, (Fault(1, code),))
        assert listed(at) == [PEOPLE[1].address, PEOPLE[2].address]
        staged = rosters.staged(at.desk.commit, at.desk.row(at.vera), NAME)
        assert (staged.kept, staged.digest) == (2, contract.digest(PEOPLE[1:]))


def test_an_address_that_looks_like_anothers_line_is_taken(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("roll"), name=b"1" * 16)

        assert put(at, [line("ro11"), line("roll", "anew"), line("a1l"), line("all")]) == Rostered(
            4, (Fault(0, Code.ADDRESS_TAKEN), Fault(3, Code.ADDRESS_TAKEN))
        )


def test_what_only_another_stages_takes_no_address(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, [line("roll")], at.admin)

        assert put(at, [line("ro11")]) == Rostered(1, ())


def test_an_account_with_that_very_address_is_no_fault(tmp_path) -> None:
    with department(tmp_path) as at:
        assert put(at, [line("bob", "Bob Roy", "Registrar")]) == Rostered(1, ())


def test_the_same_part_again_changes_nothing_and_tells_the_same_faults(tmp_path) -> None:
    with department(tmp_path) as at:
        part = [PEOPLE[0], line("no address"), PEOPLE[0], PEOPLE[1]]
        first = put(at, part)
        before = list(at.desk.db.iterdump())

        again = put(at, part)

        assert again == first == Rostered(4, (Fault(1, Code.BAD_ADDRESS), Fault(2, Code.CONFLICT)))
        assert list(at.desk.db.iterdump()) == before
        assert put(at, [*part, PEOPLE[2]]) == Rostered(5, first.faults), "what is new of it is taken"
        assert listed(at) == [one.address for one in PEOPLE]


def test_a_line_that_was_left_out_stays_so_though_nothing_is_wrong_any_more(tmp_path) -> None:
    with department(tmp_path) as at:
        first = put(at, [line("b0b")])
        at.desk.db.execute("UPDATE account SET look = id")

        assert (first.faults, put(at, [line("b0b")]).faults) == (
            (Fault(0, Code.ADDRESS_TAKEN),), (Fault(0, Code.CONFLICT),),
        )  # fmt: skip


def test_another_line_in_the_place_of_one_that_came_is_a_conflict(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, PEOPLE)

        assert put(at, [PEOPLE[0], line("dan")]) is Code.CONFLICT
        assert put(at, PEOPLE, at.vera, unit=at.root) is Code.NOT_PERMITTED
        at.desk.hold(at.vera, Role.VERIFIER, at.root)
        assert put(at, PEOPLE, at.vera, unit=at.root) is Code.CONFLICT, "another unit's"
        assert listed(at) == [one.address for one in PEOPLE]


def test_a_position_ahead_of_what_has_come_says_where_to_go_on(tmp_path) -> None:
    with department(tmp_path) as at:
        nothing = put(at, PEOPLE[2:], position=2)
        put(at, PEOPLE[:1])

        assert (nothing, put(at, PEOPLE[2:], position=2)) == (Rostered(0, ()), Rostered(1, ()))
        assert at.desk.db.execute("SELECT count(*) FROM roster").fetchone() == (1,)


def test_a_roster_is_not_longer_than_it_may_be(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(staging, "ROSTER_LINES_MAX", 2)
    with department(tmp_path) as at:
        assert put(at, PEOPLE) is Code.LIMIT
        assert put(at, PEOPLE[:2]) == Rostered(2, ())
        assert put(at, PEOPLE[2:], position=2) is Code.LIMIT


def test_an_account_stages_one_roster_and_none_while_its_last_one_is_being_deleted(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, PEOPLE[:1])
        other = put(at, PEOPLE[1:], roster=b"2" * 16)
        third = put(at, PEOPLE[1:], roster=b"3" * 16)

        assert (other, third) == (Rostered(2, ()), Code.BUSY)
        assert rosters.staged(at.desk.commit, at.desk.row(at.vera), NAME) is None
        rosters.sweep(at.desk.commit)
        assert listed(at) == [one.address for one in PEOPLE[1:]]
        assert put(at, PEOPLE[1:], roster=b"3" * 16) == Rostered(2, ())
        assert put(at, PEOPLE, at.admin, roster=b"4" * 16) == Rostered(3, ()), "another's"


def test_what_is_staged_is_gone_after_a_week(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, PEOPLE)

        at.desk.commit.now_ms = NOW_MS + ROSTER_STAGED_MS

        assert rosters.staged(at.desk.commit, at.desk.row(at.vera), NAME) is None
        assert rosters.sweep(at.desk.commit) == 3
        assert at.desk.db.execute("SELECT count(*) FROM roster").fetchone() == (0,)


def test_who_may_not_is_told_so_and_it_is_written_down(tmp_path) -> None:
    with department(tmp_path) as at:
        other, foreign = at.desk.organisation("other.example")
        dave = at.desk.person(f"dave@{DOMAIN}", at.unit, Standing.VERIFIED)
        at.desk.hold(dave, Role.AUDITOR, at.unit)

        assert {put(at, PEOPLE, who) for who in (at.bob, foreign, dave)} == {Code.NOT_PERMITTED}
        assert {put(at, PEOPLE, unit=unit) for unit in (at.root, other, 999)} == {Code.NOT_PERMITTED}
        assert at.desk.db.execute("SELECT count(*) FROM audit").fetchone() == (6,)
        assert listed(at) == []


def test_where_nothing_works_nothing_is_staged(tmp_path) -> None:
    with department(tmp_path) as at:
        at.desk.done(at.desk.operator(), SuspendOrganisation(at.root, True))

        assert put(at, PEOPLE) is Code.NOT_PERMITTED
        at.desk.db.execute("UPDATE unit SET state = 3 WHERE id = ?", (at.unit,))
        at.desk.db.execute("UPDATE unit SET state = 1 WHERE id = ?", (at.root,))
        assert put(at, PEOPLE, at.admin) is Code.NOT_PERMITTED, "roles count for nothing there"
