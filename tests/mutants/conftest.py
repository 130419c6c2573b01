"""A copy of the tree that the mutants take turns in."""

import pytest

from mutants.bench import copy_of_the_tree, end_runner


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    yield copy_of_the_tree(tmp_path_factory.mktemp("copy"))
    end_runner()
