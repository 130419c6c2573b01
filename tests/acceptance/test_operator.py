"""Nights with a real relay: all that its operator may do, what people notice of it, and what is written down."""

import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from relayd.exits import Exit
from relayd.store import whole
from relayproto import audit
from relayproto.codes import Kind
from support.processes import RelayProcess, a_relay, command, relay, relayd, running, succeed, until

ALICE, BOB = "alice@gad.example", "bob@gad.example"
WHY = ("--reason", "ticket 4711")
UID = f"uid {os.getuid()}"
REASON = f"{UID}: ticket 4711"
PATIENCE_S = 30.0


class Listening:
    """Bob's command line, which listens all the time."""

    def __init__(self, home: Path) -> None:
        self.out = home.with_name("bob.out")

    def heard(self) -> list[str]:
        lines = self.out.read_text("utf-8").splitlines() if self.out.exists() else []
        return [said["text"] for said in map(json.loads, lines) if "text" in said]

    def hears(self, text: str) -> None:
        until(lambda: text in self.heard(), PATIENCE_S)


@contextlib.contextmanager
def listening(home: Path) -> Iterator[Listening]:
    made = Listening(home)
    argv = command("relayclient.cli.main", "--home", home, "listen", "--json")
    with running(argv, home.parent, out=made.out, err=home.with_name("bob.err")):
        yield made


def told(here: RelayProcess, verb: str, *arguments: object) -> dict:
    """Run a command of the operator's and return what it printed as JSON."""
    return json.loads(succeed(relayd(here.state, verb, *arguments, "--json")).out)


def devices(here: RelayProcess) -> int:
    return told(here, "connections")["devices"]


def noted(here: RelayProcess) -> list[tuple[Kind, int, str]]:
    """Return what of a relay that has stopped is in its audit log, but for the invitations."""
    with contextlib.closing(sqlite3.connect(here.state / "relay.db")) as store:
        records = [audit.decode(record) for (record,) in store.execute("SELECT record FROM audit ORDER BY id")]
    return [(each.kind, each.detail, each.reason) for each in records if each.kind is not Kind.INVITE]


