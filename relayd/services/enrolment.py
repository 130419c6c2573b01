"""The services' room: ENROL, which turns a ticket into an account with one device (spec 40 §3).

ENROL enters; ENROLLED leaves, or a Refusal. The rule of this file: nothing is stored of somebody who has not signed
what is stored: the list by the account, the prekeys by the device.
"""

from typing import Final

from relayd.domain.refusals import Refusal
from relayd.store import Store
from relayproto import identity
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import Enrol, Register
from relayproto.errors import CryptoFailure, Malformed
from relayproto.identity import DeviceList
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
        devices = first_list(command)
        made = await self._store.enrol(command, devices)
        return Enrolled(made.account, made.address, self._descriptor)


def first_list(command: Enrol | Register) -> DeviceList:
    """Return the device list of an account that begins; Refusal where something is not signed, or not a beginning."""
    try:
        devices = identity.decode(command.devices, command.signature)
        [first] = devices.devices
        for prekey in command.prekeys:
            identity.verify_prekey(prekey, account=devices.account, device=first.device, sign_key=first.sign_key)
    except (CryptoFailure, Malformed, ValueError):
        raise Refusal(Code.BAD_SIGNATURE) from None
    kinds = [prekey.kind for prekey in command.prekeys]
    if devices.version != 1 or _NEEDED - set(kinds) or len(kinds) != len(set(kinds)):
        raise Refusal(Code.BAD_SIGNATURE)
    return devices
