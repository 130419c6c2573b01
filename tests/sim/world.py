"""A world of one relay, some people and a network between them, and what is looked at while it goes on.

A seed's numbers enter; the trace's digest and figures leave, or Broken. The rules of this file: everything that is not
the relay's or the device's own comes from the seed; and what is told, sent and committed passes by the truth.
"""

import functools
import hashlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from relayclient.errors import ClientError, HomeUnusable
from relayclient.events import MessageReceived
from relayd.config import Config, LimitsSection, RelaySection, StoreSection
from relayd.domain.refusals import Fault
from relayproto.codes import Class
from relayproto.commands import Credit
from relayproto.ids import Address, MessageId
from relayproto.limits import LIFETIME_S_DEFAULT
from sim.checkers import Broken, Truth, expect
from sim.loop import Process, VirtualLoop
from sim.machines import START_MS, Phone, Relay
from sim.network import Network

PEOPLE = (("alice", 2), ("bob", 1), ("carol", 1))
LAST_LINES = 60
SETTLE_TURNS = 4
PATIENCE_S = 7_200.0
"""How long, at most, it takes from when nothing fails any more until everybody has everything."""
VERIFIED_MAX = 4_096
_UNDER_WAY = "SELECT count(*) FROM message WHERE is_text AND state IN ('queued', 'accepted')"


@dataclass(frozen=True)
class Settings:
    """What a seed sets for the whole of its run."""

    mailbox_messages: int = 200
    window: Credit = field(default_factory=lambda: Credit(64, 1 << 20))
    intake_messages_max: int = 4_096
    device_burst: int = 1_000
    delays: tuple[float, ...] = (0.0, 0.02)
    chunks: tuple[int, ...] = (0,)
    slow_disk_s: float = 0.0


@dataclass
class Text:
    """One text that somebody wrote."""

    text: str
    phone: Phone
    to: str
    class_: Class
    queued: float
    ends_ms: int
    """When its lifetime is over, at the earliest, by true time."""
    expected: frozenset[str]
    """The recipient's devices when it was written, by name."""
    message: MessageId | None = None
    """None where the program was killed while it was written."""
    shown: set[str] = field(default_factory=set)


