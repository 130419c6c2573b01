"""What the documents name exists: paths, links, make targets, verbs of the two commands."""

import re
from pathlib import Path

import pytest

from support.tree import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "proto" / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("proto/spec/*.md")]
)
SOURCES = ("proto", "relayd", "client", "web", "dashboards", "systemd", "bench", "docs", "tests", ".ci")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
PROGRAMS = {"relayd": ROOT / "relayd", "relay": ROOT / "client" / "relayclient" / "cli"}


def code(page: Path) -> list[str]:
    """Return what a page shows as code: each span between backticks, each line between fences."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return spans + [line for block in fenced for line in block.splitlines()[1:-1]]


def missing_paths(page: Path) -> set[str]:
    """Return the paths from the root that a page names and the disk has not; patterns count when anything fits."""
    named = {span for span in code(page) if re.fullmatch(rf"(?:{'|'.join(map(re.escape, SOURCES))})/[\w./*-]*", span)}
    return {path for path in named if not any(ROOT.glob(path.rstrip("/")))}


def missing_links(page: Path) -> set[str]:
    """Return the links to other files that lead nowhere."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    return {target for target in targets if "://" not in target and not (page.parent / target).exists()}


def missing_commands(page: Path) -> set[str]:
    """Return the make targets and the verbs of relay and relayd that a page shows and nobody answers to."""
    missing = set()
    for line in code(page):
        if (made := re.match(r"make ([a-z]+)", line)) and made[1] not in TARGETS:
            missing.add(made[0])
        called = re.match(r"(?:\.venv/bin/)?(relayd|relay)(?: --home \S+)? ([a-z][a-z-]+)", line)
        if called and not answers(called[1], called[2]):
            missing.add(called[0])
    return missing


def answers(program: str, verb: str) -> bool:
    """Does a program have this verb? Its source has it as a string, or as a file of its own."""
    sources = list(PROGRAMS[program].glob("*.py"))
    return any(source.stem == verb or f'"{verb}"' in source.read_text(encoding="utf-8") for source in sources)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_exists(page: Path) -> None:
    assert missing_paths(page) == set()
    assert missing_links(page) == set()
    assert missing_commands(page) == set()


def test_every_target_of_the_makefile_that_a_person_types_is_explained() -> None:
    explained = set(re.findall(r"^([a-z]+):.* ## .+", MAKEFILE, re.MULTILINE))

    assert TARGETS - explained == {"static", "gate"}


def test_every_decision_has_the_four_parts_and_its_number() -> None:
    parts = ["## Context", "## Decision", "## Consequences", "## How we would notice that it was wrong"]
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    numbers = [page.name[:4] for page in decisions]
    # Not without gaps: branches take their numbers before they meet.
    assert len(set(numbers)) == len(numbers)
    for number, page in zip(numbers, decisions, strict=True):
        text = page.read_text(encoding="utf-8")
        assert re.fullmatch(r"[0-9]{4}-[a-z0-9-]+\.md", page.name)
        assert text.startswith(f"# {number} ")
        assert re.findall(r"^## .*", text, re.MULTILINE) == parts


def test_a_missing_path_link_and_command_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`proto/nowhere.py` [gone](gone.md) `make sandwich`\n\n```sh\n.venv/bin/relay --home x juggle\n```\n",
        encoding="utf-8",
    )

    assert missing_paths(page) == {"proto/nowhere.py"}
    assert missing_links(page) == {"gone.md"}
    assert missing_commands(page) == {"make sandwich", ".venv/bin/relay --home x juggle"}
