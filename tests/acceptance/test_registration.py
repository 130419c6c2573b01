"""A citizen registers from the command line: a real relay, a real unit that sends codes, a command that gets them."""

import contextlib
import http.client
import re
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relayd.keyring import ROOT_PUBLIC
from relayproto import descriptor
from relayproto.limits import CODE_TRIES_MAX, CODES_A_DAY_MAX
from support.processes import Ended, RelayProcess, a_relay, command, relay, running, succeed, until

pytestmark = pytest.mark.slow

BAD_INPUT, UNAVAILABLE, LATER, PERMISSION = 65, 69, 75, 77
MAIL = "alice@mail.example"
SENDER = """\
#!/bin/sh
read contact && read code && echo "$contact $code" >> {mails}
"""
OPEN = {
    'mode = "closed"': 'mode = "open"', "domains = []": 'domains = ["city.example"]', 'unit = ""': 'unit = "codes.sock"'
}  # fmt: skip


@dataclass
class Town:
    """A relay that is open for registration, and the mails that were sent."""

    server: RelayProcess
    place: Path

    @property
    def mails(self) -> Path:
        return self.place / "mails"

    def sender(self) -> contextlib.AbstractContextManager[object]:
        """Run the unit beside the block."""
        script = self.place / "send-code"
        script.write_text(SENDER.format(mails=self.mails))
        script.chmod(stat.S_IRWXU)
        argv = command("relayd.main", "code-sender", "--listen", self.server.state / "codes.sock", "--", script)
        return running(argv, self.place, out=self.place / "unit.log", err=self.place / "unit.log")

    def codes(self, contact: str = MAIL) -> list[str]:
        """Return the codes that were sent to somebody."""
        lines = self.mails.read_text().splitlines() if self.mails.exists() else []
        return [line.split()[1] for line in lines if line.split()[0] == contact]

    def register(self, home: str, *arguments: object, contact: str = MAIL, code: str = "") -> Ended:
        root = descriptor.fingerprint((self.server.state / ROOT_PUBLIC).read_bytes()).hex()
        where = ("--relay", f"127.0.0.1:{self.server.devices}", "--root", root)
        return relay(self.place / home, "register", contact, *where, *arguments, stdin=f"{code}\n".encode())

    def ask(self, contact: str = MAIL) -> str:
        """Have a code sent and return it; nothing is done with it yet."""
        before = len(self.codes(contact))
        self.register("asking", contact=contact)
        until(lambda: len(self.codes(contact)) > before, 20)
        return self.codes(contact)[-1]

    def metric(self, name: str) -> float:
        [value] = re.findall(rf"^{re.escape(name)} ([0-9.]+)$", self.server.page("/metrics")[1].decode(), re.MULTILINE)
        return float(value)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with a_relay(tmp_path / "relay", settings=OPEN) as server:
        made = Town(server, tmp_path)
        with made.sender():
            until((server.state / "codes.sock").exists, 20)
            yield made


def one_line(ended: Ended, status: int, *words: str) -> None:
    assert ended.status == status, ended
    [line] = [line for line in ended.lines if line.startswith("relay: ")]
    assert "Traceback" not in ended.err.decode()
    for word in words:
        assert word in line, line


def test_a_citizen_registers_and_the_relay_keeps_neither_mail_nor_code(town: Town) -> None:
    code = town.ask()
    joined = town.register("alice", "--address", "Alice@city.example", "--have-code", code=f" {code[:4]}-{code[4:]} ")
    looked_up = relay(town.place / "alice", "lookup", "alice@city.example")

    assert b"You are alice@city.example." in succeed(joined).out
    succeed(looked_up)
    assert town.metric('relayd_codes_total{result="sent"}') == 1
    assert town.metric('relayd_registrations_total{result="done"}') == 1
    town.server.stop()
    kept = b"".join(path.read_bytes() for path in town.server.state.rglob("*") if path.is_file())
    for secret in (MAIL, code):
        assert secret.encode() not in kept + town.server.log.read_bytes()


