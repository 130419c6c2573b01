"""Rosters in force: by one row, one line of an address counts, and lines go when they are over."""

import pytest

from relayd.store import questions, rosters, settling
from relayd.store.marks import Marks
from relayproto import rosters as contract
from relayproto.administration import CloseUnit, CreateUnit, PlaceMember, SuspendOrganisation
from relayproto.codes import Code
from relayproto.limits import ROSTER_ALONE_MAX, ROSTER_LIFETIME_MS, ROSTER_LINES_MAX
from relayproto.rosters import Fault, GetRoster, Roster, StrikeLine
from relayproto.standing import Role, Standing
from relayproto.verification import RevokeAttestation
from support.attestable import DOMAIN, Department, department
from support.changed import replace
from support.organisations import NOW_MS
from support.rostered import NAME, importing, in_force, line, listed, put
from support.stores import MASTER_KEY

ANN, BEN = line("ann", "Ann Rao", "Clerk"), line("ben")
ANN_SAID, BEN_SAID = ANN.fields(), BEN.fields()
OTHER = b"2" * 16


def told(at: Department, question: GetRoster) -> Roster:
    at.desk.db.execute("UPDATE held_role SET until_ms = max(until_ms, ?)", (at.desk.commit.now_ms + 1,))
    return questions.answer(at.desk.commit, at.admin, question, Marks(MASTER_KEY))


def shown(at: Department, unit: int = 0, name: bytes = b"", after: int = 0, rows: int = 100) -> list[tuple]:
    found = told(at, GetRoster(unit or at.unit, name, after, rows))
    return [each.fields()[1:] for each in found.lines]


def counts(at: Department, who: str) -> tuple | None:
    found = rosters.line_of(at.desk.commit, f"{who}@{DOMAIN}")
    return None if found is None else found[1:4]


def test_what_is_imported_counts_at_once_by_one_row(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, [ANN, BEN])
        before = at.desk.db.total_changes

        effect = at.desk.done(at.vera, importing(at, [ANN, BEN]))

        assert at.desk.db.total_changes - before == 2, "the roster's row, and how much its importer has done alone"
        assert counts(at, "ann") == (at.unit, "Ann Rao", "Clerk")
        assert shown(at) == [(at.unit, *ANN_SAID), (at.unit, *BEN_SAID)] == shown(at, name=NAME) == shown(at, at.root)
        assert (effect.unit, effect.second, len(effect.after)) == (at.unit, False, 32)


def test_only_what_is_staged_there_and_described_rightly_comes_in_force(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, [ANN, BEN])

        for change in (
            importing(at, [ANN]), importing(at, [BEN, ANN]), replace(importing(at, [ANN, BEN]), lines=3),
            importing(at, [ANN, BEN], roster=OTHER), importing(at, [ANN, BEN], unit=at.root),
        ):  # fmt: skip
            assert at.desk.do(at.vera, change) is Code.CONFLICT
        assert at.desk.do(at.admin, importing(at, [ANN, BEN])) is Code.CONFLICT, "another's"
        at.desk.done(at.vera, importing(at, [ANN, BEN]))
        assert at.desk.do(at.vera, importing(at, [ANN, BEN])) is Code.CONFLICT, "once"


def test_where_nothing_works_nothing_comes_in_force(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, [ANN])
        at.desk.done(at.desk.operator(), SuspendOrganisation(at.root, True))

        assert at.desk.do(at.vera, importing(at, [ANN])) is Code.CONFLICT


def test_so_many_lines_of_an_organisation_are_in_force(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rosters, "IN_FORCE_MAX", 2)
    with department(tmp_path) as at:
        in_force(at, ANN, BEN)
        put(at, [line("cy")], roster=OTHER)

        assert at.desk.do(at.vera, importing(at, [line("cy")], roster=OTHER)) is Code.LIMIT
        at.desk.done(at.vera, StrikeLine(at.unit, ANN.address))
        at.desk.done(at.vera, importing(at, [line("cy")], roster=OTHER))


