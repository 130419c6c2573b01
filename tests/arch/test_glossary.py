"""One word for one thing: what docs/glossary.md says is never used is not in a name and not in the spec."""

import ast
import re
from collections.abc import Iterator

import pytest

from support.tree import ROOT, modules

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
SYNONYMS = {
    word.strip()
    for row in re.findall(r"^\|.*\|$", GLOSSARY, re.MULTILINE)[2:]
    for word in row.split("|")[3].split(",")
    if word.strip()
}
EMPTY_WORDS = {
    word.strip().lower() for word in re.findall(r"^Also never .*: ([^:]+)\.$", GLOSSARY, re.MULTILINE)[0].split(",")
}

FOREIGN = {
    "data_received": "asyncio.Protocol's own name",
    "data_to_send": "the name that every sans-I/O library gives it",
    "receive_data": "the name that every sans-I/O library gives it",
    "server": "what asyncio calls a listening socket of its own",
    "_server": "what asyncio calls a listening socket of its own",
}
"""Names, for a method its arguments' names too, that are not ours to choose -> whose they are."""


def words(name: str) -> set[str]:
    """Return the words that a name is made of, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*", name)}


def names(tree: ast.Module) -> Iterator[str]:
    """Yield what a module defines: classes, functions, arguments, variables, attributes."""
    theirs = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in FOREIGN
        for argument in ast.walk(node.args)
    }
    for node in ast.walk(tree):
        match node:
            case ast.arg() if id(node) in theirs:
                pass
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.alias(asname=str(name)):
                yield name


def banned(name: str) -> set[str]:
    """Return the words of a name that are never used."""
    return set() if name in FOREIGN else words(name) & (SYNONYMS | EMPTY_WORDS)


def test_no_name_in_the_source_has_a_word_that_is_never_used() -> None:
    found = {
        f"{module.relative}: {name}"
        for module in modules()
        for name in [*names(module.tree), *module.name.split(".")]
        if banned(name)
    }

    assert found == set()


@pytest.mark.parametrize("page", sorted((ROOT / "proto" / "spec").glob("*.md")), ids=lambda page: page.name)
def test_the_spec_has_no_word_that_is_never_used(page) -> None:
    text = page.read_text(encoding="utf-8").lower()
    found = {word for word in SYNONYMS if re.search(rf"\b{word}s?\b", text)}

    assert found == set()


def test_the_glossary_was_read() -> None:
    assert {"server", "broker", "packet", "tenant"} <= SYNONYMS
    assert {"manager", "util", "utils", "helper", "handler", "base", "common", "data", "info"} == EMPTY_WORDS


@pytest.mark.parametrize("name", ["SessionManager", "frame_utils", "BaseRecord", "the_server", "DATA", "packetSize"])
def test_a_banned_word_is_found_in_a_name(name: str) -> None:
    assert banned(name)


@pytest.mark.parametrize("name", ["handle", "base64", "database", "data_received", "information", "observer"])
def test_a_word_that_only_contains_one_is_let_through(name: str) -> None:
    assert not banned(name)
