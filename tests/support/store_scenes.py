"""What people do with a store, as scenarios whose calls are made to fail (``support.nth_call``)."""

from dataclasses import dataclass, field

from relayd.domain.entry import Entry
from relayd.store.commit import Commit
from relayproto import identity
from relayproto.codes import Code, GapReason, Lane, PrekeyKind, Result
from relayproto.commands import Ack, Credit, Enrol, Submit, Target, Wrap
from relayproto.ids import UnitId
from relayproto.notices import Gap
from relayproto.primitives import x25519_public
from relayproto.replies import LaneState, Submitted
from relayproto.rosters import Fault, PutRoster, Rostered, RosterLine
from relayproto.standing import Role
from support.stores import DAY_S, Guest, House, guest, hello_of, submit_of

NOBODY = Target(bytes(32), 1, (Wrap(1, b"wrap"),))


@dataclass
class Scene:
    """Alice, bob with two devices, and carol; what a scenario remembers between its parts."""

    alice: Guest
    bob: Guest
    carol: Guest
    waits: bool = False
    count: int = 0
    days: int = 0
    leaving: int = 0
    """A device of bob's that is about to be removed, or is already."""

    async def log_in(self, house: House) -> None:
        """Log everybody in again, after a restart."""
        for one in (self.alice, self.bob, self.carol):
            for device in one.devices.devices:
                if one is not self.bob or device.device != self.leaving:
                    await house.login(one, device.device)

    async def empty(self, house: House) -> None:
        """Let everybody acknowledge everything, alice the last: she gets the outcomes of the others'."""
        for one in (self.bob, self.carol, self.alice):
            for device, seat in one.seats.items():
                for lane in Lane:
                    items = (await house.page(one, lane, device=device)).items
                    if items:
                        last = items[-1]
                        top = last.sequence if isinstance(last, Entry) else last.last
                        house.store.acknowledge(seat, Ack(one.epochs[device], lane, top, (), Credit(0, 0), ()))
                await house.store.probe()

    async def found(self, house: House, someone: Guest, device: int = 1) -> list[bytes]:
        """Return the commitments of what waits for a device."""
        page = await house.page(someone, device=device)
        return [item.notice.commitment for item in page.items if isinstance(item, Entry)]

    def command(self, *receivers: Guest, **changes: object) -> Submit:
        """Return a new submission that expires on a day of its own, so that a day key is written."""
        self.days = self.days % 25 + 1
        return submit_of(self.alice, *receivers, **{"ttl_s": DAY_S * self.days} | changes)

    async def submit(self, house: House, command: Submit) -> object:
        [settled] = await house.submit_all(command, self.alice, 1)
        return settled


async def scene(kind: type[Scene], house: House) -> Scene:
    return kind(await house.enrol("alice"), await house.enrol("bob", 2), await house.enrol("carol"))


@dataclass
class Enrolling(Scene):
    """A ticket becomes an account."""

    async def prepare(self, house: House) -> None:
        self.count += 1
        self.guest = guest(f"guest{self.count}")
        self.ticket = await house.store.create_ticket(f"{self.guest.name}@gad.example", house.clock.now_ms() + 60_000)

    async def act(self, house: House) -> object:
        prekeys = (self.guest.prekey(PrekeyKind.SIGNED, 1), self.guest.prekey(PrekeyKind.KEM_LAST_RESORT, 1))
        return await house.store.enrol(Enrol(self.ticket, *self.guest.listed(), prekeys), self.guest.devices)

    async def check(self, house: House, told: object) -> None:
        assert (told.account, told.address) == (self.guest.account, f"{self.guest.name}@gad.example")
        assert await self.act(house) == told
        await house.login(self.guest)
        found = await house.store.account_of(told.address, self.alice.account)
        assert found.account == self.guest.account