def test_a_wrong_code_is_told_and_the_right_one_still_counts_until_there_were_five(town: Town) -> None:
    code = town.ask()
    wrong = f"{(int(code) + 1) % 10**8:08d}"

    one_line(
        town.register("alice", "--address", "a@city.example", "--have-code", code=wrong), BAD_INPUT, "wrong, used up"
    )
    succeed(town.register("alice", "--address", "a@city.example", "--have-code", code=code))
    second = town.ask("carol@mail.example")
    for _ in range(CODE_TRIES_MAX):
        town.register("carol", "--address", "c@city.example", "--have-code", contact="carol@mail.example", code=wrong)
    late = town.register(
        "carol", "--address", "c@city.example", "--have-code", contact="carol@mail.example", code=second
    )

    one_line(late, BAD_INPUT, "used up")


def test_a_code_that_is_too_old_is_told(town: Town) -> None:
    code = town.ask()
    with contextlib.closing(sqlite3.connect(town.server.state / "relay.db", timeout=10)) as store, store:
        aged = store.execute("UPDATE code SET expires_ms = 1").rowcount

    ended = town.register("alice", "--address", "a@city.example", "--have-code", code=code)

    assert aged == 1
    one_line(ended, BAD_INPUT, "too old")


def test_a_relay_that_is_killed_between_code_and_account_takes_the_code(town: Town) -> None:
    code = town.ask()
    town.server.kill()
    town.server.start()

    first = town.register("alice", "--address", "alice@city.example", "--have-code", code=code)
    again = town.register("again", "--address", "again@city.example", "--have-code", code=code)

    assert b"You are alice@city.example." in succeed(first).out
    one_line(again, BAD_INPUT, "used up")


def test_what_was_cut_off_goes_on_with_the_same_keys(town: Town) -> None:
    code = town.ask()
    town.server.stop()
    away = town.register("alice", "--address", "alice@city.example", "--have-code", code=code)
    made = (town.place / "alice" / "device.db").exists() or any((town.place / "alice").iterdir())
    town.server.start()

    one_line(away, UNAVAILABLE, "cannot be reached")
    assert made
    succeed(town.register("alice", "--address", "alice@city.example", "--have-code", code=code))


def test_an_address_that_is_not_to_be_had_is_told_to_who_has_the_code(town: Town) -> None:
    code = town.ask()

    mail = town.register("alice", "--have-code", code=code)
    foreign = town.register("alice", "--address", "alice@elsewhere.example", "--have-code", code=code)
    succeed(town.register("alice", "--address", "alice@city.example", "--have-code", code=code))
    other = town.ask("carol@mail.example")
    like = town.register(
        "carol", "--address", "a1ice@city.example", "--have-code", contact="carol@mail.example", code=other
    )

    for ended in (mail, foreign, like):
        one_line(ended, BAD_INPUT, "not for you")


def test_a_contact_makes_one_account_and_gets_three_codes_a_day(town: Town) -> None:
    succeed(town.register("alice", "--address", "alice@city.example", "--have-code", code=town.ask()))

    second = town.register("second", "--address", "second@city.example", "--have-code", code=town.ask())
    for _ in range(CODES_A_DAY_MAX - 2):
        town.ask()
    over = town.register("second")

    one_line(second, BAD_INPUT, "within the last 30 days")
    one_line(over, LATER, "too many already")


def test_a_unit_that_is_away_is_seen_by_the_operator_and_not_by_who_asks(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay", settings=OPEN) as server:
        town = Town(server, tmp_path)

        asked = town.register("alice")
        until(lambda: town.metric('relayd_codes_total{result="failed"}') == 1, 20)
        with town.sender():
            until((server.state / "codes.sock").exists, 20)
            succeed(town.register("alice", "--address", "alice@city.example", "--have-code", code=town.ask()))

        one_line(asked, BAD_INPUT, "A code has 8 digits, and the relay was not asked")
        log = server.log.read_text()
        assert "a code could not be sent" in log
        assert MAIL not in log


def test_a_closed_relay_says_so(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as server:
        ended = Town(server, tmp_path).register("alice")

    one_line(ended, PERMISSION, "ask for an invitation")


def test_another_relay_than_the_one_whose_root_was_named_is_not_believed(town: Town) -> None:
    ended = relay(
        town.place / "alice", "register", MAIL, "--relay", f"127.0.0.1:{town.server.devices}", "--root", "00" * 32
    )

    assert ended.status == PERMISSION, ended
    assert town.codes() == []


def test_no_page_shows_who_registers(town: Town) -> None:
    town.ask()

    status, page = town.server.page("/metrics")

    assert status == http.client.OK
    assert b"mail.example" not in page
