"""The services' room: what officers change and ask, and the operator's broken glass (spec 70).

Acts and questions enter; what they came to leaves, or a Refusal. The rules of this file: a domain is looked up before
the store is asked, and only for who could use the answer; a denied question is written down before it is refused.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from relayd.domain import addresses
from relayd.domain.acting import Denied
from relayd.domain.fitting import fitting
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.logs import get_logger
from relayd.metrics import Counters
from relayd.services.rates import Rates
from relayd.store import By, Store
from relayproto import acts
from relayproto.administration import BreakGlass, CreateOrganisation, Question
from relayproto.administration_replies import Acted, AdministrationReply
from relayproto.codes import Code
from relayproto.commands import Act
from relayproto.people import GetPeople
from relayproto.rosters import Claim, Claimed, GetRoster, PutRoster, Rostered
from relayproto.statistics import GetRetention, Kept, Retention

RATE_PER_S: Final = 5.0
BURST_MAX: Final = 100
"""Acts and questions of one account at once, and 5 a second on, however many devices it has: a script that reads an
organisation's log page by page takes its time, and nobody keeps the writer from messages."""
PARTS_PER_S: Final = 40.0
PARTS_BURST: Final = 40
"""Parts of rosters: 100,000 lines in 25 s, of which the writer has a fifth."""
PEOPLE_RATE_PER_S: Final = 1.0
PEOPLE_BURST_MAX: Final = 100
"""Pages of people of one account at once, and one a second on: a long list is read in the background."""
SEARCH_COST: Final = 10.0
"""Pages that a search counts for: among 100,000 people it takes two or three seconds, in looks between which others
who ask have their turn."""

_log = get_logger("administration")


class Domains(Protocol):
    """What looks up whether a mail domain names a root key."""

    async def proven(self, domain: str, root_key: bytes) -> bool:
        """Say whether it does at this moment."""


class Administration:
    """The verbs of officers. ``relay`` is the fingerprint of the relay's root; without ``domains`` none is proven.

    ``kept`` is the data map with the retention in force.
    """

    __slots__ = ("_domains", "_kept", "_parts", "_people", "_rates", "_relay", "_store")

    def __init__(
        self, store: Store, *, relay: bytes, domains: Domains | None = None, kept: Sequence[Kept] = ()
    ) -> None:
        self._store = store
        self._kept = kept
        self._relay = relay
        self._domains = domains
        self._rates: Rates[bytes] = Rates(per_s=RATE_PER_S, burst=BURST_MAX)
        self._parts: Rates[bytes] = Rates(per_s=PARTS_PER_S, burst=PARTS_BURST)
        self._people: Rates[bytes] = Rates(per_s=PEOPLE_RATE_PER_S, burst=PEOPLE_BURST_MAX)

    async def act(self, seat: Seat, command: Act, now: float) -> Acted:
        """Do what an act says. Raises Refusal with the code of what is wrong with it (spec 70 §2)."""
        _take(self._rates, seat, now)
        to_prove = await self._store.domain_to_prove(seat, command) if acts.may_prove(command.octets) else None
        proven = frozenset() if to_prove is None else await self._proven(to_prove)
        done = await self._store.act(seat, command, relay=self._relay, proven=proven)
        if isinstance(done, Code):
            raise Refusal(done)
        return done

    async def _proven(self, asked: CreateOrganisation) -> frozenset[str]:
        if self._domains is None or not await self._domains.proven(asked.domain, asked.root_key):
            return frozenset()
        return frozenset({asked.domain})

    async def question(self, seat: Seat, command: Question, now: float) -> AdministrationReply:
        """Answer an officer's question. Raises Refusal: NOT_PERMITTED, RATE."""
        # Who approves a long roster has read all of it: as fast as it was handed in.
        _take(self._parts if isinstance(command, GetRoster) else self._rates, seat, now)
        if isinstance(command, GetPeople):
            _take(self._people, seat, now, SEARCH_COST if command.sought else 1.0)
        if isinstance(command, GetRetention):
            return Retention(*fitting(self._kept[command.after :], command.rows))
        try:
            return await self._store.answer(seat, command)
        except Denied as denied:
            await self._store.deny_question(seat, command, denied.code)
            raise Refusal(denied.code) from None

    async def put_roster(self, seat: Seat, command: PutRoster, now: float) -> Rostered:
        """Take a part of a roster. Raises Refusal: NOT_PERMITTED, CONFLICT, LIMIT, BUSY, RATE."""
        _take(self._parts, seat, now)
        taken = await self._store.put_roster(seat, command)
        if isinstance(taken, Code):
            raise Refusal(taken)
        return taken

    async def claim(self, seat: Seat, command: Claim, now: float) -> Claimed:
        """Keep what somebody claims to be. Raises Refusal: NOT_PERMITTED, LIMIT, CONFLICT, RATE."""
        _take(self._rates, seat, now)
        return await self._store.claim(seat, command)


def _take(rates: Rates[bytes], seat: Seat, now: float, cost: float = 1.0) -> None:
    wait_ms = rates.take(seat.account, now, cost)
    if wait_ms:
        raise Refusal(Code.RATE, wait_ms)


async def break_glass(store: Store, counters: Counters, command: BreakGlass, by: By) -> Acted:
    """Make an account a platform operator for a while, loudly. Raises Refusal: BAD_ADDRESS, NOT_AVAILABLE."""
    acted, account = await store.break_glass(addresses.parse(command.address), command.ttl_s, by)
    counters.break_glass += 1
    # The reason and the address are in the audit log; the log of the process has whom it concerns and where to look.
    _log.critical("the glass was broken", account=account.hex(), ttl_s=command.ttl_s, record=acted.record)
    return acted
