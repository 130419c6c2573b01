"""The table of verbs, and that a verb's modules are imported when it is asked for."""

import os
import subprocess
import sys

import pytest

from relayclient.cli import main, verbs


def imported(*arguments: str) -> set[str]:
    """Return the modules of a fresh interpreter that has run a command line."""
    code = (
        "import sys; from relayclient.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--home", "/nonexistent/alice", *arguments], check=True, capture_output=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)}, text=True, timeout=30,
    )  # fmt: skip
    return set(done.stdout.rpartition("\n\n")[2].split())


def choices(parser):
    [found] = [action.choices for action in parser._actions if hasattr(action, "add_parser")]
    return found


def of_verbs(modules: set[str]) -> set[str]:
    return {name for name in (*verbs.VERBS, *verbs.GROUPS) if f"relayclient.cli.{name}" in modules}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["dance"]])
def test_what_needs_no_verb_imports_none_nor_what_they_share(arguments):
    modules = imported(*arguments)

    assert of_verbs(modules) == set()
    assert {"asyncio", "cryptography", "dataclasses", "msgspec", "nacl", "sqlite3"} & modules == set()


@pytest.mark.parametrize("arguments", [["--help"], ["bob@office.example", "hello"]])
def test_send_imports_no_other_verb(arguments):
    modules = imported("send", *arguments)

    assert of_verbs(modules) == {"send"}
    assert "relayclient.cli.desk" not in modules


def test_a_verb_of_a_group_imports_its_group():
    assert of_verbs(imported("stats", "show", "--help")) == {"stats"}


def test_the_table_has_each_verb_once_and_a_module_for_it():
    assert {name: verbs.verb(name).__name__ for name in verbs.VERBS} == {
        name: f"relayclient.cli.{name}" for name in verbs.VERBS
    }
    assert {name: verbs.group(name).__name__ for name in verbs.GROUPS} == {
        name: f"relayclient.cli.{name}" for name in verbs.GROUPS
    }
    assert verbs.VERBS.keys() & verbs.GROUPS.keys() == set()


@pytest.mark.parametrize("find", [verbs.verb, verbs.group])
def test_what_the_table_does_not_have_is_no_verb(find):
    with pytest.raises(KeyError):
        find("dance")


def test_who_walks_through_the_parser_sees_every_verb_with_its_arguments():
    top = choices(main.parser())
    parts = {name: list(choices(top[name])) for name in verbs.GROUPS}

    assert list(top) == [*verbs.VERBS, *verbs.GROUPS]
    assert all(callable(top[name].get_default("run")) for name in verbs.VERBS)
    assert parts == {name: [verb.name for verb in verbs.group(name).VERBS] for name in verbs.GROUPS}


def test_a_parser_has_no_more_than_a_parser():
    send = choices(main.parser())["send"]

    with pytest.raises(AttributeError, match="nothing"):
        send.nothing  # noqa: B018 - asked for is enough