@dataclass
class SubmittingToMany(Scene):
    """One body for three devices, and a target that there is not."""

    async def prepare(self, house: House) -> None:
        await self.empty(house)
        self.submission = self.command(self.bob, self.carol)
        self.submission = Submit(
            **{name: getattr(self.submission, name) for name in Submit.__slots__ if name != "targets"},
            targets=(*self.submission.targets, NOBODY),
        )

    async def act(self, house: House) -> object:
        return await self.submit(house, self.submission)

    async def check(self, house: House, told: object) -> None:
        codes = (Code.STORED, Code.STORED, Code.NOT_AVAILABLE)
        assert told == Submitted(self.submission.submission, codes, (), 0)
        assert await self.act(house) == told
        for someone, device in ((self.bob, 1), (self.bob, 2), (self.carol, 1)):
            assert await self.found(house, someone, device) == [self.submission.commitment]


@dataclass
class Acknowledging(Scene):
    """A floor and a range; each submission's outcome goes to its sender in the same commit."""

    waits: bool = True

    async def prepare(self, house: House) -> None:
        await self.empty(house)
        self.numbers = []
        for _ in range(4):
            command = self.command(self.carol)
            assert (await self.submit(house, command)).codes == (Code.STORED,)
            self.numbers.append(command.submission)
        page = await house.page(self.carol)
        self.first = page.items[-1].notice.sequence - 3

    async def act(self, house: House) -> object:
        first = self.first
        ranges = ((first + 3, first + 3),)
        ack = Ack(self.carol.epochs[1], Lane.NORMAL, first + 1, ranges, Credit(0, 0), ())
        house.store.acknowledge(self.carol.seat, ack)
        await house.store.probe()
        return "acknowledged"

    async def check(self, house: House, told: object) -> None:
        assert [item.notice.sequence for item in (await house.page(self.carol, after=self.first - 1)).items
                if isinstance(item, Entry)] == [self.first + 2]  # fmt: skip
        outcomes = await house.outcomes(self.alice)
        assert sorted(outcomes) == [(self.numbers[at], 0, Result.DELIVERED) for at in (0, 1, 3)]


@dataclass
class LoggingIn(Scene):
    """HELLO with a floor that acknowledges."""

    async def prepare(self, house: House) -> None:
        await self.empty(house)
        for _ in range(2):
            assert (await self.submit(house, self.command(self.carol))).codes == (Code.STORED,)
        self.top = (await house.page(self.carol)).items[-1].notice.sequence

    async def act(self, house: House) -> object:
        return await house.login(self.carol, floors=(self.top - 1, 0, 0))

    async def check(self, house: House, told: object) -> None:
        assert told.welcome.lanes[Lane.NORMAL] == LaneState(self.top - 1, self.top + 1)
        assert len(await self.found(house, self.carol)) == 1
        assert [result for *_, result in await house.outcomes(self.alice)] == [Result.DELIVERED]


@dataclass
class TakingOver(Scene):
    """A second connection of the sender; what the first submits is then nobody's."""

    async def prepare(self, house: House) -> None:
        await self.empty(house)
        self.old = await house.login(self.alice)

    async def act(self, house: House) -> object:
        hello = hello_of(self.alice)
        return await house.store.login(hello, x25519_public(self.alice.keys[1][0]))

    async def check(self, house: House, told: object) -> None:
        assert told.seat.generation > self.old.seat.generation
        # Where the store was opened again after the answer everybody has logged in once more.
        newest = max(told.seat, self.alice.seats[1], key=lambda seat: seat.generation)
        command = self.command(self.carol)
        self.alice.seats[1] = self.old.seat
        assert await self.submit(house, command) is None
        self.alice.seats[1] = newest
        assert await self.submit(house, command) == Submitted(command.submission, (Code.STORED,), (), 0)
        assert await self.found(house, self.carol) == [command.commitment]


@dataclass
class Expiring(Scene):
    """Envelopes of two devices whose time is over."""

    async def prepare(self, house: House) -> None:
        await self.empty(house)
        self.numbers = []
        for _ in range(2):
            command = self.command(self.bob, ttl_s=60)
            assert (await self.submit(house, command)).codes == (Code.STORED,)
            self.numbers.append(command.submission)
        self.after = (await house.page(self.bob)).items[-1].notice.sequence - 2
        house.clock.advance(61)
        self.swept = 0

    async def act(self, house: House) -> object:
        self.swept += await house.store.sweep()
        return self.swept

    async def check(self, house: House, told: object) -> None:
        assert told == 4 or await self.act(house) in {0, 4}
        [gap] = (await house.page(self.bob, after=self.after)).items
        assert gap == Gap(Lane.NORMAL, self.after + 1, self.after + 2, GapReason.EXPIRED)
        assert sorted(await house.outcomes(self.alice)) == [(number, 0, Result.EXPIRED) for number in self.numbers]


