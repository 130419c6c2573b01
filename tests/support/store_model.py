"""What protocol.md §2, §3, §5 and §7 say of mailboxes, ledgers and outcomes, in plain Python and without any economy.

Everything is kept and everything is counted again each time; nothing here is taken from the store but sizes.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby

from relayproto.codes import Class, Code, Result, SubmitFlag
from relayproto.limits import (
    BODY_BYTES_MAX,
    CONNECTION_LIFETIME_S,
    LANE_OF,
    LIFETIME_S_MAX,
    OUTCOME_LIFETIME_S,
    WRAP_BYTES_MAX,
)

OUTCOME = 2
LARGEST = BODY_BYTES_MAX + WRAP_BYTES_MAX
CONNECTION_MS = int(CONNECTION_LIFETIME_S * 1000)


@dataclass(eq=False)
class Asked:
    """A target whose outcome is asked for."""

    sender: int
    submission: int
    position: int
    open: int
    told: bool = False


@dataclass(eq=False)
class Item:
    """What is queued: an envelope, or an outcome."""

    expires_ms: int
    class_: int = 0
    octets: int = 0
    account: bytes = b""
    asked: Asked | None = None
    body: bytes = b""
    wrap: bytes = b""
    commitment: bytes = b""
    outcome: tuple = ()
    shared: int = 0
    """Names the submission whose body it shares with others."""


@dataclass
class Box:
    """A device: its mailbox and its ledger."""

    account: bytes
    device: int
    epoch: int
    ledger_epoch: int
    generation: int = 0
    floors: list[int] = field(default_factory=lambda: [0, 0, 0])
    nexts: list[int] = field(default_factory=lambda: [1, 1, 1])
    lanes: tuple[dict[int, Item], ...] = field(default_factory=lambda: ({}, {}, {}))
    expired: tuple[set[int], ...] = field(default_factory=lambda: (set(), set(), set()))
    over: bool = False
    refused: int = 0
    floor: int = 0
    codes: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def envelopes(self) -> list[Item]:
        return [*self.lanes[0].values(), *self.lanes[1].values()]

    def octets(self) -> int:
        return sum(item.octets for item in self.envelopes())

    def receipts(self) -> int:
        return sum(item.class_ == Class.RECEIPT for item in self.envelopes())


@dataclass
class Limits:
    """The quota of §5, as numbers."""

    messages: int
    octets: int

    def has_room(self, box: Box, class_: int, cost: int, account: bytes) -> bool:
        held, octets = box.envelopes(), box.octets()
        if LANE_OF[class_] == 1:
            fits = len(held) < self.messages and octets + cost <= self.octets
        else:
            fits = not box.over and len(held) < self._normal(self.messages)
            fits = fits and octets + cost <= self._normal(self.octets)
            if class_ == Class.RECEIPT:
                fits = fits and box.receipts() < max(1, self.messages * 20 // 100)
        return fits and self.has_share(held, cost, account)

    def has_share(self, held: list[Item], cost: int, account: bytes) -> bool:
        mine = [item.octets for item in held if item.account == account]
        half = max(1, self.messages // 2), self.octets // 2
        return not mine or (len(mine) < half[0] and sum(mine) + cost <= half[1])

    def is_open(self, box: Box) -> bool:
        """Whether the largest envelope has room, its sender's share apart."""
        held, octets = len(box.envelopes()), box.octets() + LARGEST
        return not box.over and held < self._normal(self.messages) and octets <= self._normal(self.octets)

    @staticmethod
    def _normal(most: int) -> int:
        return most - most * 5 // 100

    def after_put(self, box: Box) -> None:
        held, octets = box.envelopes(), box.octets()
        if len(held) >= self._normal(self.messages) or octets + LARGEST > self._normal(self.octets):
            box.over = True

    def after_take(self, box: Box) -> None:
        if len(box.envelopes()) <= self.messages * 80 // 100 and box.octets() <= self.octets * 80 // 100:
            box.over = False


@dataclass
class Queue:
    """Who wants to hear when a full mailbox has room: device -> (its connection's generation, the full account)."""

    since_ms: int
    waiters: dict[int, tuple[int, bytes]] = field(default_factory=dict)


