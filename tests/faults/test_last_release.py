"""The last release beside this program: what it has written is read, it is spoken with, an upgrade loses nothing."""

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayd.exits import Exit
from relayd.store import database
from relayproto import __version__
from support import releases
from support.processes import Ended, RelayProcess, relay, relayd, run, succeed, until
from support.releases import ALICE, BOB, LAST, SAID

LINES = 400


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return releases.program(LAST, tmp_path_factory.mktemp("program"))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return releases.state(LAST, tmp_path)


def theirs(program: Path, home: Path, *arguments: object, stdin: bytes = b"") -> Ended:
    """Run the command line of the last release."""
    command = (sys.executable, *releases.launcher(program, "relayclient.cli.main"), "--home", home, *arguments)
    return run([*map(str, command)], home.parent, stdin=stdin)


@contextlib.contextmanager
def their_relay(program: Path, state: Path) -> Iterator[RelayProcess]:
    """Run a relay that the last release's program has made and serves; the block may change its program."""
    of_release = releases.launcher(program, "relayd.main")
    made = RelayProcess(state, launcher=of_release, initialiser=of_release)
    made.start()
    try:
        assert f'"version":"{LAST}"' in made.log.read_text("utf-8")
        yield made
    finally:
        made.stop()


def upgraded(running: RelayProcess) -> None:
    assert running.stop() == Exit.OK
    running.launcher = ("-m", "relayd.main")
    running.start()
    assert f'"version":"{__version__}"' in running.log.read_text("utf-8")


def texts(ended: Ended) -> list[str]:
    return [json.loads(line)["text"] for line in succeed(ended).out.splitlines()]


def test_this_is_another_program(program: Path) -> None:
    assert __version__ != LAST
    assert f'__version__ = "{LAST}"' in (program / "relayproto" / "__init__.py").read_text("utf-8")


def test_a_migration_that_was_released_is_never_changed(program: Path) -> None:
    released = sorted((program / "relayd" / "store" / "migrations").glob("*.sql"))

    ours = dict(database.migrations())
    for number, path in enumerate(released, 1):
        assert ours[number] == path.read_text("utf-8"), path.name


@pytest.mark.slow
def test_what_it_has_written_is_whole_for_this_program(written: Path) -> None:
    succeed(relayd(written / "relay", "verify"))

    assert texts(relay(written / "bob", "inbox", "--json")) == list(SAID[:2])
    assert json.loads(succeed(relay(written / "alice", "whoami", "--json")).out)["address"] == ALICE


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_people_of_both_programs_write_to_each_other_over_either_relay(program: Path, tmp_path: Path) -> None:
    alice, bob = tmp_path / "alice", tmp_path / "bob"
    with their_relay(program, tmp_path / "relay") as running:
        succeed(theirs(program, alice, "join", stdin=running.invite(ALICE).encode()))
        succeed(relay(bob, "join", stdin=running.invite(BOB).encode()))
        succeed(theirs(program, alice, "send", BOB, "old to new, old relay"))
        succeed(relay(bob, "send", ALICE, "new to old, old relay"))

        upgraded(running)

        succeed(theirs(program, alice, "send", BOB, "old to new, new relay"))
        succeed(relay(bob, "send", ALICE, "new to old, new relay"))
        succeed(theirs(program, alice, "listen", "--drain", "--timeout", "30"))
        # And who upgrades the device goes on with it.
        succeed(relay(alice, "send", BOB, "upgraded"))
        succeed(relay(bob, "listen", "--drain", "--timeout", "30"))

    assert texts(relay(alice, "--json", "inbox")) == ["new to old, old relay", "new to old, new relay"]
    assert texts(relay(bob, "--json", "inbox")) == ["old to new, old relay", "old to new, new relay", "upgraded"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_an_upgrade_while_people_write_loses_nothing(program: Path, tmp_path: Path) -> None:
    alice, bob = tmp_path / "alice", tmp_path / "bob"
    with their_relay(program, tmp_path / "relay") as running:
        succeed(theirs(program, alice, "join", stdin=running.invite(ALICE).encode()))
        succeed(theirs(program, bob, "join", stdin=running.invite(BOB).encode()))
        lines = [f"line {number}" for number in range(LINES)]
        ended: list[Ended] = []

        def send() -> None:
            said = "\n".join(lines).encode()
            ended.append(theirs(program, alice, "send", BOB, "--lines", "--timeout", "50", "-", stdin=said))

        sending = threading.Thread(target=send)
        sending.start()
        try:
            until(lambda: waiting(running) > LINES // 20, 30)
            before = waiting(running)
            upgraded(running)
        finally:
            sending.join(60)

        succeed(ended[0])
        assert before < LINES, "the upgrade came after the last line"
        assert texts(relay(bob, "--json", "listen", "--drain", "--timeout", "30")) == lines


def waiting(running: RelayProcess) -> int:
    """Return how many envelopes wait at the relay."""
    _, page = running.page("/metrics")
    [line] = [line for line in page.decode().splitlines() if line.startswith("relayd_queue_messages ")]
    return int(float(line.split()[1]))
