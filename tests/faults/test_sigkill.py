"""10,000 messages among ten devices while the relay, or the devices' own processes, are killed twenty times.

Each kill waits for its share of the messages, so that all of them fall into the flow, and hits at a random moment
then. What counts is what the devices' stores hold in the end: each message once, in its sender's order, and for each
submission the news of what became of it.
"""

import asyncio
import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from relayclient import enrol
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.events import MessageState
from relayproto.invitation import from_link
from support import processes
from support.processes import RelayProcess, a_relay, relayd, succeed, until

DEVICES = 10
MESSAGES = 10_000
KILLS = 20
FLOW_TIMEOUT_S = 240.0
PROGRAM = Path(processes.__file__).with_name("device_process.py")
MANY = 1 << 31


@dataclass
class Person:
    """One device: its home, what it will send, and what it was told of."""

    name: str
    place: Path
    account: bytes = b""
    plan: list[list[str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.place / self.name

    @property
    def heard(self) -> Path:
        return self.place / f"{self.name}.heard"

    def count(self, query: str) -> int:
        """Count in the store beside the process that uses it; reading blocks nobody."""
        with contextlib.closing(sqlite3.connect(f"file:{self.home}/device.db?mode=ro", uri=True, timeout=10)) as store:
            return store.execute(query).fetchone()[0]


def join(relay: RelayProcess, person: Person) -> None:
    invitation = from_link(relay.invite(f"{person.name}@office.example"))
    with Device.create(person.home, invitation, now_ms=RelayClock().now_ms()) as device:
        asyncio.run(enrol.join(device))
        person.account = device.identity.account


class Flow:
    """Ten people who write to each other, in a few processes."""

    def __init__(self, relay: RelayProcess, place: Path, groups: int) -> None:
        self.relay = relay
        self.people = [Person(f"person{number}", place) for number in range(DEVICES)]
        for person in self.people:
            join(relay, person)
            others = [other.name for other in self.people if other is not person]
            for count in range(MESSAGES // DEVICES):
                round_, at = divmod(count, len(others))
                to = others[at]
                person.plan.append([f"{to}@office.example", f"{person.name} to {to}, {round_}"])
        self.plans = []
        for number in range(groups):
            plan = [
                {"home": str(person.home), "heard": str(person.heard), "send": person.plan}
                for person in self.people[number::groups]
            ]
            path = place / f"plan{number}.json"
            path.write_text(json.dumps(plan), "utf-8")
            self.plans.append(path)
        self.log = place / "devices.log"
        self.running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.running = [self.started(plan) for plan in self.plans]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            processes.end(process)

    def started(self, plan: Path) -> subprocess.Popen[bytes]:
        place = plan.parent
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, PROGRAM, plan], env=processes.environment(place), cwd=place, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def alive(self) -> None:
        ended = [process.returncode for process in self.running if process.poll() is not None]
        assert not ended, f"a device's process ended with {ended}: {self.log.read_text('utf-8')[-4000:]}"

    def received(self) -> int:
        self.alive()
        return sum(person.count("SELECT COUNT(*) FROM inbox") for person in self.people)

    def known(self) -> int:
        """Return how many messages have come to an end that their sender knows."""
        self.alive()
        under_way = f"'{MessageState.QUEUED}', '{MessageState.ACCEPTED}'"
        query = f"SELECT COUNT(*) FROM message WHERE is_text AND state NOT IN ({under_way})"
        return sum(person.count(query) for person in self.people)

    def kill_a_process(self, chance: random.Random) -> None:
        at = chance.randrange(len(self.running))
        self.running[at].kill()
        self.running[at].wait(processes.STOP_TIMEOUT_S)
        time.sleep(chance.uniform(0, 0.3))
        self.running[at] = self.started(self.plans[at])

    def kill_often(self, kill, chance: random.Random) -> int:
        """Kill again and again while messages are under way; return how often."""
        kills = 0
        for share in range(1, KILLS + 1):
            until(lambda share=share: self.received() >= MESSAGES * share // (KILLS + 1), FLOW_TIMEOUT_S)
            time.sleep(chance.uniform(0, 0.1))
            assert self.received() < MESSAGES, "the flow was over before the last kill"
            kill()
            kills += 1
        return kills

    def finish(self) -> None:
        """Wait until every message has come and every sender knows."""
        until(lambda: self.received() >= MESSAGES, FLOW_TIMEOUT_S, every_s=0.2)
        until(lambda: self.known() == MESSAGES, FLOW_TIMEOUT_S, every_s=0.2)

    # --- what is checked ------------------------------------------------------------------

    def inboxes(self) -> dict[str, dict[str, list[str]]]:
        """Return recipient -> sender -> texts in the order in which they were taken in."""
        names = {person.account: person.name for person in self.people}
        found = {}
        for person in self.people:
            with Device.open(person.home) as device:
                messages = reversed(device.inbox(MANY))
                found[person.name] = by_sender((names[each.sender], each.text) for each in messages)
        return found

    def told(self) -> dict[str, dict[str, list[str]]]:
        """Return the same as ``inboxes``, as the applications were told of it."""
        names = {person.account.hex(): person.name for person in self.people}
        found = {}
        for person in self.people:
            lines = person.heard.read_text("utf-8").splitlines()
            found[person.name] = by_sender((names[sender], text) for sender, text in map(json.loads, lines))
        return found

    def sent(self) -> dict[str, dict[str, list[str]]]:
        """Return what ``inboxes`` must be."""
        return {
            person.name: {
                sender.name: [text for to, text in sender.plan if to == f"{person.name}@office.example"]
                for sender in self.people
                if sender is not person
            }
            for person in self.people
        }

    def states(self) -> dict[MessageState, int]:
        found: dict[MessageState, int] = defaultdict(int)
        for person in self.people:
            with Device.open(person.home) as device:
                for message in device.outbox(MANY):
                    found[message.state] += 1
        return dict(found)


def by_sender(texts) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for sender, text in texts:
        found[sender].append(text)
    return dict(found)


def queued(relay: RelayProcess) -> int:
    """Return how many envelopes and outcomes the relay still holds, by a count of its rows."""
    with contextlib.closing(sqlite3.connect(f"file:{relay.state}/relay.db?mode=ro", uri=True, timeout=10)) as store:
        return store.execute("SELECT COUNT(*) FROM envelope").fetchone()[0]


@pytest.mark.slow
def test_the_relay_is_killed_twenty_times_and_nothing_is_lost_doubled_or_out_of_order(tmp_path):
    chance = random.Random(20)

    with a_relay(tmp_path / "relay") as relay, Flow(relay, tmp_path, groups=2) as flow:

        def kill() -> None:
            relay.kill()
            relay.start()

        kills = flow.kill_often(kill, chance)
        flow.finish()
        until(lambda: queued(relay) == 0, 30)

    assert kills >= KILLS
    assert flow.inboxes() == flow.sent()
    assert flow.told() == flow.sent()
    assert flow.states() == {MessageState.DELIVERED: MESSAGES}


@pytest.mark.slow
def test_the_devices_are_killed_twenty_times_and_nothing_is_lost_doubled_or_out_of_order(tmp_path):
    chance = random.Random(21)

    with a_relay(tmp_path / "relay") as relay, Flow(relay, tmp_path, groups=3) as flow:
        kills = flow.kill_often(lambda: flow.kill_a_process(chance), chance)
        flow.finish()
        until(lambda: queued(relay) == 0, 30)
        succeed(relayd(relay.state, "status"))

    assert kills >= KILLS
    assert flow.inboxes() == flow.sent()
    assert flow.states() == {MessageState.DELIVERED: MESSAGES}
    told = [text for heard in flow.told().values() for texts in heard.values() for text in texts]
    assert len(told) == len(set(told))
