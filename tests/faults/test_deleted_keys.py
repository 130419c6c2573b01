"""Keys that a device has used and deleted are nowhere in its home within a minute, and not after its program has ended.

Real processes: a device listens while another writes to it, and its files are looked at as a thief would.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.processes import RelayProcess, a_relay, command, relay, running, succeed, until

ALICE, BOB = "alice@office.example", "bob@office.example"
A_MINUTE_S = 60.0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RelayProcess]:
    with a_relay(tmp_path / "relay") as started:
        yield started


def log(home: Path) -> bytes:
    return (home / "device.db-wal").read_bytes()


def pages(home: Path) -> set[bytes]:
    """Return the pages of the log that hold something, each from its first sealed octets on."""
    octets = log(home)
    found = (octets[at + 24 : at + 24 + 4096] for at in range(32, len(octets) - 4095, 4120))
    return {page for page in found if any(page[100:])}


@pytest.mark.slow
def test_what_a_listening_device_has_deleted_is_overwritten_within_a_minute(served, tmp_path):
    alice, bob = served.join(tmp_path / "alice", ALICE), served.join(tmp_path / "bob", BOB)
    with running(
        command("relayclient.cli.main", "--home", bob, "listen", "--count", "9"), bob, out=tmp_path / "out",
        err=tmp_path / "err",
    ) as listening:  # fmt: skip
        for number in range(6):
            succeed(relay(alice, "send", BOB, f"text {number}"))
        until(lambda: (tmp_path / "out").read_bytes().count(b"text") == 6, 20)
        before = pages(bob)
        octets = len(log(bob))
        with (bob / "device.db-wal").open("rb") as held:
            until(lambda: not log(bob), A_MINUTE_S, every_s=0.5)
            assert held.read() == b""
        kept = (bob / "device.db").read_bytes()
        current = {kept[at : at + 4096] for at in range(0, len(kept), 4096)}

        assert octets > 0
        assert len(before - current) > 3, "the log held older states, or this test sees nothing"
        for number in range(3):
            succeed(relay(alice, "send", BOB, f"again {number}"))
        assert listening.wait(20) == 0

    assert not (bob / "device.db-wal").exists()
    assert not (alice / "device.db-wal").exists()
