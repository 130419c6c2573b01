"""What the log of a relay process never has, at debug, while people write, fail and attack: content, addresses, keys.

Account ids count as well: only a broken glass names one (spec 70 §8), and nobody breaks one here.
"""

import base64
import contextlib
import json
import resource
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayproto import frame
from relayproto.administration import GetAudit
from relayproto.codes import Class, GoawayCode, Kind, Lane, Purpose
from relayproto.commands import (
    Act,
    Block,
    Body,
    Ephemeral,
    GetBundles,
    GetDevices,
    Lookup,
    PutDevices,
    PutPolicy,
    PutPrekeys,
    PutProfile,
    Report,
    SignedPrekey,
    Submit,
    Target,
    Wrap,
)
from relayproto.events import Closed, Established
from relayproto.invitation import Invitation, from_link
from relayproto.limits import PAGE_ROWS_MAX, REPORT_BYTES
from relayproto.notices import Deliver
from relayproto.people import GetPeople
from relayproto.primitives import ed25519_public, x25519_public
from relayproto.replies import Enrolled, Refused, Submitted, Welcome
from support.device import ack, client, dial, enrolment, hello
from support.live_relay import DIALLED
from support.people import Person
from support.processes import RelayProcess, relayd, succeed, until

CANARY = b"Canary-7f3e9a51-never-in-a-log"
ELSEWHERE = "127.66.77.88"
"""Where attackers connect from."""
DEBUG = {'level = "info"': 'level = "debug"'}
PERSONS = ("alice", "bob", "mallory")


def address(name: str) -> str:
    return f"{name}.nightingale@aviary.example"


def spellings(octets: bytes) -> Iterator[bytes]:
    """Yield how bytes might stand in a line."""
    yield octets
    yield octets.hex().encode()
    yield octets.hex().upper().encode()
    yield repr(octets)[2:-1].encode()
    yield json.dumps(octets.decode("latin-1"))[1:-1].encode()
    for encoded in (base64.b64encode(octets), base64.urlsafe_b64encode(octets), base64.b32encode(octets)):
        # Without its last characters, which depend on what follows.
        yield encoded.rstrip(b"=")[:-1]


def keys_of(here: RelayProcess) -> Iterator[bytes]:
    """Yield every key of the relay, and those of people that it has."""
    for path in sorted((here.state / "keys").iterdir()):
        kept = path.read_bytes()
        yield from (kept[at : at + 32] for at in range(0, len(kept) - 31, 32))
    kept = (here.state / "day-keys").read_bytes()
    yield from (kept[at : at + 32] for at in range(len(kept) - 31))
    with contextlib.closing(sqlite3.connect(here.state / "relay.db")) as store:
        for statement in (
            "SELECT account FROM account", "SELECT signature FROM account", "SELECT dh_key FROM device",
            "SELECT sign_key FROM device", "SELECT key FROM prekey", "SELECT signature FROM prekey",
            "SELECT hash FROM ticket",
        ):  # fmt: skip
            yield from (row for (row,) in store.execute(statement))


def keys_of_people(people: dict[str, Person]) -> Iterator[bytes]:
    for person in people.values():
        yield from (person.account, person.identity_seed, person.identity_key, person.sign_seed, person.dh_private)
        yield from (ed25519_public(person.sign_seed), x25519_public(person.dh_private))


