"""The contract, between devices: what people and their devices say to each other (spec 60 §5).

A content enters and its bytes leave, and back. The rule of this file: total - any bytes give one content or
``Malformed``, and a kind that a newer program made up is still one, ``Unknown``.
"""

from typing import Annotated, ClassVar, Final

from relayproto.codes import ContentKind
from relayproto.errors import Malformed
from relayproto.fields import U64, octets, octets_up_to, sequence, text, uint
from relayproto.ids import MessageId
from relayproto.limits import BODY_BYTES_MAX, COMMITMENT_BYTES, READ_MAX, RETRY_MAX, STAMP_BYTES_MAX, TEXT_BYTES_MAX
from relayproto.packed import pack, unpack, unpack_behind
from relayproto.value import Packable, Value


class _Head(Packable, frozen=True):
    kind: Annotated[int, uint(255)]


class Text(Packable, frozen=True):
    """What somebody wrote; ``number`` counts the sending device's messages in this conversation, to show lost ones."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text"})
    text: Annotated[str, text(TEXT_BYTES_MAX)]
    number: U64


class Read(Packable, frozen=True):
    """These messages were shown to the person at that time (unix ms)."""

    messages: Annotated[tuple[Annotated[MessageId, octets(16)], ...], sequence(READ_MAX, 1)]
    at_ms: U64


class Retry(Packable, frozen=True):
    """Something could not be opened: begin a new session and send it again.

    ``commitments`` are those of what was not opened: they go again whatever the sender knows of them; and so does what
    it has sent since then (unix ms) and does not know to have arrived.
    """

    since_ms: U64
    commitments: Annotated[tuple[Annotated[bytes, octets(COMMITMENT_BYTES)], ...], sequence(RETRY_MAX)]


class Evidence(Packable, frozen=True):
    """A content with all that shows that it is what the relay stamped; for a forward or a report (spec 60 §7)."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"content", "opening", "stamp"})
    content: Annotated[bytes, octets_up_to(BODY_BYTES_MAX, 1)]
    hidden: Annotated[bytes, octets(32)]
    opening: Annotated[bytes, octets(32)]
    commitment: Annotated[bytes, octets(COMMITMENT_BYTES)]
    stamp: Annotated[bytes, octets_up_to(STAMP_BYTES_MAX)]


class Forward(Packable, frozen=True):
    """Somebody else's content, with its evidence."""

    original: Evidence


class Unknown(Value, frozen=True):
    """A content of a kind that this program does not know: it is told to the person, not dropped."""

    kind: int


Content = Text | Read | Retry | Forward | Unknown


_KINDS: Final[dict[int, type[Text | Read | Retry | Forward]]] = {
    ContentKind.TEXT: Text,
    ContentKind.READ: Read,
    ContentKind.RETRY: Retry,
    ContentKind.FORWARD: Forward,
}
_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}


def encode(content: Text | Read | Retry | Forward) -> bytes:
    """Return the bytes that are committed to; Malformed for what would not be read again."""
    packed = pack(_NUMBERS[type(content)], *content.fields())
    decode(packed)
    return packed


def decode(packed: bytes) -> Content:
    """Return the content that the bytes say, or raise Malformed."""
    number = unpack(packed, _Head).kind
    kind = _KINDS.get(number)
    if kind is None:
        return Unknown(number)
    _, content = unpack_behind(packed, kind, ("kind",))
    if isinstance(content, Text) and len(content.text.encode()) > TEXT_BYTES_MAX:
        raise Malformed(f"a text of more than {TEXT_BYTES_MAX} bytes")
    return content
