"""The Debian package as a file: what is in it, that it is the same each time, and that it says what it is made of."""

import configparser
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from relayclient.cli.main import parser as relay_parser
from relayd.config import Config
from relayd.main import parser as relayd_parser
from support import machine, packages
from support.tree import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(packages.missing()), reason=packages.missing() or "everything is here"),
]
MODES = {"etc/relayd/relayd.toml": 0o640}
PLACES = ("etc/relayd/", "opt/relayd/", "usr/bin/", "usr/lib/systemd/system/", "usr/lib/sysusers.d/",
          "usr/lib/tmpfiles.d/", "usr/share/")  # fmt: skip
LOCK = ROOT / "package" / "requirements.lock"
UNCHECKED_HASH = 0b01
"""PEP 552's flags of code that is not compared with its source."""


def dpkg_deb(*arguments: object) -> str:
    return subprocess.run(
        ["dpkg-deb", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=True
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this tree."""
    return packages.snapshot(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package of this tree."""
    return packages.build(source, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def members(built: Path) -> dict[str, tarfile.TarInfo]:
    """Return path -> what the archive says of it."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", built], capture_output=True, timeout=60, check=True).stdout
    path = built.with_suffix(".tar")
    path.write_bytes(data)
    with tarfile.open(path) as archive:
        found = {member.name.removeprefix("./"): member for member in archive if member.name != "./"}
        assert list(found) == [member.name.removeprefix("./") for member in archive if member.name != "./"]
    return found


@pytest.fixture(scope="module")
def tree(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package unpacked, with its control files in DEBIAN/."""
    place = tmp_path_factory.mktemp("tree")
    dpkg_deb("--raw-extract", built, place)
    return place


@pytest.fixture(scope="module")
def bill(built: Path) -> str:
    [found] = built.parent.glob("relayd_*.cdx.json")
    return found.read_text("utf-8")


def locked() -> dict[str, tuple[str, set[str]]]:
    """Return name -> (version, hashes) of the lock file."""
    text = LOCK.read_text("utf-8").replace("\\\n", " ")
    return {
        canonicalize_name(match[1]): (match[2], set(re.findall(r"--hash=sha256:([0-9a-f]{64})", match[0])))
        for match in re.finditer(r"^([A-Za-z0-9_.-]+)==(\S+).*$", text, re.MULTILINE)
    }


def test_the_same_tree_gives_the_same_bytes(source: Path, built: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(source, tmp_path / "another" / "place"))
    again = packages.build(elsewhere, tmp_path / "again", umask=0o077, TZ="Asia/Kolkata", LANG="C", HOME=str(tmp_path))

    def sums(folder: Path) -> dict[str, str]:
        found = (path for pattern in ("*.deb", "*.whl", "*.json") for path in folder.glob(pattern))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    assert len(sums(again.parent)) == 3
    assert sums(again.parent) == sums(built.parent)


def test_every_file_is_roots_and_nobody_elses_to_write(members: dict[str, tarfile.TarInfo]) -> None:
    assert {(member.uname, member.gname) for member in members.values()} == {("root", "root")}
    for name, member in members.items():
        if not member.issym():
            usual = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            assert member.mode == MODES.get(name, usual), name
        assert not member.mode & (stat.S_ISUID | stat.S_ISGID), name


def test_the_archive_is_sorted_and_of_one_time(members: dict[str, tarfile.TarInfo]) -> None:
    folders: dict[str, list[str]] = {}
    for name in (name for name, member in members.items() if not member.issym()):  # dpkg-deb puts links at the end
        folders.setdefault(str(Path(name).parent), []).append(Path(name).name)

    assert all(names == sorted(names) for names in folders.values())
    assert len({member.mtime for member in members.values()}) == 1


def test_everything_is_where_it_belongs(members: dict[str, tarfile.TarInfo]) -> None:
    files = {name for name, member in members.items() if not member.isdir()}

    assert {name for name in files if not name.startswith(PLACES)} == set()
    assert files >= {
        "etc/relayd/relayd.toml", "usr/bin/relayd", "usr/bin/relay", "opt/relayd/bin/python",
        "usr/lib/systemd/system/relayd.service", "usr/lib/systemd/system/relayd.socket",
        "usr/lib/systemd/system/relayd-operations.socket", "usr/lib/systemd/system/relayd-backup.timer",
        "usr/lib/sysusers.d/relayd.conf", "usr/lib/tmpfiles.d/relayd.conf",
        "usr/share/man/man8/relayd.8.gz", "usr/share/man/man1/relay.1.gz", "usr/share/man/man5/relayd.toml.5.gz",
        "usr/share/bash-completion/completions/relayd", "usr/share/zsh/vendor-completions/_relay",
        "usr/share/fish/vendor_completions.d/relayd.fish", "usr/share/doc/relayd/copyright",
        "usr/share/doc/relayd/relayd.cdx.json", "usr/share/doc/relayd/operating/service.md",
    }  # fmt: skip
    assert {Path(name).name for name in files if name.startswith("opt/relayd/bin/")} == {"python", "relay", "relayd"}


def test_what_a_monitoring_system_takes_is_in_it(source: Path, members: dict[str, tarfile.TarInfo]) -> None:
    wanted = {
        path.relative_to(source).as_posix()
        for pattern in ("*.json", "*.yml", "*.yaml")
        for path in (source / "dashboards").rglob(pattern)
    }

    assert {f"usr/share/relayd/{name}" for name in wanted} <= members.keys()


def test_every_module_is_compiled_for_good(tree: Path) -> None:
    site = next((tree / "opt/relayd/lib").glob("python3.*/site-packages"))
    sources = set(site.rglob("*.py"))
    compiled = {path.parent.parent / f"{path.name.partition('.')[0]}.py": path for path in site.rglob("*.pyc")}

    assert compiled.keys() == sources
    assert {int.from_bytes(path.read_bytes()[4:8], "little") for path in compiled.values()} == {UNCHECKED_HASH}


def test_no_path_of_the_machine_that_built_it_is_in_it(source: Path, tree: Path) -> None:
    ours = next((tree / "opt/relayd/lib").glob("python3.*/site-packages"))
    for path in (*ours.glob("relay*/**/*"), *(tree / "opt/relayd/bin").iterdir(), *(tree / "DEBIAN").iterdir()):
        if path.is_file() and not path.is_symlink():
            for place in (source, packages.sys.prefix, "/tmp/"):
                assert str(place).encode() not in path.read_bytes(), path


def test_dpkg_is_told_what_it_needs_to_know(built: Path, tree: Path) -> None:
    fields = dict(line.split(": ", 1) for line in dpkg_deb("--field", built).splitlines() if not line.startswith(" "))

    assert built.name == f"relayd_{fields['Version']}_{fields['Architecture']}.deb"
    assert re.fullmatch(r"python3\.\d+, libc6 \(>= 2\.\d+\), systemd \(>= 257\)", fields["Depends"])
    assert (tree / "DEBIAN/conffiles").read_text("utf-8") == "/etc/relayd/relayd.toml\n"
    for line in (tree / "DEBIAN/md5sums").read_text("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.md5((tree / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_a_maintainers_script_is_of_the_shells_and_ends_at_an_error(tree: Path, script: str) -> None:
    path = tree / "DEBIAN" / script

    assert path.read_text("utf-8").startswith("#!/bin/sh\n")
    assert "\nset -e\n" in path.read_text("utf-8")
    subprocess.run(["sh", "-n", path], timeout=10, check=True)


def test_what_the_units_name_is_in_the_package(tree: Path) -> None:
    units = sorted((tree / "usr/lib/systemd/system").iterdir())
    text = "".join(unit.read_text("utf-8") for unit in units)

    programs = set(re.findall(r"^Exec\w+=-?(/\S+)", text, re.MULTILINE))
    pages = set(re.findall(r"man:([\w.-]+)\((\d)\)", text))
    named = set(re.findall(r"\b(relayd[\w-]*\.(?:service|socket|timer))\b", text))
    assert programs == {"/opt/relayd/bin/relayd", "/usr/bin/systemctl"}
    assert all((tree / f"usr/share/man/man{section}/{name}.{section}.gz").exists() for name, section in pages)
    assert named <= {unit.name for unit in units}


def test_each_command_of_a_unit_is_one_that_the_program_takes() -> None:
    for unit in (ROOT / "systemd").glob("*.service"):
        for line in re.findall(r"^Exec\w+=-?/opt/relayd/bin/relayd (.*)$", unit.read_text("utf-8"), re.MULTILINE):
            assert callable(relayd_parser().parse_args(line.split()).run), line


def man(tree: Path, page: str) -> str:
    path = tree / "usr/share/man" / page
    return subprocess.run(["zcat", path], capture_output=True, text=True, timeout=10, check=True).stdout


def verbs(parser) -> list[str]:
    [found] = [action for action in parser._actions if action.choices and hasattr(action, "add_parser")]
    return list(found.choices)


@pytest.mark.parametrize(("page", "parser"), [("man8/relayd.8.gz", relayd_parser), ("man1/relay.1.gz", relay_parser)])
def test_a_man_page_has_every_verb(tree: Path, page: str, parser) -> None:
    text = man(tree, page).replace("\\-", "-")

    assert [verb for verb in verbs(parser()) if not re.search(rf"\b{verb}\b", text)] == []
    assert text.startswith(".TH ")


def test_the_page_of_the_settings_has_them_all(tree: Path) -> None:
    text = man(tree, "man5/relayd.toml.5.gz")

    for section in msgspec.structs.fields(Config):
        assert f".SH [{section.encode_name}]\n" in text
        for setting in msgspec.structs.fields(section.type):
            assert f".B {setting.encode_name} = " in text


@pytest.mark.parametrize(("name", "parser"), [("relayd", relayd_parser), ("relay", relay_parser)])
def test_completion_knows_every_verb(tree: Path, name: str, parser) -> None:
    path = tree / "usr/share/bash-completion/completions" / name
    script = f"""
source {path}
COMP_WORDS=({name} ''); COMP_CWORD=1; COMP_LINE='{name} '; COMP_POINT=${{#COMP_LINE}}
$(complete -p {name} | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p') {name} '' {name}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=True).stdout

    assert set(said.split()) >= set(verbs(parser()))


def test_the_bill_of_materials_is_one_by_the_schema(bill: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_the_bill_names_what_is_installed_and_nothing_else(bill: str, tree: Path) -> None:
    read = json.loads(bill)
    site = next((tree / "opt/relayd/lib").glob("python3.*/site-packages"))
    installed = {canonicalize_name(path.name.partition("-")[0]) for path in site.glob("*.dist-info")}

    by_name = {part["name"]: part for part in read["components"]}
    assert by_name.keys() | {read["metadata"]["component"]["name"]} == installed
    for name, part in by_name.items():
        version, hashes = locked()[name]
        assert part["version"] == version
        assert {each["content"] for each in part["hashes"]} <= hashes
        assert part["licenses"], name
        assert part["supplier"]["name"], name
    carried = {inner["name"] for part in by_name.values() for inner in part.get("components", [])}
    assert {"openssl", "libsodium", "libuv"} <= carried
    [of_us] = [each for each in read["dependencies"] if each["ref"].startswith("relayd@")]
    assert {ref.partition("@")[0] for ref in of_us["dependsOn"]} == {
        canonicalize_name(Requirement(line).name) for line in requirements()
    }


def test_every_licence_comes_with_its_text(bill: str, tree: Path) -> None:
    document = tree / "usr/share/doc/relayd"
    page = (document / "copyright").read_text("utf-8")

    for part in json.loads(bill)["components"]:
        assert f" {part['name']} {part['version']}, " in page
        assert any((document / "licences" / part["name"]).iterdir())


def requirements() -> list[str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser["options"]["install_requires"].split("\n")[1:]


def test_the_lock_is_in_step_with_what_is_required() -> None:
    for line in requirements():
        wanted = Requirement(line)
        version, hashes = locked()[canonicalize_name(wanted.name)]
        assert version in wanted.specifier
        assert hashes


def test_a_library_that_is_not_the_locked_one_is_not_taken(tmp_path: Path) -> None:
    """The build's download of one library, the first digit of its hashes changed: pip must refuse it."""
    version, hashes = locked()["aiosqlite"]
    changed = [f"--hash=sha256:{'1' if digest[0] == '0' else '0'}{digest[1:]}" for digest in sorted(hashes)]
    (tmp_path / "changed.lock").write_text(f"aiosqlite=={version} {' '.join(changed)}\n", "utf-8")
    script = (
        "import sys, pathlib, subprocess; sys.path.insert(0, 'package'); import environment\n"
        "try: environment.fetch(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))\n"
        "except subprocess.CalledProcessError as error: print(error.stderr)\n"
    )

    done = subprocess.run(
        [packages.sys.executable, "-c", script, packages.PYTHON, tmp_path / "cache", tmp_path / "changed.lock"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip

    assert "DO NOT MATCH THE HASHES" in done.stdout


@pytest.mark.skipif(os.environ.get("CI") != "true" or os.getuid() != 0, reason="for CI, as root")
def test_ci_boots_the_machine_where_the_kernel_can() -> None:
    assert machine.missing() == "" or machine.missing().startswith(("the kernel ", "systemd is "))


@pytest.mark.parametrize(
    ("version", "debian"),
    [("0.1.0", "0.1.0-2"), ("0.2.0.dev3", "0.2.0~dev3-2"), ("0.2.0a1", "0.2.0~a1-2"), ("0.2.0rc1", "0.2.0~rc1-2")],
)
def test_versions_are_ordered_as_python_orders_them(version: str, debian: str, monkeypatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "package")
    from tools import Release  # noqa: PLC0415 - the build's folder is no package

    made = Release(version, 2, 0).debian_version
    final = Release(version.partition("~")[0][:5], 2, 0).debian_version

    assert made == debian
    assert subprocess.run(["dpkg", "--compare-versions", made, "le", final], timeout=10, check=False).returncode == 0
