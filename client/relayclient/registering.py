"""The device's room: becoming a member without an invitation, by a code that is sent to one's mail address (spec 89).

A relay's place, its root's fingerprint and a contact enter; a device leaves, enrolled. The rules of this file: the
relay is believed by its root's fingerprint alone; the keys are there before a code is asked for, so that what was cut
off goes on with them; a code is neither kept nor shown.
"""

import re
from typing import Final

from relayclient import enrol
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.entropy import system_entropy
from relayclient.errors import BadAddress, ClientError, RelayRefused, RelayUntrusted
from relayclient.membership import NO_KEY_ID, Shown
from relayproto.codes import Code
from relayproto.commands import EnrolCommand, GetCode
from relayproto.ids import Address
from relayproto.invitation import Invitation
from relayproto.limits import ADDRESS_CHARS_MAX, CODE_CHARS_MAX, CODE_DIGITS, TICKET_BYTES
from relayproto.packed import pack
from relayproto.primitives import Entropy, blake2b_256
from relayproto.replies import Refused

_LABEL: Final = "relay/register/1"


class RegistrationClosed(ClientError):  # noqa: N818
    """This relay takes nobody in who was not invited: ask for an invitation."""

    exit_status = 77


class CodesExhausted(ClientError):  # noqa: N818
    """No code was made or looked at: too many already, for this address, from here, or altogether. Try again later."""

    exit_status = 75

    def __init__(self, detail: str = "", retry_after_ms: int = 0) -> None:
        """Keep in how many milliseconds it may be tried again (0: the relay does not say)."""
        super().__init__(detail)
        self.retry_after_ms = retry_after_ms


class AnotherRoot(RelayUntrusted):
    """That relay has another root than --root: see whether you mistyped it; if not, do not go on, ask the operator."""


class CodeWrong(ClientError):  # noqa: N818
    """That code is wrong, used up or too old: type it again (relay register --have-code), or have another one sent."""

    exit_status = 65


class CodeMistyped(ClientError):  # noqa: N818
    """A code has 8 digits, and the relay was not asked: type it again (relay register --have-code)."""

    exit_status = 65


class ContactUsed(ClientError):  # noqa: N818
    """This mail address has made an account within the last 30 days: use that one."""

    exit_status = 65


class AddressRefused(ClientError):  # noqa: N818
    """That address is not for you here: name a free one, under a domain that the relay offers (--address)."""

    exit_status = 65


_ERRORS: Final[dict[int, type[ClientError]]] = {
    Code.UNSUPPORTED: RegistrationClosed,
    Code.BAD_TICKET: CodeWrong,
    Code.LIMIT: ContactUsed,
    Code.BAD_ADDRESS: AddressRefused,
    Code.ADDRESS_TAKEN: AddressRefused,
}


def place(contact: str, host: str, port: int, root: bytes, entropy: Entropy = system_entropy) -> Invitation:
    """Return what stands for an invitation: the relay's key is not known and will be what its root has signed.

    The same contact at the same relay gives the same ticket, so that ``Device.create`` goes on with the same keys.
    """
    ticket = blake2b_256(pack(_LABEL, contact, host, port, root))[:TICKET_BYTES]
    return Invitation(Address(contact), host, port, NO_KEY_ID, entropy(32), root, ticket)


def in_one_form(address: str) -> Address:
    """Return a mail address in lower case. Raises BadAddress."""
    lowered = address.strip().lower()
    if not lowered.isascii() or len(lowered) > ADDRESS_CHARS_MAX or lowered.count("@") != 1:
        raise BadAddress(address)
    return Address(lowered)


async def ask_for_code(device: Device, contact: Address, *, clock: RelayClock) -> None:
    """Have a code sent. That it was is not told, nor whether this address may register at all.

    Raises RegistrationClosed, CodesExhausted, RelayAway, AnotherRoot.
    """
    await _said(device, GetCode(contact), clock)


async def register(device: Device, shown: Shown, *, clock: RelayClock) -> None:
    """Become the account of a code. Raises CodeWrong, ContactUsed, AddressRefused, and what ``ask_for_code`` raises."""
    code = "".join(each for each in shown.code if each not in " -")
    if len(code) > CODE_CHARS_MAX:
        raise CodeWrong
    await _said(device, device.enrol_command(shown._replace(code=code)), clock)


async def _said(device: Device, command: EnrolCommand, clock: RelayClock) -> None:
    try:
        answer = await enrol.ask(device, command, clock=clock)
    except RelayUntrusted:
        raise AnotherRoot from None
    if isinstance(answer, Refused) and answer.code == Code.RATE:
        raise CodesExhausted(retry_after_ms=answer.retry_after_ms)
    if isinstance(answer, Refused):
        raise _ERRORS[answer.code]() if answer.code in _ERRORS else RelayRefused(f"code {answer.code}")


def is_code(text: str) -> bool:
    """Say whether a text can be a code: 8 digits, with spaces and hyphens between them or not."""
    digits = re.sub(r"[\s-]", "", text)
    return len(digits) == CODE_DIGITS and digits.isascii() and digits.isdigit()
