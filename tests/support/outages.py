"""Lives of a store whose power is cut again and again, and what its devices find afterwards.

A seed enters; figures leave, or AssertionError with the seed. People submit, read and acknowledge at random until the
power goes; then the store is opened again on what the cut left, and everything it had told must still hold.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import structlog

from relayd.config import StoreSection
from relayd.domain.entry import Entry
from relayd.domain.refusals import Fatal, Fault, Refusal
from relayproto.codes import Class, Code, Lane
from relayproto.commands import Ack, Credit, Submit
from relayproto.replies import Submitted
from support.power import VERSIONS, PowerDisk, plugged
from support.stores import DAY_S, Guest, House, submit_of

CUTS_A_LIFE = 10
SAY_EVERY_S = 10
OPERATIONS_MAX = 1_000
"""Writes and syncs between two cuts: some commits and some checkpoints."""
SETTINGS = StoreSection(
    disk_warn_percent=100, disk_refuse_percent=100, ballast_bytes=0, wal_autocheckpoint_pages=100
)  # fmt: skip
MARK_S = 11
OTP_TTL_S = 300
DAYS = 25
Place = tuple[int, Lane]
"""A mailbox and one of its lanes."""


@dataclass
class Known:
    """What the devices of one lane hold for certain."""

    due: dict[bytes, bytes] = field(default_factory=dict)
    """Told STORED and not acknowledged: commitment -> body."""
    acknowledged: set[bytes] = field(default_factory=set)
    unsure: set[bytes] = field(default_factory=set)
    """Acknowledged when the power went: either is right."""
    numbers: dict[int, bytes] = field(default_factory=dict)
    """Sequence -> what was delivered under it."""


@dataclass
class Flying:
    """A submission without an answer."""

    sender: Guest
    command: Submit


class Life:
    """One store, three people with four devices, and cuts."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.rng = Random(seed)
        self.disk = PowerDisk(self.rng)
        self.house = House(directory, settings=SETTINGS)
        self.figures: Counter[str] = Counter()
        self.people: list[Guest] = []
        self.known: dict[Place, Known] = {}
        self.flying: list[Flying] = []

    async def run(self, cuts: int, *, lies: str, synchronous: str) -> None:
        """Live through so many cuts; AssertionError where something told does not hold."""
        with plugged(self.disk, synchronous=synchronous) as self.keys:
            await self.house.open()
            try:
                self.people = [await self.house.enrol(*who) for who in (("alice",), ("bob", 2), ("carol",))]
                self.known = {
                    (seat.row, lane): Known()
                    for one in self.people
                    for seat in one.seats.values()
                    for lane in (Lane.NORMAL, Lane.URGENT)
                }
                await self.house.reopen()
                self.disk.lies, self.keys.lies = lies == "disk", lies == "keys"
                for _ in range(cuts):
                    await self._until_the_cut()
                    await self._come_back()
                self.figures["cuts in the day keys"] = self.keys.cuts
            finally:
                await self.house.store.close()

    async def _until_the_cut(self) -> None:
        # The mark of how far the database has been moves; nothing expires in a life.
        self.house.clock.advance(MARK_S)
        self.disk.left = self.rng.randint(1, OPERATIONS_MAX)
        while not self.disk.off:
            self.house.clock.advance(0.01)
            step = self.rng.choice((self._submit, self._submit, self._acknowledge, self._acknowledge, self._sweep))
            try:
                await step()
            except Fault:
                assert self.disk.off, "the store failed with power on"
        self.figures["cuts"] += 1

    async def _submit(self) -> None:
        works = []
        for _ in range(self.rng.randint(1, 8)):
            sender = self.rng.choice(self.people)
            others = [one for one in self.people if one is not sender]
            receivers = self.rng.sample(others, self.rng.randint(1, 2))
            body = self.rng.randbytes(self.rng.choice((1, 300, 3_000)))
            class_ = self.rng.choice((Class.CHAT, Class.CHAT, Class.OTP))
            # A day that nothing has expired on yet needs a key, which is written before it is used.
            ttl_s = OTP_TTL_S if class_ is Class.OTP else DAY_S * self.rng.randint(1, DAYS)
            command = submit_of(sender, *receivers, body=body, class_=class_, ttl_s=ttl_s)
            works.append(Flying(sender, command))
        await self._send(works)

    async def _send(self, works: list[Flying]) -> None:
        """Submit in one turn and note what was told; what got no answer stays in the air."""
        self.flying = works
        futures = []
        for work in works:
            future = asyncio.get_running_loop().create_future()
            if not self.house.store.full:
                self.house.store.submit(work.sender.seat, work.command, work.command.body, future.set_result)
                futures.append((work, future))
        for work, future in futures:
            settled = await future
            if settled is None:
                continue
            assert isinstance(settled, Submitted), settled
            assert set(settled.codes) == {Code.STORED}, settled
            self.flying.remove(work)
            self.figures["accepted"] += len(settled.codes)
            for place in self._places(work.command):
                self.known[place].due[work.command.commitment] = work.command.body

    def _places(self, command: Submit) -> list[Place]:
        lane = Lane.URGENT if command.class_ is Class.OTP else Lane.NORMAL
        by_account = {one.account: one for one in self.people}
        return [
            (by_account[target.account].seats[wrap.device].row, lane)
            for target in command.targets
            for wrap in target.wraps
        ]

    async def _acknowledge(self) -> None:
        """Let one device read a lane and acknowledge some of it, up to a floor or with gaps."""
        someone = self.rng.choice(self.people)
        device = self.rng.choice(list(someone.seats))
        place = (someone.seats[device].row, self.rng.choice((Lane.NORMAL, Lane.URGENT)))
        found = await self._read(place)
        if not found:
            return
        known, sequences = self.known[place], sorted(found)
        floor = self.rng.choice([0, *sequences])
        above = [number for number in sequences if number > floor + 1]
        ranges = ((above[-1], above[-1]),) if above and self.rng.random() < 0.5 else ()
        if not floor and not ranges:
            return
        gone = {found[n] for n in sequences if n <= floor or (ranges and n == ranges[0][0])}
        known.unsure = gone
        ack = Ack(someone.epochs[device], place[1], floor, ranges, Credit(0, 0), ())
        self.house.store.acknowledge(someone.seats[device], ack)
        await self.house.store.probe()
        known.unsure = set()
        known.acknowledged |= gone
        for commitment in gone:
            known.due.pop(commitment, None)
        self.figures["acknowledged"] += len(gone)

    async def _sweep(self) -> None:
        await self.house.store.sweep()

    async def _read(self, place: Place) -> dict[int, bytes]:
        """Return sequence -> commitment of what a lane holds, and compare it with what is known."""
        known, after, found = self.known[place], 0, {}
        while True:
            page = await self.house.store.page(*place, after, 100, 1 << 20)
            for item in page.items:
                if not isinstance(item, Entry):
                    continue
                commitment = item.notice.commitment
                assert known.numbers.setdefault(item.sequence, commitment) == commitment, "a sequence was given twice"
                assert commitment not in known.acknowledged, "an acknowledged message came again"
                assert known.due.get(commitment, item.notice.body) == item.notice.body, "a message was changed"
                assert commitment not in found.values(), "a message is there twice"
                found[after := item.sequence] = commitment
            if not page.more:
                return found

    async def _come_back(self) -> None:
        """Open the store on what is left, sometimes with a cut while it opens, and compare."""
        while True:
            # A store that is closed without power can only fail to move its log into the file.
            with contextlib.suppress(Fault):
                await self.house.store.close()
            self.disk.restore()
            self.keys.restore()
            if self.rng.random() < 0.2:
                self.disk.left = self.rng.randint(1, 40)
            try:
                await self.house.open()
                self.disk.left = None
                if not self.disk.off:
                    break
            except Fatal as error:
                if not self.disk.off:
                    raise AssertionError(f"the store does not open any more: {error}") from error
            self.figures["cuts"] += 1
        await self._log_in()
        await self._compare()
        self.figures["repeated"] += len(self.flying)
        await self._send(self.flying[:])
        assert not self.flying, "a submission has no answer with power on"

    async def _log_in(self) -> None:
        for one in self.people:
            for device, epoch in list(one.epochs.items()):
                try:
                    made = await self.house.login(one, device)
                except Refusal as error:
                    raise AssertionError("a device is lost") from error
                assert made.welcome.epoch == epoch, "the store took itself for an older copy"

    async def _compare(self) -> None:
        """Look at every lane: what was told must be there, and nothing else but what had no answer."""
        flying = {(place, work.command.commitment) for work in self.flying for place in self._places(work.command)}
        for place, known in self.known.items():
            found = set((await self._read(place)).values())
            lost = known.due.keys() - found
            assert lost <= known.unsure, f"{len(lost - known.unsure)} accepted messages are lost"
            assert all((place, new) in flying for new in found - known.due.keys()), "a message from nowhere"
            known.acknowledged |= lost
            known.unsure = set()
            for commitment in lost:
                del known.due[commitment]


