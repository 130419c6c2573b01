"""The services' room: GET_CODE and REGISTER, by which somebody without an invitation becomes an account (spec 89).

A contact enters, and a code goes to the unit that sends it; it comes back with a device list, and ENROLLED leaves.
The rules of this file: what is answered says nothing of the contact, and is said before anything is sent; whatever is
asked counts against the bounds, whether something comes of it or not; no contact and no code is logged.
"""

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from relayd.clock import Clock
from relayd.domain import addresses
from relayd.domain.refusals import Fault, Refusal
from relayd.logs import get_logger
from relayd.metrics import Counters
from relayd.services.enrolment import first_list
from relayd.services.rates import Rates
from relayd.store import Store
from relayd.store.registrations import Mode, Terms
from relayproto.codes import Code
from relayproto.commands import GetCode, Register
from relayproto.ids import Address
from relayproto.limits import CODE_DIGITS, CODE_LIFETIME_S
from relayproto.primitives import Entropy
from relayproto.replies import Enrolled

HOUR_S: Final = 3_600
PLACE_CODES_PER_HOUR: Final = 30
"""Codes for one address of a machine: an office in which half a class registers at once, behind one address."""
PLACE_TRIES_PER_HOUR: Final = 150
"""REGISTER for one address of a machine: five tries for each of these codes, and each costs us signatures."""
SENDING_MAX: Final = 8
"""Codes that are handed to the unit at once: as many as it takes connections (relayd/unit.py); others wait in line."""
WAITING_MAX: Final = 1_000
"""Codes that wait in line, some 2 MB. What is beyond, or over before its turn, is not sent and counts as failed. Who
asks is not told so: the line moves by those alone to whom a code is sent, so that it would tell who they are."""
_WORD_BYTES: Final = 8

_log = get_logger("registration")


class Unit(Protocol):
    """The unit that sends codes."""

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return its answer. Raises Fault."""


class Parcel(NamedTuple):
    """What is to be done after the answer."""

    contact: Address
    code: str
    wanted: bool
    until: float = math.inf
    """When the code is over, in seconds of the steady clock."""

    def __repr__(self) -> str:
        """Say nothing: a code is a secret, a contact is a person."""
        return "Parcel"


class Line:
    """Codes on their way to the unit: so many at once, the others in their order.

    ``failing`` is how many could not be handed over since one was.
    """

    __slots__ = ("_busy", "_waiting", "failing")

    def __init__(self) -> None:
        self.failing = 0
        self._busy = asyncio.Semaphore(SENDING_MAX)
        self._waiting = 0

    async def next(self, unit: Unit, parcel: Parcel, clock: Clock) -> dict[str, Any]:
        """Hand a code over when it is its turn; return what the unit says, or why it was not asked."""
        if self._waiting >= WAITING_MAX:
            return {"error": "too many codes wait for the unit"}
        self._waiting += 1
        try:
            await self._busy.acquire()
        finally:
            self._waiting -= 1
        try:
            if clock.monotonic() >= parcel.until:
                return {"error": "the code was over before its turn"}
            return await unit.ask({"question": "code", "contact": parcel.contact, "code": parcel.code})
        except Fault:
            return {"error": "the unit is away"}
        finally:
            self._busy.release()


@dataclass(frozen=True, slots=True)
class Bounds:
    """How often those who have no account may ask, from one place and altogether."""

    codes: Rates[bytes]
    tries: Rates[bytes]
    relay: Rates[None]


def bounds(codes_per_hour: int) -> Bounds:
    """Return the bounds; ``codes_per_hour`` is for the whole relay."""
    return Bounds(
        codes=Rates(per_s=PLACE_CODES_PER_HOUR / HOUR_S, burst=PLACE_CODES_PER_HOUR),
        tries=Rates(per_s=PLACE_TRIES_PER_HOUR / HOUR_S, burst=PLACE_TRIES_PER_HOUR),
        relay=Rates(per_s=codes_per_hour / HOUR_S, burst=codes_per_hour),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Both verbs. ``unit`` is None only where registration is closed."""

    store: Store
    terms: Terms
    unit: Unit | None
    bounds: Bounds
    descriptor: bytes = field(repr=False)
    clock: Clock
    counters: Counters
    entropy: Entropy
    line: Line = field(default_factory=Line, repr=False)

    async def get_code(self, command: GetCode, place: bytes) -> Parcel:
        """Make a code; when the answer has been said, ``send`` is to be called with what is returned.

        Raises Refusal: UNSUPPORTED where nobody may register, RATE.
        """
        self._require_open()
        now = self.clock.monotonic()
        counted = self.counters.codes
        counted["asked"] += 1
        wait_ms = self.bounds.codes.wait_ms(place, now) or self.bounds.relay.take(None, now)
        wait_ms = wait_ms or self.bounds.codes.take(place, now)
        if wait_ms:
            counted["refused"] += 1
            raise Refusal(Code.RATE, wait_ms)
        contact = _contact(command.contact)
        code = _code(self.entropy)
        if contact is None:
            return Parcel(Address(""), code, wanted=False)
        try:
            wanted = await self.store.take_code(contact, code, self.terms)
        except Refusal:
            counted["refused"] += 1
            raise
        return Parcel(contact, code, wanted, now + CODE_LIFETIME_S)

    async def send(self, parcel: Parcel) -> None:
        """Have a code sent, where it is to be; whoever asked is not told what became of it."""
        if not parcel.wanted or self.unit is None:
            return
        answer = await self.line.next(self.unit, parcel, self.clock)
        if answer.get("sent") is True:
            self.counters.codes["sent"] += 1
            self.line.failing = 0
            return
        self.counters.codes["failed"] += 1
        self.line.failing += 1
        reason = answer.get("error")
        _log.warning("a code could not be sent", reason=reason[:200] if isinstance(reason, str) else None)

    async def register(self, command: Register, place: bytes) -> Enrolled:
        """Make the account of a code; repeated, it gets the same answer.

        Raises Refusal: UNSUPPORTED, RATE, BAD_SIGNATURE, BAD_TICKET; LIMIT, BAD_ADDRESS and ADDRESS_TAKEN.
        """
        self._require_open()
        result = "refused"
        try:
            answer = await self._register(command, place)
            result = "done"
        finally:
            self.counters.registrations[result] += 1
        return answer

    async def _register(self, command: Register, place: bytes) -> Enrolled:
        wait_ms = self.bounds.tries.take(place, self.clock.monotonic())
        if wait_ms:
            raise Refusal(Code.RATE, wait_ms)
        devices = first_list(command)
        contact = _contact(command.contact)
        if contact is None:
            raise Refusal(Code.BAD_TICKET)  # There is no code for it.
        address = _contact(command.address) or Address("")
        made = await self.store.register(command, contact, address, devices, self.terms)
        if isinstance(made, Code):
            raise Refusal(made)
        return Enrolled(made.account, made.address, self.descriptor)

    def _require_open(self) -> None:
        if self.terms.mode is Mode.CLOSED:
            raise Refusal(Code.UNSUPPORTED)


def _contact(text: str) -> Address | None:
    try:
        return addresses.parse(text)
    except Refusal:
        return None


def _code(entropy: Entropy) -> str:
    """Return 8 digits; of eight random bytes so much that no code is likelier than another by one in 10^11."""
    return f"{int.from_bytes(entropy(_WORD_BYTES)) % 10**CODE_DIGITS:0{CODE_DIGITS}d}"
