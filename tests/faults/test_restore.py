"""A relay that starts from an older copy of its database: new epochs, nothing lost that somebody still holds.

Real processes: the copy is made as a backup makes it, more happens, and the copy is put back.
"""

import json
import shutil
from pathlib import Path

import pytest

from support.processes import RelayProcess, a_relay, relay, relayd, succeed

ALICE, BOB = "alice@office.example", "bob@office.example"


def says(home: Path, text: str) -> str:
    """Send a text to Bob and return its message's id."""
    sent = json.loads(succeed(relay(home, "send", BOB, text, "--json")).out)
    assert sent["state"] == "accepted"
    return sent["message"]


def hears(home: Path) -> list[dict[str, object]]:
    """Connect, take what there is, and return what was told."""
    out = succeed(relay(home, "listen", "--drain", "--timeout", "20", "--json")).out
    return [json.loads(line) for line in out.splitlines()]


def texts(told: list[dict[str, object]]) -> list[object]:
    return [each["text"] for each in told if "text" in each]


def state_of(home: Path, message: str) -> str:
    return json.loads(succeed(relay(home, "status", message, "--json")).out)["state"]


def copy(running: RelayProcess, place: Path) -> None:
    """Copy the database, as a backup does, while nobody writes to it."""
    assert running.stop() == 0
    place.mkdir()
    for path in running.state.glob("relay.db*"):
        shutil.copy(path, place)
    running.start()


def put_back(running: RelayProcess, place: Path) -> None:
    for path in running.state.glob("relay.db*"):
        path.unlink()
    for path in place.glob("relay.db*"):
        shutil.copy(path, running.state)


@pytest.mark.parametrize("end", [RelayProcess.stop, RelayProcess.kill], ids=["stopped", "killed"])
def test_an_older_copy_loses_nothing_that_senders_hold_and_shows_nothing_twice(tmp_path: Path, end) -> None:
    with a_relay(tmp_path / "relay") as running:
        alice, bob = running.join(tmp_path / "alice", ALICE), running.join(tmp_path / "bob", BOB)
        says(alice, "one")
        assert texts(hears(bob)) == ["one"]
        hears(alice)
        before = says(alice, "two")
        copy(running, tmp_path / "copy")
        assert texts(hears(bob)) == ["two"]
        after = says(alice, "three")
        succeed(relayd(running.state, "status"))
        end(running)
        if end is RelayProcess.kill:
            # Without an orderly end the copy may be younger than the last mark: the operator says what was done.
            put_back(running, tmp_path / "copy")
            succeed(relayd(running.state, "restored"))
        else:
            put_back(running, tmp_path / "copy")

        running.start()
        hears(alice)
        heard = texts(hears(bob))
        hears(alice)

        assert heard == ["three"]
        assert [state_of(alice, message) for message in (before, after)] == ["delivered", "delivered"]
        assert texts(hears(bob)) == []
        if end is RelayProcess.stop:
            assert "older copy of itself" in running.log.read_text("utf-8")
            assert b"relayd_restores_total 1.0" in running.page("/metrics")[1]


def test_the_same_database_again_is_no_restore(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as running:
        running.join(tmp_path / "alice", ALICE)
        for end in (running.kill, running.stop, running.kill):
            end()
            running.start()

        assert b"relayd_restores_total 0.0" in running.page("/metrics")[1]


def test_epochs_are_renewed_only_while_nobody_serves(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as running:
        refused = relayd(running.state, "restored")

        assert refused.status != 0
        assert refused.lines == [
            f"relayd: {running.state}: another relayd is running here; relayd status asks it how it is"
        ]
