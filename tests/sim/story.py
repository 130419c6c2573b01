"""One seed's story: what people do and what goes wrong, step by step, until nothing fails any more and all is compared.

A seed enters; figures and the trace's digest leave, or Broken with the seed, the step, the last lines and the command
that repeats it. The rule of this file: the seed decides everything, and how much of what kind goes wrong as well: a run
in which everything fails at once shows less than one in which few things fail often.
"""

import contextlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from relayclient.errors import HomeUnusable
from relayproto.codes import Class
from relayproto.commands import Credit
from sim.arrivals import join, let_in
from sim.checkers import Broken
from sim.endings import close, heal, judge
from sim.founding import founded
from sim.machines import Phone
from sim.watching import watched
from sim.world import Settings, World
from support.inline_store import PLACE

STEPS = 24
"""By hand; a step costs some 15 ms, with what it makes others do, and the rest of a run 100."""
TROUBLES = (
    "cut", "stall", "silence", "network down", "relay crash", "relay stop", "relay crash in a statement",
    "relay disk passing", "relay disk ending", "relay paused", "device crash", "device crash in a statement",
    "device disk", "device paused", "wall ahead a little", "wall ahead", "wall back", "device clock", "sleep",
    "copy", "restore", "device put back", "both put back",
)  # fmt: skip
DEEDS = ("write", "write", "write", "write", "burst", "read", "type", "leave", "come", "block", "unblock", "remove",
         "link", "enrol", "nothing")  # fmt: skip
CLASSES = (Class.CHAT, Class.CHAT, Class.CHAT, Class.CHAT, Class.ALERT, Class.OTP, Class.CALL)
SECONDS = (0.0, 0.01, 0.05, 0.2, 0.5, 1.0, 2.0)
LEAPS_S = (0.0, 0.0, 0.0, 5.0, 30.0, 70.0)
MINUTES_MS = 60_000


@dataclass(frozen=True)
class Told:
    """What came of a run."""

    seed: int
    digest: str
    figures: Counter[str]


