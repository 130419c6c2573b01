"""What is a mutant, and what counts as a kill."""

import pytest

from mutants.bench import copy_of_the_tree, run_tests
from mutants.catalogue import MUTANTS
from mutants.mutant import Mutant, Outgrown
from support.tree import ROOT

SEAT_TEST = "tests/unit/relayd/domain/test_seat.py"


def test_mutants_are_many_and_each_is_another() -> None:
    assert len(MUTANTS) >= 30
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.killers and mutant.story.endswith(".") for mutant in MUTANTS)


@pytest.mark.parametrize("times", [0, 2])
def test_a_mutant_that_the_source_has_outgrown_is_named(tmp_path, times: int) -> None:
    (tmp_path / "one.py").write_text("there\n" * times)

    with pytest.raises(Outgrown, match="forgotten-thing"):
        Mutant("forgotten-thing", "A story.", "one.py", "there", "gone", ("test",)).apply(tmp_path)


def test_a_copy_that_cannot_be_collected_has_killed_nothing(tmp_path) -> None:
    root = copy_of_the_tree(tmp_path)
    Mutant("nonsense", "A story.", "relayd/domain/seat.py", "class Seat", "klass Seat", ("test",)).apply(root)

    run = run_tests(root, [SEAT_TEST])

    assert run.broken
    assert not run.killed


def test_a_test_that_is_not_there_has_killed_nothing(tmp_path) -> None:
    run = run_tests(copy_of_the_tree(tmp_path), [f"{SEAT_TEST}::test_that_nobody_has_written"])

    assert run.passed == 0
    assert not run.killed


def test_what_takes_too_long_has_killed_nothing(tmp_path) -> None:
    run = run_tests(copy_of_the_tree(tmp_path), [SEAT_TEST], timeout_s=0.01)

    assert run.hung
    assert not run.killed


def test_a_copy_is_outside_of_the_tree(tmp_path) -> None:
    root = copy_of_the_tree(tmp_path)

    assert ROOT not in root.parents
    assert not list(root.rglob("__pycache__"))