class World:
    """Everything; ``figures`` counts what happened."""

    def __init__(self, seed: str, settings: Settings, directory: Path) -> None:
        self.rng = Random(seed)
        self.settings = settings
        self.directory = directory
        self.figures: Counter[str] = Counter()
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self._digest = hashlib.blake2b(digest_size=16)
        self.findings: list[tuple[str, BaseException | None]] = []
        self.closing = False
        self.loop = VirtualLoop(self.found)
        self.loop.on_death(self.killed)
        self.network = Network(self.loop, Random(self.rng.random()), self._carried)
        self.network.delays, self.network.chunks = settings.delays, settings.chunks
        self.loop.network = self.network
        self.kem_entropy = Random(self.rng.random()).randbytes
        self.truth = Truth(settings.mailbox_messages)
        self.truth.figures = self.figures
        self.texts: dict[str, Text] = {}
        self.written = 0
        self.phones: list[Phone] = []
        self.accounts: dict[bytes, str] = {}
        self.restored_at = -1.0
        self.blocked_since: dict[tuple[str, str], float] = {}
        """(who, whom) -> when the relay was known to refuse it; gone when it was taken back."""
        self.ever_blocked: set[tuple[str, str]] = set()
        self.unfinished: dict[str, tuple[Phone, Phone]] = {}
        """Owner -> the device that lets another in, and that one, where it was cut off."""
        self.blocking: dict[tuple[str, str], bool] = {}
        """What people have wished last about each other."""
        config = Config(
            relay=RelaySection(endpoint="192.0.2.1:7443"),
            store=StoreSection(disk_warn_percent=100, disk_refuse_percent=100, ballast_bytes=0, check_timeout_s=0.0),
            limits=LimitsSection(
                mailbox_messages=settings.mailbox_messages, intake_messages_max=settings.intake_messages_max,
                device_burst=settings.device_burst,
            ),
        )  # fmt: skip
        self.relay = Relay(self, directory / "relay", config, Random(self.rng.random()))
        self.relay.disk.slow_s = settings.slow_disk_s

    # --- what is noted ---

    def say(self, line: str) -> None:
        """Note what happens: it is part of the digest."""
        line = f"{self.loop.now:.6f} {line}"
        self._digest.update(line.encode() + b"\n")
        self.lines.append(line)

    def _carried(self, *, link: int, to: str, octets: int) -> None:
        self.say(f"link {link} brings {to} {octets}")

    def count(self, what: str) -> None:
        self.figures[what] += 1

    def found(self, what: str, error: BaseException | None) -> None:
        """Something went wrong that nobody caught."""
        self.findings.append((what, error))

    def look(self) -> None:
        """Raise what was found."""
        if self.findings:
            what, error = self.findings[0]
            if isinstance(error, Broken):
                raise error
            raise Broken(f"{what}: {error!r}") from error
        self.relay.look_at_it()

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def killed(self, process: Process) -> None:
        """A process was killed from within a call of its own."""
        for phone in self.phones:
            if phone.process is process:
                phone.crash()
        if self.relay.process is process:
            self.relay.crash()

    # --- time ---

    def run(self, seconds: float) -> None:
        self.loop.run_until(self.loop.now + seconds)
        self.look()

    def leap(self, seconds: float) -> None:
        """Let all machines sleep for a while."""
        self.loop.leap(seconds)
        self.run(0.0)

    def do(self, process: Process, work: Any, patience_s: float = 120.0) -> Any:
        """Run a coroutine of a process to its end and return its result; None where it did not end."""
        task = self.loop.start(process, work)
        until = self.loop.now + patience_s
        while not task.done() and process.alive and self.loop.now < until:
            self.run(0.05)
        if not task.done():
            return None
        return task.result()

    # --- people ---

    def phones_of(self, owner: str) -> list[Phone]:
        return [phone for phone in self.phones if phone.owner == owner and phone.lives]

    def write(self, phone: Phone, to: str, class_: Class, ttl_s: int | None, octets: int) -> None:
        """Let somebody write a text."""
        self.written += 1
        number = self.written
        text = f"{number} from {phone.name} to {to} " + "x" * octets
        assert phone.client is not None
        lasts_s = ttl_s or LIFETIME_S_DEFAULT[class_]
        # A device whose clock is behind, and that has not met the relay yet, counts from there.
        now_ms = min(START_MS + int(self.loop.now * 1000), phone.client.now_ms())
        written = self.texts[text] = Text(
            text, phone, to, class_, self.loop.now, now_ms + lasts_s * 1000,
            frozenset(each.name for each in self.phones_of(to)),
        )  # fmt: skip
        try:
            written.message = phone.client.send(Address(f"{to}@office.example"), text, class_=class_, ttl_s=ttl_s)
        except HomeUnusable:
            del self.texts[text]  # the person is told at once
            return
        self.count(f"texts written, {class_.name.lower()}")
        self.say(f"{phone} writes {number}")

    def remove(self, phone: Phone, other: Phone) -> None:
        """Let a device take another one of its account out of the list."""
        client, process = phone.client, phone.process
        for _ in range(3):
            try:
                command = self.loop.within(process, phone.device.linking.shrink, other.sender[1], client.now_ms())
            except ClientError:
                return  # it does not know yet that there is such a device, or its disk is full
            if phone.client is not client:
                return
            if command is None:
                break
            # From here on it may be sent away: the relay may have done it, though nobody is told.
            other.may_be_removed = True
            self.do(process, gently(functools.partial(client.ask, command)), 30.0)
            if phone.client is not client:
                return
        else:
            return
        self.say(f"{phone} has removed {other}")
        other.removed, other.removed_at = True, self.loop.now
        self.truth.removed.add(other.row)
        self.count("devices removed")

    def blocked(self, phone: Phone, account: bytes, *, blocked: bool) -> None:
        """The relay has done what somebody wished about another."""
        pair = (phone.owner, self.accounts[account])
        if blocked and self.blocking.get(pair):
            self.truth.blocks.add((phone.sender[0], account))
            self.blocked_since.setdefault(pair, self.loop.now)

    def shown(self, phone: Phone, event: MessageReceived) -> None:
        """A text is shown to a person now."""
        text = self.texts.get(event.text)
        expect(text is not None, 1, f"{phone} is shown what nobody wrote")
        number = event.text.split(" ", 1)[0]
        self.say(f"{phone} is shown {number}")
        expect(event.sender == text.phone.sender[0], "sender", f"{number} is shown as somebody else's")
        expect(
            phone.owner in {text.to, text.phone.owner} and phone is not text.phone, "recipient",
            f"{number} is shown to {phone}",
        )  # fmt: skip
        expect(phone.name not in text.shown or phone.went_back, 1, f"{number} is shown twice to {phone}")
        text.shown.add(phone.name)
        since = self.blocked_since.get((phone.owner, text.phone.owner))
        expect(since is None or text.queued < since, "blocked", f"{number} is shown to {phone}, who blocked its sender")
        gone = phone.removed_at is not None and phone.removed_at <= text.queued
        expect(not gone, "removed", f"{number} was written after {phone} was removed, and is shown there")
        self.count("texts shown")

    def phone(self, owner: str, name: str) -> Phone:
        phone = Phone(self, owner, name, self.directory / name.replace(" ", "-"), Random(self.rng.random()))
        phone.since = self.loop.now
        return phone


async def gently(work: Callable[[], Any]) -> Any:
    """Return None where somebody's device, or the relay's store, says that it does not come about now."""
    try:
        return await work()
    except (ClientError, Fault):
        return None