class Story:
    """A world and the seed's choices."""

    def __init__(self, seed: int, world: World, rng: Random) -> None:
        self.seed = seed
        self.world = world
        self.rng = rng
        self.step = 0
        kinds = rng.sample(TROUBLES, rng.randint(2, 7))
        self.troubles = {kind: rng.choice((1, 1, 2, 4)) for kind in kinds}
        if "restore" in self.troubles:
            self.troubles.setdefault("copy", 2)
        self.trouble_share = rng.choice((0.1, 0.25, 0.4))
        self.deeds = [deed for deed in DEEDS if deed in {"write", "come"} or rng.random() < 0.7]
        self.newcomers = ["dave"]
        self.links_left = rng.randint(0, 1)

    # --- a step ---

    def tell(self, steps: int) -> None:
        """Go through so many steps."""
        world = self.world
        for phone in world.phones:
            if self.rng.random() < 0.8:
                phone.start()
        for _ in range(steps):
            self.step += 1
            if self.rng.random() < self.trouble_share:
                kind = self.rng.choices(list(self.troubles), list(self.troubles.values()))[0]
                what = getattr(self, "trouble_" + kind.replace(" ", "_"))
            else:
                kind = self.rng.choice(self.deeds)
                what = getattr(self, "deed_" + kind)
            world.say(f"step {self.step}: {kind}")
            try:
                what()
            except HomeUnusable:
                world.count("people told of a full disk")
            world.run(self.rng.choice(SECONDS))
            if (leap_s := self.rng.choice(LEAPS_S)) and self.rng.random() < 0.3:
                world.leap(leap_s)
        self.step += 1
        heal(world)
        judge(world)
        self.step += 1
        close(world)

    def _some(self, condition: Callable[[Phone], bool]) -> Phone | None:
        phones = [phone for phone in self.world.phones if phone.lives and condition(phone)]
        return self.rng.choice(phones) if phones else None

    def _writer(self) -> Phone | None:
        return self._some(lambda phone: phone.client is not None)

    # --- what people do ---

    def _write(self, phone: Phone) -> None:
        if phone.client is None:
            return  # it was killed while it wrote the last one
        others = sorted({each.owner for each in self.world.phones} - {phone.owner})
        class_ = self.rng.choice(CLASSES)
        ttl_s = self.rng.choice((None, None, None, None, 20, 60)) if class_ is not Class.CALL else None
        octets = self.rng.choice((5, 5, 5, 300, 5_000))
        to, process = self.rng.choice(others), phone.process
        self.world.loop.within(process, self.world.write, phone, to, class_, ttl_s, octets)

    def deed_write(self) -> None:
        if (phone := self._writer()) is not None:
            self._write(phone)

    def deed_burst(self) -> None:
        if (phone := self._writer()) is not None:
            for _ in range(self.rng.randint(3, 8)):
                self._write(phone)

    def deed_read(self) -> None:
        phone = self._writer()
        if phone is not None:
            unread = [each.message for each in phone.device.inbox(20, unread=True)]
            phone.device.mark_read(unread, phone.client.now_ms())
            self.world.loop.within(phone.process, phone.client.soon)
            self.world.count("read by people")

    def deed_type(self) -> None:
        phone = self._writer()
        if phone is not None:
            contact = self.rng.choice([each for each in phone.device.contacts() if each.account in self.world.accounts]
                                      or [None])  # fmt: skip
            if contact is not None:
                self.world.loop.within(phone.process, phone.client.typing, contact.account)

    def deed_leave(self) -> None:
        if (phone := self._some(lambda each: each.online)) is not None:
            phone.leave()

    def deed_come(self) -> None:
        if (phone := self._some(lambda each: not each.online)) is not None:
            phone.start()

    def _account_of_other(self, phone: Phone, blocked: bool) -> bytes | None:
        world = self.world
        found = [
            account for account, owner in world.accounts.items()
            if owner != phone.owner and ((phone.owner, owner) in world.ever_blocked) is blocked
        ]  # fmt: skip
        return self.rng.choice(found) if found else None

    def deed_block(self) -> None:
        phone = self._some(lambda each: each.client is not None and len(self.world.phones_of(each.owner)) == 1)
        account = None if phone is None else self._account_of_other(phone, blocked=False)
        if account is not None:
            pair = (phone.owner, self.world.accounts[account])
            self.world.ever_blocked.add(pair)
            self.world.blocking[pair] = True
            phone.device.block(account)
            self.world.loop.within(phone.process, phone.client.soon)
            self.world.count("blocks")

    def deed_unblock(self) -> None:
        phone = self._some(lambda each: each.client is not None and len(self.world.phones_of(each.owner)) == 1)
        account = None if phone is None else self._account_of_other(phone, blocked=True)
        if account is not None:
            pair = (phone.owner, self.world.accounts[account])
            self.world.blocking[pair] = False
            self.world.blocked_since.pop(pair, None)
            self.world.truth.blocks.discard((phone.sender[0], account))
            phone.device.block(account, blocked=False)
            self.world.loop.within(phone.process, phone.client.soon)
            self.world.count("unblocks")

    def deed_remove(self) -> None:
        phone = self._some(
            lambda each: each.client is not None and len(self.world.phones_of(each.owner)) > 1
            and each.device.linking.ready()
        )  # fmt: skip
        if phone is not None:
            letting = self.world.unfinished.get(phone.owner, (None, None))[0]
            others = [each for each in self.world.phones_of(phone.owner) if each not in {phone, letting}]
            if not others:
                return
            other = self.rng.choice(others)
            self.world.remove(phone, other)

    def deed_link(self) -> None:
        phone = self._some(lambda each: each.client is not None and each.device.linking.ready())
        if phone is not None and (self.links_left or phone.owner in self.world.unfinished):
            self.links_left = 0
            self.world.relay.copies.clear()
            let_in(self.world, phone)

    def deed_enrol(self) -> None:
        if self.newcomers:
            self.world.relay.copies.clear()
            phone = join(self.world, self.newcomers[0])
            self.newcomers.pop(0)
            if phone is not None:
                phone.start()

    def deed_nothing(self) -> None:
        pass

    # --- what goes wrong ---

    def _link(self):
        links = [link for link in self.world.network.links if link.open]
        return self.rng.choice(links) if links else None

    def trouble_cut(self) -> None:
        if (link := self._link()) is not None:
            self.world.network.cut(link)
            self.world.count("cuts")

    def trouble_stall(self) -> None:
        if (link := self._link()) is not None:
            self.world.network.stall(link, self.rng.choice((0.5, 3.0, 15.0, 100.0)))
            self.world.count("stalls")

    def trouble_silence(self) -> None:
        if (link := self._link()) is not None:
            self.world.network.silence(link)
            self.world.count("half-open")

    def trouble_network_down(self) -> None:
        network = self.world.network
        network.down = not network.down
        if network.down:
            for link in network.links:
                network.cut(link)
            self.world.count("network down")

    def trouble_relay_crash(self) -> None:
        self.world.relay.crash()

    def trouble_relay_stop(self) -> None:
        self.world.relay.stop()

    def trouble_relay_crash_in_a_statement(self) -> None:
        self.world.relay.disk.arm("kill")

    def trouble_relay_disk_passing(self) -> None:
        self.world.relay.disk.arm("passing")

    def trouble_relay_disk_ending(self) -> None:
        self.world.relay.disk.arm("ending")

    def trouble_relay_paused(self) -> None:
        process = self.world.relay.process
        if process is not None:
            self.world.loop.stop_process(process)
            self.world.run(self.rng.choice((1.0, 8.0, 20.0)))
            self.world.loop.go_on(process)
            self.world.count("relay pauses")

    def trouble_device_crash(self) -> None:
        if (phone := self._some(lambda each: each.online)) is not None:
            phone.crash()
            if self.rng.random() < 0.5:
                phone.start()

    def trouble_device_crash_in_a_statement(self) -> None:
        if (phone := self._some(lambda each: each.online)) is not None:
            phone.disk.arm("kill")

    def trouble_device_disk(self) -> None:
        if (phone := self._some(lambda each: each.online)) is not None:
            phone.disk.arm("passing")

    def trouble_device_paused(self) -> None:
        phone = self._some(lambda each: each.online)
        if phone is not None:
            process = phone.process
            if process.stopped:
                self.world.loop.go_on(process)
            else:
                self.world.loop.stop_process(process)
                self.world.count("device pauses")

    def _turn(self, ms: int, what: str) -> None:
        self.world.relay.turned_ms += ms
        self.world.count(what)

    def trouble_wall_ahead_a_little(self) -> None:
        self._turn(self.rng.randint(1_000, 4 * MINUTES_MS), "clock jumps")

    def trouble_wall_ahead(self) -> None:
        self._turn(self.rng.choice((6, 60, 60 * 24 * 2)) * MINUTES_MS, "clock jumps")

    def trouble_wall_back(self) -> None:
        self.world.relay.turned_back = True
        self._turn(-self.rng.choice((1_000, MINUTES_MS, 30 * MINUTES_MS)), "clock jumps")

    def trouble_device_clock(self) -> None:
        if (phone := self._some(lambda _: True)) is not None:
            phone.turned_s += self.rng.choice((-86_400.0, -40.0, 30.0, 3_600.0))
            phone.ahead_s = max(phone.ahead_s, phone.turned_s)
            self.world.count("device clock jumps")

    def trouble_sleep(self) -> None:
        self.world.leap(self.rng.choice((30.0, 100.0, 400.0)))
        self.world.count("sleeps")

    def trouble_copy(self) -> None:
        self.world.relay.copy()

    def trouble_restore(self) -> None:
        relay = self.world.relay
        if relay.copies and relay.process is not None:
            relay.restore(self.rng.choice(relay.copies))
            self.world.restored_at = self.world.loop.now

    def trouble_device_put_back(self) -> None:
        phone = self._some(lambda each: not each.online)
        if phone is None:
            return
        if phone.older is None:
            phone.older = (phone.home / "device.db").read_bytes()
        else:
            phone.put_back(phone.older)
            phone.older = None

    def trouble_both_put_back(self) -> None:
        """Put a device and the relay back to copies of one moment, between which it has written: no number tells it."""
        world, relay = self.world, self.world.relay
        phone = self._some(lambda each: not each.online)
        copy = relay.copy() if phone is not None else None
        if phone is None or copy is None:
            return
        older = (phone.home / "device.db").read_bytes()
        for again in (True, False):
            phone.start()
            world.run(2.0)
            if phone.client is not None:
                self._write(phone)
                world.run(1.0)
            if again:
                phone.leave()
                world.run(1.0)
                if phone.online or relay.process is None or copy not in relay.copies:
                    return
                phone.put_back(older)
                relay.restore(copy)
                world.restored_at = world.loop.now
                world.count("both put back")


