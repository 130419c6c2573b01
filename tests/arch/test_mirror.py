"""Each module has its unit test at the mirrored path, and each unit test its module."""

import ast
from pathlib import Path

from support.tree import ROOT, Module, modules

UNIT = ROOT / "tests" / "unit"


def says_something(module: Module) -> bool:
    """An __init__.py that only documents and re-exports has nothing to test."""
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return not module.is_package or any(isinstance(node, definitions) for node in module.tree.body)


def place_of_the_test_of(module: Module) -> Path:
    """Return where a module's unit test belongs."""
    folders = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    return UNIT.joinpath(*folders, f"test_{module.path.stem}.py")


def test_every_module_has_its_unit_test() -> None:
    missing = {
        module.relative for module in modules() if says_something(module) and not place_of_the_test_of(module).is_file()
    }

    assert missing == set()


def test_every_unit_test_has_its_module() -> None:
    expected = {place_of_the_test_of(module) for module in modules()}
    strays = {path.relative_to(ROOT).as_posix() for path in UNIT.rglob("test_*.py") if path not in expected}

    assert strays == set()


def test_there_is_no_package_among_the_tests() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
