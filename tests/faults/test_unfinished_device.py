"""A device that was let in and has not finished makes its account unreachable to nobody.

Real processes: the first device lets a second in, which is left there; people who have no session with either write to
the account, and it writes to them. The second gets what it missed once it has finished.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.processes import RelayProcess, a_relay, relay, succeed

ALICE, BOB = "alice@office.example", "bob@office.example"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RelayProcess]:
    with a_relay(tmp_path / "relay") as started:
        yield started


def texts(home: Path) -> list[str]:
    out = succeed(relay(home, "listen", "--drain", "--timeout", "20", "--json")).out
    return [told["text"] for told in map(json.loads, out.splitlines()) if "text" in told]


def test_an_account_with_a_device_that_never_finished_writes_and_is_written_to(served, tmp_path):
    alice, bob, second = served.join(tmp_path / "alice", ALICE), served.join(tmp_path / "bob", BOB), tmp_path / "second"
    begun = json.loads(succeed(relay(second, "link", "new", "--json")).out)
    answer = json.loads(succeed(relay(
        bob, "link", "add", "--yes", "--digits", begun["digits"], "--json", stdin=begun["code"].encode()
    )).out)  # fmt: skip

    succeed(relay(alice, "send", BOB, "to whoever is there"))
    assert texts(bob) == ["to whoever is there"]
    succeed(relay(bob, "send", ALICE, "I am"))
    assert texts(alice) == ["I am"]

    succeed(relay(second, "link", "finish", "--yes", "--digits", answer["digits"], stdin=answer["answer"].encode()))
    heard = texts(second)
    texts(alice)
    assert "to whoever is there" in heard + texts(second)
