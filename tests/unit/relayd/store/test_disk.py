from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relayd.config import StoreSection
from relayd.metrics import Counters
from relayd.store import disk
from relayd.store.disk import BALLAST, Ballast, Disk, Fill, fill_of

MIB = 1 << 20


class Filesystem:
    """As full as a test says, of 1,000 MiB; a ballast in it is counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, place: Path, used_mib: int = 0) -> None:
        self.used_mib = used_mib
        self._ballast = place / BALLAST
        monkeypatch.setattr(disk, "fill_of", lambda _: self.fill)

    @property
    def fill(self) -> Fill:
        held = self._ballast.stat().st_size if self._ballast.exists() else 0
        used = self.used_mib * MIB + held
        return Fill(used, 1_000 * MIB - used)


def of(place: Path, **settings: int) -> Disk:
    return Disk(place, StoreSection(**{"ballast_bytes": 0, **settings}), Counters())


def test_a_fill_is_rounded_down_and_never_over_a_hundred() -> None:
    fill = Fill(929, 71)

    assert fill.percent() == 92
    assert fill.percent(500) == 100
    assert Fill(0, 0).percent() == 0


def test_a_filesystem_is_measured_without_what_only_root_may_use(tmp_path: Path) -> None:
    fill = fill_of(tmp_path)

    assert fill.used > 0
    assert fill.left > 0


def test_submissions_are_refused_from_92_per_cent_on_and_taken_again_below_90(monkeypatch, tmp_path: Path) -> None:
    filesystem, looked = Filesystem(monkeypatch, tmp_path), of(tmp_path)
    tight = []

    for used in (919, 920, 900, 899, 919, 920):
        filesystem.used_mib = used
        looked.look()
        tight.append(looked.tight)

    assert tight == [False, True, True, False, False, True]


def test_the_operator_is_warned_once_and_told_of_each_turn(monkeypatch, tmp_path: Path) -> None:
    filesystem, looked = Filesystem(monkeypatch, tmp_path), of(tmp_path)

    with capture_logs() as logged:
        for used in (800, 850, 870, 920, 930, 890, 800):
            filesystem.used_mib = used
            looked.look()

    said = [(event["log_level"], event["event"].partition(",")[0]) for event in logged]
    assert said == [
        ("warning", "the disk is filling"),
        ("error", "submissions are refused"),
        ("info", "submissions are taken in again"),
    ]


def test_the_figures_say_how_it_stands(monkeypatch, tmp_path: Path) -> None:
    Filesystem(monkeypatch, tmp_path, used_mib=930)
    counters = Counters()
    looked = Disk(tmp_path, StoreSection(ballast_bytes=0), counters)

    looked.look()

    assert (counters.disk_used_percent, counters.disk_refusing, counters.ballast_bytes) == (93, 1, 0)
    assert [figure for _, figure in looked.figures()] == [93, 1, 0]


def test_the_ballast_is_laid_where_there_is_room_and_takes_it(monkeypatch, tmp_path: Path) -> None:
    Filesystem(monkeypatch, tmp_path)
    looked = of(tmp_path, ballast_bytes=MIB)

    looked.look()

    found = (tmp_path / BALLAST).stat()
    assert (found.st_size, found.st_mode & 0o777) == (MIB, 0o600)
    assert found.st_blocks * 512 >= MIB


def test_no_ballast_is_laid_that_would_fill_the_disk(monkeypatch, tmp_path: Path) -> None:
    filesystem, looked = Filesystem(monkeypatch, tmp_path, used_mib=899), of(tmp_path, ballast_bytes=MIB)

    looked.look()

    assert not (tmp_path / BALLAST).exists()
    assert not looked.tight
    filesystem.used_mib = 898
    looked.look()
    assert (tmp_path / BALLAST).exists()


@pytest.mark.parametrize("wanted", [0, 2 * MIB])
def test_a_ballast_of_another_size_is_made_anew(monkeypatch, tmp_path: Path, wanted: int) -> None:
    Filesystem(monkeypatch, tmp_path)
    of(tmp_path, ballast_bytes=MIB).look()

    of(tmp_path, ballast_bytes=wanted).look()

    assert Ballast(tmp_path / BALLAST, wanted).held == wanted


def test_a_full_disk_gets_the_ballasts_room_and_nothing_is_taken_in_until_it_is_back(
    monkeypatch, tmp_path: Path
) -> None:
    filesystem, looked = Filesystem(monkeypatch, tmp_path), of(tmp_path, ballast_bytes=10 * MIB)
    looked.look()
    filesystem.used_mib = 895

    looked.ran_full()

    assert not (tmp_path / BALLAST).exists()
    assert looked.tight
    looked.look()
    assert looked.tight, "below 90 per cent, but without room for the ballast"
    filesystem.used_mib = 880
    looked.look()
    assert (tmp_path / BALLAST).exists()
    assert not looked.tight


def test_a_full_disk_without_a_ballast_refuses_until_it_is_looked_at_again(monkeypatch, tmp_path: Path) -> None:
    Filesystem(monkeypatch, tmp_path)
    looked = of(tmp_path)

    looked.ran_full()
    refused = looked.tight
    looked.look()

    assert refused
    assert not looked.tight


def test_room_that_is_not_there_after_all_leaves_no_file(tmp_path: Path) -> None:
    huge = Ballast(tmp_path / BALLAST, 1 << 62)

    assert not huge.make()
    assert huge.held == 0


def test_a_place_where_no_file_can_be_made_or_removed_is_no_room(tmp_path: Path) -> None:
    (tmp_path / BALLAST).mkdir()
    blocked = Ballast(tmp_path / BALLAST, 4096)

    blocked.release()

    assert not blocked.make()
    assert (tmp_path / BALLAST).is_dir()
