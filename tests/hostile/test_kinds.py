"""Each kind of hostile peer against a real relay, over real TCP and from addresses of their own.

An honest pair logs in while they are at it, exchanges messages as long as they are and afterwards; the refusal is the
one that it should be and is counted; and the relay's memory has not grown by more than a bound.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile.catalogue import KINDS
from hostile.kinds import Kind, Member, Place, Stand
from relayd import operate
from relayproto.codes import Code, GoawayCode
from relayproto.commands import Invite
from relayproto.invitation import Invitation, from_link
from relayproto.notices import Deliver
from relayproto.replies import Invited, Submitted
from support.changed import replace
from support.device import Line, ack, submit
from support.kem import DeterministicKem, stream
from support.live_relay import DIALLED
from support.people import Person
from support.processes import RelayProcess, a_relay
from support.visitors import Visitor

pytestmark = pytest.mark.slow

HALF_OPEN_MAX = 100
MAILBOX_MESSAGES = 500
SETTINGS = {
    # A machine that does not take much a second would keep a flood within what a device may say.
    "device_rate_per_s = 200": "device_rate_per_s = 20",
    "half_open_max = 1000": f"half_open_max = {HALF_OPEN_MAX}",
    "mailbox_messages = 5000": f"mailbox_messages = {MAILBOX_MESSAGES}",
    "write_timeout_s = 20": "write_timeout_s = 1",
    'mode = "closed"': 'mode = "open"',
    "domains = []": 'domains = ["city.example"]',
    'unit = ""': 'unit = "codes.sock"',
}
GROWTH_KIB_MAX = 24 << 10
"""What twenty peers may have in the relay at their worst: for each a mebibyte that it does not read or that waits for
its turn, and what an allocator rounds up. All kinds together, one after the other, stay within twice of it."""
KEM = DeterministicKem(stream("everybody's kem"))
PAUSE_S = 0.05
AFTER = 10
"""Messages that the honest pair exchanges when all is over."""


def resident_kib(relay: RelayProcess, name: str = "VmRSS") -> int:
    [kib] = re.findall(rf"{name}:\s+(\d+) kB", Path(f"/proc/{relay.pid}/status").read_text("ascii"))
    return int(kib)


def figures(relay: RelayProcess) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in relay.page("/metrics")[1].decode().splitlines() if line[:1] != "#"]
    return {name: float(value) for name, value in lines}


class Pair:
    """Alice writes to bob, one message after the other, and each has to arrive."""

    def __init__(self, alice: Line, bob: Line, visitor: Visitor, epoch: int, number: int) -> None:
        self._alice, self._bob, self._visitor, self._epoch = alice, bob, visitor, epoch
        self.number = number
        self.exchanged = 0

    async def exchange(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            self._alice.say(submit(self.number, self._visitor.person, ttl_s=600))
            came = await self._bob.expect(Deliver)
            assert int.from_bytes(came.commitment[1:]) == self.number
            self._bob.say(ack(self._epoch, came.sequence))
            assert (await self._alice.expect(Submitted)).codes == (0,)
            self.exchanged += 1

    async def until(self, done: asyncio.Event) -> None:
        while not done.is_set():
            await self.exchange(1)
            await asyncio.sleep(PAUSE_S)


class Town:
    """A relay, the honest, and room for the others; ``clean_kib`` is its memory before anybody was hostile."""

    def __init__(self, relay: RelayProcess) -> None:
        self.relay = relay
        self.numbers = iter(range(1, 10_000))
        self.sources = iter(f"127.{number // 250}.{number % 250}.7" for number in range(250, 10_000))
        self.clean_kib = 0
        self.invitation: Invitation | None = None

    def visitor(self, name: str) -> Visitor:
        """Return somebody who is invited, as it goes fastest."""
        if self.invitation is None:
            self.invitation = from_link(self.relay.invite("nobody@office.example"))
        asked = Invite(f"{name}@office.example", 3_600)
        ticket = operate.ask(self.relay.state / "operator.sock", asked, Invited).ticket
        return Visitor(Person(name, KEM), replace(self.invitation, ticket=ticket))

    async def people(self, kind: Kind) -> tuple[Visitor, Visitor, list[Stand]]:
        number = next(self.numbers)
        honest = [f"{name}{number}" for name in ("alice", "bob", "carol")]
        hostile = [f"mallory{number}-{each}" for each in range(kind.peers if kind.enrolled else 0)]
        alice, bob, carol, *others = [self.visitor(name) for name in (*honest, *hostile)]
        for each in (alice, bob, carol, *others):
            await each.enrol()
        asked = alice.invitation
        place = Place(asked.port, asked.key_id, asked.relay_key)
        accounts = [member(each) for each in others] or [None] * kind.peers
        stands = [
            Stand(place, next(self.sources), member(bob), member(carol), asked.root_fingerprint, account)
            for account in accounts
        ]
        return alice, bob, stands


def member(visitor: Visitor) -> Member:
    person = visitor.person
    return Member(person.account, person.device, person.dh_private, person.sign_seed, f"{person.name}@office.example")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with a_relay(tmp_path_factory.mktemp("town") / "relay", settings=SETTINGS) as relay:
        yield Town(relay)


async def logged_in(alice: Visitor, bob: Visitor, number: int = 0) -> Pair:
    writes, _ = await alice.login()
    reads, welcome = await bob.login()
    return Pair(writes, reads, bob, welcome.epoch, number)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
async def test_the_honest_go_on_and_the_hostile_are_refused(town: Town, kind: Kind) -> None:
    relay, over = town.relay, asyncio.Event()
    alice, bob, stands = await town.people(kind)
    try:
        town.clean_kib = town.clean_kib or resident_kib(relay)
        before_kib, before = resident_kib(relay), figures(relay)

        acts = asyncio.gather(*[kind.act(stand) for stand in stands])
        acts.add_done_callback(lambda _: over.set())
        pair = await logged_in(alice, bob)
        await pair.until(over)
        await acts
        await pair.exchange(AFTER)

        after, grown_kib = figures(relay), resident_kib(relay) - before_kib
        said = sum((stand.said for stand in stands), Counter())
        assert after[kind.counted] > before[kind.counted]
        assert kind.refusal is None or said[kind.refusal] > 0, said
        assert said.keys() <= {*Code, *GoawayCode}
        assert said[Code.INTERNAL] == after["relayd_internal_errors_total"] == 0
        assert grown_kib < GROWTH_KIB_MAX
        assert resident_kib(relay) - town.clean_kib < 2 * GROWTH_KIB_MAX
    finally:
        while DIALLED:
            DIALLED.pop().abort()
        await asyncio.sleep(0)
