"""A mutant: one deliberate bug, of a kind that servers really had, and the tests that must see it.

A bug enters as an exact replacement in one file of the source. The rule of this file: what is to be replaced stands
there exactly once, so that a catalogue which the source has outgrown fails by the mutant's name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class Outgrown(AssertionError):  # noqa: N818 - what has happened, not whose mistake it is
    """The source no longer has what a mutant replaces, or has it more than once."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug. ``story`` is one sentence: what is wrong, and which servers had it; ``killers`` are pytest's node ids."""

    name: str
    story: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]

    @contextmanager
    def applied(self, root: Path) -> Iterator[None]:
        """Put the bug into the copy of the tree at ``root``, and take it out again. Raises Outgrown."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        found = text.count(self.old)
        if found != 1:
            raise Outgrown(f"{self.name}: {self.file} has {found} places like\n{self.old}\nand there must be one")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")
