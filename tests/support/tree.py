"""The source tree as the tests of tests/arch see it: which packages, which modules, under which names."""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

HOMES = {"relayproto": ROOT / "proto", "relayd": ROOT, "relayclient": ROOT / "client"}
"""Top-level package -> the folder that it lies in. A room that isn't built yet is simply absent."""


@dataclass(frozen=True)
class Module:
    """One file of source: its dotted name and its place."""

    name: str
    path: Path

    @property
    def is_package(self) -> bool:
        """Is it an __init__.py?"""
        return self.path.name == "__init__.py"

    @cached_property
    def text(self) -> str:
        """Its source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, str(self.path))

    @property
    def relative(self) -> str:
        """Its path from the root of the repository, for messages."""
        return self.path.relative_to(ROOT).as_posix()


def modules(*packages: str) -> list[Module]:
    """Return the modules of these top-level packages, or of all three; sorted by name."""
    found = []
    for package in packages or HOMES:
        home = HOMES[package]
        for path in sorted((home / package).rglob("*.py")):
            parts = path.relative_to(home).with_suffix("").parts
            found.append(Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def packages() -> set[str]:
    """Return the dotted names of every folder that holds modules."""
    return {module.name if module.is_package else module.name.rpartition(".")[0] for module in modules()}
