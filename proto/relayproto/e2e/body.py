"""The contract, between devices: a content sealed once for all, and what a recipient checks (spec 60 §8).

A content and its context enter, a body and the keys for the wraps leave; what the relay delivered enters, and what may
be shown leaves. The rule of this file: nothing leaves that could not be reported - the stamp, the commitment, the
context and the session all agree, or it is refused.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final

from relayproto import stamp
from relayproto.descriptor import KeyDescriptor
from relayproto.e2e.commitment import CONTEXT_BYTES, Context, check_opens, commit, hide, read_context
from relayproto.e2e.content import Content, Evidence, Forward, Read, Retry, Text, Unknown, decode, encode
from relayproto.e2e.padding import pad, unpad
from relayproto.e2e.session import Peer
from relayproto.e2e.wrap import Wrapped
from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import octets, octets_up_to
from relayproto.limits import BODY_BYTES_MAX, FORWARD_DEPTH_MAX
from relayproto.notices import Deliver
from relayproto.packed import pack, unpack
from relayproto.primitives import KEY_BYTES, Aead, Entropy, equal
from relayproto.value import Packable, Value

_VERSION: Final = b"\x01"
_NO_NONCE: Final = bytes(12)


class Sealed(Value, frozen=True):
    """What SUBMIT takes, and what goes into each wrap."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"body"})
    wrapped: Wrapped
    body: bytes

    @property
    def commitment(self) -> bytes:
        """The commitment, 33 bytes."""
        return self.wrapped.commitment


class Opened(Value, frozen=True):
    """What may be shown: ``content`` is the sender's own where ``origin`` is None, else what somebody else wrote.

    ``evidence`` is of what the sender sent, for a report.
    """

    context: Context
    content: Text | Read | Retry | Unknown
    origin: Evidence | None
    evidence: Evidence

    def forward(self) -> Forward:
        """Return the content to send on: with the evidence of whoever wrote it first, as far as it is proven."""
        return Forward(self.origin or self.evidence)


class _Plaintext(Packable, frozen=True):
    """What a body holds once it is opened."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"blinding", "opening", "packed"})
    context: Annotated[bytes, octets(CONTEXT_BYTES)]
    blinding: Annotated[bytes, octets(32)]
    opening: Annotated[bytes, octets(32)]
    packed: Annotated[bytes, octets_up_to(BODY_BYTES_MAX, 1)]


def seal(content: Text | Read | Retry | Forward, context: Context, entropy: Entropy) -> Sealed:
    """Return the body and what its wraps hold; Malformed where the content is too long for a body."""
    packed = encode(content)
    blinding, opening, content_key = entropy(KEY_BYTES), entropy(KEY_BYTES), entropy(KEY_BYTES)
    commitment = commit(packed, hide(context, blinding), opening)
    padded = pad(pack(context.to_bytes(), blinding, opening, packed))
    body = _VERSION + Aead(content_key).seal(_NO_NONCE, padded, _VERSION + commitment)
    if len(body) > BODY_BYTES_MAX:
        raise Malformed(f"a body of more than {BODY_BYTES_MAX} bytes")
    return Sealed(Wrapped(content_key, commitment), body)


def open_body(delivered: Deliver, wrapped: Wrapped, peer: Peer, descriptors: Sequence[KeyDescriptor]) -> Opened:
    """Return what may be shown of a delivered envelope, or raise CryptoFailure.

    ``wrapped`` came through the session with ``peer``; ``descriptors`` are the keys of relays that we believe. Whether
    ``context.conversation`` is one that the peer may write in is for the caller, who knows the conversations.
    """
    commitment = delivered.commitment
    if not equal(wrapped.commitment, commitment) or not delivered.body.startswith(_VERSION):
        raise CryptoFailure
    stamp.check_known(delivered.stamp, commitment, descriptors)
    padded = Aead(wrapped.content_key).open(_NO_NONCE, delivered.body[1:], _VERSION + commitment)
    try:
        plaintext = unpack(unpad(padded), _Plaintext)
        context = read_context(plaintext.context)
        hidden = hide(context, plaintext.blinding)
        check_opens(commitment, plaintext.packed, hidden, plaintext.opening)
        content, origin = _innermost(decode(plaintext.packed), descriptors)
    except Malformed:
        raise CryptoFailure from None
    if (context.sender, context.device) != peer:
        raise CryptoFailure
    evidence = Evidence(plaintext.packed, hidden, plaintext.opening, commitment, delivered.stamp)
    return Opened(context, content, origin, evidence)


def _innermost(
    content: Content, descriptors: Sequence[KeyDescriptor]
) -> tuple[Text | Read | Retry | Unknown, Evidence | None]:
    """Return the content inside all forwards, and the innermost evidence that holds (spec 60 §7)."""
    origin = None
    for depth in range(FORWARD_DEPTH_MAX + 1):
        if not isinstance(content, Forward):
            if depth and not isinstance(content, Text | Unknown):
                raise Malformed("what was forwarded is nothing that is shown")
            return content, origin
        if _holds(content.original, descriptors):
            origin = content.original
        content = decode(content.original.content)
    raise Malformed("forwards nested too deep")


def _holds(evidence: Evidence, descriptors: Sequence[KeyDescriptor]) -> bool:
    try:
        check_opens(evidence.commitment, evidence.content, evidence.hidden, evidence.opening)
        stamp.check_known(evidence.stamp, evidence.commitment, descriptors)
    except CryptoFailure:
        return False
    return True
