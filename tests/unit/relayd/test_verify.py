import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relayd import verify
from relayd.exits import CannotGoOn, Exit
from relayd.store import daykeys, restored, whole
from support.shelves import Keep


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    made = Keep(tmp_path)
    made.send(10)
    return made


def looked(keep: Keep) -> verify.Report:
    return verify.verify(keep.state / "relay.db")


def wrong(report: verify.Report) -> list[str]:
    return [finding.rule for finding in report.findings if finding.wrong]


def test_a_relays_state_is_whole_and_all_of_it_was_opened(keep: Keep) -> None:
    report = looked(keep)

    looked_at = {finding.rule: finding.looked_at for finding in report.findings}
    assert report.whole
    assert report.notes == ()
    assert report.high_water_ms == keep.clock.now_ms()
    assert looked_at["everything that is sealed opens"] == 10
    assert looked_at["the day keys can be read"] == 1
    assert report.text().endswith("The database is whole.\n")
    assert "  10  everything that is sealed opens: good\n" in report.text()


def test_without_the_master_key_what_is_sealed_is_not_called_good(keep: Keep) -> None:
    (keep.state / "keys" / "master.key").unlink()

    report = looked(keep)

    assert report.whole
    assert report.notes == ("There is no master key here: nothing that is sealed was opened.",)
    assert "everything that is sealed opens" not in {finding.rule for finding in report.findings}
    assert report.notes[0] in report.text()


def test_lost_day_keys_are_found_with_and_without_the_master_key(keep: Keep) -> None:
    (keep.state / daykeys.FILE_NAME).unlink()
    with_it = wrong(looked(keep))
    (keep.state / "keys" / "master.key").unlink()

    assert with_it == ["every day on which something expires has its key", "everything that is sealed opens"]
    assert wrong(looked(keep)) == with_it[:1]


def test_another_master_key_and_a_damaged_key_file_are_named(keep: Keep) -> None:
    (keep.state / "keys" / "master.key").write_bytes(bytes(32))
    another = looked(keep)
    (keep.state / daykeys.FILE_NAME).write_bytes(b"damaged")
    damaged = looked(keep)

    for report in (another, damaged):
        assert wrong(report) == ["the day keys can be read"]
        assert "not whole: 1 of " in report.text()
        assert "relayd restore" in report.text()


def test_an_older_copy_of_itself_is_whole_and_named(keep: Keep) -> None:
    (keep.state / restored.FILE_NAME).write_text(str(keep.clock.now_ms() + 1))

    report = looked(keep)

    assert report.whole
    assert report.notes == ("It is an older copy of itself: at its next start the relay gives new epochs.",)


def test_of_another_version_only_the_pages_are_looked_at(keep: Keep) -> None:
    with closing(sqlite3.connect(keep.state / "relay.db")) as db:
        db.execute("PRAGMA user_version = 9")

    report = looked(keep)

    assert [(each.rule, each.wrong) for each in report.findings] == [
        ("every page, index and reference is in order", 0),
        ("it is a relay's database of a version that this program knows", 1),
    ]
    assert report.findings[1].first.startswith("version 9, and this program knows 2: only a program of that version")
    assert not report.whole


def test_an_empty_file_is_not_whole(keep: Keep) -> None:
    (keep.state / "relay.db").write_bytes(b"")

    report = looked(keep)

    assert not report.whole
    assert "nothing of a relay is in it" in report.findings[1].first


def test_what_is_no_database_is_not_whole(keep: Keep) -> None:
    (keep.state / "relay.db").write_bytes(b"nonsense" * 1_000)

    report = looked(keep)

    assert not report.whole
    assert report.findings[0].first == "file is not a database"


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match=r"relay\.db: there is no database") as caught:
        verify.verify(tmp_path / "relay.db")

    assert caught.value.status is Exit.NO_INPUT


def test_a_copy_on_a_medium_that_can_only_be_read_is_looked_at(keep: Keep, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(keep.state / "relay.db", copy)
    (copy / "relay.db").chmod(0o400)
    copy.chmod(0o500)

    report = verify.verify(copy / "relay.db")

    copy.chmod(0o700)
    assert wrong(report) == ["every day on which something expires has its key"]
    assert os.listdir(copy) == ["relay.db"]  # noqa: PTH208 - the names are what is asked for


def test_what_was_read_while_a_relay_started_is_read_again(keep: Keep, monkeypatch) -> None:
    reads: list[Path] = []
    looked_at = verify._looked_at

    def torn(path: Path, entropy) -> verify.Report:
        reads.append(path)
        if len(reads) == 1:
            (keep.state / "relay.db-wal").touch()
            raise sqlite3.DatabaseError("torn")
        return looked_at(path, entropy)

    monkeypatch.setattr(verify, "_looked_at", torn)

    assert looked(keep).whole
    assert len(reads) == 2
    assert whole.somebody_has_it_open(keep.state / "relay.db")