class Office:
    """A relay, its key as an invitation has it, and three people with bare devices."""

    def __init__(self, here: RelayProcess) -> None:
        self.here = here
        self.people = {name: Person(name) for name in PERSONS}
        self.tickets: list[bytes] = []

    def invitation(self, name: str) -> Invitation:
        found = from_link(self.here.invite(address(name)))
        self.tickets.append(found.ticket)
        return found

    async def dial(self, purpose: Purpose, person: Person | None = None, **changes: object):
        said = None if person is None else hello(person)
        private = None if person is None else person.dh_private
        known = {"relay_key": self.invited.relay_key, "key_id": self.invited.key_id} | changes
        return await dial(self.here.devices, client(purpose, said, private, **known))

    async def settle_in(self) -> None:
        for name, person in self.people.items():
            self.invited = self.invitation(name)
            line = await self.dial(Purpose.ENROL)
            await line.expect(Established)
            line.say(enrolment(person, self.invited.ticket))
            await line.expect(Enrolled)
            await line.close()

    async def login(self, name: str):
        line = await self.dial(Purpose.DEVICE, self.people[name])
        return line, await line.expect(Welcome)

    # --- what people do ---

    async def write(self) -> None:
        """Say what there is to say, wrong things as well; nothing of it may be logged."""
        bob, mallory = self.people["bob"], self.people["mallory"]
        listening, welcome = await self.login("bob")
        line, _ = await self.login("alice")
        wrap = (Wrap(1, CANARY),)
        for number, targets in enumerate(
            [
                (Target(bob.account, 1, wrap),),
                (Target(b"\xee" * 32, 1, wrap), Target(mallory.account, 9, (*wrap, Wrap(7, CANARY)))),
            ],
            1,
        ):
            line.say(Submit(number, 0, Class.CHAT, 600, 1, b"\x01" + CANARY + b"..", CANARY * 3, None, targets, None))
            await line.expect(Submitted)
        delivered = await listening.expect(Deliver)
        assert CANARY in delivered.body
        prekey = SignedPrekey(1, 9, (CANARY + b"..")[:32], (CANARY * 3)[:64])
        line.say(
            Body(1, CANARY), Ephemeral(Target(bob.account, 1, wrap)), PutPrekeys((prekey,)),
            GetBundles(b"\xee" * 32, (1, 5)), GetDevices(b"\xee" * 32), PutDevices(CANARY * 4, (CANARY * 3)[:64]),
            Report((CANARY * 600)[:REPORT_BYTES]), Act(CANARY * 4, (CANARY * 3)[:64]), PutPolicy(bytes(30)),
            GetAudit(0, 0, PAGE_ROWS_MAX), Lookup(address("nobody")), Block(bob.account, True),
            PutProfile(CANARY.decode(), bytes(25)), GetPeople(1, CANARY.decode(), CANARY, PAGE_ROWS_MAX),
        )  # fmt: skip
        await line.several(Refused, 10)
        listening.say(ack(welcome.epoch, delivered.sequence, lane=Lane.NORMAL))
        await line.close()
        await listening.close()

    async def attack(self) -> None:
        """Break the protocol in each way that there is, as a device and as a stranger."""
        for broken in (frame.encode(Kind.LOOKUP, 1, [CANARY]), b"\xc1" + CANARY):
            line, _ = await self.login("mallory")
            for not_a_devices in (frame.encode(200, 1, [CANARY]), frame.encode(Kind.INVITE, 2, [address("bob"), 60])):
                line.connection.send_frames((not_a_devices,))
            line.connection.send_frames((broken,))
            line.flush()
            assert (await line.expect(Closed)).code == GoawayCode.BAD_FRAME
            await line.close()
        line, welcome = await self.login("mallory")
        line.say(ack(welcome.epoch, 99))
        assert (await line.expect(Closed)).code == GoawayCode.BAD_ACK
        await line.close()
        for changes in ({"relay_key": x25519_public(CANARY.ljust(32)[:32])}, {"key_id": 77}):
            line = await self.dial(Purpose.DEVICE, self.people["mallory"], **changes)
            assert await line.expect(Closed)
            await line.close()
        stranger = Person("stranger")
        line = await self.dial(Purpose.DEVICE, stranger)
        assert (await line.expect(Closed)).code == GoawayCode.AUTHENTICATION
        await line.close()


def knock(port: int, *said: bytes) -> None:
    """Connect from elsewhere, say something and go."""
    with contextlib.suppress(OSError), socket.socket() as knocking:
        knocking.bind((ELSEWHERE, 0))
        knocking.settimeout(10)
        knocking.connect(("127.0.0.1", port))
        for each in said:
            knocking.sendall(each)
        while knocking.recv(4096):
            pass


