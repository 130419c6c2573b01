"""A relay that was restored is told again what people had changed since the copy: nothing taken away comes back.

Real processes: a copy is made, people change what is theirs, the copy is put back and renewed as the runbook says. A
thief who has a device that was removed is tried against every one of them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.test_restore import copy, hears, put_back, says, texts
from support.processes import RelayProcess, a_relay, relay, relayd, succeed

ALICE, BOB = "alice@office.example", "bob@office.example"
REMOVED = 78


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RelayProcess]:
    with a_relay(tmp_path / "relay") as started:
        yield started


def link(old: Path, new: Path) -> Path:
    """Let a new device of an account in, all three steps."""
    begun = json.loads(succeed(relay(new, "link", "new", "--json")).out)
    answer = json.loads(succeed(relay(
        old, "link", "add", "--yes", "--digits", begun["digits"], "--json", stdin=begun["code"].encode()
    )).out)  # fmt: skip
    succeed(relay(new, "link", "finish", "--yes", "--digits", answer["digits"], stdin=answer["answer"].encode()))
    return new


def devices(home: Path) -> list[int]:
    out = succeed(relay(home, "link", "list", "--json")).out
    return [json.loads(line)["device"] for line in out.splitlines()]


def restored(running: RelayProcess, place: Path) -> None:
    """Put a copy back, as the runbook says."""
    assert running.stop() == 0
    put_back(running, place)
    succeed(relayd(running.state, "restored"))
    running.start()


def test_a_stolen_device_that_was_removed_since_the_copy_reads_nothing_once_its_owner_has_come(running, tmp_path):
    alice, bob = running.join(tmp_path / "alice", ALICE), running.join(tmp_path / "bob", BOB)
    carol = running.join(tmp_path / "carol", "carol@office.example")
    stolen = link(bob, tmp_path / "stolen")
    copy(running, tmp_path / "copy")
    succeed(relay(bob, "link", "remove", "2", "--yes"))
    says(alice, "Alice has seen the newer list")
    assert texts(hears(bob)) == ["Alice has seen the newer list"]
    restored(running, tmp_path / "copy")

    hears(bob)
    # Carol never saw the newer list: what the relay shows her is what counts.
    says(carol, "for Bob alone")
    says(alice, "and Alice can write again")

    assert relay(stolen, "listen", "--drain", "--timeout", "20").status == REMOVED
    assert sorted(map(str, texts(hears(bob)))) == ["and Alice can write again", "for Bob alone"]
    assert devices(bob) == [1]


def test_a_device_that_was_added_since_the_copy_is_let_in_again_by_the_other(running, tmp_path):
    alice, bob = running.join(tmp_path / "alice", ALICE), running.join(tmp_path / "bob", BOB)
    says(alice, "hello")
    copy(running, tmp_path / "copy")
    tablet = link(bob, tmp_path / "tablet")
    says(alice, "to both")
    restored(running, tmp_path / "copy")

    hears(bob)
    hears(tablet)
    says(alice, "to both again")

    assert "to both again" in texts(hears(bob))
    assert "to both again" in texts(hears(tablet))
    link(bob, tmp_path / "third")
    succeed(relay(bob, "link", "remove", "2", "--yes"))
    assert devices(bob) == [1, 3]


def test_what_somebody_hid_and_forbade_since_the_copy_stays_hidden_and_forbidden(running, tmp_path):
    alice, bob = running.join(tmp_path / "alice", ALICE), running.join(tmp_path / "bob", BOB)
    succeed(relay(bob, "profile", "set", "--about", "on duty"))
    copy(running, tmp_path / "copy")
    succeed(relay(bob, "profile", "set", "--about", ""))
    succeed(relay(bob, "policy", "mine", "invited:lookup=deny", "public:lookup=deny"))
    restored(running, tmp_path / "copy")

    hears(bob)

    assert relay(alice, "lookup", BOB).status != 0
    succeed(relay(bob, "policy", "mine", "--reset"))
    assert b"on duty" not in succeed(relay(alice, "lookup", BOB)).out


def test_an_account_made_since_the_copy_comes_again_in_the_same_home_with_everything_it_had(running, tmp_path):
    alice = running.join(tmp_path / "alice", ALICE)
    copy(running, tmp_path / "copy")
    bob = running.join(tmp_path / "bob", BOB)
    tablet = link(bob, tmp_path / "tablet")
    says(alice, "before")
    assert texts(hears(bob)) == ["before"]
    restored(running, tmp_path / "copy")
    assert relay(bob, "listen", "--drain", "--timeout", "20").status == REMOVED
    invitation = running.invite(BOB)
    succeed(relay(tablet, "join", stdin=invitation.encode()))
    says(alice, "after")

    assert "after" in texts(hears(tablet))
    # The relay had no prekeys of Bob's first device when Alice wrote: it asks, and is sent it again.
    hears(bob)
    hears(alice)
    assert "after" in texts(hears(bob))
    assert b"before" in succeed(relay(bob, "inbox", "--json")).out
    assert relay(alice, "join", stdin=invitation.encode()).status == 73, "an invitation of somebody else's"
