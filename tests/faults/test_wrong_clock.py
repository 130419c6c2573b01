"""A relay that starts with a wall clock 200 days ahead ends nothing by it.

Real processes. The machine's clock is not turned: the relay's view of it is, in a process of its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.processes import RelayProcess, a_relay, relay, relayd, succeed, until

ALICE, BOB, CAROL = "alice@office.example", "bob@office.example", "carol@office.example"
PROGRAM = """
import sys, time
from relayd import clock, main
ahead = clock.SystemClock.__init__.__kwdefaults__
ahead["wall_ms"] = lambda: time.time_ns() // 1_000_000 + 200 * 86_400_000
ahead["synchronised"] = lambda: False
sys.exit(main.main())
"""
AHEAD = ("-c", PROGRAM)
"""Starts relayd on a machine whose clock is 200 days ahead and that nothing synchronises."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RelayProcess]:
    with a_relay(tmp_path / "relay") as started:
        yield started


def heard(home: Path) -> list[str]:
    out = succeed(relay(home, "listen", "--drain", "--timeout", "20", "--json")).out
    return [told["text"] for told in map(json.loads, out.splitlines()) if "text" in told]


def ahead_s(served: RelayProcess) -> float:
    _, page = served.page("/metrics")
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(b"relayd_clock_ahead_seconds "))


def test_what_waits_and_who_is_invited_outlast_a_start_with_a_clock_200_days_ahead(served, tmp_path):
    alice, bob = served.join(tmp_path / "alice", ALICE), served.join(tmp_path / "bob", BOB)
    succeed(relay(alice, "send", BOB, "still here"))
    invitation = served.invite(CAROL)
    assert served.stop() == 0
    right = served.launcher

    served.launcher = AHEAD
    served.start()
    succeed(relay(alice, "send", BOB, "written meanwhile"))
    until(lambda: ahead_s(served) > 199 * 86_400, 20)
    assert served.stop() == 0
    served.launcher = right
    served.start()

    assert heard(bob) == ["still here", "written meanwhile"]
    succeed(relay(tmp_path / "carol", "join", stdin=invitation.encode()))
    assert "the clock jumped ahead" in served.log.read_text("utf-8")


def test_the_operator_confirms_a_clock_that_is_right(served, tmp_path):
    alice, bob = served.join(tmp_path / "alice", ALICE), served.join(tmp_path / "bob", BOB)
    succeed(relay(alice, "send", BOB, "too late"))
    assert served.stop() == 0

    served.launcher = AHEAD
    served.start()
    until(lambda: ahead_s(served) > 0, 20)
    succeed(relayd(served.state, "confirm-clock"))

    until(lambda: ahead_s(served) == 0, 20)
    assert heard(bob) == []