def live(seed: int, cuts: int = CUTS_A_LIFE, *, lies: str = "", synchronous: str = "FULL") -> Counter[str]:
    """Live through a seed's cuts and return the figures; AssertionError names the seed.

    ``lies`` says what claims syncs that it does not do, "disk" or "keys", and ``synchronous`` what replaces FULL.
    """
    with tempfile.TemporaryDirectory(prefix="relayd-power-") as directory:
        life = Life(seed, Path(directory))
        try:
            asyncio.run(asyncio.wait_for(life.run(cuts, lies=lies, synchronous=synchronous), 300))
        except (AssertionError, Fatal, Fault) as error:
            raise AssertionError(f"seed {seed}, after {life.figures['cuts']} cuts: {error}") from error
        return life.figures


def main() -> None:
    """Live until so many cuts were made, from a seed on; say how it goes and where to go on."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="the first; go on with the one that the last run named")
    asked = parser.parse_args()
    # Every cut ends a store that says so.
    structlog.configure(processors=[_say_nothing])
    print(VERSIONS)
    total: Counter[str] = Counter()
    seed, began, said = asked.seed, time.monotonic(), 0.0
    while total["cuts"] < asked.cuts:
        total += live(seed, min(CUTS_A_LIFE, asked.cuts - total["cuts"]))
        seed += 1
        if time.monotonic() - said > SAY_EVERY_S or total["cuts"] >= asked.cuts:
            said = time.monotonic()
            print(f"{told(total)}; {said - began:.0f} s; next seed {seed}", flush=True)


def _say_nothing(*_):
    raise structlog.DropEvent


def told(total: Counter[str]) -> str:
    """Return the figures of lives in which everything held; where something does not, ``live`` raises."""
    return (
        f"{total['cuts']} cuts: {total['accepted']} messages accepted, {total['acknowledged']} envelopes acknowledged,"
        f" {total['repeated']} submissions repeated after a cut,"
        f" {total['cuts in the day keys']} cuts while the day keys were written;"
        " lost 0, again 0, sequences given twice 0"
    )


if __name__ == "__main__":
    main()
