"""The store room: the part of its door that is for the relay's local operator (spec 40 §5).

Commands that the service has read enter; answers leave after their commit was synced. The rule of this file: what
changes something, and each look at a person, is written into the audit log before it is done or in the same commit.
"""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from relayd.clock import Clock
from relayd.domain.refusals import Fault
from relayd.store import acts, database, interventions, selfcheck
from relayd.store.commit import Commit
from relayd.store.engine import Engine
from relayd.store.interventions import By, Person
from relayd.store.opening import Opened
from relayd.store.whole import Finding
from relayproto.administration_replies import Acted
from relayproto.codes import Code, Kind
from relayproto.ids import AccountId, Address
from relayproto.operating import Mailboxes

T = TypeVar("T")

_CHECK_RETRY_MS = 30_000


class LocalVerbs(ABC):
    """What only the local operator asks of the store. All raise Refusal and Fault as the store's other verbs do."""

    __slots__ = ()
    _clock: Clock
    _engine: Engine
    _opened: Opened

    @abstractmethod
    async def _act(self, act: Callable[[Commit], T]) -> T:
        """Run a verb in a commit."""

    @abstractmethod
    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Run what only reads."""

    async def invite(self, address: Address, expires_ms: int, by: By) -> bytes:
        """Return a new ticket, 16 bytes. Raises Refusal(ADDRESS_TAKEN)."""
        return await self._act(lambda commit: interventions.invite(commit, address, expires_ms, by))

    async def break_glass(self, address: Address, ttl_s: int, by: By) -> tuple[Acted, AccountId]:
        """Make an account a platform operator for a while. Raises Refusal(NOT_AVAILABLE)."""
        return await self._act(lambda commit: acts.break_glass(commit, address, ttl_s, str(by)))

    async def note(self, kind: Kind, by: By, *, detail: int = 0) -> Acted:
        """Write down what is about to be done to the relay itself."""
        return await self._act(lambda commit: interventions.note(commit, kind, by, detail=detail))

    async def look(self, whom: str, by: By) -> Mailboxes:
        """Return the numbers of an account's mailboxes. Raises Refusal: BAD_ADDRESS, NOT_AVAILABLE."""
        who, record = await self._act(lambda commit: interventions.look(commit, whom, by))
        boxes = await self._read(lambda db: interventions.boxes(db, who.row))
        quota = self._opened.tools.quota
        return Mailboxes(
            record, who.account, who.unit, who.suspended, quota.messages, quota.octets, self._clock.now_ms(),
            tuple(boxes),
        )  # fmt: skip

    async def dismiss(self, whom: str, device: int, by: By) -> tuple[Person, Acted]:
        """Write down that connections are ended; return whose. Raises Refusal: BAD_ADDRESS, NOT_AVAILABLE."""
        return await self._act(lambda commit: interventions.dismiss(commit, whom, device, by))

    async def suspend(self, whom: str, by: By, *, suspended: bool) -> Acted:
        """Suspend an account, or let it be. Raises Refusal: BAD_ADDRESS, NOT_AVAILABLE, CONFLICT."""
        return await self._act(lambda commit: interventions.suspend(commit, whom, by, suspended=suspended))

    async def purge(self, whom: str, device: int, by: By) -> tuple[Person, Acted]:
        """Empty mailboxes; return whose. Raises Refusal: BAD_ADDRESS, NOT_AVAILABLE."""
        return await self._act(lambda commit: interventions.purge(commit, whom, device, by))

    async def move_log(self) -> int:
        """Move the write-ahead log into the file and return how many bytes of it are left."""
        await self._engine.checkpoint()
        return database.log_bytes(self._opened.path)

    async def self_check(self) -> tuple[list[Finding], list[str]]:
        """Return what came of each invariant, and those for which there was no time. It asks nothing of the writer."""
        path, keys, now_ms = self._opened.path, self._opened.keys, self._clock.now_ms()
        try:
            return await asyncio.to_thread(selfcheck.check, path, lambda: keys.days, now_ms, self._clock.monotonic)
        except sqlite3.Error as error:
            raise Fault(Code.UNAVAILABLE, _CHECK_RETRY_MS) from error
