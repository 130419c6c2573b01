"""The tree of an organisation: what may become of it, and what never does."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from relayd.domain.acting import Effect
from relayd.store import units
from relayproto import message
from relayproto.administration import CloseUnit, CreateUnit, GetUnits, MergeOrganisation, MoveUnit, RenameUnit
from relayproto.codes import Code
from relayproto.limits import FRAME_BYTES_MAX, PAGE_ROWS_MAX, REQUEST_MAX, UNIT_DEPTH_MAX, UNIT_NAME_CHARS_MAX
from relayproto.standing import PLATFORM, Role, Standing, UnitState
from support.organisations import NOW_MS, founding, other_key, registry


def tree(desk, *names: str) -> tuple[bytes, list[int]]:
    """Make an organisation with units, each below the one before; return its admin and all of them."""
    root, admin = desk.organisation()
    made = [root]
    for name in names:
        made.append(desk.done(admin, CreateUnit(made[-1], name)).value)
    return admin, made


def node(desk, unit: int):
    return units.node(desk.commit, unit)


def test_a_unit_is_made_below_another_in_its_organisation(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root] = tree(desk)

        effect = desk.done(admin, CreateUnit(root, "  Registre\u0301 "))

        made = node(desk, effect.value)
        assert made == (effect.value, root, root, "Registr\u00e9", UnitState.ACTIVE)
        assert (effect.unit, effect.before, len(effect.after)) == (made.unit, b"", 32)


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "x" * (UNIT_NAME_CHARS_MAX + 1), "Records", "rec0rds", "Rec\u043erds"]
)
def test_a_name_that_is_none_or_taken_there_is_refused(tmp_path, name: str) -> None:
    with registry(tmp_path) as desk:
        admin, [root, _, other] = tree(desk, "Records", "Other")
        sibling = desk.done(admin, CreateUnit(root, "Sibling")).value

        assert desk.do(admin, CreateUnit(root, name)) is Code.CONFLICT
        assert desk.do(admin, RenameUnit(sibling, name)) is Code.CONFLICT
        assert isinstance(desk.do(admin, CreateUnit(other, "Records")), Effect)


def test_a_unit_may_be_written_another_way_than_it_was(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [_, unit] = tree(desk, "records")

        desk.done(admin, RenameUnit(unit, "Records"))

        assert node(desk, unit).name == "Records"


def test_a_unit_gets_another_name(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root, unit] = tree(desk, "Records")

        effect = desk.done(admin, RenameUnit(unit, "Archive"))

        assert node(desk, unit).name == "Archive"
        assert (effect.unit, effect.value, effect.before != effect.after) == (unit, 0, True)
        assert isinstance(desk.do(admin, RenameUnit(root, "Department")), Effect)


def test_a_tree_is_no_deeper_than_it_may_be(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, made = tree(desk, *map(str, range(UNIT_DEPTH_MAX - 1)))
        pair = desk.done(admin, CreateUnit(made[0], "pair")).value
        desk.done(admin, CreateUnit(pair, "of two"))

        assert desk.do(admin, CreateUnit(made[-1], "too deep")) is Code.CONFLICT
        assert desk.do(admin, MoveUnit(pair, made[-2])) is Code.CONFLICT
        assert isinstance(desk.do(admin, MoveUnit(pair, made[-3])), Effect)


def test_an_organisation_has_so_many_units(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(units, "UNITS_MAX", 2)
    with registry(tmp_path) as desk:
        admin, [root, _] = tree(desk, "Records")

        assert desk.do(admin, CreateUnit(root, "Archive")) is Code.CONFLICT


def test_a_closed_unit_leaves_room_for_another(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(units, "UNITS_MAX", 2)
    with registry(tmp_path) as desk:
        admin, [root, records] = tree(desk, "Records")
        desk.done(admin, CloseUnit(records))

        assert isinstance(desk.do(admin, CreateUnit(root, "Archive")), Effect)
        assert desk.do(admin, CreateUnit(root, "Registry")) is Code.CONFLICT


def test_nobody_closes_a_unit_under_its_auditor(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root, records] = tree(desk, "Records")
        bob = desk.person("bob@gad.example", root, Standing.VERIFIED)
        desk.hold(bob, Role.AUDITOR, records)

        assert desk.do(admin, CloseUnit(records)) is Code.CONFLICT
        desk.db.execute("UPDATE held_role SET until_ms = ? WHERE role = ?", (NOW_MS, Role.AUDITOR))
        assert isinstance(desk.do(admin, CloseUnit(records)), Effect)


def test_a_unit_moves_with_everything_below_it(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root, first, second] = tree(desk, "first", "second")
        other = desk.done(admin, CreateUnit(root, "other")).value
        bob = desk.person("bob@gad.example", second, Standing.VERIFIED)
        before = desk.commit.party(bob)

        effect = desk.done(admin, MoveUnit(first, other))

        assert [node(desk, unit).under for unit in (first, second)] == [other, first]
        assert effect.before != effect.after
        assert (effect.unit, effect.also) == (first, {root}), "those who saw it until now see that it goes"
        assert desk.commit.party(bob) is not before


def test_what_may_not_be_moved_stays(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root, first, second] = tree(desk, "first", "second")
        desk.done(admin, CreateUnit(root, "second"))
        foreign, _ = desk.organisation("pwd.example")
        closed = desk.done(admin, CreateUnit(root, "closed")).value
        desk.done(admin, CloseUnit(closed))

        for unit, under in (
            (first, first), (first, second), (root, first), (first, root), (second, root), (first, foreign),
            (foreign, root), (first, closed), (closed, first),
        ):  # fmt: skip
            assert desk.do(admin, MoveUnit(unit, under)) is Code.CONFLICT, (unit, under)
        assert desk.do(admin, MoveUnit(first, 999)) is Code.NOT_PERMITTED
        assert desk.do(admin, MoveUnit(999, first)) is Code.NOT_PERMITTED


def test_nobody_takes_a_unit_away_from_above_him(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root, first] = tree(desk, "first")
        other = desk.done(admin, CreateUnit(root, "other")).value
        carol = desk.person("carol@gad.example", first, Standing.VERIFIED)
        for unit in (first, other):
            desk.hold(carol, Role.UNIT_ADMIN, unit)

        assert desk.do(carol, MoveUnit(first, other)) is Code.NOT_PERMITTED


def test_an_empty_unit_is_closed_with_what_is_held_over_it(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root, first, second] = tree(desk, "first", "second")
        bob = desk.person("bob@gad.example", second, Standing.VERIFIED)
        desk.hold(bob, Role.VERIFIER, first)

        full = [desk.do(admin, CloseUnit(unit)) for unit in (root, first, second)]
        desk.db.execute("UPDATE account SET unit = ? WHERE account = ?", (root, bob))
        desk.done(admin, CloseUnit(second))
        desk.done(admin, CloseUnit(first))

        assert full == [Code.CONFLICT] * 3
        assert [node(desk, unit).state for unit in (root, first, second)] == [1, 3, 3]
        assert desk.held(bob) == set()
        for change in (CloseUnit(first), CreateUnit(first, "new"), RenameUnit(first, "other")):
            assert desk.do(admin, change) is Code.CONFLICT
        assert isinstance(desk.do(admin, CreateUnit(root, "first")), Effect)


def test_a_closed_organisation_gives_its_domain_back(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root] = tree(desk)
        desk.db.execute("UPDATE account SET unit = 0")

        desk.done(admin, CloseUnit(root))

        assert desk.db.execute("SELECT * FROM domain").fetchall() == []
        admin = desk.person("new@gad.example")
        old_key, new_key = (founding("again", "gad.example", admin, **key) for key in ({}, other_key("gad.example")))
        assert desk.do(desk.operator(), old_key, "gad.example") is Code.CONFLICT
        assert isinstance(desk.do(desk.operator(), new_key, "gad.example"), Effect)


def test_nothing_is_made_where_the_organisation_is_suspended(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root, first, second] = tree(desk, "first", "second")
        desk.db.execute("UPDATE unit SET state = 2 WHERE id = ?", (root,))

        for change in (CreateUnit(second, "x"), RenameUnit(first, "x"), MoveUnit(second, root), CloseUnit(second)):
            assert desk.do(admin, change) is Code.CONFLICT


def test_units_are_listed_by_level_and_page(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin, [root, first] = tree(desk, "first")
        desk.organisation("pwd.example")
        desk.done(admin, CreateUnit(first, "below"))
        for number in range(4):
            desk.done(admin, CreateUnit(root, str(number)))

        def names(*question: int) -> tuple[list[str], bool]:
            answer = units.listed(desk.db, GetUnits(*question))
            return [unit.name for unit in answer.units], answer.more

        assert names(PLATFORM, 0, 100) == (["gad.example", "pwd.example"], False)
        assert names(root, 0, 2) == (["first", "0"], True)
        assert names(root, units.listed(desk.db, GetUnits(root, 0, 2)).units[-1].unit, 3) == (["1", "2", "3"], False)
        assert names(999, 0, 1) == ([], False)
        organisation, unit = (units.listed(desk.db, GetUnits(above, 0, 1)).units[0] for above in (PLATFORM, root))
        assert (organisation.domain, len(organisation.root_key)) == ("gad.example", 32)
        assert (unit.domain, unit.root_key, unit.under) == ("", b"", root)


def test_a_page_of_the_longest_names_fits_a_frame(tmp_path) -> None:
    with registry(tmp_path) as desk:
        root, _ = desk.organisation()
        for number in range(PAGE_ROWS_MAX):
            name = f"{number:04}" + "\U00011f00" * (UNIT_NAME_CHARS_MAX - 4)
            desk.db.execute(
                "INSERT INTO unit (under, organisation, name, state) VALUES (?, ?, ?, 1)", (root, root, name)
            )

        answer = units.listed(desk.db, GetUnits(root, 0, PAGE_ROWS_MAX))

        assert 30 < len(answer.units) < PAGE_ROWS_MAX
        assert answer.more
        assert len(message.encode(answer, REQUEST_MAX)) <= FRAME_BYTES_MAX


def test_a_merged_organisation_is_listed_as_a_unit(tmp_path) -> None:
    with registry(tmp_path) as desk:
        (root, _), (other, _) = desk.organisation(), desk.organisation("pwd.example")
        desk.done(desk.operator(), MergeOrganisation(other, root))

        [unit] = units.listed(desk.db, GetUnits(root, 0, 9)).units

        assert (unit.unit, unit.name, unit.domain, unit.root_key) == (other, "pwd.example", "", b"")


NUMBERS = st.integers(0, 30)


class Forest(RuleBasedStateMachine):
    """Organisations whose units are made, moved, merged and closed in any order, by somebody who may do all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.desk = self.stack.enter_context(registry(Path(directory)))
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(units, "UNIT_DEPTH_MAX", 4)
        self.patch.setattr(units, "UNITS_MAX", 9)
        self.patch.setattr("relayd.store.organisations.UNITS_MAX", 9)
        self.stack.callback(self.patch.undo)
        self.closed: set[int] = set()
        self.named = 0

    @initialize()
    def begin(self) -> None:
        self.admin = self.desk.person("everybody@relay.example")
        self.roots = [self.desk.organisation(f"{name}.example")[0] for name in "abc"]
        self.operator = self.desk.operator()
        for root in self.roots:
            self.desk.hold(self.admin, Role.ORGANISATION_ADMIN, root)

    def teardown(self) -> None:
        self.stack.close()

    @rule(under=NUMBERS)
    def create(self, under: int) -> None:
        self.named += 1
        self.desk.do(self.admin, CreateUnit(under, f"unit {self.named}"))

    @rule(unit=NUMBERS, under=NUMBERS)
    def move(self, unit: int, under: int) -> None:
        self.desk.do(self.admin, MoveUnit(unit, under))

    @rule(unit=NUMBERS, into=NUMBERS)
    def merge(self, unit: int, into: int) -> None:
        self.desk.do(self.operator, MergeOrganisation(unit, into))

    @rule(unit=NUMBERS)
    def close(self, unit: int) -> None:
        if isinstance(self.desk.do(self.admin, CloseUnit(unit)), Effect):
            self.closed.add(unit)

    @invariant()
    def every_unit_stands_where_it_can(self) -> None:
        found = self.desk.db.execute("SELECT id, under, organisation, state FROM unit").fetchall()
        by_number = {unit: (under, organisation, state) for unit, under, organisation, state in found}
        for unit, (under, organisation, state) in by_number.items():
            above, depth = unit, 1
            while by_number[above][0] != PLATFORM:
                above = by_number[above][0]  # a KeyError is an orphan
                depth += 1
                assert depth <= 4, "a circle, or too deep"
            assert organisation == above, "a unit of two organisations"
            assert (state == UnitState.CLOSED) == (unit in self.closed)
            if state != UnitState.CLOSED and under != PLATFORM:
                assert by_number[under][2] != UnitState.CLOSED, "something goes on below what is closed"
        for root in {organisation for _, organisation, _ in by_number.values()}:
            assert sum(organisation == root for _, organisation, _ in by_number.values()) <= 9


TestForest = Forest.TestCase
TestForest.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
