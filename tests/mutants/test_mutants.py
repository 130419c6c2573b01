"""What is a mutant, and what counts as a kill."""

import pytest

from mutants.bench import MUTABLE, run_tests
from mutants.catalogue import MUTANTS
from mutants.mutant import Mutant, Outgrown
from support.tree import ROOT

HASH_CHECKED = 0b11
"""The flags of PEP 552."""
SEAT_TEST = "tests/unit/relayd/domain/test_seat.py"


def test_mutants_are_many_and_each_is_another() -> None:
    assert len(MUTANTS) >= 30
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.killers and mutant.story.endswith(".") for mutant in MUTANTS)


@pytest.mark.parametrize("times", [0, 2])
def test_a_mutant_that_the_source_has_outgrown_is_named(tmp_path, times: int) -> None:
    (tmp_path / "one.py").write_text("there\n" * times)

    mutant = Mutant("forgotten-thing", "A story.", "one.py", "there", "gone", ("test",))

    with pytest.raises(Outgrown, match="forgotten-thing"), mutant.applied(tmp_path):
        pass


def test_a_mutant_leaves_the_copy_as_it_was(tmp_path) -> None:
    (tmp_path / "one.py").write_text("there\n")

    with Mutant("a-bug", "A story.", "one.py", "there", "gone", ("test",)).applied(tmp_path):
        inside = (tmp_path / "one.py").read_text()

    assert inside == "gone\n"
    assert (tmp_path / "one.py").read_text() == "there\n"


def test_a_copy_that_cannot_be_collected_has_killed_nothing(tree) -> None:
    with Mutant("nonsense", "A story.", "relayd/domain/seat.py", "class Seat", "klass Seat", ("test",)).applied(tree):
        run = run_tests(tree, [SEAT_TEST])

    assert run.broken
    assert not run.killed


def test_a_test_that_is_not_there_has_killed_nothing(tree) -> None:
    run = run_tests(tree, [f"{SEAT_TEST}::test_that_nobody_has_written"])

    assert run.passed == 0
    assert not run.killed


def test_what_takes_too_long_has_killed_nothing(tree) -> None:
    run = run_tests(tree, [SEAT_TEST], timeout_s=0.01)

    assert run.hung
    assert not run.killed


def test_a_copy_is_outside_of_the_tree(tree) -> None:
    assert ROOT not in tree.parents


def test_what_is_compiled_in_a_copy_is_known_by_its_source_s_hash(tree) -> None:
    compiled = [path for room in MUTABLE for path in (tree / room).rglob("*.pyc")]

    assert compiled
    assert {int.from_bytes(path.read_bytes()[4:8], "little") for path in compiled} == {HASH_CHECKED}


def test_every_bug_is_put_where_that_holds() -> None:
    assert {mutant.file.split("/")[0] for mutant in MUTANTS} == set(MUTABLE)
