"""A relay in memory, just large enough that two Devices can talk: real stamps, real lists, a ledger, mailboxes, credit.

What a device may never do (an ACK above what was delivered, a number that is not the next, two frames of one number)
is an AssertionError here. What a test wants the relay to do wrong it sets from outside.
"""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from relayclient import contacts, prekeys
from relayclient.device import WINDOW, Device
from relayclient.events import Event
from relayproto import descriptor, identity, message, stamp
from relayproto.codes import Code, GapReason, Lane, PrekeyKind, Result, Scope, SubmitFlag
from relayproto.commands import (
    Ack,
    Block,
    Body,
    Credit,
    DeviceCommand,
    GetBundles,
    GetDevices,
    GetRelayKeys,
    Lookup,
    PutDevices,
    PutPrekeys,
    Report,
    SignedPrekey,
    Submit,
)
from relayproto.descriptor import KeyDescriptor
from relayproto.identity import DeviceList
from relayproto.ids import Address, KeyId, UnitId
from relayproto.invitation import Invitation
from relayproto.limits import LANE_OF
from relayproto.notices import Deliver, Drained, Gap, Outcome
from relayproto.primitives import Aead, SigningKey, blake2b_256, ed25519_public, x25519_public
from relayproto.replies import (
    Account,
    Bundle,
    Bundles,
    Devices,
    Done,
    Enrolled,
    LaneState,
    Mismatch,
    NotTaken,
    PrekeysLeft,
    Refused,
    RelayKeys,
    Submitted,
    Welcome,
)
from relayproto.standing import PLATFORM, Standing
from support.changed import replace
from support.kem import stream

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
Key = tuple[bytes, int]


