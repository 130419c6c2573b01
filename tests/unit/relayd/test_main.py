import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from relayd import app, keyring, lifecycle, main, operate
from relayd.clock import SystemClock
from relayd.config import Config
from relayd.domain.refusals import Fatal
from relayd.exits import Exit
from relayd.notices import Notifier
from relayd.operate import NotAllowed, RelayAway, RelayRefused
from relayd.sample import sample
from relayd.store import database
from relayproto.administration import BreakGlass
from relayproto.administration_replies import Acted
from relayproto.codes import Code
from relayproto.commands import ConfirmClock, GetStatus, Invite
from relayproto.message import Message
from relayproto.replies import Done, Invited, Status
from relayproto.standing import ActState


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the state directory of a relay that was made and never started."""
    assert main.main(["init", "--state", str(tmp_path / "state")]) == Exit.OK
    return tmp_path / "state"


class Relay:
    """A running relay, as seen through the operator's socket."""

    def __init__(self, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = state
        self.asked: list[Message] = []
        monkeypatch.setattr(operate, "ask", self.ask)

    def ask(self, path: Path, command: Message, _expected: type[Message]) -> Message:
        assert path == self.state / "operator.sock"
        self.asked.append(command)
        if isinstance(command, Invite):
            described = (self.state / "keys" / "descriptor-1").read_bytes()
            return Invited(command.address, bytes(16), 1_800_000_000_000, "relay.example:7443", described)
        if isinstance(command, ConfirmClock):
            return Done()
        if isinstance(command, BreakGlass):
            return Acted(ActState.DONE, 41, 0, b"")
        return Status("1.2.3", (("connections open", 1234), ("gaps", 5)))


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command and return (exit status, standard output, standard error)."""
    capsys.readouterr()
    status = main.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_init_makes_what_check_config_finds_good(state: Path, capsys) -> None:
    status, out, err = run(capsys, "check-config", "--state", state)

    assert (status, err) == (Exit.OK, "")
    assert out == f"{state}/relayd.toml is good, and so are the keys in {state}.\n"


def test_init_says_what_to_do_next(tmp_path: Path, capsys) -> None:
    status, out, _ = run(
        capsys, "init", "--state", tmp_path / "s", "--listen", "0.0.0.0:7443", "--endpoint", "r.example:1"
    )

    assert status == Exit.OK
    assert "devices reach   r.example:1" in out
    assert f"relayd serve --config {tmp_path}/s/relayd.toml" in out
    assert 'devices = "0.0.0.0:7443"' in (tmp_path / "s" / "relayd.toml").read_text()


def test_init_uses_a_configuration_that_is_there(tmp_path: Path, capsys) -> None:
    path = tmp_path / "relayd.toml"
    path.write_text('[relay]\nstate = "state"\nendpoint = "relay.example:7443"\n')

    status, out, _ = run(capsys, "init", "--config", path)

    assert status == Exit.OK
    assert "relay.example:7443" in out
    assert (tmp_path / "state" / "keys").is_dir()


def test_a_second_init_changes_nothing(state: Path, capsys) -> None:
    status, out, err = run(capsys, "init", "--config", state / "relayd.toml")

    assert (status, out) == (Exit.CANNOT_CREATE, "")
    assert err.startswith("relayd: ")
    assert "there are keys already" in err


def test_init_once_makes_keys_and_leaves_those_that_are_there(tmp_path: Path, capsys) -> None:
    path = tmp_path / "relayd.toml"
    path.write_text('[relay]\nstate = "state"\n')

    first = run(capsys, "init", "--once", "--config", path)
    key = (tmp_path / "state" / "keys" / "master.key").read_bytes()
    second = run(capsys, "init", "--once", "--config", path)

    assert first[0] == Exit.OK
    assert "offline-root.key" in first[1]
    assert "Next:" not in first[1]
    assert second == (Exit.OK, "", "")
    assert (tmp_path / "state" / "keys" / "master.key").read_bytes() == key


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("invite",),
        ("invite", "a@b.example", "--ttl", "7"),
        ("invite", "a@b.example", "--ttl", "59s"),
        ("invite", "a@b.example", "--ttl", "91d"),
        ("init", "--state", "x", "--endpoint", "nowhere"),
        ("init", "--state", "x", "--moderator", "short"),
        ("moderator-key",),
        ("serve", "--state", "x", "--config", "y"),
    ],
)
def test_wrong_usage_is_told_by_argparse(arguments: tuple[str, ...], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)

    assert caught.value.code == 2
    assert "usage: relayd" in capsys.readouterr().err


def test_an_error_of_the_configuration_is_one_line(state: Path, capsys) -> None:
    (state / "relayd.toml").write_text("[limits]\nmailbox_mesages = 1\n")

    status, out, err = run(capsys, "serve", "--state", state)

    assert (status, out) == (Exit.CONFIG, "")
    what = "limits.mailbox_mesages: there is no such setting; relayd check-config --sample has them all"
    assert err == f"relayd: {state}/relayd.toml: {what}\n"


def test_check_config_says_it_in_json(state: Path, capsys) -> None:
    status, out, _ = run(capsys, "check-config", "--state", state, "--json")

    told = json.loads(out)
    assert status == Exit.OK
    assert told["good"] is True
    assert told["configuration"]["relay"]["state"] == str(state)


def test_check_config_says_errors_in_json(state: Path, capsys) -> None:
    (state / "keys" / "master.key").chmod(0o644)

    status, out, err = run(capsys, "check-config", "--state", state, "--json")

    assert (status, err) == (Exit.CONFIG, "")
    assert "others than its owner may read it" in json.loads(out)["error"]


def test_check_config_finds_bad_keys(state: Path, capsys) -> None:
    (state / "keys" / "master.key").unlink()

    status, _, err = run(capsys, "check-config", "--state", state)

    assert status == Exit.CONFIG
    assert "master.key: No such file" in err


def test_check_config_prints_the_sample(capsys) -> None:
    status, out, _ = run(capsys, "check-config", "--sample")

    assert (status, out) == (Exit.OK, sample())


def test_the_default_configuration_is_the_packages() -> None:
    arguments = main.parser().parse_args(["serve"])

    assert main._config_path(arguments) == Path("/etc/relayd/relayd.toml")


def test_serve_ends_with_the_relays_status(state: Path, monkeypatch, capsys) -> None:
    served: list[tuple[Config, Path]] = []

    def serve(config: Config, path: Path, _notifier: Notifier) -> Exit:
        served.append((config, path))
        return Exit.FATAL

    monkeypatch.setattr(app, "serve", serve)

    status, _, _ = run(capsys, "serve", "--state", state)

    assert status == Exit.FATAL
    assert served[0][0].state_directory == state
    assert served[0][1] == state / "relayd.toml"


def test_why_serve_cannot_start_is_left_with_the_service_manager(tmp_path: Path, monkeypatch, capsys) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        status, _, err = run(capsys, "serve", "--config", tmp_path / "none.toml")
        said = manager.recv(4096).decode()

    assert status == Exit.CONFIG
    assert said == f"STATUS={err.removeprefix('relayd: ').strip()}\nERRNO=2"


def test_our_own_mistake_ends_serving_as_an_incident_without_values(state: Path, monkeypatch, capsys) -> None:
    def serve(*_: object) -> Exit:
        raise ValueError("canary")

    monkeypatch.setattr(app, "serve", serve)

    with structlog.testing.capture_logs() as logged:
        status, _, err = run(capsys, "serve", "--state", state)

    assert (status, err) == (Exit.SOFTWARE, "")
    [event] = logged
    assert (event["event"], event["where"], len(event["incident"])) == ("incident", "serve", 16)


def test_invite_gives_a_pipe_the_link_alone(state: Path, monkeypatch, capsys) -> None:
    relay = Relay(state, monkeypatch)

    status, out, err = run(capsys, "invite", "alice@office.example", "--state", state)

    assert (status, err) == (Exit.OK, "")
    assert out.startswith("relay://relay.example:7443/join#")
    assert out.count("\n") == 1
    assert relay.asked == [Invite("alice@office.example", 7 * 86_400)]


@pytest.mark.parametrize(("text", "ttl_s"), [("90s", 90), ("30m", 1800), ("12h", 43_200), ("90d", 7_776_000)])
def test_a_lifetime_is_written_as_people_write_it(state: Path, monkeypatch, capsys, text: str, ttl_s: int) -> None:
    relay = Relay(state, monkeypatch)

    run(capsys, "invite", "alice@office.example", "--ttl", text, "--state", state)

    assert relay.asked == [Invite("alice@office.example", ttl_s)]


def test_invite_tells_people_what_to_type_next(state: Path, monkeypatch) -> None:
    Relay(state, monkeypatch)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    main.main(["invite", "alice@office.example", "--state", str(state)])

    assert "Invitation for alice@office.example, good once, until 2027-01-15 08:00 UTC" in terminal.getvalue()
    assert "  relay://" in terminal.getvalue()
    assert terminal.getvalue().endswith("  relay join\n")


def test_invite_says_it_in_json(state: Path, monkeypatch, capsys) -> None:
    Relay(state, monkeypatch)

    _, out, _ = run(capsys, "invite", "alice@office.example", "--json", "--state", state)

    told = json.loads(out)
    assert told["address"] == "alice@office.example"
    assert told["expires_ms"] == 1_800_000_000_000
    assert told["link"].startswith("relay://")


def test_invite_draws_the_link(state: Path, monkeypatch, capsys) -> None:
    Relay(state, monkeypatch)

    _, out, _ = run(capsys, "invite", "alice@office.example", "--qr", "--state", state)

    assert len(out.splitlines()) > 20
    assert "█" in out or "▀" in out


def test_status_is_a_table(state: Path, monkeypatch, capsys) -> None:
    relay = Relay(state, monkeypatch)

    status, out, _ = run(capsys, "status", "--state", state)

    assert status == Exit.OK
    root = keyring.root_fingerprint(state).hex()
    assert out.splitlines() == [
        "relayd 1.2.3", f"root {root}", "connections open         1,234", "gaps                         5",
    ]  # fmt: skip
    assert relay.asked == [GetStatus()]


def test_status_says_it_in_json(state: Path, monkeypatch, capsys) -> None:
    Relay(state, monkeypatch)

    _, out, _ = run(capsys, "status", "--json", "--state", state)

    said = {"version": "1.2.3", "root": keyring.root_fingerprint(state).hex(), "figures": json.loads(out)["figures"]}
    assert json.loads(out) == said
    assert said["figures"] == {"connections open": 1234, "gaps": 5}


def test_status_goes_on_without_the_roots_public_key(state: Path, monkeypatch, capsys) -> None:
    Relay(state, monkeypatch)
    (state / keyring.ROOT_PUBLIC).unlink()

    _, out, _ = run(capsys, "status", "--state", state)
    _, as_json, _ = run(capsys, "status", "--json", "--state", state)

    assert out.splitlines()[:2] == ["relayd 1.2.3", "connections open         1,234"]
    assert json.loads(as_json)["root"] is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RelayAway("away"), Exit.UNAVAILABLE),
        (NotAllowed("no"), Exit.PERMISSION),
        (RelayRefused(Code.ADDRESS_TAKEN), Exit.REFUSED),
        (RelayRefused(Code.DISK), Exit.LATER),
        (lifecycle.CannotStart("taken"), Exit.CANNOT_CREATE),
        (Fatal("damaged"), Exit.FATAL),
    ],
)
def test_each_expected_error_has_its_status(state: Path, monkeypatch, capsys, error: Exception, expected: Exit) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(operate, "ask", fail)

    status, out, err = run(capsys, "status", "--state", state)

    assert (status, out, err) == (expected, "", f"relayd: {error}\n")


def test_a_bug_is_not_dressed_up(state: Path, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(operate, "ask", fail)

    with pytest.raises(ZeroDivisionError):
        main.main(["status", "--state", str(state)])


@pytest.mark.parametrize(
    "command", ["init", "serve", "check-config", "invite", "status", "confirm-clock", "break-glass", "restored"]
)
def test_each_command_has_help_with_examples(command: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([command, "--help"])

    out = capsys.readouterr().out
    assert caught.value.code == 0
    assert "examples:\n  " in out
    assert f"relayd {command}" in out


def test_help_imports_none_of_the_rooms() -> None:
    code = (
        "import sys; from relayd.main import parser; parser().format_help(); "
        "slow = {'asyncio', 'uvloop', 'structlog', 'msgspec', 'prometheus_client', 'nacl', 'sqlite3'}; "
        "print(sorted(slow & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments", [["init"], ["check-config"], ["invite", "officer@gad.example"], ["status"], ["drain"], ["connections"]]
)
def test_a_command_beside_the_relay_imports_nothing_of_the_relay_itself(tmp_path: Path, arguments: list[str]) -> None:
    if arguments != ["init"]:
        main.main(["init", "--state", str(tmp_path)])
    code = (
        "import sys; from relayd.main import main; main(sys.argv[1:]); "
        "slow = {'asyncio', 'structlog', 'sqlite3', 'relayd.store', 'relayd.services', 'relayd.net', 'relayd.app'}; "
        "print(sorted(slow & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--state", str(tmp_path)],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_two_moderators_are_named_by_the_keys_that_they_made(tmp_path: Path, capsys) -> None:
    publics = [run(capsys, "moderator-key", tmp_path / name)[1].strip() for name in ("one.key", "two.key")]

    status, _, _ = run(
        capsys, "init", "--state", tmp_path / "s", "--moderator", publics[0], "--moderator", publics[1]
    )  # fmt: skip

    assert status == Exit.OK
    keys = keyring.load(tmp_path / "s", SystemClock().now_ms(), {})
    assert [key.hex() for key in keys.moderators] == publics


@pytest.mark.parametrize("moderators", [("aa" * 32,), ("aa" * 32,) * 2, ("aa" * 32, "bb" * 32, "cc" * 32)])
def test_one_moderator_alone_is_none(tmp_path: Path, capsys, moderators: tuple[str, ...]) -> None:
    named = [part for key in moderators for part in ("--moderator", key)]

    status, out, err = run(capsys, "init", "--state", tmp_path / "s", *named)

    assert (status, out) == (Exit.CANNOT_CREATE, "")
    assert err == "relayd: name two different moderators with --moderator, or none; nothing was made\n"
    assert not (tmp_path / "s").exists()


def test_a_confirmed_clock_is_asked_of_the_running_relay(state: Path, capsys, monkeypatch) -> None:
    relay = Relay(state, monkeypatch)

    status, out, _ = run(capsys, "confirm-clock", "--state", state)

    assert (status, out) == (Exit.OK, "The relay goes by the machine's clock again.\n")
    assert relay.asked == [ConfirmClock()]


GLASS = ("break-glass", "carol@gad.example", "--for", "1h")


def test_a_glass_is_broken_once_the_address_was_typed_again(state: Path, capsys, monkeypatch) -> None:
    relay = Relay(state, monkeypatch)
    monkeypatch.setattr(sys, "stdin", Terminal("carol@gad.example\n"))

    status, out, err = run(capsys, *GLASS, "--reason", " nobody is there ", "--state", state)

    until = operate.moment(SystemClock().now_ms() + 3_600_000)
    assert status == Exit.OK
    assert out[:57] == f"carol@gad.example is a platform operator until {until}"[:57]
    assert out.endswith(" UTC. Audit record 41.\n")
    assert "Type the address" in err
    assert relay.asked == [BreakGlass("carol@gad.example", 3600, "nobody is there")]


@pytest.mark.parametrize("typed", [Terminal("bob@gad.example\n"), Terminal(""), io.StringIO("carol@gad.example\n")])
def test_an_unconfirmed_glass_stays_whole(state: Path, capsys, monkeypatch, typed: io.StringIO) -> None:
    relay = Relay(state, monkeypatch)
    monkeypatch.setattr(sys, "stdin", typed)

    status, out, _ = run(capsys, *GLASS, "--reason", "nobody is there", "--state", state)

    assert (status, out, relay.asked) == (Exit.REFUSED, "", [])


def test_a_reason_may_come_on_standard_input(state: Path, capsys, monkeypatch) -> None:
    relay = Relay(state, monkeypatch)
    monkeypatch.setattr(sys, "stdin", io.StringIO("the night\nof the flood\n"))

    status, out, _ = run(capsys, *GLASS, "--reason", "-", "--yes", "--json", "--state", state)

    assert (status, json.loads(out)) == (0, {"address": "carol@gad.example", "seconds": 3600, "record": 41})
    assert relay.asked == [BreakGlass("carol@gad.example", 3600, "the night\nof the flood")]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 481])
def test_no_glass_is_broken_without_a_reason(state: Path, capsys, monkeypatch, reason: str) -> None:
    relay = Relay(state, monkeypatch)

    status, _, err = run(capsys, *GLASS, "--reason", reason, "--yes", "--state", state)

    assert (status, relay.asked) == (Exit.REFUSED, [])
    assert err == "relayd: a reason has 1 to 480 characters; nothing was done\n"


def test_no_glass_is_broken_for_longer_than_a_day(state: Path, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["break-glass", "carol@gad.example", "--for", "25h", "--reason", "x", "--state", str(state)])

    assert caught.value.code == 2
    assert "longer than a day" in capsys.readouterr().err


def test_a_database_that_was_put_back_is_renewed(state: Path, capsys) -> None:
    database.connect(state / "relay.db", autocheckpoint_pages=100).close()

    status, out, _ = run(capsys, "restored", "--state", state)

    assert (status, out) == (Exit.OK, "0 mailboxes have new epochs. Start the relay: relayd serve\n")


def test_where_there_is_no_database_nothing_is_renewed(state: Path, capsys) -> None:
    status, out, err = run(capsys, "restored", "--state", state)

    assert (status, out) == (Exit.CANNOT_CREATE, "")
    assert err == f"relayd: {state}/relay.db: there is no database; put the copy there first\n"


def test_a_reader_that_has_enough_gets_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "relayd.main", "check-config", "--sample"],
        env={"PYTHONPATH": os.pathsep.join(sys.path)}, stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False,
    )  # fmt: skip

    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
