"""Each target under atheris for a few seconds, from one seed; ``make fuzz`` goes on for as long as one likes."""

import importlib.util
import os

import pytest

from fuzz import run
from fuzz.catalogue import TARGETS
from fuzz.run import figures, fuzz

SECONDS = 3
"""With its start about five; thirteen targets on two cores: half a minute."""

HERE = importlib.util.find_spec("atheris") is not None


@pytest.fixture
def atheris() -> None:
    if not HERE:
        assert os.environ.get("CI") != "true", "CI must fuzz, and atheris is not here"
        pytest.skip("atheris is not here: it is built for x86-64 Linux only; the examples were tried all the same")


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_break_a_rule(tmp_path, atheris, name: str) -> None:
    came = fuzz(name, SECONDS, seed=1, kept=tmp_path / name)

    assert came.finding == ""
    assert came.inputs > len(list((tmp_path / name).iterdir())) // 2
    assert came.edges > 0


@pytest.mark.slow
def test_a_broken_rule_is_found_and_told(tmp_path, atheris) -> None:
    came = fuzz("broken", 30, seed=1, kept=tmp_path / "broken")

    assert "Broken: nothing may begin with RLY1" in came.finding
    assert list(tmp_path.glob("broken-finding-crash-*"))


@pytest.mark.slow
def test_a_target_that_does_not_end_is_a_finding(tmp_path, atheris, monkeypatch) -> None:
    monkeypatch.setattr(run, "STARTING_S", -29)

    came = fuzz("frame", 30, seed=1, kept=tmp_path / "frame")

    assert came.finding.startswith("frame did not end")


def test_what_libfuzzer_says_is_read() -> None:
    said = "#9\tINITED cov: 3 ft: 4 corp: 1/1b\n#50\tNEW    cov: 7 ft: 9 corp\nDone 50 runs in 3 second(s)\n"

    came = figures(f"{said}stat::number_of_executed_units: 50\n", 2, failed=False)

    assert (came.inputs, came.edges, came.features, came.kept, came.seconds, came.finding) == (50, 7, 9, 2, 3, "")