def test_more_than_so_many_lines_a_day_are_for_two(tmp_path) -> None:
    """However many rosters they are in: whoever could import a hundred at a time could import all."""
    many = [line(f"p{number}") for number in range(ROSTER_ALONE_MAX)]
    with department(tmp_path) as at:
        put(at, many)
        first = at.desk.done(at.vera, importing(at, many))
        put(at, [ANN], roster=OTHER)
        second = at.desk.done(at.vera, importing(at, [ANN], roster=OTHER))
        put(at, [BEN], at.admin, roster=OTHER)
        another = at.desk.done(at.admin, importing(at, [BEN], roster=OTHER))
        at.desk.commit.now_ms += 86_400_000
        put(at, [BEN], roster=b"3" * 16)
        tomorrow = at.desk.done(at.vera, importing(at, [BEN], roster=b"3" * 16))

        assert [each.second for each in (first, second, another, tomorrow)] == [False, True, False, False]


def test_a_newer_line_of_an_address_counts_once_the_older_one_has_given_way(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, ANN, BEN)
        in_force(at, line("ann", "Ann Das"), unit=at.root, name=OTHER, settled=False)

        assert counts(at, "ann") == (at.unit, "Ann Rao", "Clerk")
        assert len(listed(at)) == 3
        assert settling.settle(at.desk.commit) == 1
        assert counts(at, "ann") == (at.root, "Ann Das", "")
        assert shown(at) == [(at.unit, *BEN_SAID)]
        assert shown(at, at.root) == [(at.unit, *BEN_SAID), (at.root, f"ann@{DOMAIN}", "Ann Das", "")]
        assert listed(at) == [BEN.address, ANN.address]
        assert at.desk.db.execute("SELECT kept FROM roster ORDER BY id").fetchall() == [(1,), (1,)]


def test_a_roster_that_was_replaced_whole_goes(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, ANN, BEN)
        in_force(at, BEN, ANN, name=OTHER)

        assert rosters.sweep(at.desk.commit) == 0
        assert at.desk.db.execute("SELECT name FROM roster").fetchall() == [(OTHER,)]


def test_lines_come_in_pages_across_rosters(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, ANN, BEN)
        in_force(at, line("cy"), name=OTHER)

        first = told(at, GetRoster(at.unit, b"", 0, 2))
        second = told(at, GetRoster(at.unit, b"", first.lines[-1].number, 2))

        assert ([each.address for each in first.lines], first.more) == ([ANN.address, BEN.address], True)
        assert ([each.address for each in second.lines], second.more) == ([line("cy").address], False)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 100])
def test_lines_that_do_not_count_are_gone_through_a_few_at_a_time(tmp_path, monkeypatch, most: int) -> None:
    with department(tmp_path) as at:
        in_force(at, ANN, BEN)
        in_force(at, ANN, BEN, line("cy"), name=OTHER, settled=False)
        in_force(at, line("dee"), name=b"3" * 16, settled=False)
        expected = told(at, GetRoster(at.unit, b"", 0, 100))
        monkeypatch.setattr(rosters, "LOOKED_MAX", most)
        listed = questions.Listed(GetRoster(at.unit, b"", 0, 100))

        looks = [listed.look(at.desk.commit, at.vera, Marks(MASTER_KEY))]
        while looks[-1] is None and len(looks) < 20:
            looks.append(listed.look(at.desk.commit, at.vera, Marks(MASTER_KEY)))

        assert looks[-1] == expected
        assert [each.address for each in expected.lines] == [
            each.address for each in (ANN, BEN, line("cy"), line("dee"))
        ]
        assert len(looks) >= 6 // most


def test_a_staged_roster_is_read_by_its_name_in_its_unit_alone(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, [ANN])

        assert (shown(at), shown(at, name=NAME), shown(at, at.root, NAME), shown(at, name=OTHER)) == (
            [], [(at.unit, *ANN_SAID)], [], [],
        )  # fmt: skip


def test_the_places_of_the_longest_roster_do_not_run_into_the_next(tmp_path) -> None:
    assert rosters.span(1)[1] - rosters.span(1)[0] >= ROSTER_LINES_MAX
    assert rosters.span(1)[1] == rosters.span(2)[0]


