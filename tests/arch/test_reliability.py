"""The page of promises names, for each invariant of the spec, tests that are there."""

import ast
import re
from functools import cache

from support.tree import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
SPEC = (ROOT / "proto" / "spec" / "50-delivery.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
HELD = {int(number): re.findall(r"`([^`]+)`", tests) for number, _, tests in ROW.findall(PAGE)}


def invariants() -> list[int]:
    """Return the numbers of the spec's list."""
    section = SPEC.split("## 8. Invariants")[1].split("\n## ")[0]
    return [int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)]


@cache
def collected(path: str) -> frozenset[str]:
    """Return the names that pytest collects at the top of a test file, as far as its source says."""
    file = ROOT / path
    if not (file.is_file() and file.name.startswith("test_")):
        return frozenset()
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute) and node.value.attr == "TestCase":
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(names)


def test_the_page_has_the_invariants_of_the_spec_each_once_and_in_order() -> None:
    rows = [int(number) for number, _, _ in ROW.findall(PAGE)]

    assert rows == invariants() == list(range(1, 21))


def test_each_invariant_names_a_test_and_each_named_test_is_there() -> None:
    bare = [number for number, tests in HELD.items() if not tests]
    gone = [
        test
        for tests in HELD.values()
        for test in tests
        if test.partition("::")[2] not in collected(test.split("::")[0])
    ]

    assert bare == []
    assert gone == []


def test_a_test_that_is_not_there_is_found() -> None:
    assert "test_of_nobody" not in collected("tests/arch/test_reliability.py")
    assert collected("tests/arch/test_of_nobody.py") == frozenset()
    assert "test_a_test_that_is_not_there_is_found" in collected("tests/arch/test_reliability.py")
