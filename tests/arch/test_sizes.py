"""A module that outgrows its bound holds two ideas; so does a function longer than a page (STYLE.md)."""

import ast

from support.tree import ROOT, modules

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50

EXCEPTIONS: dict[str, str] = {}
"""``path`` or ``path:function`` -> why it may be longer. Empty, and better so."""


def too_long() -> set[str]:
    """Return the path of every module, and path:function of every function, beyond the bounds."""
    found = set()
    for module in modules():
        if module.text.count("\n") > MODULE_LINES_MAX:
            found.add(module.relative)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX:
                    found.add(f"{module.relative}:{node.name}")
    return found


def test_no_module_and_no_function_outgrows_its_bound_unnoticed() -> None:
    assert too_long() - EXCEPTIONS.keys() == set()


def test_every_exception_is_still_needed_and_says_why() -> None:
    assert EXCEPTIONS.keys() - too_long() == set()
    assert all(EXCEPTIONS.values())
    assert all((ROOT / place.partition(":")[0]).is_file() for place in EXCEPTIONS)
