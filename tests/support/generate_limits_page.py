"""Writes docs/operating/limits.md: every bound there is, from the code that keeps it (``--write``; else it prints)."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import inspect

from relayd.config import Config
from relayproto import limits
from support.tree import Module, modules

PATH = Path(__file__).parents[2] / "docs" / "operating" / "limits.md"
SECTIONS = ("store", "limits", "lifetimes", "tracing")
"""The sections of the configuration that hold bounds."""
NO_BOUND = {"LANE_OF"}
"""What stands in relayproto.limits and limits nothing."""
_BOUND = re.compile(r"[A-Z][A-Z0-9_]*(_MAX|TIMEOUT_S)")
_HEAD = """\
# Limits

Everything that relayd bounds, with its default, the setting that changes it, and the reason. What is refused is never
dropped: devices wait and repeat. Limits without a setting are the protocol's, the same for everybody, or the program's
own.

Made from the code by `tests/support/generate_limits_page.py`; a test compares.

| limit | default | setting | what it is, and why |
|---|---|---|---|
"""


def shown(value: object) -> str:
    """Return a default as a person reads it."""
    match value:
        case Mapping():
            return ", ".join(f"{key.name.lower()} {shown(each)}" for key, each in value.items())
        case tuple():
            return ", ".join(map(shown, value))
        case int() if value >= 1 << 20 and not value % (1 << 20):
            return f"{value >> 20:,} Mi"
        case int() if value == (1 << value.bit_length()) - 1 and value > 1 << 20:
            return f"2^{value.bit_length()} - 1"
        case float():
            return f"{value:g}"
        case _:
            return f"{value:,}"


def reason(tree: ast.Module, name: str) -> str:
    """Return the text below a module's constant; LookupError where there is none."""
    for node, following in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    return " ".join(text.split())
    raise LookupError(f"{name} has no reason")


def settings() -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of what an operator may set."""
    for section in msgspec.structs.fields(Config):
        if section.name not in SECTIONS:
            continue
        described = inspect.type_info(section.type)
        for field in described.fields:
            default = field.default
            if not isinstance(default, int | float):
                continue
            text = field.type.extra_json_schema["description"]
            yield field.name, shown(default), f"`{section.name}.{field.name}`", text


def constants(module: Module, wanted: re.Pattern[str]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of a module's own public constants whose names fit."""
    found = importlib.import_module(module.name)
    for node in module.tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            if wanted.fullmatch(name) and not name.startswith("_") and name not in NO_BOUND:
                where = module.name.removeprefix("relayproto.limits")
                setting = "the program's" if where else "the protocol's"
                yield (
                    f"{where + '.' if where else ''}{name}",
                    shown(getattr(found, name)),
                    setting,
                    reason(module.tree, name),
                )


def generate() -> str:
    """Return the page."""
    rows = [*settings()]
    rows += constants(Module(limits.__name__, Path(limits.__file__)), re.compile(".*"))
    for module in modules("relayd"):
        rows += constants(module, _BOUND)
    return _HEAD + "".join(f"| `{name}` | {value} | {setting} | {text} |\n" for name, value, setting, text in rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PATH.write_text(generate(), encoding="utf-8")
    else:
        print(generate(), end="")
