"""The generator's people: accounts of one device each, enrolled the way everybody is.

The operator's socket gives tickets, an enrolment connection (NKhfs) turns each into an account.
"""

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import cast

from relay import Place

from relayproto import frame, identity, message
from relayproto.codes import Kind, PrekeyKind, Purpose
from relayproto.commands import Enrol, Invite
from relayproto.connection import ClientConnection
from relayproto.events import Closed, MessageReceived
from relayproto.identity import FIRST_PREVIOUS, DeviceEntry, DeviceList
from relayproto.ids import AccountId, DeviceId
from relayproto.primitives import ML_KEM_768, ed25519_public, x25519_public
from relayproto.replies import Enrolled, Invited

DEVICE = DeviceId(1)
AT_ONCE = 32
OPERATORS = 4
ENROL_S_MAX = 30.0


@dataclass(slots=True)
class Person:
    """One account, one device, and how far it is; between connections this is all that it knows."""

    account: AccountId
    identity_seed: bytes = field(repr=False)
    sign_seed: bytes = field(repr=False)
    dh_private: bytes = field(repr=False)
    epoch: int = 0
    ledger_epoch: int = 0
    submission: int = 0
    floors: list[int] = field(default_factory=lambda: [0, 0, 0])


def born() -> Person:
    """Return somebody with new keys."""
    identity_seed = os.urandom(32)
    account = identity.account_id(ed25519_public(identity_seed))
    return Person(account, identity_seed, os.urandom(32), os.urandom(32))


_KEM_PUBLIC = ML_KEM_768.public_of(os.urandom(64))
"""The relay keeps it and cannot use it, so one serves all; nobody here makes a first message."""


def _enrol(person: Person, ticket: bytes) -> Enrol:
    entry = DeviceEntry(DEVICE, ed25519_public(person.sign_seed), x25519_public(person.dh_private), 0)
    identity_key = ed25519_public(person.identity_seed)
    listed = identity.encode(
        DeviceList(person.account, identity_key, 1, FIRST_PREVIOUS, int(time.time() * 1000), 1, (entry,))
    )
    prekeys = tuple(
        identity.sign_prekey(person.sign_seed, kind, account=person.account, device=DEVICE, number=1, key=key)
        for kind, key in ((PrekeyKind.SIGNED, entry.dh_key), (PrekeyKind.KEM_LAST_RESORT, _KEM_PUBLIC))
    )
    return Enrol(ticket, listed, identity.sign_list(person.identity_seed, listed), prekeys)


class _Enrolment(asyncio.Protocol):
    """One enrolment connection; ``ended`` has its answer."""

    def __init__(self, place: Place, command: Enrol) -> None:
        self._connection = ClientConnection(
            purpose=Purpose.ENROL, relay_key=place.key, key_id=place.key_id, hello=None, static_key=None,
            entropy=os.urandom, now=time.monotonic(),
        )  # fmt: skip
        self._command = command
        self._transport: asyncio.Transport | None = None
        self._asked = False
        self.ended: asyncio.Future[Enrolled] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._transport.write(self._connection.data_to_send(time.monotonic()))

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._connection.receive_data(data, time.monotonic())
        for event in self._connection.events():
            if isinstance(event, MessageReceived | Closed) and not self.ended.done():
                said = event.message if isinstance(event, MessageReceived) else event
                if isinstance(said, Enrolled):
                    self.ended.set_result(said)
                else:
                    self.ended.set_exception(RuntimeError(f"not enrolled: {said}"))
                self._transport.close()
        if self._connection.open and not self._asked:
            self._asked = True
            self._connection.send(self._command, 1)
        self._transport.write(self._connection.data_to_send(time.monotonic()))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(f"not enrolled: the connection ended, {exc}"))


async def _tickets(place: Place, addresses: list[str]) -> list[bytes]:
    """Return a ticket for each address, over one session with the operator's socket."""
    reader, writer = await asyncio.open_unix_connection(place.operator)
    try:
        for address in addresses:
            asked = message.encode(Invite(address, 3600), 1)
            writer.write(len(asked).to_bytes(2) + asked)
        tickets = []
        for _ in addresses:
            said = frame.decode(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
            if said.kind != Kind.INVITED:
                raise RuntimeError(f"no invitation: kind {said.kind}")
            tickets.append(message.read(Invited, said.octets).ticket)
    finally:
        writer.close()
    return tickets


async def enrol(place: Place, count: int, first: int) -> list[Person]:
    """Enrol ``count`` people, whose addresses are numbered from ``first``, and return them."""
    addresses = [f"u{first + number}@office.example" for number in range(count)]
    parts = [addresses[start::OPERATORS] for start in range(OPERATORS)]
    found = await asyncio.gather(*(_tickets(place, part) for part in parts if part))
    tickets = [ticket for part in found for ticket in part]
    people = [born() for _ in tickets]
    gate = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()

    async def one(person: Person, ticket: bytes) -> None:
        async with gate, asyncio.timeout(ENROL_S_MAX):
            command = _enrol(person, ticket)
            _, enrolment = await loop.create_connection(lambda: _Enrolment(place, command), place.host, place.port)
            await enrolment.ended

    await asyncio.gather(*(one(person, ticket) for person, ticket in zip(people, tickets, strict=True)))
    return people
