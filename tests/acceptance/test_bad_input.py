"""What people type wrong, and what goes wrong around them: one line that says what it is and what to do, nothing lost.

Real processes. Each case has the exit status that a script goes by, and the same sentence in JSON.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayproto.invitation import from_link, to_link
from relayproto.limits import TEXT_BYTES_MAX
from relayproto.primitives import x25519_public
from support import processes
from support.changed import replace
from support.processes import Ended, RelayProcess, a_relay, command, free_ports, relay, succeed, until

ALICE, BOB, CAROL = (f"{name}@office.example" for name in ("alice", "bob", "carol"))
SMALL = {"mailbox_messages = 5000": "mailbox_messages = 20"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with a_relay(tmp_path_factory.mktemp("office") / "relay", settings=SMALL) as made:
        yield made


def names() -> Iterator[str]:
    """Yield names that nobody has yet, for each test its own."""
    yield from (f"person{number}" for number in range(1_000))


NAMES = names()


@pytest.fixture
def somebody(running: RelayProcess, tmp_path: Path) -> Path:
    name = next(NAMES)
    return running.join(tmp_path / name, f"{name}@office.example")


def told(home: Path, *arguments: object, status: int, stdin: bytes = b"") -> str:
    """Run a command that fails as expected, twice the same but for its form; return the one line that it says."""
    person = relay(home, *arguments, stdin=stdin)
    script = relay(home, *arguments, "--json", stdin=stdin)
    said = json.loads(script.err.splitlines()[-1])
    assert (person.status, script.status) == (status, status), (person.err, script.err)
    assert said["exit_status"] == status
    assert said.keys() == {"error", "exit_status"}
    assert len(person.lines) == 1
    assert person.lines[0].startswith("relay: ")
    assert b"Traceback" not in person.err + script.err
    return person.lines[0].removeprefix("relay: ")


def test_a_wrong_invitation(tmp_path: Path) -> None:
    line = told(tmp_path / "new", "join", stdin=b"relay://office.example/join#nonsense", status=65)

    assert "invitation" in line
    assert not (tmp_path / "new").exists()


def test_a_used_invitation(running: RelayProcess, tmp_path: Path) -> None:
    name = next(NAMES)
    link = running.invite(f"{name}@office.example").encode()
    succeed(relay(tmp_path / "first", "join", stdin=link))

    assert "ask for a new one" in told(tmp_path / "second", "join", stdin=link, status=65)


def test_an_expired_invitation(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as made:
        link = made.invite(ALICE, "--ttl", "1m").encode()
        made.stop()
        expire_tickets(made.state)
        made.start()

        line = told(tmp_path / "late", "join", stdin=link, status=65)

    assert "too old: ask for a new one" in line


def expire_tickets(state: Path) -> None:
    with contextlib.closing(sqlite3.connect(state / "relay.db")) as store, store:
        assert store.execute("UPDATE ticket SET expires_ms = 1").rowcount == 1


def test_a_wrong_relay_key(running: RelayProcess, tmp_path: Path) -> None:
    invitation = from_link(running.invite(f"{next(NAMES)}@office.example"))
    link = to_link(replace(invitation, relay_key=x25519_public(b"x" * 32))).encode()

    line = told(tmp_path / "new", "join", stdin=link, status=69)

    assert "before it showed that it holds the relay key of the invitation" in line


def test_an_unknown_address(somebody: Path) -> None:
    line = told(somebody, "lookup", "nobody@office.example", status=65)
    sent = relay(somebody, "send", "nobody@office.example", "hello")

    assert "check how it is written" in line
    assert sent.status == 65
    assert sent.out.endswith(b" refused\n")
    assert line.split(" (")[0] in sent.err.decode()


def test_an_unreachable_relay_has_the_message_wait(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as made:
        alice, bob = made.join(tmp_path / "alice", ALICE), made.join(tmp_path / "bob", BOB)
        made.stop()
        line = told(alice, "send", BOB, "hello", "--timeout", "0.5", status=75)
        waiting = newest(alice)
        made.start()
        succeed(relay(alice, "listen", "--drain", "--timeout", "20"))
        came = texts(succeed(relay(bob, "listen", "--drain", "--timeout", "20", "--json")))

    assert "is queued and will go" in line
    assert "refuses connections: no relay runs there now" in line
    assert waiting["state"] == "queued"
    assert came == ["hello", "hello"]


def texts(ended: Ended) -> list[str]:
    return [json.loads(line)["text"] for line in ended.out.splitlines()]


def test_over_quota_waits_and_goes_as_soon_as_there_is_room(running: RelayProcess, tmp_path: Path) -> None:
    name, other = next(NAMES), next(NAMES)
    sender, reader = (running.join(tmp_path / each, f"{each}@office.example") for each in (name, other))
    numbers = [f"{number}" for number in range(15)]
    listen = command("relayclient.cli.main", "--home", sender, "listen")

    with processes.running(listen, sender, out=tmp_path / "out", err=tmp_path / "err"):
        until((sender / "wake.sock").exists, 20)
        lines = "\n".join(numbers).encode()
        first = relay(sender, "send", f"{other}@office.example", "--lines", "-", "--timeout", "5", stdin=lines)
        waits = newest(sender)
        heard = succeed(relay(reader, "listen", "--drain", "--timeout", "20", "--json"))
        until(lambda: newest(sender)["state"] != "queued", 20)
        rest = succeed(relay(reader, "listen", "--drain", "--timeout", "20", "--json"))

    assert first.status == 75
    assert b"the recipient's mailbox is full; it goes when there is room again" in first.err
    assert (waits["state"], waits["code"]) == ("queued", "OVER_QUOTA")
    assert b"your mailbox was full: the relay refused" in heard.err
    assert texts(heard) + texts(rest) == numbers


def newest(home: Path) -> dict[str, object]:
    return json.loads(succeed(relay(home, "status", "--json", "--limit", "1")).out)


def test_over_rate(tmp_path: Path) -> None:
    slow = {"pair_rate_per_s = 50": "pair_rate_per_s = 1", "pair_burst = 500": "pair_burst = 2"}
    with a_relay(tmp_path / "relay", settings=slow) as made:
        alice, bob = made.join(tmp_path / "alice", ALICE), made.join(tmp_path / "bob", BOB)
        lines = b"1\n2\n3\n4\n5\n6\n7\n8\n"
        ran = relay(alice, "send", BOB, "--lines", "-", "--timeout", "1", stdin=lines)
        waits = newest(alice)
        succeed(relay(alice, "send", BOB, "9", "--timeout", "30"))
        came = texts(succeed(relay(bob, "listen", "--drain", "--timeout", "20", "--json")))

    assert ran.status == 75
    assert b"too many messages in a short time; it goes a little later" in ran.err
    assert waits["state"] == "queued"
    assert came == [str(number) for number in range(1, 10)]


def test_a_text_too_long(somebody: Path) -> None:
    line = told(somebody, "send", BOB, "-", stdin=b"x" * (TEXT_BYTES_MAX + 1), status=65)

    assert "too long for one message: split it" in line
    assert "Nothing was sent" in line


def test_a_store_that_was_put_back_from_a_copy_stops_and_says_so(running: RelayProcess, tmp_path: Path) -> None:
    names_ = [next(NAMES) for _ in range(2)]
    alice, _ = (running.join(tmp_path / name, f"{name}@office.example") for name in names_)
    shutil.copytree(alice, tmp_path / "copy")
    address = f"{names_[1]}@office.example"
    succeed(relay(alice, "send", address, "after the copy"))
    shutil.rmtree(alice)
    (tmp_path / "copy").rename(alice)

    lines = [told(alice, "send", address, "from the copy", "--timeout", "10", status=78) for _ in range(2)]

    assert all("This store is an old copy" in line and "Join again as a new device" in line for line in lines)


def test_a_contact_whose_identity_key_changed(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as made:
        alice, bob = made.join(tmp_path / "alice", ALICE), made.join(tmp_path / "bob", BOB)
        carol = made.join(tmp_path / "carol", CAROL)
        succeed(relay(alice, "send", BOB, "hello"))
        succeed(relay(bob, "listen", "--drain", "--timeout", "20"))
        made.stop()
        rename(made.state, CAROL, BOB)
        made.start()
        looked_up = succeed(relay(alice, "lookup", BOB))

        line = told(alice, "send", BOB, "a secret", "--timeout", "5", status=77)
        came = succeed(relay(carol, "listen", "--drain", "--timeout", "20", "--json"))

    assert b"now names another account" in looked_up.err
    assert "compare numbers in person, then relay verify --accept ADDRESS" in line
    assert came.out == b""


def rename(state: Path, address: str, other: str) -> None:
    with contextlib.closing(sqlite3.connect(state / "relay.db")) as store, store:
        store.execute("UPDATE account SET address = ? WHERE address = ?", ("gone@office.example", other))
        assert store.execute("UPDATE account SET address = ? WHERE address = ?", (other, address)).rowcount == 1


def test_nothing_that_is_no_relay_is_talked_to(tmp_path: Path, running: RelayProcess) -> None:
    [port] = free_ports(1)
    invitation = from_link(running.invite(f"{next(NAMES)}@office.example"))
    link = to_link(replace(invitation, port=port)).encode()

    line = told(tmp_path / "new", "join", stdin=link, status=69)

    assert f"127.0.0.1:{port} refuses connections" in line


def test_a_home_without_a_device_and_a_wrong_passphrase(tmp_path: Path, running: RelayProcess) -> None:
    (tmp_path / "words").write_text("correct horse\n", encoding="ascii")
    (tmp_path / "wrong").write_text("battery staple\n", encoding="ascii")
    link = running.invite(f"{next(NAMES)}@office.example").encode()
    locked = tmp_path / "locked"
    succeed(relay(locked, "join", "--passphrase-file", tmp_path / "words", stdin=link))

    assert "join with an invitation link first" in told(tmp_path / "none", "inbox", status=78)
    assert "not the passphrase" in told(locked, "inbox", "--passphrase-file", tmp_path / "wrong", status=77)
    assert "give its passphrase" in told(locked, "inbox", status=77)
