"""The services' room: ENROL, which turns a ticket into an account with one device (spec 40 §3).

ENROL enters; ENROLLED leaves, or a Refusal. The rule of this file: nothing is stored of somebody who has not signed
what is stored: the list by the account, the prekeys by the device.
"""

from typing import Final

from relayd.domain.refusals import Refusal
from relayd.store import Store
from relayproto import identity
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import Enrol, Register, SignedPrekey
from relayproto.errors import CryptoFailure, Malformed
from relayproto.identity import DeviceEntry, DeviceList
from relayproto.ids import DeviceId
from relayproto.replies import Enrolled

_NEEDED: Final = {PrekeyKind.SIGNED, PrekeyKind.KEM_LAST_RESORT}
"""With these two a first message to the device is possible for ever, however many were sent before."""


class Enrolment:
    """Making accounts."""

    __slots__ = ("_descriptor", "_store")

    def __init__(self, store: Store, descriptor: bytes) -> None:
        self._store = store
        self._descriptor = descriptor

    async def enrol(self, command: Enrol) -> Enrolled:
        """Make the account and bind the ticket's address to it; repeated, it gets the same answer.

        Raises Refusal: BAD_SIGNATURE, BAD_TICKET, ADDRESS_TAKEN.
        """
        devices, device = own_list(command)
        made = await self._store.enrol(command, devices, device)
        return Enrolled(made.account, made.address, self._descriptor)


def first_list(command: Enrol | Register) -> DeviceList:
    """Return the device list of an account that begins; Refusal where something is not signed, or not a beginning."""
    devices, _ = own_list(command)
    if devices.version != 1 or len(devices.devices) != 1:
        raise Refusal(Code.BAD_SIGNATURE)
    return devices


def own_list(command: Enrol | Register) -> tuple[DeviceList, DeviceId]:
    """Return the device list of an account that comes, and which of its devices signed the prekeys that come with it.

    It is the first list, or, of an account that a restore has lost, the newest. Refusal(BAD_SIGNATURE) where something
    is not signed or is lacking.
    """
    kinds = [prekey.kind for prekey in command.prekeys]
    if _NEEDED - set(kinds) or len(kinds) != len(set(kinds)):
        raise Refusal(Code.BAD_SIGNATURE)
    try:
        devices = identity.decode(command.devices, command.signature)
    except (CryptoFailure, Malformed):
        raise Refusal(Code.BAD_SIGNATURE) from None
    for entry in devices.devices:
        if all(_signed(prekey, devices, entry) for prekey in command.prekeys):
            return devices, entry.device
    raise Refusal(Code.BAD_SIGNATURE)


def _signed(prekey: SignedPrekey, devices: DeviceList, entry: DeviceEntry) -> bool:
    try:
        identity.verify_prekey(prekey, account=devices.account, device=entry.device, sign_key=entry.sign_key)
    except CryptoFailure:
        return False
    return True
