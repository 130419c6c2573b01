"""Each bug of connections, and each that the simulator has found, is found by the test that it names."""

import pytest

from mutants import of_connections
from mutants.bench import assert_killed, assert_sound
from mutants.mutant import Mutant


@pytest.mark.slow
@pytest.mark.parametrize("mutant", of_connections.MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed_by_the_tests_that_it_names(mutant: Mutant, tree) -> None:
    assert_killed(mutant, tree)


@pytest.mark.slow
def test_without_a_mutant_its_killers_pass(tree) -> None:
    assert_sound(of_connections.MUTANTS, tree)