@dataclass
class Box:
    """One lane: rows by sequence; numbers up to ``floor`` are acknowledged."""

    floor: int = 0
    next: int = 1
    rows: dict[int, Deliver | Outcome] = field(default_factory=dict)
    origin: dict[int, tuple[Key, int, int, int]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


@dataclass
class Seat:
    """One device at the relay."""

    epoch: int = 1
    boxes: dict[Lane, Box] = field(default_factory=lambda: {lane: Box() for lane in Lane})
    ledger_epoch: int = 1
    ledger: dict[int, tuple[bytes, Submitted]] = field(default_factory=dict)
    ledger_floor: int = 0
    prekeys: dict[PrekeyKind, list[SignedPrekey]] = field(default_factory=lambda: {kind: [] for kind in PrekeyKind})


class SmallRelay:
    """The relay. ``verdicts`` are codes for the next targets or NotTaken for the next submissions, before its own."""

    def __init__(self, name: str = "relay") -> None:
        self.entropy = stream(name)
        self.now_ms = NOW_MS
        self.root_seed, self.stamp_seed, self.static, self.hour_key = (self.entropy(32) for _ in range(4))
        self.key_id = 1
        self.accounts: dict[bytes, tuple[bytes, bytes]] = {}
        self.addresses: dict[str, bytes] = {}
        self.seats: dict[Key, Seat] = {}
        self.verdicts: deque[int | NotTaken] = deque()
        self.retry_after_ms = 0
        self.answers: dict[type, object] = {}
        self.blocks: set[tuple[bytes, bytes]] = set()
        self.reports: list[bytes] = []
        self.moderators: tuple[bytes, ...] = ()
        self.acts: dict[bytes, int] = {}
        self.standings: dict[bytes, tuple[Standing, UnitId]] = {}

    # --- people -------------------------------------------------------------------------------
    @property
    def descriptor(self) -> bytes:
        return descriptor.make(
            self.root_seed,
            KeyDescriptor(
                7, self.key_id, x25519_public(self.static), ed25519_public(self.stamp_seed),
                NOW_MS - DAY_MS, NOW_MS + 400 * DAY_MS, NOW_MS + self.key_id, self.moderators,
            ),
        )  # fmt: skip

    def invite(self, address: str) -> Invitation:
        root = descriptor.fingerprint(ed25519_public(self.root_seed))
        return Invitation(
            Address(address), "relay.example", 7443, KeyId(self.key_id), x25519_public(self.static), root,
            blake2b_256(address.encode())[:16],
        )  # fmt: skip

    def enrol(self, command, address: str) -> Enrolled:
        devices = identity.decode(command.devices, command.signature)
        self.accounts[devices.account] = (command.devices, command.signature)
        self.addresses[address] = devices.account
        seat = self.seats.setdefault((devices.account, 1), Seat())
        self._keep_prekeys((devices.account, 1), seat, command.prekeys)
        return Enrolled(devices.account, address, self.descriptor)

    def join(self, home: Path, address: str, **options) -> Device:
        entropy = options.pop("entropy", None) or stream(f"{home}")
        device = Device.create(home, self.invite(address), now_ms=self.now_ms, entropy=entropy, **options)
        device.enrolled(self.enrol(device.enrol_command(), address))
        return device

    def devices_of(self, account: bytes) -> DeviceList:
        return identity.decode(*self.accounts[account])

    def put_list(self, devices: DeviceList, identity_seed: bytes) -> None:
        listed = identity.encode(devices)
        self.accounts[devices.account] = (listed, identity.sign_list(identity_seed, listed))
        for entry in devices.devices:
            self.seats.setdefault((devices.account, entry.device), Seat())

    def seat(self, device: Device) -> Seat:
        return self.seats[device.identity.account, device.identity.device]

    # --- commands -----------------------------------------------------------------------------
    def answer(self, key: Key, command: DeviceCommand):  # noqa: C901, PLR0911 - one for each command
        scripted = self.answers.get(type(command))
        if scripted is not None:
            return scripted(command) if callable(scripted) else scripted
        match command:
            case GetDevices(account) | GetBundles(account) if account not in self.accounts:
                return Refused(Code.NOT_AVAILABLE, 0)
            case Lookup(address):
                account = self.addresses.get(address)
                return Account(account, address, *self.accounts[account]) if account else Refused(201, 0)
            case GetDevices(account):
                return Devices(*self.accounts[account], self._address(account))
            case GetBundles(account, devices):
                return self._bundles(key, account, devices)
            case GetRelayKeys():
                return RelayKeys((self.descriptor,))
            case PutDevices(devices, signature):
                self.accounts[key[0]] = (devices, signature)
                return Devices(devices, signature, self._address(key[0]))
            case PutPrekeys(prekeys):
                self._keep_prekeys(key, self.seats[key], prekeys)
                return PrekeysLeft(*self._left(self.seats[key]))
            case Block(account, blocked):
                (self.blocks.add if blocked else self.blocks.discard)((key[0], account))
                return Done()
            case Report(sealed):
                self.reports.append(sealed)
                return Done()
        raise AssertionError(command)

    def _address(self, account: bytes) -> str:
        return next((address for address, named in self.addresses.items() if named == account), "")

    def _keep_prekeys(self, key: Key, seat: Seat, prekeys) -> None:
        entry = self.devices_of(key[0]).entry(key[1])
        for prekey in prekeys:
            identity.verify_prekey(prekey, account=key[0], device=key[1], sign_key=entry.sign_key)
            if prekey.kind in (PrekeyKind.SIGNED, PrekeyKind.KEM_LAST_RESORT):
                seat.prekeys[prekey.kind].clear()
            seat.prekeys[prekey.kind].append(prekey)

    def _left(self, seat: Seat) -> tuple[int, int]:
        return len(seat.prekeys[PrekeyKind.ONE_TIME]), len(seat.prekeys[PrekeyKind.KEM_ONE_TIME])

    def _bundles(self, key: Key, account: bytes, devices) -> Bundles:
        wanted = devices or [
            entry.device for entry in self.devices_of(account).devices if (account, entry.device) != key
        ]
        bundles = []
        for device in wanted:
            entry = self.devices_of(account).entry(device)
            if entry is None or not self.seats[account, device].prekeys[PrekeyKind.SIGNED]:
                continue
            held = self.seats[account, device].prekeys
            one_time = held[PrekeyKind.ONE_TIME].pop(0) if held[PrekeyKind.ONE_TIME] else None
            kem = held[PrekeyKind.KEM_ONE_TIME] or held[PrekeyKind.KEM_LAST_RESORT]
            bundles.append(Bundle(device, held[PrekeyKind.SIGNED][0], one_time, kem[0]))
            if held[PrekeyKind.KEM_ONE_TIME]:
                held[PrekeyKind.KEM_ONE_TIME].pop(0)
        return Bundles(*self.accounts[account], tuple(bundles))

    # --- submissions --------------------------------------------------------------------------
    def submit(self, key: Key, command: Submit, body: bytes) -> Submitted | NotTaken:
        seat = self.seats[key]
        frame = message.encode(command) + body
        if command.submission in seat.ledger:
            held, reply = seat.ledger[command.submission]
            assert held == frame, "a number was used for two frames"
            return reply
        if command.submission != seat.ledger_floor + 1:
            return NotTaken(command.submission, Code.GO_BACK, 0)
        if self.verdicts and isinstance(self.verdicts[0], NotTaken):
            return replace(self.verdicts.popleft(), submission=command.submission)
        codes, mismatches = [], []
        for position, target in enumerate(command.targets):
            code = self.verdicts.popleft() if self.verdicts else self._fits(key, target)
            codes.append(code)
            if code == Code.MISMATCHED_DEVICES:
                mismatches.append(Mismatch(position, self.devices_of(target.account).version, (), (), ()))
            if code == Code.STORED:
                self._store(key, command, body, position)
        later = self.retry_after_ms if any(100 <= code < 200 for code in codes) else 0
        reply = Submitted(command.submission, tuple(codes), tuple(mismatches), later)
        seat.ledger[command.submission] = (frame, reply)
        seat.ledger_floor = command.submission
        return reply

    def _fits(self, key: Key, target) -> int:
        devices = self.devices_of(target.account)
        theirs = {entry.device for entry in devices.devices if (target.account, entry.device) != key}
        fits = devices.version == target.list_version and theirs == {wrap.device for wrap in target.wraps}
        return Code.STORED if fits else Code.MISMATCHED_DEVICES

    def stamped(self, key: Key, commitment: bytes) -> bytes:
        key_id = stamp.key_id_at(7, self.now_ms)
        author = stamp.Author(key[0], key[1], Scope.PERSON, self.now_ms)
        seal = stamp.seal_author(Aead(self.hour_key), key_id, self.entropy(12), commitment, author)
        return stamp.stamp_all([(seal, commitment)], SigningKey(self.stamp_seed))[0]

    def _store(self, key: Key, command: Submit, body: bytes, position: int) -> None:
        stamped = self.stamped(key, command.commitment)
        for wrap in command.targets[position].wraps:
            box = self.seats[command.targets[position].account, wrap.device].boxes[LANE_OF[command.class_]]
            box.rows[box.next] = Deliver(
                LANE_OF[command.class_], box.next, key[0], key[1], command.class_,
                self.now_ms + command.ttl_s * 1000, command.commitment, stamped, wrap.sealed, body,
            )  # fmt: skip
            box.origin[box.next] = (key, command.submission, position, command.flags)
            box.next += 1

    def outcome(self, origin: tuple[Key, int, int, int], result: Result) -> None:
        key, submission, position, flags = origin
        if flags & SubmitFlag.OUTCOME:
            box = self.seats[key].boxes[Lane.OUTCOME]
            box.rows[box.next] = Outcome(box.next, submission, position, result)
            box.next += 1

    def lose(self, key: Key, lane: Lane, sequence: int, reason: GapReason) -> None:
        """Drop a row, with an explanation."""
        box = self.seats[key].boxes[lane]
        del box.rows[sequence]
        box.gaps.append(Gap(lane, sequence, sequence, reason))

    def restore(self) -> None:
        """Come back from an empty backup: mailboxes and ledgers in new epochs."""
        for key, seat in self.seats.items():
            self.seats[key] = Seat(epoch=seat.epoch + 1, ledger_epoch=seat.ledger_epoch + 1, prekeys=seat.prekeys)

    def connect(self, device: Device, window: Credit = WINDOW) -> "Line":
        return Line(self, device, window)


class Line:
    """A connection; ``deaf`` keeps the relay's answers from the device, as a connection that breaks does."""

    def __init__(self, relay: SmallRelay, device: Device, window: Credit) -> None:
        self.relay, self.device = relay, device
        hello = device.hello(window=window)
        self.key = (hello.account, hello.device)
        self.seat = relay.seats[self.key]
        self.credit, self.spent, self.octets = hello.credit, 0, 0
        self.commands: list[DeviceCommand] = []
        self.deaf = self.drained = False
        self.tops = {}
        for lane, floor in zip(Lane, hello.floors, strict=True):
            box = self.seat.boxes[lane]
            if hello.epoch == self.seat.epoch:
                assert floor < box.next, "HELLO's floor is above what was given"
                self._acknowledge(lane, floor, (), ())
            self.tops[lane] = box.floor
        lanes = tuple(LaneState(self.seat.boxes[lane].floor, self.seat.boxes[lane].next) for lane in Lane)
        version = relay.devices_of(hello.account).version
        self.events: list[Event] = device.welcomed(
            Welcome(1, 0, relay.now_ms, self.seat.epoch, lanes, self.seat.ledger_epoch, self.seat.ledger_floor, version,
                    *relay._left(self.seat),
                    *relay.standings.get(hello.account, (Standing.PUBLIC, PLATFORM)),
                    relay.acts.get(hello.account, 0)),
            relay.now_ms,
        )  # fmt: skip

    def run(self, turns: int = 200) -> list[Event]:
        """Talk until nobody has anything to say; return the events, those of the beginning included."""
        for _ in range(turns):
            if not self.turn():
                break
        else:
            raise AssertionError("the device goes on and on")
        told, self.events = self.events, []
        return told

    def turn(self) -> bool:
        said = self._commands() | self._notices()
        acks = self.device.acks()
        self.device.make_last()
        for ack in acks:
            said = True
            self._ack(ack)
        return said

    def _commands(self) -> bool:
        now_ms = self.relay.now_ms
        needs = self.device.next_needs(now_ms)
        submits = self.device.next_submits(64, now_ms)
        self.device.make_last()
        self.commands += [*needs, *submits]
        answers = [(self.relay.answer(self.key, need), need) for need in needs]
        parked: dict[int, bytes] = {}
        for command in submits:
            if isinstance(command, Body):
                parked[command.handle] = command.octets
                continue
            body = command.body if command.body is not None else parked[command.handle]
            answers.append((self.relay.submit(self.key, command, body), command))
        for reply, command in answers:
            if not self.deaf:
                self.events += self.device.answered(reply, command, now_ms)
        return bool(needs or submits)

    def notice(self, notice) -> None:
        self.events += self.device.noticed(notice, self.relay.now_ms)

    def _notices(self) -> bool:
        if self.deaf:
            return False
        said = False
        for lane, box in self.seat.boxes.items():
            for gap in list(box.gaps):
                box.gaps.remove(gap)
                self.tops[lane] = max(self.tops[lane], gap.last)
                self.notice(gap)
                said = True
            for sequence in sorted(sequence for sequence in box.rows if sequence > self.tops[lane]):
                row = box.rows[sequence]
                cost = row.cost() if isinstance(row, Deliver) else 0
                if self.spent + 1 > self.credit.messages or self.octets + cost > self.credit.octets:
                    break
                self.spent, self.octets = self.spent + 1, self.octets + cost
                self.tops[lane] = sequence
                self.notice(row)
                said = True
        if not said and not self.drained:
            self.drained = said = True
            self.notice(Drained())
        return said

    def _ack(self, ack: Ack) -> None:
        assert ack.epoch == self.seat.epoch
        assert max([ack.floor, *(last for _, last in ack.ranges)]) <= self.tops[ack.lane], "an ACK above what was given"
        assert ack.credit.messages >= self.credit.messages, "credit was taken back"
        self.credit = ack.credit
        self._acknowledge(ack.lane, ack.floor, ack.ranges, ack.undecryptable)

    def _acknowledge(self, lane: Lane, floor: int, ranges, undecryptable) -> None:
        box = self.seat.boxes[lane]
        box.floor = max(box.floor, floor)
        for sequence in list(box.rows):
            if sequence <= floor or any(first <= sequence <= last for first, last in ranges):
                del box.rows[sequence]
                if sequence in box.origin:
                    result = Result.UNDECRYPTABLE if sequence in undecryptable else Result.DELIVERED
                    self.relay.outcome(box.origin.pop(sequence), result)


def join_second(relay: SmallRelay, first: Device, home: Path) -> Device:
    """Return a second device of the account of ``first``, in a home of its own, in the account's list at the relay."""
    account = first.identity.account
    with first._store.step() as step:
        identity_seed = step.secret("identity_seed")
    device = Device.create(home, relay.invite("second"), now_ms=relay.now_ms, entropy=stream(f"{home}"))
    old = relay.devices_of(account)
    with device._store.step() as step:
        own, signature = step.rows("SELECT listed, signature FROM contact")[0]
        entry = replace(identity.decode(own, signature).devices[0], device=old.highest_device + 1)
        grown = replace(
            old, version=old.version + 1, previous=identity.list_hash(identity.encode(old)),
            highest_device=entry.device, devices=(*old.devices, entry),
        )  # fmt: skip
        relay.put_list(grown, identity_seed)
        step.run("DELETE FROM contact")
        step.run("DELETE FROM list_seen")
        step.put("account", account)
        step.put("device", entry.device)
        step.put("joined", 1)
        step.put_secret("identity_seed", identity_seed)
        contacts.learn(step, account, *relay.accounts[account], relay.now_ms)
        relay._keep_prekeys((account, entry.device), relay.seats[account, entry.device], prekeys.current(step))
    device.close()
    return Device.open(home, entropy=stream(f"{home} again"))


def drop_device(relay: SmallRelay, first: Device, number: int) -> None:
    """Take a device out of its account's list."""
    with first._store.step() as step:
        identity_seed = step.secret("identity_seed")
    old = relay.devices_of(first.identity.account)
    left = tuple(entry for entry in old.devices if entry.device != number)
    previous = identity.list_hash(identity.encode(old))
    relay.put_list(replace(old, version=old.version + 1, previous=previous, devices=left), identity_seed)