def settings_of(rng: Random) -> Settings:
    """Return what a seed sets for its run."""
    mailbox_messages = rng.choice((20, 200))
    # A part of 3 is one work and so is all that is left of it; a part of 24 is three.
    little = 3 if mailbox_messages == 20 else 24
    return Settings(
        mailbox_messages=mailbox_messages, window=rng.choice((Credit(64, 1 << 20), Credit(3, 6_000))),
        intake_messages_max=rng.choice((4_096, little)),
        device_burst=rng.choice((1_000, 5)),
        delays=rng.choice(((0.0,), (0.0, 0.02, 0.3), (0.2, 1.5))), chunks=rng.choice(((0,), (0, 100, 1_000))),
        slow_disk_s=rng.choice((0.0, 0.01, 0.5)),
    )  # fmt: skip


def live(seed: int, steps: int = STEPS) -> Told:
    """Live through a seed. Raises Broken."""
    rng = Random(f"story {seed}")
    known = founded()
    with tempfile.TemporaryDirectory(prefix="relayd-sim-", dir=PLACE) as directory:
        place = Path(directory)
        world = World(f"world {seed}", settings_of(rng), place)
        story = Story(seed, world, rng)
        with watched(world):
            try:
                _settle_in(world, known)
                story.tell(steps)
                world.look()
            except Exception as error:
                last = "\n".join(world.lines)
                raise Broken(
                    f"{error}\nseed {seed}, step {story.step} of {steps}; {world.settings}\n"
                    f"troubles: {', '.join(sorted(story.troubles))}; before that:\n{last}\n"
                    f"to repeat it: make sim SEED={seed} RUNS=1 STEPS={steps}"
                ) from error
        world.figures["seconds lived"] = int(world.loop.now - known["now"])
        world.figures["runs"] = 1
        return Told(seed, world.digest, world.figures)


def _settle_in(world: World, known) -> None:
    for name, octets in known["files"].items():
        path = world.directory / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(octets)
        path.chmod(0o600)
    for path in world.directory.iterdir():
        path.chmod(0o700)
    world.loop.now = known["now"]
    world.relay.incarnation = known["incarnation"]
    for owner, name, sender in known["people"]:
        phone = world.phone(owner, name)
        phone.sender = sender
        world.phones.append(phone)
        world.accounts[sender[0]] = owner
    with contextlib.closing(sqlite3.connect(world.relay.state / "relay.db")) as db:
        world.truth.begin(db)
    world.relay.start()
    world.run(0.5)
