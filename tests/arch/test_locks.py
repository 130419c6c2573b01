"""What we ship, build with and test with is pinned, each with its hashes; and what an audit says is read right."""

import configparser
import importlib.util
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.tree import ROOT

LOCKS = ("requirements.lock", "build.lock", "development.lock")
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
WHOLE = re.compile(
    r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==\S+(?: ; [^\\]+)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", re.MULTILINE
)


def lock(name: str) -> str:
    return (ROOT / "package" / name).read_text("utf-8")


def pinned(name: str) -> dict[str, str]:
    return {canonicalize_name(each): version for each, version in PINNED.findall(lock(name))}


def wanted(*parts: str) -> list[Requirement]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = {"run": parser["options"]["install_requires"], "dev": parser["options.extras_require"]["dev"]}
    return [Requirement(line) for part in parts for line in lines[part].split("\n") if line]


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_one_version_with_its_hashes(name: str) -> None:
    text = lock(name)

    assert pinned(name)
    assert re.sub(r"^#.*\n", "", WHOLE.sub("", text), flags=re.MULTILINE).strip() == ""


@pytest.mark.parametrize(("name", "parts"), [("requirements.lock", ("run",)), ("development.lock", ("run", "dev"))])
def test_what_setup_cfg_asks_for_is_locked_in_a_version_that_it_allows(name: str, parts: tuple[str, ...]) -> None:
    held = pinned(name)

    missing = [
        str(each) for each in wanted(*parts)
        if canonicalize_name(each.name) not in held
        or not each.specifier.contains(held[canonicalize_name(each.name)], prereleases=True)
    ]  # fmt: skip

    assert missing == []


def test_the_environment_of_development_is_made_from_its_lock() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")

    assert "--require-hashes --requirement package/development.lock" in makefile
    assert "[dev]" not in makefile


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "package"))
    spec = importlib.util.spec_from_file_location("audit", ROOT / "package" / "audit.py")
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "audit", made)
    spec.loader.exec_module(made)
    return made


def report(*vulns: dict[str, object], skipped: bool = False) -> dict[str, object]:
    whole = {"name": "thing", "version": "1.0", "vulns": list(vulns)}
    return {"dependencies": [{"name": "thing", "skip_reason": "not found"} if skipped else whole]}


KNOWN = {"id": "PYSEC-0", "aliases": ["CVE-0"], "fix_versions": ["1.1"], "description": ""}


def test_a_known_vulnerability_fails_and_names_what_mends_it(audit, monkeypatch, capsys) -> None:
    monkeypatch.setattr(audit, "ask", lambda lock, service: audit.read(report(KNOWN)))

    assert audit.main() == 1
    assert "VULNERABLE, thing 1.0: PYSEC-0, CVE-0; fixed in 1.1" in capsys.readouterr().err


def test_nothing_known_passes(audit, monkeypatch, capsys) -> None:
    monkeypatch.setattr(audit, "ask", lambda lock, service: audit.read(report()))

    assert audit.main() == 0
    said = capsys.readouterr()
    assert said.out.count("1 looked up, no known vulnerability") == len(LOCKS)
    assert said.err == ""


def test_where_nobody_can_be_asked_that_is_told_and_nothing_fails(audit, monkeypatch, capsys) -> None:
    monkeypatch.setattr(audit, "ask", lambda lock, service: None)

    assert audit.main() == 0
    said = capsys.readouterr()
    assert said.err.count("NOT AUDITED") == len(LOCKS)
    assert "no known vulnerability" not in said.out


def test_who_did_not_answer_is_not_asked_again(audit, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(audit, "ask", lambda lock, service: asked.append(service))

    assert audit.main() == 0
    assert asked == list(audit.SERVICES)


def test_what_was_not_looked_up_does_not_count_as_clean(audit, monkeypatch, tmp_path: Path) -> None:
    said = audit.read(report(skipped=True))

    assert (said.looked_up, said.missed, said.found) == (0, ["thing"], [])


def test_a_service_that_knows_nothing_of_what_it_is_asked_was_not_reached(audit, monkeypatch) -> None:
    def run(command: list[str], **_: object) -> None:
        Path(command[command.index("--output") + 1]).write_text(
            '{"dependencies": [{"name": "thing", "skip_reason": "not found"}]}', encoding="utf-8"
        )

    monkeypatch.setattr(audit.subprocess, "run", run)

    assert audit.ask(ROOT / "package" / "build.lock", "pypi") is None


def test_an_audit_that_ends_without_a_report_was_none(audit, monkeypatch) -> None:
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: None)

    assert audit.ask(ROOT / "package" / "build.lock", "osv") is None
