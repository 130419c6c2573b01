"""The wire's room: the commands of one device on one connection.

Decoded commands enter; answers leave through the session. The rule of this file: one match over the closed union of
commands, and each family of errors ends here: a refusal and a fault are answered, our own mistake is an incident.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol, assert_never

from relayd.delivery.pump import Pump
from relayd.delivery.window import Stall
from relayd.domain.entry import Entry
from relayd.domain.pace import Pace
from relayd.domain.refusals import Fault, Refusal
from relayd.domain.seat import Seat
from relayd.net.rooms import Rooms
from relayd.services.messages import Bodies
from relayd.store import Settlement
from relayproto.administration import GetAudit, GetCheckpoints, GetDocument, GetProposals, GetRoles, GetUnits, Question
from relayproto.codes import Code, GoawayCode
from relayproto.commands import (
    Ack,
    Act,
    Block,
    Body,
    DeviceCommand,
    Ephemeral,
    GetBundles,
    GetDevices,
    GetRelayKeys,
    Lookup,
    PutDevices,
    PutPolicy,
    PutPrekeys,
    PutProfile,
    Report,
    Submit,
)
from relayproto.errors import RemoteProtocolError
from relayproto.events import MessageReceived
from relayproto.limits import CONNECTION_LIFETIME_S, UNANSWERED_MAX
from relayproto.message import Message
from relayproto.notices import Gap, Passing, Ping
from relayproto.operating import Line
from relayproto.people import GetPeople
from relayproto.replies import NotTaken, Refused, Submitted
from relayproto.rosters import Claim, GetClaim, GetClaims, GetRoster, PutRoster
from relayproto.statistics import GetRetention, GetStatistics
from relayproto.verification import GetOrganisation, GetRevocations

VERBS_MAX: Final = 16
"""Verbs that wait for their turn; with more the device is not read."""
ABUSE_AFTER_MS: Final = 30_000
FAULT_AFTER_MS: Final = 30_000
"""Who made a mistake, or met one of ours, comes back after half a minute at the earliest."""
STALLED_AFTER_MS: Final = 30_000
RENEW_SPREAD_S: Final = 3_600.0
"""Connections that began in one minute after a restart do not all come back in one minute of the next day."""
RENEW_SPREAD_MS: Final = 1_000

Verb = (
    PutPrekeys | GetBundles | Lookup | PutDevices | GetDevices | GetRelayKeys | Block | Report | Ephemeral | Act
    | PutPolicy | PutProfile | PutRoster | Claim | Question
)  # fmt: skip


class Driver(Protocol):
    """What a router needs of its session."""

    @property
    def has_room(self) -> bool:
        """Whether the peer takes what is written."""

    @property
    def traffic(self) -> tuple[int, int, int]:
        """Bytes that were received, sent, and written without the peer having read them."""

    def say(self, message: Message, request: int) -> None:
        """Queue an answer for this turn; does nothing on a connection that has ended."""

    def speak(self) -> None:
        """Let the pump be asked in this turn."""

    def resume(self) -> None:
        """Bring what was held back, when it is our turn."""

    def settled(self) -> None:
        """Nothing is under way any more."""

    def waste(self, frames: int) -> None:
        """Note frames that asked for nothing, or for more than is allowed."""

    def leave(self, code: GoawayCode, *, reconnect: bool, after_ms: int = 0) -> None:
        """End the connection."""

    def retire(self, code: GoawayCode, *, after_ms: int) -> None:
        """End the connection once what is under way has been answered."""


class Router:
    """One device at one of its connections; it is also the listener of its mailbox."""

    __slots__ = ("_bodies", "_driver", "_pace", "_renew_at", "_rooms", "_running", "_superseded", "_verbs",
                 "pending", "pump", "seat")  # fmt: skip

    def __init__(self, seat: Seat, pump: Pump, rooms: Rooms, driver: Driver, now: float) -> None:
        self.seat = seat
        self.pump = pump
        self._renew_at = now + CONNECTION_LIFETIME_S - RENEW_SPREAD_S * (0.1 + 0.9 * rooms.chance())
        self._superseded = False
        self.pending = 0
        self._rooms = rooms
        self._driver = driver
        self._bodies = Bodies()
        self._verbs: list[tuple[int, Verb]] = []
        self._running = False
        self._pace = Pace()

    def route(self, request: int, command: DeviceCommand, now: float, *, patient: bool) -> bool:
        """Do what the command says. False: there is no room and nothing was done, bring it again.

        One who is not ``patient`` is told so instead of False. Raises RemoteProtocolError.
        """
        match command:
            case Submit():
                return self._submit(request, command, now, patient=patient)
            case Ack():
                if patient and self._rooms.store.full:
                    return False
                if self.pump.acknowledge(command):
                    self._rooms.store.acknowledge(self.seat, command)
                else:
                    self._driver.waste(1)
                if not self.pump.idle:
                    self._driver.speak()
            case Body():
                self._bodies.park(command.handle, command.octets)
            case Ephemeral():
                self._pass_by(request, command, now)
            case (
                PutPrekeys() | GetBundles() | Lookup() | PutDevices() | GetDevices() | GetRelayKeys() | Block()
                | Report() | Act() | PutPolicy() | PutProfile() | GetUnits() | GetRoles() | GetDocument()
                | GetProposals() | GetAudit() | GetCheckpoints() | GetStatistics() | GetRetention() | GetPeople()
                | GetOrganisation() | GetRevocations()
                | PutRoster() | Claim() | GetRoster() | GetClaims() | GetClaim()
            ):  # fmt: skip
                return self._queue(request, command, now)
            case _ as never:
                assert_never(never)
        return True

    def _submit(self, request: int, command: Submit, now: float, *, patient: bool) -> bool:
        if self.pending >= UNANSWERED_MAX:
            raise RemoteProtocolError(GoawayCode.BAD_SUBMISSION, "too many submissions without an answer")
        behind = self._pace.is_behind(command.submission, now)
        if self._pace.early:
            self._driver.waste(1)
        if behind:
            self._not_taken(request, NotTaken(command.submission, Code.GO_BACK, 0))
            return True
        settle = partial(self._settled, request)
        self.pending += 1
        if self._rooms.desk.messages.submit(self.seat, command, self._bodies, settle, now, under_way=self.pending):
            return True
        if patient:
            self.pending -= 1
            return False
        self._rooms.desk.messages.busy(command, settle)
        return True

    def _settled(self, request: int, settlement: Settlement) -> None:
        self.pending -= 1
        match settlement:
            case Submitted():
                self._pace.answered(settlement.submission)
                self._driver.say(settlement, request)
            case NotTaken():
                if settlement.code == Code.RATE:  # said at once, before anything behind it was looked at
                    until = self._rooms.clock.monotonic() + settlement.retry_after_ms / 1000
                    self._pace.hold(settlement.submission, until)
                self._not_taken(request, settlement)
            case RemoteProtocolError():
                self._driver.leave(settlement.code, reconnect=True, after_ms=FAULT_AFTER_MS)
            case None:
                pass  # a newer connection of the device has come, and this one is told so itself
            case _ as never:
                assert_never(never)
        if self.pending == 0:
            self._driver.settled()

    def _not_taken(self, request: int, answer: NotTaken) -> None:
        self._rooms.counters.not_taken[answer.code] += 1
        self._driver.say(answer, request)

    def _queue(self, request: int, verb: Verb, now: float) -> bool:
        if len(self._verbs) >= VERBS_MAX:
            return False
        wait_ms = self._rooms.desk.rates.take(self.seat.row, now)
        if wait_ms:
            self._refuse(Code.RATE, wait_ms, request)
            self._driver.waste(1)
            return True
        self._run(request, verb)
        return True

    def _pass_by(self, request: int, command: Ephemeral, now: float) -> None:
        # Dropped where others wait: it never makes the device wait, and has no answer (spec 50 §9).
        if self._rooms.desk.rates.take(self.seat.row, now):
            self._driver.waste(1)
        elif len(self._verbs) < VERBS_MAX:
            self._run(request, command)

    def _run(self, request: int, verb: Verb) -> None:
        self._verbs.append((request, verb))
        if not self._running:
            self._running = True
            self._rooms.tasks.start(self._serve())

    async def _serve(self) -> None:
        while self._verbs:
            request, verb = self._verbs[0]
            try:
                answer = await self._answer(verb)
                if answer is not None:
                    self._driver.say(answer, request)
            except (Refusal, Fault) as error:
                self._refuse(error.code, error.retry_after_ms, request)
            except Exception as error:  # noqa: BLE001 - the border where our own mistakes end
                self._rooms.incident(error, type(verb).__name__)
                self._refuse(Code.INTERNAL, 0, request)
            del self._verbs[0]
            self._driver.resume()
        self._running = False

    async def _answer(self, verb: Verb) -> Message | None:
        """Return the answer of a verb, None where it has none."""
        desk, seat = self._rooms.desk, self.seat
        answer: Message | None = None
        match verb:
            case PutPrekeys():
                answer = await desk.prekeys.put(seat, verb)
            case GetBundles():
                answer = await desk.prekeys.bundles(seat, verb, self._rooms.clock.monotonic())
            case Lookup():
                answer = await desk.directory.lookup(seat, verb, self._rooms.clock.monotonic())
            case PutDevices():
                answer = await desk.directory.put_devices(seat, verb, self._rooms.clock.monotonic())
            case GetDevices():
                answer = await desk.directory.devices(seat, verb)
            case GetRelayKeys():
                answer = desk.directory.relay_keys()
            case Block() | Report() | PutPolicy() | PutProfile():
                answer = await self._defend(verb)
            case (
                Act() | GetUnits() | GetRoles() | GetDocument() | GetProposals() | GetAudit() | GetCheckpoints()
                | GetStatistics() | GetRetention() | GetPeople()
                | GetOrganisation() | GetRevocations()
                | PutRoster() | Claim() | GetRoster() | GetClaims() | GetClaim()
            ):  # fmt: skip
                answer = await self._administer(verb)
            case Ephemeral():
                await desk.passing.pass_on(seat, verb)
            case _ as never:
                assert_never(never)
        return answer

    async def _defend(self, verb: Block | Report | PutPolicy | PutProfile) -> Message:
        safety = self._rooms.desk.safety
        match verb:
            case Block():
                return await safety.block(self.seat, verb)
            case Report():
                return await safety.report(self.seat, verb, self._rooms.clock.monotonic())
            case PutPolicy():
                return await safety.tighten(self.seat, verb)
            case PutProfile():
                return await safety.present(self.seat, verb)
            case _ as never:
                assert_never(never)

    async def _administer(self, verb: Act | PutRoster | Claim | Question) -> Message:
        administration, now = self._rooms.desk.administration, self._rooms.clock.monotonic()
        match verb:
            case PutRoster():
                return await administration.put_roster(self.seat, verb, now)
            case Claim():
                return await administration.claim(self.seat, verb, now)
            case Act():
                return await self._act(verb, now)
            case _:
                return await administration.question(self.seat, verb, now)

    async def _act(self, verb: Act, now: float) -> Message:
        acts = self._rooms.counters.acts
        try:
            acted = await self._rooms.desk.administration.act(self.seat, verb, now)
        except Refusal as no:
            acts["rate" if no.code == Code.RATE else "denied"] += 1
            raise
        acts[acted.state.name.lower()] += 1
        return acted

    def _refuse(self, code: Code, retry_after_ms: int, request: int) -> None:
        self._rooms.counters.refused[code] += 1
        self._driver.say(Refused(code, retry_after_ms), request)

    def last_words(self, held: Sequence[MessageReceived], now: float) -> None:
        """Take the acknowledgements that came right before the end; they need no answer.

        A device that has what it wanted says ACK and GOAWAY in one breath.
        """
        try:
            for event in held:
                if isinstance(event.message, Ack):
                    self.route(event.request, event.message, now, patient=False)
        except RemoteProtocolError:
            pass  # there is nobody left to tell
        except Exception as error:  # noqa: BLE001 - the border where our own mistakes end
            self._rooms.incident(error, "command")

    def next_deadline(self) -> float:
        """Return when ``overdue`` is due."""
        stall = self.pump.next_deadline()
        return self._renew_at if stall is None else min(stall, self._renew_at)

    def overdue(self, now: float) -> None:
        """Do what a deadline asks for; does nothing before it."""
        match self.pump.stall(now):
            case Stall.PING:
                self._driver.say(Ping(), 0)
            case Stall.GIVE_UP:
                self._rooms.counters.stalled += 1
                self._driver.leave(GoawayCode.STALLED, reconnect=True, after_ms=STALLED_AFTER_MS)
            case None if now >= self._renew_at:
                self._renew_at = float("inf")
                self._driver.retire(GoawayCode.RENEW, after_ms=int(RENEW_SPREAD_MS * self._rooms.chance()))
            case None:
                pass

    def gone(self) -> bool:
        """The connection has ended; say whether a newer one ended it. Verbs that have not begun are forgotten."""
        self._rooms.hub.detach(self.seat.row, self)
        del self._verbs[1:]
        return self._superseded

    # --- the listener of the mailbox ---

    @property
    def generation(self) -> int:
        """Which of the device's connections this is."""
        return self.seat.generation

    def offer(self, entry: Entry) -> None:
        """Take an entry that was just committed."""
        self.pump.offer(entry)
        self._driver.speak()

    def explain(self, gap: Gap) -> None:
        """Take a hole that was just made."""
        self.pump.explain(gap)
        self._driver.speak()

    def say(self, notice: Message) -> None:
        """Pass a notice on to the device."""
        self.pump.say(notice)
        self._driver.speak()

    def pass_by(self, notice: Passing) -> None:
        """Pass something on that is worth nothing later, unless the device is behind with its reading."""
        if self._driver.has_room:
            self.pump.pass_by(notice)
            self._driver.speak()

    def supersede(self) -> None:
        """A newer connection of the device has come."""
        self._superseded = True
        self._rooms.counters.takeovers += 1
        self._driver.leave(GoawayCode.SUPERSEDED, reconnect=False)

    def revoke(self) -> None:
        """The device is no longer one of its account's."""
        self._driver.leave(GoawayCode.AUTHENTICATION, reconnect=False)

    def dismiss(self, after_ms: int) -> None:
        """The operator wants the device to go, and to come back so much later."""
        self._driver.leave(GoawayCode.RENEW, reconnect=True, after_ms=after_ms)

    def line(self) -> Line:
        """Return what the operator is told of this connection."""
        received, sent, waiting = self._driver.traffic
        window, owed = max(0, self.pump.window), self.pump.unacknowledged
        return Line(self.seat.row, self.seat.since_ms, received, sent, window, owed, waiting)
