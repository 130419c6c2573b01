import io
import json
from pathlib import Path

import pytest

from relayd import intervene, main, operate
from relayd.exits import Exit
from relayd.operate import RelayRefused
from relayproto.administration_replies import Acted
from relayproto.codes import Code
from relayproto.message import Message
from relayproto.operating import (
    Box,
    Checked,
    Connections,
    Drain,
    Found,
    GetConnections,
    GetMailbox,
    Kick,
    Line,
    Mailboxes,
    MoveLog,
    Purge,
    Queue,
    SelfCheck,
    SetLogLevel,
    Suspend,
)
from relayproto.standing import ActState

NOW_MS = 1_800_000_000_000
EMPTY = Queue(0, 1, 0, 0)
SEEN = Mailboxes(
    42, b"\xab" * 32, 9, True, 5_000, 32 << 20, NOW_MS,
    (
        Box(1, 7, 77, (Queue(5, 9, 3, 96_000), EMPTY, EMPTY), 0, True, 12, NOW_MS),
        Box(2, 8, 78, (EMPTY, EMPTY, EMPTY), 0, False, 0, 0),
    ),
)  # fmt: skip


class Relay:
    """A running relay, as seen through the operator's socket; ``open`` are the connections that it has each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Message] = []
        self.open = [0]
        self.listed = 250
        self.value = 3
        self.checked = Checked((Found("one", 5, 0, ""),), ())
        self.refusal: Code | None = None
        monkeypatch.setattr(operate, "ask", self.ask)
        monkeypatch.setattr(intervene, "POLL_S", 0.01)

    def ask(self, path: Path, command: Message, _: type[Message], *, timeout_s: float | None = None) -> Message:
        assert path.name == "operator.sock"
        self.asked.append(command)
        if self.refusal is not None:
            raise RelayRefused(self.refusal)
        match command:
            case GetMailbox():
                return SEEN
            case GetConnections():
                lines = range(command.after + 1, min(command.after + command.rows, self.listed) + 1)
                more = command.after + command.rows < self.listed
                count = self.open.pop(0) if len(self.open) > 1 else self.open[0]
                return Connections(count, 1, 2, 0, False, tuple(Line(n, NOW_MS, 1234, 5, 6, 7, 8) for n in lines), more)
            case SelfCheck():
                assert timeout_s == intervene.CHECK_TIMEOUT_S
                return self.checked
            case _:
                return Acted(ActState.DONE, 41, self.value, b"")


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Relay:
    return Relay(monkeypatch)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relayd.toml"
    path.write_text('[relay]\nstate = "state"\n')
    return path


class Terminal(io.StringIO):
    """A stream that somebody types into."""

    def isatty(self) -> bool:
        return True


def run(capsys: pytest.CaptureFixture[str], config: Path, verb: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command and return (exit status, standard output, standard error)."""
    capsys.readouterr()
    status = main.main([verb, "--config", str(config), *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_mailbox_is_told_in_numbers(relay: Relay, config: Path, capsys) -> None:
    status, out, err = run(capsys, config, "mailbox", "a@gad.example", "--reason", "why")

    assert (status, err) == (Exit.OK, "")
    assert relay.asked == [GetMailbox("a@gad.example", "why")]
    lines = out.splitlines()
    assert lines[0] == f"account {'ab' * 32}, unit 9, SUSPENDED"
    assert "audit record 42" in lines[1]
    assert lines[4].split() == ["1", "7", "77", "normal", "5", "9", "3", "96,000", "2027-01-15", "08:00", "UTC"]
    assert [line.split()[0] for line in lines[5:10]] == ["urgent", "outcome", "2", "urgent", "outcome"]
    assert lines[10] == "device 1 is full: 12 refused since it last acknowledged"


def test_a_mailbox_is_told_as_json(relay: Relay, config: Path, capsys) -> None:
    told = json.loads(run(capsys, config, "mailbox", "a@gad.example", "--reason", "why", "--json")[1])

    assert (told["account"], told["suspended"], told["record"]) == ("ab" * 32, True, 42)
    assert told["devices"][0]["lanes"]["normal"] == {"floor": 5, "next": 9, "envelopes": 3, "bytes": 96_000}
    assert (told["devices"][0]["full"], told["devices"][0]["refused"]) == (True, 12)


@pytest.mark.parametrize(
    ("arguments", "asked", "said"),
    [
        (("kick", "a@gad.example", "--reason", "r"), Kick("a@gad.example", 0, 10_000, "r"), "3 connections end"),
        (
            ("kick", "a@gad.example", "--reason", "r", "--device", "2", "--back-after", "5m"),
            Kick("a@gad.example", 2, 300_000, "r"), "after 300 s",
        ),
        (("suspend", "a@gad.example", "--reason", "r", "--yes"), Suspend("a@gad.example", True, "r"), "is suspended"),
        (("resume", "a@gad.example", "--reason", "r"), Suspend("a@gad.example", False, "r"), "is as before"),
        (
            ("purge", "a@gad.example", "--reason", "r", "--device", "2", "--yes"), Purge("a@gad.example", 2, "r"),
            "3 envelopes are gone",
        ),
        (("drain", "--undo"), Drain(False), "let in again"),
        (("checkpoint",), MoveLog(), "3 bytes of the log are left"),
        (("loglevel", "debug"), SetLogLevel(0), "debug and above"),
    ],
)  # fmt: skip
def test_what_is_done_is_said_with_its_audit_record(
    relay: Relay, config: Path, capsys, arguments: tuple[str, ...], asked: Message, said: str
) -> None:
    status, out, err = run(capsys, config, *arguments)
    told = json.loads(run(capsys, config, *arguments, "--json")[1])

    assert (status, err) == (Exit.OK, "")
    assert relay.asked == [asked, asked]
    assert said in out
    assert out.endswith("Audit record 41.\n")
    assert told["record"] == 41


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (("suspend", "a@gad.example", "--reason", "r"), "a@gad.example"),
        (("purge", "a@gad.example", "--reason", "r"), "a@gad.example"),
        (("drain",), "drain"),
    ],
)
def test_what_is_dangerous_is_confirmed_by_who_sits_there(
    relay: Relay, config: Path, capsys, monkeypatch, arguments: tuple[str, ...], typed: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    nobody = run(capsys, config, *arguments)
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    another = run(capsys, config, *arguments)
    before = list(relay.asked)
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    meant = run(capsys, config, *arguments)

    assert (nobody[0], another[0], meant[0]) == (Exit.REFUSED, Exit.REFUSED, Exit.OK)
    assert "say --yes" in nobody[2]
    assert before == []
    assert relay.asked


@pytest.mark.parametrize("verb", ["mailbox", "kick", "suspend", "resume", "purge"])
def test_what_concerns_a_person_needs_a_reason(relay: Relay, config: Path, capsys, monkeypatch, verb: str) -> None:
    with pytest.raises(SystemExit) as usage:
        run(capsys, config, verb, "a@gad.example")
    empty = run(capsys, config, verb, "a@gad.example", "--reason", " ")
    monkeypatch.setattr("sys.stdin", io.StringIO("from a file\n"))
    yes = ["--yes"] if verb in {"suspend", "purge"} else []
    run(capsys, config, verb, "a@gad.example", "--reason", "-", *yes)

    assert (usage.value.code, empty[0]) == (2, Exit.REFUSED)
    [asked] = relay.asked
    assert asked.reason == "from a file"


def test_connections_are_counted_and_a_list_is_fetched_in_pages(relay: Relay, config: Path, capsys) -> None:
    relay.open = [12]

    _, counted, _ = run(capsys, config, "connections")
    _, listed, _ = run(capsys, config, "connections", "--list", "120")
    told = json.loads(run(capsys, config, "connections", "--list", "1000", "--json")[1])

    assert counted.splitlines()[0].split() == ["open", "12"]
    assert relay.asked[:3] == [GetConnections(0, 0), GetConnections(0, 100), GetConnections(100, 20)]
    lines = listed.splitlines()
    assert lines[7].split() == ["1", "2027-01-15", "08:00", "UTC", "1,234", "5", "6", "7", "8"]
    assert len(lines) == 7 + 120 + 1
    assert lines[-1] == "and more"
    assert (told["open"], len(told["list"]), told["list"][-1]["mailbox"]) == (12, 250, 250)


def test_a_relay_that_drains_is_waited_for_until_it_is_empty(relay: Relay, config: Path, capsys) -> None:
    relay.open = [2, 1, 0]

    status, out, _ = run(capsys, config, "drain", "--yes")

    assert status == Exit.OK
    assert "The relay is empty" in out
    assert relay.asked == [Drain(True), *[GetConnections(0, 0)] * 3]


def test_a_relay_that_does_not_get_empty_in_time_is_said_to_be_so(relay: Relay, config: Path, capsys) -> None:
    relay.open = [2]

    status, out, _ = run(capsys, config, "drain", "--yes", "--wait", "0s")
    told = run(capsys, config, "drain", "--yes", "--wait", "0s", "--json")

    assert (status, told[0]) == (Exit.LATER, Exit.LATER)
    assert out.startswith("2 connections or works are left.")
    assert json.loads(told[1]) == {"draining": True, "connections": 2, "empty": False, "record": 41}


@pytest.mark.parametrize(
    ("checked", "status", "said"),
    [
        (Checked((Found("one", 5, 0, ""),), ()), Exit.OK, "one"),
        (Checked((Found("one", 5, 1, "number 7"),), ("two",)), Exit.NOT_WHOLE, "BROKEN: one; first number 7"),
        (Checked((Found("one", 5, 0, ""),), ("two",)), Exit.LATER, "there was no time for: two"),
    ],
)
def test_a_check_ends_by_what_it_found(relay: Relay, config: Path, capsys, checked, status, said) -> None:
    relay.checked = checked

    found, out, _ = run(capsys, config, "selfcheck")
    as_json = run(capsys, config, "selfcheck", "--json")

    assert (found, as_json[0]) == (status, status)
    assert said in out
    assert json.loads(as_json[1])["whole"] is (status is Exit.OK)


def test_who_stays_suspended_is_said_in_words(relay: Relay, config: Path, capsys) -> None:
    relay.refusal = Code.CONFLICT
    chosen = run(capsys, config, "resume", "chief@gad.example", "--reason", "why")
    relay.refusal = Code.DISK
    other = run(capsys, config, "resume", "chief@gad.example", "--reason", "why")

    assert chosen[0] == Exit.REFUSED
    assert "it chose its name under a domain that is an organisation's" in chosen[2]
    assert "the relay's disk" in other[2]


def test_a_no_of_the_relay_is_said_in_words(relay: Relay, config: Path, capsys) -> None:
    relay.refusal = Code.CONFLICT

    assert run(capsys, config, "drain", "--undo") == (
        Exit.REFUSED, "", "relayd: it is so already, or that account can hold no such role; nothing was done\n",
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["connections", "drain", "checkpoint", "selfcheck"])
def test_where_no_relay_runs_that_is_said(config: Path, capsys, verb: str) -> None:
    yes = ["--yes"] if verb == "drain" else []

    status, out, err = run(capsys, config, verb, *yes)

    assert (status, out) == (Exit.UNAVAILABLE, "")
    assert "start it with relayd serve" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("kick", "a", "--reason", "r", "--back-after", "2d"),
        ("kick", "a", "--reason", "r", "--back-after", "soon"),
        ("purge", "a", "--reason", "r", "--device", "0"),
        ("connections", "--list", "1001"),
        ("loglevel", "loud"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(relay: Relay, config: Path, capsys, arguments) -> None:
    with pytest.raises(SystemExit) as usage:
        run(capsys, config, *arguments)

    assert usage.value.code == 2
    assert relay.asked == []


def test_each_command_has_examples_in_its_help(capsys) -> None:
    for verb in (
        "connections",
        "mailbox",
        "kick",
        "suspend",
        "resume",
        "purge",
        "drain",
        "checkpoint",
        "loglevel",
        "selfcheck",
    ):
        with pytest.raises(SystemExit):
            main.main([verb, "--help"])
        assert f"examples:\n  relayd {verb}" in capsys.readouterr().out


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert intervene.table(("a", "bb"), [(1, "x"), (1000, "")]) == "    a  bb\n    1   x\n1,000\n"


@pytest.mark.parametrize("verb", [("kick",), ("purge", "--yes")])
def test_a_device_that_is_not_there_is_told(relay: Relay, config: Path, capsys, verb: tuple[str, ...]) -> None:
    relay.refusal = Code.NOT_AVAILABLE
    command = [*verb, "a@gad.example", "--reason", "r", "--config", str(config)]

    assert main.main([*command, "--device", "9"]) == Exit.REFUSED
    assert "there is no device 9 of a@gad.example" in capsys.readouterr().err
    assert main.main(command) == Exit.REFUSED
    assert "device 9" not in capsys.readouterr().err
