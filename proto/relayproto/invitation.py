"""The contract: the link that brings somebody to a relay.

An invitation becomes a link and a pasted link becomes an invitation, or an ``InvitationError`` with a sentence for
people. The rule of this file: a link that lost or changed a character on its way is told apart from a wrong one; the
checksum is for that alone, what makes an invitation good is its ticket (spec 55 §7).
"""

import base64
import binascii
import re
from typing import Annotated, ClassVar, Final

from relayproto.errors import Malformed
from relayproto.fields import octets, text, uint
from relayproto.ids import Address, KeyId
from relayproto.limits import ADDRESS_CHARS_MAX, INVITATION_CHARS_MAX, TICKET_BYTES
from relayproto.packed import pack, unpack
from relayproto.primitives import blake2b_256
from relayproto.value import Packable, Value

_VERSION: Final = 1
_CHECKSUM_BYTES: Final = 4
_PORT_MAX: Final = 65_535
_LINK: Final = re.compile(
    r"relay://(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?P<host>[0-9A-Za-z._-]{1,253}))"
    r":(?P<port>[0-9]{1,5})/join#(?P<rest>.*)"
)

NOT_ONE: Final = "This is not an invitation link: one begins with relay:// and has /join# in it."
CUT_OFF: Final = "This invitation link is not complete: part of it was cut off or changed. Copy the whole link again."
NO_PLACE: Final = "The relay's host name or port can't stand in an invitation link."
NEWER: Final = "This invitation link was made by a newer version of the relay. Update this program and try again."


class InvitationError(ValueError):
    """A link that is no invitation; its text is a sentence for the person who pasted it."""


class Invitation(Value, frozen=True):
    """Whom a ticket makes an account for, where the relay is, and the keys to believe it by.

    ``relay_key`` is the relay's X25519 public key number ``key_id``, ``root_fingerprint`` names its offline root.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"ticket"})
    address: Address
    host: str
    port: int
    key_id: KeyId
    relay_key: bytes
    root_fingerprint: bytes
    ticket: bytes


class _Packed(Packable, frozen=True):
    """What of an invitation the link packs; the rest is its host and port."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"ticket"})
    address: Annotated[Address, text(ADDRESS_CHARS_MAX)]
    key_id: Annotated[KeyId, uint((1 << 32) - 1)]
    relay_key: Annotated[bytes, octets(32)]
    root_fingerprint: Annotated[bytes, octets(32)]
    ticket: Annotated[bytes, octets(TICKET_BYTES)]


def _checksum(host: str, port: int, octets_: bytes) -> bytes:
    return blake2b_256(f"{host}:{port}#".encode() + octets_)[:_CHECKSUM_BYTES]


def to_link(invitation: Invitation) -> str:
    """Return the link; InvitationError where host or port can't stand in one."""
    host, port = invitation.host, invitation.port
    packed = bytes((_VERSION,)) + pack(
        invitation.address, invitation.key_id, invitation.relay_key, invitation.root_fingerprint, invitation.ticket
    )
    coded = base64.urlsafe_b64encode(packed + _checksum(host, port, packed)).rstrip(b"=").decode()
    link = f"relay://{f'[{host}]' if ':' in host else host}:{port}/join#{coded}"
    if _LINK.fullmatch(link) is None or from_link(link) != invitation:
        raise InvitationError(NO_PLACE)
    return link


def from_link(link: str) -> Invitation:
    """Return the invitation that a link holds; white space that a mail program put in does no harm."""
    if len(link) > INVITATION_CHARS_MAX or not (joined := "".join(link.split())).startswith("relay://"):
        raise InvitationError(NOT_ONE)
    found = _LINK.fullmatch(joined)
    if found is None or not 0 < (port := int(found["port"])) <= _PORT_MAX:
        raise InvitationError(CUT_OFF)
    host = found["ipv6"] or found["host"]
    octets_ = _decoded(found["rest"])
    if octets_[:1] > bytes((_VERSION,)):
        raise InvitationError(NEWER)
    packed, checksum = octets_[:-_CHECKSUM_BYTES], octets_[-_CHECKSUM_BYTES:]
    if not packed.startswith(bytes((_VERSION,))) or checksum != _checksum(host, port, packed):
        raise InvitationError(CUT_OFF)
    try:
        said = unpack(packed[1:], _Packed)
    except Malformed:
        raise InvitationError(NOT_ONE) from None
    return Invitation(said.address, host, port, said.key_id, said.relay_key, said.root_fingerprint, said.ticket)


def _decoded(coded: str) -> bytes:
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvitationError(CUT_OFF) from None
