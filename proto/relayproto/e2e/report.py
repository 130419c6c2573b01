"""The contract, between devices: what a report gives to the moderators, and what they find in it (spec 65 §6).

The evidence of one message enters and a sealed report leaves; both moderators together get it back. The rules of this
file: one moderator alone learns nothing; all reports have one length; nobody is called the author of what the relay
has not stamped.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from relayproto import stamp
from relayproto.descriptor import KeyDescriptor
from relayproto.e2e.commitment import check_opens
from relayproto.e2e.content import Evidence
from relayproto.errors import LocalProtocolError, Malformed
from relayproto.limits import REPORT_BYTES
from relayproto.packed import pack, unpack
from relayproto.primitives import Aead, box_open, box_seal

_VERSION: Final = b"\x01"
_END: Final = b"\x80"
_BOX_BYTES: Final = 48
_PLAIN_BYTES: Final = REPORT_BYTES - 2 * _BOX_BYTES


def seal_report(evidence: Evidence, moderators: Sequence[bytes]) -> bytes:
    """Return the REPORT_BYTES that the relay is handed; ``moderators`` are the two public keys of its descriptor."""
    if len(moderators) != 2:  # noqa: PLR2004 - dual control
        raise LocalProtocolError("this relay has no moderators")
    packed = pack(evidence.content, evidence.hidden, evidence.opening, evidence.commitment, evidence.stamp)
    plain = (_VERSION + packed + _END).ljust(_PLAIN_BYTES, b"\x00")
    first, second = moderators
    return box_seal(first, box_seal(second, plain))


def open_report(sealed: bytes, first_private: bytes, second_private: bytes) -> Evidence:
    """Return what was reported; CryptoFailure where a key does not fit, Malformed for what is no report."""
    plain = box_open(second_private, box_open(first_private, sealed))
    packed, end, _ = plain.rpartition(_END)
    if not end or not packed.startswith(_VERSION):
        raise Malformed("not a report of a known version")
    return unpack(packed[1:], Evidence)


def verify(evidence: Evidence, descriptors: Iterable[KeyDescriptor], hour_key: bytes) -> stamp.Author:
    """Return who wrote what was reported; ``hour_key`` is the key of the hour that the stamp names.

    CryptoFailure where the commitment is to another content, no key of the relay signed the stamp, or the hour's key
    is another: then nobody is the author.
    """
    check_opens(evidence.commitment, evidence.content, evidence.hidden, evidence.opening)
    stamp.check_known(evidence.stamp, evidence.commitment, descriptors)
    return stamp.open_author(evidence.stamp, evidence.commitment, Aead(hour_key))