class StoreModel:
    """Boxes by their number; what a commit has to tell is collected in the attributes that ``begin`` empties."""

    def __init__(self, limits: Limits, domains: dict[bytes, str]) -> None:
        self.limits = limits
        self.domains = domains
        self.boxes: dict[int, Box] = {}
        self.blocks: set[tuple[bytes, bytes]] = set()
        """(who has blocked, whom)."""
        self.queues: dict[int, Queue] = {}
        self.unsure = False
        """Whether a commit was rolled back: who waits is a hint in memory, which nobody rolls back."""
        self.submissions = 0
        self.begin()

    def begin(self) -> None:
        """Forget what the commit before had to tell."""
        self.outcomes: Counter = Counter()
        self.placed: list[tuple[int, int, int, Item]] = []
        self.gaps: set[tuple[int, int, int]] = set()
        self.acknowledged: set[tuple[int, int, int]] = set()
        self.overflows: dict[int, int] = {}
        self.writable: Counter = Counter()
        """(device, account) that must be told WRITABLE."""
        self.maybe_writable: list[tuple[int, int, bytes]] = []
        """(mailbox, device, account) that may be: whether the sender's share is known is the store's own business."""

    def party(self, account: bytes) -> dict[int, int]:
        return {box.device: row for row, box in self.boxes.items() if box.account == account}

    def judge(self, row: int, number: int) -> str:
        above = number - self.boxes[row].floor
        if above <= -256:
            return "too old"
        if above <= 0:
            return "repeated"
        return "new" if above == 1 else "go back" if above <= 256 else "too far"

    def submit(self, seat, command, now_ms: int, *, tight: bool):
        """Return what it comes to: codes, a word, or None for nothing at all."""
        box = self.boxes.get(seat.row)
        if box is None or box.generation != seat.generation:
            return None
        number = command.submission
        verdict = self.judge(seat.row, number)
        if verdict == "too old":
            return (Code.TOO_OLD,) * len(command.targets)
        if verdict == "repeated":
            return box.codes[number]
        if verdict != "new":
            return verdict
        if tight:
            return "disk"
        self.submissions += 1
        targets = command.targets
        if not command.body:
            codes = (Code.NO_BODY,) * len(targets)
        elif command.ttl_s > LIFETIME_S_MAX[command.class_]:
            codes = (Code.BAD_LIFETIME,) * len(targets)
        else:
            codes = tuple([self._target(seat, command, at, now_ms) for at in range(len(targets))])
        box.codes[number] = codes
        box.floor = number
        return codes

    def _target(self, seat, command, position: int, now_ms: int) -> int:
        target = command.targets[position]
        party = self.party(target.account)
        if not party or (target.account, seat.account) in self.blocks:
            return Code.NOT_AVAILABLE
        wanted = sorted(device for device, row in party.items() if row != seat.row)
        if wanted != sorted(wrap.device for wrap in target.wraps):
            return Code.MISMATCHED_DEVICES
        for wrap in target.wraps:
            box = self.boxes[party[wrap.device]]
            if not self.limits.has_room(box, command.class_, len(command.body) + len(wrap.sealed), seat.account):
                self._overflow(seat, command, target.account, party[wrap.device], now_ms)
                return Code.OVER_QUOTA
        asked = None
        if command.flags & SubmitFlag.OUTCOME:
            asked = Asked(seat.row, command.submission, position, len(target.wraps))
        for wrap in target.wraps:
            row, lane = party[wrap.device], int(LANE_OF[command.class_])
            item = Item(
                now_ms + command.ttl_s * 1000, int(command.class_), len(command.body) + len(wrap.sealed),
                seat.account, asked, command.body, wrap.sealed, command.commitment, shared=self.submissions,
            )  # fmt: skip
            self.placed.append((row, lane, self._put(row, lane, item), item))
            self.limits.after_put(self.boxes[row])
        return Code.STORED

    def _overflow(self, seat, command, account: bytes, row: int, now_ms: int) -> None:
        self.boxes[row].refused += 1
        self.overflows[row] = self.boxes[row].refused
        if command.flags & SubmitFlag.WRITABLE and self.domains[seat.account] == self.domains[account]:
            self.queues.setdefault(row, Queue(now_ms)).waiters[seat.row] = (seat.generation, account)

    def _serve(self, row: int) -> None:
        """Tell whoever waits for a mailbox that has room again; who has connected anew since is forgotten."""
        box, queue = self.boxes[row], self.queues.get(row)
        if queue is None or not self.limits.is_open(box):
            return
        for device, (generation, account) in list(queue.waiters.items()):
            sender = self.boxes.get(device)
            current = sender is not None and sender.generation == generation
            if sender is None or self.limits.has_share(box.envelopes(), LARGEST, sender.account):
                del queue.waiters[device]
                self.writable[device, account] += current
            elif current:
                self.maybe_writable.append((row, device, account))
        if not queue.waiters:
            del self.queues[row]

    def told_writable(self, told: Counter) -> None:
        """Compare what was told with what had to be and might be."""
        if self.unsure:
            return
        assert not self.writable - told, "room, and nobody was told"
        for row, device, account in self.maybe_writable:
            if (told - self.writable)[device, account]:
                told[device, account] -= 1
                queue = self.queues.get(row)
                if queue is not None:
                    queue.waiters.pop(device, None)
                    if not queue.waiters:
                        del self.queues[row]
        assert not told - self.writable, "told of room that nobody asked for, or that is not there"

    def _put(self, row: int, lane: int, item: Item) -> int:
        box = self.boxes[row]
        sequence = box.nexts[lane]
        box.nexts[lane] += 1
        box.lanes[lane][sequence] = item
        return sequence

    def acknowledge(self, seat, ack) -> None:
        box = self.boxes.get(seat.row)
        if box is not None and box.generation == seat.generation and box.epoch == ack.epoch:
            self._acknowledge(seat.row, int(ack.lane), ack.floor, ack.ranges, ack.undecryptable)
            box.refused = 0

    def _acknowledge(self, row: int, lane: int, floor: int, ranges=(), bad=()) -> None:
        box = self.boxes[row]
        box.floors[lane] = max(floor, box.floors[lane])
        for sequence in sorted(box.lanes[lane]):
            listed = sequence in bad or any(first <= sequence <= last for first, last in ranges)
            if sequence <= floor or listed:
                self.acknowledged.add((row, lane, sequence))
                self._leave(row, lane, sequence, Result.UNDECRYPTABLE if sequence in bad else Result.DELIVERED)
        if lane != OUTCOME:
            self._serve(row)

    def _leave(self, row: int, lane: int, sequence: int, result: Result) -> None:
        box = self.boxes[row]
        asked = box.lanes[lane].pop(sequence).asked
        if lane != OUTCOME:
            self.limits.after_take(box)
        if asked is None:
            return
        asked.open -= 1
        if asked.told or (result != Result.DELIVERED and asked.open):
            return
        asked.told = True
        if asked.sender in self.boxes:
            self.outcomes[asked.sender, asked.submission, asked.position, result] += 1

    def tell(self, row: int, outcome: tuple, now_ms: int) -> int:
        """Queue an outcome that was due and return its number; which of several comes first is not said anywhere."""
        self.outcomes[row, *outcome] -= 1
        assert self.outcomes[row, *outcome] >= 0, "an outcome that nobody caused"
        return self._put(row, OUTCOME, Item(now_ms + OUTCOME_LIFETIME_S * 1000, outcome=outcome))

    def login(self, row: int, epoch: int, floors: tuple[int, ...]) -> set[int] | None:
        """Return the lanes that are told to be rolled back, or None where it acknowledges what was never given."""
        box = self.boxes[row]
        known = floors if epoch == box.epoch else (0, 0, 0)
        if any(floor >= following for floor, following in zip(known, box.nexts, strict=True)):
            return None
        behind = {lane for lane in range(3) if known[lane] < box.floors[lane] and epoch in {box.epoch, 0}}
        for lane in range(3):
            self._acknowledge(row, lane, known[lane])
        box.generation += 1
        return behind

    def sweep(self, now_ms: int) -> int:
        for row in [row for row, queue in self.queues.items() if queue.since_ms <= now_ms - CONNECTION_MS]:
            del self.queues[row]
        over = [
            (row, lane, sequence)
            for row, box in self.boxes.items()
            for lane in range(3)
            for sequence, item in box.lanes[lane].items()
            if item.expires_ms <= now_ms
        ]
        for (row, lane), places in groupby(sorted(over), key=lambda place: place[:2]):
            for _, _, sequence in places:
                self._leave(row, lane, sequence, Result.EXPIRED)
                self.boxes[row].expired[lane].add(sequence)
                self.gaps.add((row, lane, sequence))
            if lane != OUTCOME:
                self._serve(row)
        return len(over)

    def remove(self, row: int) -> None:
        self.queues.pop(row, None)
        for lane in range(3):
            for sequence in sorted(self.boxes[row].lanes[lane]):
                self._leave(row, lane, sequence, Result.PURGED)
        del self.boxes[row]
        for key in [key for key in self.outcomes if key[0] == row]:
            del self.outcomes[key]

    def restarted(self) -> None:
        """Forget what is in memory only."""
        self.queues.clear()
        self.unsure = False

    def restored(self) -> None:
        """Go on as an older copy does: numbers stay, outcomes and what senders were answered mean nothing any more."""
        self.restarted()
        for box in self.boxes.values():
            box.floor, box.codes = 0, {}
            box.lanes[OUTCOME].clear()
            for item in box.envelopes():
                item.asked = None
