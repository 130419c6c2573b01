"""Imports go one way (docs/architecture.md): a lower room never knows a higher one, and the relay cannot decrypt."""

import ast
from collections.abc import Iterator

import pytest

from support.tree import Module, modules

ROOMS = [
    "domain", "store", "delivery", "services", "net", "app", "initialise", "operate", "restore", "verify", "backups",
    "safekeeping", "reaching", "rotation", "intervene", "border", "main", "__main__",
]  # fmt: skip
"""The rooms of relayd, from the lowest to the highest; a room imports itself and what stands before it."""

LEAVES = {
    "carrier", "clock", "code_sender", "config", "entropy", "events", "exits", "exposition", "incidents", "keyring",
    "lifecycle", "logs", "metrics", "notices", "observe", "reload", "resolver", "sample", "unit",
}  # fmt: skip
"""Any room of relayd may import these; they import relayproto and each other."""

SANS_IO = {
    "asyncio", "datetime", "os", "random", "secrets", "select", "selectors", "socket", "sqlite3", "ssl", "subprocess",
    "threading", "time", "uuid",
}  # fmt: skip
"""What relayproto may not import: it is handed bytes, time and randomness."""


def imports(module: Module) -> Iterator[str]:
    """Yield the dotted name of all that a module imports, wherever in it the import stands."""
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Name) and node.id == "__import__":
            yield "importlib.import_module"


def within(name: str, package: str) -> bool:
    """Is ``name`` the package or something in it?"""
    return name == package or name.startswith(f"{package}.")


def objection(module: Module, imported: str) -> str | None:
    """Return the rule that an import breaks, or None."""
    top = module.name.partition(".")[0]
    if within(imported, "importlib") and not within(imported, "importlib.resources"):
        return "imports by name hide from this test"
    if within(imported, "importlib.import_module"):
        return "imports by name hide from this test"
    if top == "relayproto":
        return objection_in_relayproto(module, imported)
    if top == "relayclient":
        return "the device knows the contract only" if within(imported, "relayd") else None
    if within(imported, "relayclient") or within(imported, "relayproto.e2e"):
        return "the relay cannot decrypt"
    return objection_in_relayd(module, imported)


def objection_in_relayproto(module: Module, imported: str) -> str | None:
    """The contract does no I/O, knows neither side, and keeps its end-to-end part apart."""
    if imported.partition(".")[0] in SANS_IO:
        return "relayproto is handed bytes, time and randomness"
    if within(imported, "relayd") or within(imported, "relayclient"):
        return "the contract knows neither side"
    if within(imported, "relayproto.e2e") and not within(module.name, "relayproto.e2e"):
        return "what the relay imports may not lead to e2e"
    return None


def objection_in_relayd(module: Module, imported: str) -> str | None:
    """Within relayd, a room imports itself, lower ones and the leaves."""
    if not within(imported, "relayd"):
        return None
    theirs = [*imported.split("."), ""][1]
    ours = [*module.name.split("."), ""][1]
    if theirs in LEAVES or theirs in {ours, ""}:
        return None
    if theirs not in ROOMS:
        return f"{theirs} is neither a room nor a leaf"
    if ours not in ROOMS:
        return "a leaf imports no room"
    return None if ROOMS.index(theirs) < ROOMS.index(ours) else f"{ours} is below {theirs}"


def objections(module: Module) -> list[str]:
    """Return every broken rule of a module, with its place."""
    return [f"{module.relative} imports {name}: {why}" for name in imports(module) if (why := objection(module, name))]


def test_imports_go_one_way() -> None:
    found = [line for module in modules() for line in objections(module)]

    assert found == []


def test_every_room_of_relayd_has_its_place_in_the_order() -> None:
    unknown = {
        module.relative
        for module in modules("relayd")
        if "." in module.name and module.name.split(".")[1] not in {*ROOMS, *LEAVES}
    }

    assert unknown == set()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("relayd.store.mailboxes", "import relayd.services.messages"),
        ("relayd.store.mailboxes", "from relayd.net import session"),
        ("relayd.store.mailboxes", "from relayd import app"),
        ("relayd.store.mailboxes", "def later():\n    from relayd.delivery.hub import Hub"),
        ("relayd.domain.mailbox", "from ..store import database"),
        ("relayd.domain.mailbox", "from relayd.plugins import anything"),
        ("relayd.config", "from relayd.domain import mailbox"),
        ("relayd.services.messages", "from relayproto import e2e"),
        ("relayd.services.messages", "from relayproto.e2e.ratchet import decrypt"),
        ("relayd.services.messages", "import relayclient"),
        ("relayd.services.messages", "import importlib"),
        ("relayd.services.messages", "from importlib import import_module"),
        ("relayd.services.messages", "__import__('relayclient')"),
        ("relayproto.connection", "import asyncio"),
        ("relayproto.connection", "from os import urandom"),
        ("relayproto.connection", "from relayproto.e2e import ratchet"),
        ("relayproto.e2e.ratchet", "import relayclient.store"),
        ("relayclient.session", "from relayd.config import Config"),
    ],
)
def test_a_stray_import_is_found(tmp_path, monkeypatch, name: str, source: str) -> None:
    monkeypatch.setattr("support.tree.ROOT", tmp_path)
    path = tmp_path / "stray.py"
    path.write_text(source, encoding="utf-8")

    assert objections(Module(name, path)) != []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("relayd.net.session", "from relayd.delivery import hub\nfrom relayd import clock"),
        ("relayd.store.mailboxes", "from relayd.store import database\nfrom . import bodies"),
        ("relayd.store.migrations", "from importlib.resources import files"),
        ("relayd.logs", "from relayd.config import Logs"),
        ("relayproto.e2e.session", "from relayproto.e2e import ratchet\nimport hmac"),
        ("relayclient.session", "from relayproto.e2e import session\nimport asyncio"),
    ],
)
def test_a_rightful_import_is_let_through(tmp_path, monkeypatch, name: str, source: str) -> None:
    monkeypatch.setattr("support.tree.ROOT", tmp_path)
    path = tmp_path / "rightful.py"
    path.write_text(source, encoding="utf-8")

    assert objections(Module(name, path)) == []