def test_a_mailbox_and_connections_are_told_in_numbers(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as here:
        alice, bob = here.join(tmp_path / "alice", ALICE), here.join(tmp_path / "bob", BOB)
        for text in ("canary one", "canary two"):
            succeed(relay(alice, "send", BOB, text))

        seen = succeed(relayd(here.state, "mailbox", BOB, *WHY)).out.decode()
        [box] = told(here, "mailbox", BOB, *WHY)["devices"]
        with listening(bob) as phone:
            phone.hears("canary two")
            until(lambda: devices(here) == 1, PATIENCE_S)
            listed = told(here, "connections", "--list", 10)

        assert here.stop() == Exit.OK
        said = noted(here)

    assert box["lanes"]["normal"]["envelopes"] == 2
    assert "canary" not in seen
    assert ALICE not in seen
    assert [line["mailbox"] for line in listed["list"]] == [box["mailbox"]]
    assert listed["list"][0]["sent"] > listed["list"][0]["waiting"] == 0
    assert "127.0.0.1" not in json.dumps(listed)
    assert said == [*[(Kind.GET_MAILBOX, 0, REASON)] * 2, (Kind.GET_CONNECTIONS, 0, UID)]


def test_who_is_kicked_comes_back_and_who_is_suspended_is_unknown_until_that_ends(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as here:
        alice, bob = here.join(tmp_path / "alice", ALICE), here.join(tmp_path / "bob", BOB)
        with listening(bob) as phone:
            until(lambda: devices(here) == 1, PATIENCE_S)
            accepted = connections_accepted(here)
            assert told(here, "kick", BOB, "--back-after", "0s", *WHY)["connections"] == 1
            until(lambda: connections_accepted(here) > accepted and devices(here) == 1, PATIENCE_S)
            succeed(relay(alice, "send", BOB, "after the kick"))
            phone.hears("after the kick")

            told(here, "suspend", BOB, "--yes", *WHY)
            suspended = told(here, "mailbox", BOB, *WHY)["suspended"]
            hidden, nobody = (relay(alice, "lookup", whom, "--json") for whom in (BOB, "nobody@gad.example"))
            twice = relayd(here.state, "suspend", BOB, "--yes", *WHY)
            told(here, "resume", BOB, *WHY)
            succeed(relay(alice, "send", BOB, "after the suspension"))
            phone.hears("after the suspension")

        assert here.stop() == Exit.OK
        said = noted(here)

    assert suspended
    assert hidden.status == nobody.status != 0
    assert hidden.err.replace(BOB.encode(), b"X") == nobody.err.replace(b"nobody@gad.example", b"X")
    assert (twice.status, b"it is so already" in twice.err) == (Exit.REFUSED, True)
    assert said == [
        (Kind.KICK, 0, REASON), (Kind.SUSPEND, 1, REASON), (Kind.GET_MAILBOX, 0, REASON), (Kind.SUSPEND, 0, REASON),
    ]  # fmt: skip


def test_everybody_is_sent_away_and_nobody_refused_until_it_is_undone(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as here:
        alice, bob = here.join(tmp_path / "alice", ALICE), here.join(tmp_path / "bob", BOB)
        with listening(bob) as phone:
            until(lambda: devices(here) == 1, PATIENCE_S)

            drained = told(here, "drain", "--yes", "--wait", "20s")
            ready, page = here.ready(), here.page("/readyz")[1]
            again = relayd(here.state, "drain", "--yes")
            told(here, "drain", "--undo")

            until(lambda: here.ready() and devices(here) == 1, PATIENCE_S)
            succeed(relay(alice, "send", BOB, "after the drain"))
            phone.hears("after the drain")
        metrics = here.page("/metrics")[1]
        assert here.stop() == Exit.OK
        said = noted(here)

    assert drained["empty"]
    assert (ready, b"draining" in page) == (False, True)
    assert (again.status, b"it is so already" in again.err) == (Exit.REFUSED, True)
    assert b'relayd_connections_refused_total{limit="connections"} 0' in metrics
    assert said == [(Kind.DRAIN, 1, UID), (Kind.DRAIN, 0, UID)]


def test_what_is_purged_is_gone_its_sender_is_told_and_what_comes_later_comes(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as here:
        alice, bob = here.join(tmp_path / "alice", ALICE), here.join(tmp_path / "bob", BOB)
        succeed(relay(alice, "send", BOB, "read"))
        succeed(relay(bob, "listen", "--drain", "--timeout", "20"))
        succeed(relay(alice, "send", BOB, "never read"))
        [before] = told(here, "mailbox", BOB, *WHY)["devices"]

        gone = told(here, "purge", BOB, "--yes", *WHY)["envelopes"]

        [after] = told(here, "mailbox", BOB, *WHY)["devices"]
        succeed(relay(alice, "listen", "--drain", "--timeout", "20"))
        states = succeed(relay(alice, "status")).out.decode()
        succeed(relay(alice, "send", BOB, "after the purge"))
        heard = succeed(relay(bob, "listen", "--drain", "--timeout", "20", "--json")).out.decode()
        assert here.stop() == Exit.OK
        said = noted(here)

    assert (gone, before["lanes"]["normal"]["envelopes"], after["lanes"]["normal"]["envelopes"]) == (1, 1, 0)
    assert after["epoch"] != before["epoch"]
    assert states.count("purged") == 1
    assert [json.loads(line).get("text") for line in heard.splitlines()] == ["after the purge"]
    assert [kind for kind, _, _ in said] == [Kind.GET_MAILBOX, Kind.PURGE, Kind.GET_MAILBOX]
    succeed(relayd(tmp_path / "relay", "verify"))


def test_the_log_of_the_store_and_that_of_events_and_the_invariants(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as here:
        alice = here.join(tmp_path / "alice", ALICE)

        left = told(here, "checkpoint")["bytes_left"]
        quiet = here.log.read_text("utf-8")
        told(here, "loglevel", "debug")
        succeed(relay(alice, "lookup", ALICE))
        until(lambda: '"connection ended"' in here.log.read_text("utf-8"), PATIENCE_S)
        told(here, "loglevel", "info")
        checked = told(here, "selfcheck")

        assert here.stop() == Exit.OK
        said = noted(here)

    assert left == 0
    assert '"connection ended"' not in quiet
    assert (checked["whole"], checked["unfinished"]) == (True, [])
    assert [each["rule"] for each in checked["found"]] == list(whole.NAMES)
    assert said == [(Kind.MOVE_LOG, 0, UID), (Kind.SET_LOG_LEVEL, 0, UID), (Kind.SET_LOG_LEVEL, 1, UID)]


def connections_accepted(here: RelayProcess) -> int:
    return told(here, "status")["figures"]["connections accepted"]


def test_where_the_audit_log_cant_be_written_nothing_is_done_and_the_incident_has_a_number(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as here:
        alice, bob = here.join(tmp_path / "alice", ALICE), here.join(tmp_path / "bob", BOB)
        assert here.stop() == Exit.OK
        with contextlib.closing(sqlite3.connect(here.state / "relay.db")) as store:
            store.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
        here.start()
        succeed(relay(alice, "send", BOB, "hello"))
        before = here.log.read_text("utf-8")

        done = [
            relayd(here.state, *arguments)
            for arguments in (
                ("suspend", BOB, "--yes", *WHY), ("purge", BOB, "--yes", *WHY), ("kick", BOB, *WHY),
                ("mailbox", BOB, *WHY), ("drain", "--yes"), ("loglevel", "debug"), ("checkpoint",),
                ("connections", "--list", "5"), ("invite", "carol@gad.example"),
            )
        ]  # fmt: skip

        assert {(ended.status, ended.out) for ended in done} == {(Exit.REFUSED, b"")}
        assert all(b"code 900; see its log" in ended.err for ended in done)
        logged = [
            json.loads(line.partition(">")[2]) for line in here.log.read_text("utf-8")[len(before) :].splitlines()
        ]
        incidents = [event["incident"] for event in logged if event["event"] == "incident"]
        assert len(set(incidents)) == len(done)
        assert here.ready()
        assert told(here, "connections")["draining"] == 0
        assert told(here, "selfcheck")["whole"]
        heard = succeed(relay(bob, "listen", "--drain", "--timeout", "20", "--json")).out.decode()
        assert [json.loads(line).get("text") for line in heard.splitlines()] == ["hello"]


def test_where_no_relay_runs_each_command_says_so(tmp_path: Path) -> None:
    here = RelayProcess(tmp_path / "relay")

    ended = relayd(here.state, "connections")

    assert (ended.status, ended.out) == (Exit.UNAVAILABLE, b"")
    assert ended.err.startswith(b"relayd: no relay is running here")
    assert sys.executable.encode() not in ended.err
