"""What gets installed is what lies on disk, under three names that nobody else has (decision 0001)."""

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.tree import HOMES, ROOT, modules, packages

SHIPPED = ("*.py", "py.typed", "migrations/*.sql", "retention.toml")
COMMAND_TIMEOUT_S = 300


def setup_cfg() -> configparser.ConfigParser:
    """Return setup.cfg as it is."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def run(*command: str | Path) -> str:
    """Run a command apart from this process's paths and return what it says; fail with its own words."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that nothing of an older build gets in and nothing of this one stays."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for home, package in {(home, package) for package, home in HOMES.items() if (home / package).is_dir()}:
        folder = (home / package).relative_to(ROOT)
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, source)
    (built,) = out.glob("*.whl")
    return built


def test_the_packages_in_setup_cfg_are_those_on_disk() -> None:
    listed = setup_cfg()["options"]["packages"].split()

    assert set(listed) == packages()
    assert len(listed) == len(set(listed))


def test_every_package_has_an_init_that_says_what_it_is() -> None:
    initialised = {module.name for module in modules() if module.is_package}

    assert packages() - initialised == set()
    assert [module.relative for module in modules() if module.is_package and not module.text.startswith('"""')] == []


@pytest.mark.parametrize("folder", ["proto", "client"])
def test_a_folder_that_holds_packages_is_not_one_itself(folder: str) -> None:
    assert list((ROOT / folder).glob("*.py")) == []


def test_every_top_level_package_is_typed() -> None:
    present = [home / package for package, home in HOMES.items() if (home / package).is_dir()]

    assert [folder.name for folder in present if not (folder / "py.typed").is_file()] == []


@pytest.mark.slow
def test_the_wheel_holds_these_three_names_and_all_that_is_on_disk(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    on_disk = {
        path.relative_to(home).as_posix()
        for package, home in HOMES.items()
        for folder in (home / package, *(home / package).rglob("*/"))
        for pattern in SHIPPED
        for path in folder.glob(pattern)
    }

    assert {name.partition("/")[0] for name in held} <= HOMES.keys()
    assert held == on_disk


@pytest.mark.slow
def test_the_wheel_lives_beside_proto_plus(wheel: Path, tmp_path: Path) -> None:
    """Google's proto-plus owns the import name ``proto``; neither of us may take the other's modules."""
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel, "proto-plus")

    names = [module.name for module in modules() if not module.name.endswith("__main__")]
    loaded = run(python, "-I", "-c", f"import proto, {', '.join(names)}; print(proto.Message.__module__)")
    run(sys.executable, "-m", "pip", "--python", python, "uninstall", "--quiet", "--yes", "relayd")
    after = run(python, "-I", "-c", "import proto; print(proto.Message.__module__)")

    assert loaded == after == "proto.message\n"
