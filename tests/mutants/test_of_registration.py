"""Each bug of registration is found by the test that it names, and without it that test passes."""

import pytest

from mutants import of_registration
from mutants.bench import assert_killed, assert_sound
from mutants.mutant import Mutant


@pytest.mark.slow
@pytest.mark.parametrize("mutant", of_registration.MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed_by_the_tests_that_it_names(mutant: Mutant, tree) -> None:
    assert_killed(mutant, tree)


@pytest.mark.slow
def test_without_a_mutant_its_killers_pass(tree) -> None:
    assert_sound(of_registration.MUTANTS, tree)