@dataclass
class RemovingADevice(Scene):
    """The last device that could deliver leaves the list: its mailbox is purged and the sender is told."""

    numbers: list[int] = field(default_factory=list)

    async def prepare(self, house: House) -> None:
        await self.empty(house)
        self.leaving = self.bob.devices.highest_device + 1
        await house.put_devices(self.bob, 1, self.leaving)
        await house.login(self.bob, self.leaving)
        self.numbers = []
        for _ in range(2):
            command = self.command(self.bob)
            assert (await self.submit(house, command)).codes == (Code.STORED,)
            self.numbers.append(command.submission)
        top = (await house.page(self.bob)).items[-1].notice.sequence
        # The other device can't open it, so that the one that leaves is the last that could deliver.
        await house.acknowledge(self.bob, top, undecryptable=(top - 1, top))
        self.row = self.bob.seats[self.leaving].row
        self.newer = self.bob.with_devices(1)

    async def act(self, house: House) -> object:
        octets = identity.encode(self.newer)
        signature = identity.sign_list(self.bob.identity_seed, octets)
        return await house.store.put_devices(self.bob.seat, self.newer, octets, signature)

    async def check(self, house: House, told: object) -> None:
        assert told.removed in {(self.row,), ()}
        self.bob.devices = self.newer
        self.bob.seats.pop(self.leaving)
        self.bob.epochs.pop(self.leaving)
        assert (await self.act(house)).reply == told.reply
        assert sorted(await house.outcomes(self.alice)) == [(number, 0, Result.PURGED) for number in self.numbers]


@dataclass
class HandingInARoster(Scene):
    """A part of a roster: a good line, a faulty one, and another good one."""

    async def prepare(self, house: House) -> None:
        self.count += 1
        if self.count == 1:
            await house.store._act(lambda commit: self._found(commit, house.clock.now_ms()))
        name = self.count.to_bytes(16)
        await house.store._act(lambda commit: commit.db.execute("DELETE FROM roster"))
        await house.store._act(lambda commit: commit.db.execute("DELETE FROM roster_line"))
        lines = (RosterLine("dan@gad.example", "Dan", ""), RosterLine("dan@gad.example", "", ""),
                 RosterLine("erin@gad.example", "", "Clerk"))  # fmt: skip
        self.part = PutRoster(UnitId(1), name, 0, lines)

    def _found(self, commit: Commit, now_ms: int) -> None:
        db = commit.db
        db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (1, 0, 1, 'Works', 1)")
        db.execute("INSERT INTO domain VALUES ('gad.example', 1)")
        db.execute("UPDATE account SET unit = 1, standing = 2 WHERE account = ?", (self.alice.account,))
        db.execute(
            "INSERT INTO held_role (unit, account, role, until_ms) SELECT 1, id, ?, ? FROM account WHERE account = ?",
            (Role.VERIFIER, now_ms + 400 * DAY_S * 1000, self.alice.account),
        )

    async def act(self, house: House) -> object:
        return await house.store.put_roster(self.alice.seat, self.part)

    async def check(self, house: House, told: object) -> None:
        assert told == Rostered(3, (Fault(1, Code.CONFLICT),))
        assert await self.act(house) == told
        kept = await house.store._read(
            lambda db: db.execute("SELECT sent, kept, (SELECT count(*) FROM roster_line) FROM roster").fetchall()
        )
        assert kept == [(3, 2, 2)]


SCENES = (
    Enrolling, SubmittingToMany, Acknowledging, LoggingIn, TakingOver, Expiring, RemovingADevice, HandingInARoster,
)  # fmt: skip
