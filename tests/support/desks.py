"""A store that says what a test wants and keeps what it was told, for the tests of the services."""

from typing import TYPE_CHECKING

from relayd.domain.answers import BundlesTaken, DevicesChanged, Enrolment
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import By
from relayproto import identity
from relayproto.administration_replies import Acted
from relayproto.codes import Code, Kind
from relayproto.ids import Address
from relayproto.replies import Account, Bundles, Devices, PrekeysLeft
from relayproto.standing import ActState
from support.people import Person


def listed(person: Person, devices: identity.DeviceList | None = None) -> tuple[bytes, bytes]:
    octets = identity.encode(devices or person.list)
    return octets, identity.sign_list(person.identity_seed, octets)


def seat_of(person: Person, *, row: int = 1, generation: int = 1, device: int | None = None) -> Seat:
    return Seat(row, generation, person.account, device or person.device)


if TYPE_CHECKING:
    from relayproto.notices import PrekeysLow


class AgreeableStore:
    """Knows one person; every verb succeeds."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.room = 100
        self.taken: list[tuple[object, ...]] = []
        self.low: tuple[tuple[int, PrekeysLow], ...] = ()
        self.removed: tuple[int, ...] = ()

    def submit(self, *arguments: object) -> None:
        self.taken.append(arguments)

    async def login(self, *arguments: object) -> str:
        self.taken.append(arguments)
        return "welcome"

    async def enrol(self, *arguments: object) -> Enrolment:
        self.taken.append(arguments)
        return Enrolment(self.person.account, Address("alice@gad.example"))

    async def put_prekeys(self, *arguments: object) -> PrekeysLeft:
        self.taken.append(arguments)
        return PrekeysLeft(1, 1)

    async def bundles(self, *arguments: object) -> BundlesTaken:
        self.taken.append(arguments)
        return BundlesTaken(Bundles(*listed(self.person), (self.person.bundle(),)), self.low)

    async def put_devices(self, *arguments: object) -> DevicesChanged:
        self.taken.append(arguments)
        return DevicesChanged(await self.devices_of(self.person.account, self.person.account), self.removed)

    async def devices_of(self, _: bytes, __: bytes, ___: bytes = b"") -> Devices:
        return Devices(*listed(self.person), "alice@gad.example")

    async def mailboxes_of(self, account: bytes, asker: bytes, pass_: bytes) -> dict[int, int]:
        if account != self.person.account:
            raise Refusal(Code.NOT_AVAILABLE)
        self.taken.append((account, asker, pass_))
        return {1: 7, 2: 8}

    async def block(self, *arguments: object, blocked: bool) -> None:
        self.taken.append((*arguments, blocked))

    async def put_profile(self, *arguments: object) -> None:
        self.taken.append(arguments)

    async def report(self, *arguments: object) -> None:
        self.taken.append(arguments)

    async def probe(self) -> None:
        self.taken.append(("probed",))

    async def account_of(self, address: str, asker: bytes) -> Account:
        self.taken.append((address, asker))
        return Account(self.person.account, address, *listed(self.person))

    async def break_glass(self, *arguments: object) -> tuple[Acted, bytes]:
        self.taken.append(arguments)
        return Acted(ActState.DONE, 1, 0, b""), self.person.account

    async def invite(self, *arguments: object) -> bytes:
        self.taken.append(arguments)
        return b"t" * 16

    async def note(self, kind: Kind, by: By, *, detail: int = 0) -> Acted:
        self.taken.append((kind.name, str(by), detail))
        return Acted(ActState.DONE, 41, 0, b"")

    async def status(self) -> list[tuple[str, int]]:
        return [("accounts", 2)]