def test_a_line_is_struck_with_what_it_said_of_its_account(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("bob"), ANN)
        assert at.desk.db.execute("SELECT count(*) FROM claim").fetchone() == (1,)

        effect = at.desk.done(at.admin, StrikeLine(at.root, f" BOB@{DOMAIN} "))

        assert (effect.unit, len(effect.before), counts(at, "bob")) == (at.unit, 32, None)
        assert at.desk.db.execute("SELECT count(*) FROM claim").fetchone() == (0,)
        assert listed(at) == [ANN.address]


@pytest.mark.parametrize(("address", "code"), [("ben@gad.example", Code.NOT_PERMITTED), ("ann", Code.BAD_ADDRESS)])
def test_what_is_not_there_is_not_struck(tmp_path, address, code) -> None:
    with department(tmp_path) as at:
        in_force(at, ANN)
        put(at, [BEN], roster=OTHER)

        assert at.desk.do(at.vera, StrikeLine(at.unit, address)) is code


def test_a_line_of_another_unit_is_not_struck(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, ANN, unit=at.root)

        assert at.desk.do(at.vera, StrikeLine(at.unit, ANN.address)) is Code.NOT_PERMITTED


def test_a_line_goes_after_a_year_at_once_and_its_row_a_little_later(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rosters, "GONE_MAX", 2)
    with department(tmp_path) as at:
        in_force(at, ANN, BEN, line("cy"))

        at.desk.commit.now_ms = NOW_MS + ROSTER_LIFETIME_MS - 1
        assert counts(at, "ann") is not None
        at.desk.commit.now_ms += 1

        assert (counts(at, "ann"), shown(at)) == (None, [])
        assert [rosters.sweep(at.desk.commit) for _ in range(3)] == [2, 1, 0]
        assert at.desk.db.execute("SELECT count(*) FROM roster").fetchone() == (0,)


def test_who_leaves_is_not_expected_any_more(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("bob"), line("carol"), ANN)
        carol = at.desk.person(f"carol@{DOMAIN}", at.unit, Standing.INVITED)
        at.attested()

        at.desk.done(at.admin, RevokeAttestation(at.unit, at.bob))
        at.desk.done(at.admin, PlaceMember(at.unit, carol, Standing.PUBLIC))

        assert listed(at) == [ANN.address]


def test_a_closed_unit_expects_nobody(tmp_path) -> None:
    with department(tmp_path) as at:
        unit = at.desk.done(at.admin, CreateUnit(at.root, "Depot")).value
        in_force(at, ANN, line("bob"), unit=unit)
        at.desk.hold(at.vera, Role.VERIFIER, at.root)

        at.desk.done(at.admin, CloseUnit(unit))

        assert (counts(at, "ann"), rosters.sweep(at.desk.commit)) == (None, 2)
        assert at.desk.db.execute("SELECT count(*) FROM claim").fetchone() == (0,)


def test_the_digest_is_that_of_the_contract(tmp_path) -> None:
    with department(tmp_path) as at:
        put(at, [ANN, line("nobody at all"), BEN])

        assert importing(at, [ANN, BEN]).digest == contract.digest([ANN, BEN])
        at.desk.done(at.vera, importing(at, [ANN, BEN]))


def test_nobody_takes_another_units_people_by_a_list_of_their_addresses(tmp_path) -> None:
    with department(tmp_path) as at:
        other = at.desk.done(at.admin, CreateUnit(at.root, "Other")).value
        assert put(at, [ANN, BEN], at.admin, unit=other, roster=OTHER).faults == ()
        in_force(at, ANN)

        at.desk.done(at.admin, importing(at, [ANN, BEN], unit=other, roster=OTHER))
        while settling.settle(at.desk.commit):
            pass

        late = put(at, [line("dee"), ANN], at.admin, unit=other, roster=b"3" * 16)
        assert late.faults == (Fault(1, Code.NOT_PERMITTED),)
        assert counts(at, "ann") == (at.unit, "Ann Rao", "Clerk")
        assert shown(at, other) == [(other, *BEN_SAID)]


def test_a_roster_tells_whether_two_have_read_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rosters, "ROSTER_ALONE_MAX", 1)
    with department(tmp_path) as at:
        in_force(at, ANN)
        in_force(at, BEN, line("cy"), name=OTHER)

        told = [rosters.line_of(at.desk.commit, f"{who}@{DOMAIN}").seconded for who in ("ann", "ben")]

        assert told == [False, True]
