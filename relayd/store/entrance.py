"""The store room: the part of its door that is for those who have no account yet (spec 40 §3, 89).

Tickets, codes and what stands for them enter; accounts leave after their commit was synced. The rule of this file: it
makes accounts and tells of none.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from relayd.domain.answers import Enrolment
from relayd.store import accounts, registrations
from relayd.store.commit import Commit
from relayd.store.registrations import Terms
from relayproto.codes import Code
from relayproto.commands import Enrol, Register
from relayproto.identity import DeviceList
from relayproto.ids import Address, DeviceId

T = TypeVar("T")


class EntranceVerbs(ABC):
    """What makes accounts. All raise Fault as the store's other verbs do."""

    __slots__ = ()

    @abstractmethod
    async def _act(self, act: Callable[[Commit], T]) -> T:
        """Run a verb in a commit."""

    async def create_ticket(self, address: Address, expires_ms: int) -> bytes:
        """Return a new ticket, 16 bytes. Raises Refusal(ADDRESS_TAKEN)."""
        return await self._act(lambda commit: accounts.create_ticket(commit, address, expires_ms))

    async def enrol(self, command: Enrol, devices: DeviceList, device: DeviceId | None = None) -> Enrolment:
        """Make the account of a ticket; ``devices`` is the command's list, verified, of which ``device`` enrols.

        Raises Refusal: BAD_TICKET, ADDRESS_TAKEN.
        """
        return await self._act(lambda commit: accounts.enrol(commit, command, devices, device))

    async def take_code(self, contact: Address, code: str, terms: Terms) -> bool:
        """Keep a code and say whether to send it. Raises Refusal(RATE)."""
        return await self._act(lambda commit: registrations.take_code(commit, contact, code, terms))

    async def register(
        self, command: Register, contact: Address, address: Address, devices: DeviceList, terms: Terms
    ) -> Enrolment | Code:
        """Make the account of a code; ``devices`` is the command's list, verified. What is returned is committed."""
        return await self._act(lambda commit: registrations.register(commit, command, contact, address, devices, terms))
