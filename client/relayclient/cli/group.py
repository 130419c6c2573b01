"""The command line: a verb of a group of verbs (``relay unit add``).

Arguments, what does the work and what helps enter as one value. The rule of this file: a verb is described where it is
done, so that help and deed stay together.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import NamedTuple


class Verb(NamedTuple):
    """``relay GROUP name``: its help in one line and in full, what it takes, and what it does."""

    name: str
    help: str
    add: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    description: str = ""
    epilog: str = ""
