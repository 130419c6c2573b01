"""The services' room: LOOKUP, GET_DEVICES, PUT_DEVICES and GET_RELAY_KEYS.

Names and accounts enter; signed lists leave, or a Refusal. The rule of this file: unknown, blocked, foreign and
suspended are one answer, NOT_AVAILABLE, by one code path: the store's (protocol.md §6).
"""

from typing import Final

from relayd.delivery.hub import Hub
from relayd.domain import addresses
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.services.rates import Rates
from relayd.store import Store
from relayproto import identity
from relayproto.codes import Code
from relayproto.commands import GetDevices, Lookup, PutDevices
from relayproto.errors import CryptoFailure, Malformed
from relayproto.identity import DeviceList
from relayproto.replies import Account, Devices, RelayKeys

LOOKUP_RATE_PER_S: Final = 0.2
LOOKUP_BURST_MAX: Final = 100
"""Addresses that one account looks up at once, and one every five seconds on, however many devices it has: enough for
an address book on a new phone; trying a list of guesses out takes 17,000 a day at most."""
LISTS_PER_S: Final = 1 / 60
LISTS_BURST_MAX: Final = 16
"""Device lists of one account at once, and one a minute on: each is a commit that reads and writes all devices."""
ADDED_A_DAY_MAX: Final = 16
"""Devices that one account adds on a day, twice as many as it may have: each makes a mailbox, and numbers are not used
again. To remove one is not bounded by this."""
_DAY_S: Final = 86_400


class Directory:
    """Who is who."""

    __slots__ = ("_added", "_descriptors", "_hub", "_lists", "_rates", "_store")

    def __init__(self, store: Store, hub: Hub, descriptors: tuple[bytes, ...]) -> None:
        self._store = store
        self._hub = hub
        self._descriptors = descriptors
        self._rates: Rates[bytes] = Rates(per_s=LOOKUP_RATE_PER_S, burst=LOOKUP_BURST_MAX)
        self._lists: Rates[bytes] = Rates(per_s=LISTS_PER_S, burst=LISTS_BURST_MAX)
        self._added: Rates[bytes] = Rates(per_s=ADDED_A_DAY_MAX / _DAY_S, burst=ADDED_A_DAY_MAX)

    async def lookup(self, seat: Seat, command: Lookup, now: float) -> Account:
        """Return the account that an address names. Raises Refusal: RATE, BAD_ADDRESS, NOT_AVAILABLE."""
        wait_ms = self._rates.take(seat.account, now)  # Before anything of the address is looked at.
        if wait_ms:
            raise Refusal(Code.RATE, wait_ms)
        return await self._store.account_of(addresses.parse(command.address), seat.account)

    async def devices(self, seat: Seat, command: GetDevices) -> Devices:
        """Return an account's newest device list. Raises Refusal: NOT_AVAILABLE."""
        return await self._store.devices_of(command.account, seat.account, command.pass_)

    async def put_devices(self, seat: Seat, command: PutDevices, now: float) -> Devices:
        """Replace the account's list by a newer one and end the connections of devices that are gone.

        Raises Refusal: BAD_SIGNATURE for a list that the account did not sign, RATE for too many of them or of new
        devices, STALE_LIST for one that is not newer.
        """
        try:
            devices = identity.decode(command.devices, command.signature)
        except (CryptoFailure, Malformed):
            raise Refusal(Code.BAD_SIGNATURE) from None
        if devices.account != seat.account:
            raise Refusal(Code.BAD_SIGNATURE)
        if wait_ms := await self._wait_ms(seat, devices, now):
            raise Refusal(Code.RATE, wait_ms)
        changed = await self._store.put_devices(seat, devices, command.devices, command.signature)
        self._hub.revoke(changed.removed)
        return changed.reply

    async def _wait_ms(self, seat: Seat, devices: DeviceList, now: float) -> int:
        """Return how long a list has to wait. One that is not newer costs nothing.

        A newer list takes the account's key to make; one that is repeated does not, and a stolen device must not use up
        what the owner needs to remove it.
        """
        answer = await self._store.devices_of(seat.account, seat.account)
        held = identity.decode(answer.devices, answer.signature)
        if devices.version <= held.version:
            return 0
        added = sum(held.entry(entry.device) is None for entry in devices.devices)
        wait_ms = self._lists.take(seat.account, now)
        return wait_ms or (self._added.take(seat.account, now, added) if added else 0)

    def relay_keys(self) -> RelayKeys:
        """Return the relay's own descriptors."""
        return RelayKeys(self._descriptors)