def at_the_operators_socket(path: Path, octets: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as talking:
        talking.connect(str(path))
        talking.sendall(octets)
        talking.settimeout(10)
        while talking.recv(4096):
            pass


def events(log: Path) -> list[dict]:
    """Return what a log has, each line with its priority: one that is no event fails."""
    lines = log.read_text("utf-8").splitlines()
    assert all(line[0] == "<" and line[2:4] == ">{" for line in lines)
    return [json.loads(line[3:]) for line in lines]


def count(log: Path, name: str) -> int:
    return sum(event["event"] == name for event in events(log))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[RelayProcess]:
    made = RelayProcess(tmp_path / "relay", DEBUG, launcher=("-m", "support.leaky_relay"))
    made.start()
    try:
        yield made
    finally:
        made.stop()


async def test_no_content_no_address_and_no_key_is_in_the_log_whatever_happens(here: RelayProcess) -> None:
    office = Office(here)
    await office.settle_in()
    await office.write()
    await office.attack()
    garbage = b"RLY1" + CANARY
    knock(here.devices, CANARY, CANARY)
    knock(here.devices, garbage, CANARY)
    at_the_operators_socket(here.state / "operator.sock", b"\x00\x40" + (CANARY * 3)[:64])
    for verb in ("mailbox", "kick", "suspend", "resume", "purge"):
        yes = ["--yes"] if verb in {"suspend", "purge"} else []
        succeed(relayd(here.state, verb, address("bob"), "--reason", CANARY.decode(), *yes))
    assert relayd(here.state, "mailbox", address("nobody"), "--reason", CANARY.decode()).status == 65
    succeed(relayd(here.state, "selfcheck"))
    here.stop()
    DIALLED.clear()

    log = here.log.read_bytes()
    seen = {event["event"] for event in events(here.log)}
    secrets = [CANARY, *office.tickets, *keys_of_people(office.people), *keys_of(here)]
    assert len(secrets) > 60
    found = [secret for secret in secrets for spelt in spellings(secret) if len(spelt) > 8 and spelt in log]
    assert found == []
    for text in (b"nightingale", b"aviary", CANARY[:8], ELSEWHERE.encode(), b"127.66"):
        assert text.lower() not in log.lower()
    assert seen >= {
        "ready", "incident", "connection ended", "a handshake failed", "a device broke the protocol", "operator frame",
        "stopped",
    }  # fmt: skip
    incidents = [event for event in events(here.log) if event["event"] == "incident"]
    assert {event["where"] for event in incidents} == {"Lookup", "Block"}
    assert all(len(event["incident"]) == 16 and "leaky_relay.py" in event["exception"] for event in incidents)
    own = {event["devices"][0] for event in events(here.log) if event["event"] == "ready"}
    assert log.count(b"127.0.0.1") == 2
    assert own == {f"127.0.0.1:{here.devices}"}


def test_whoever_reaches_the_port_can_write_a_few_lines_a_minute_and_the_rest_is_counted(here: RelayProcess) -> None:
    attempts = 40
    for _ in range(attempts):
        knock(here.devices, b"GET / HTTP/1.1\r\n\r\n" + CANARY)

    def told() -> int:
        left_out = sum(
            event["count"] for event in events(here.log)
            if event["event"] == "lines were left out" and event["of"] == "a handshake failed"
        )  # fmt: skip
        return left_out + count(here.log, "a handshake failed")

    until(lambda: told() == attempts, 30.0)
    # The minutes of this relay have two seconds, and the attempts take a moment.
    assert count(here.log, "a handshake failed") <= 24


def test_a_relay_leaves_no_core_file(here: RelayProcess) -> None:
    assert resource.prlimit(here.pid, resource.RLIMIT_CORE) == (0, 0)


@pytest.mark.parametrize(
    "spelt",
    [
        CANARY, CANARY.hex().encode(), CANARY.hex().upper().encode(), base64.b64encode(CANARY + b"and more"),
        base64.urlsafe_b64encode(CANARY),
    ],
)  # fmt: skip
def test_what_is_looked_for_would_be_found(spelt: bytes) -> None:
    line = b'<6>{"event":"x","value":"' + spelt + b'"}'

    assert any(each in line for each in spellings(CANARY))
