"""The contract, between devices: what people and their devices say to each other (spec 60 §5).

A content enters and its bytes leave, and back. The rule of this file: total - any bytes give one content or
``Malformed``, and a kind that a newer program made up is still one, ``Unknown``.
"""

from typing import Any, ClassVar, Final, assert_never

from relayproto.codes import ContentKind
from relayproto.errors import Malformed
from relayproto.fields import Reader, octets, octets_up_to, record, sequence, text, uint
from relayproto.ids import MessageId
from relayproto.limits import BODY_BYTES_MAX, COMMITMENT_BYTES, READ_MAX, RETRY_MAX, STAMP_BYTES_MAX, TEXT_BYTES_MAX
from relayproto.packed import pack, unpack
from relayproto.value import Value

_KIND_MAX: Final = 255


class Text(Value, frozen=True):
    """What somebody wrote; ``number`` counts the sending device's messages in this conversation, to show lost ones."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text"})
    text: str
    number: int


class Read(Value, frozen=True):
    """These messages were shown to the person at that time (unix ms)."""

    messages: tuple[MessageId, ...]
    at_ms: int


class Retry(Value, frozen=True):
    """Something could not be opened: begin a new session and send it again.

    ``commitments`` are those of what was not opened: they go again whatever the sender knows of them; and so does what
    it has sent since then (unix ms) and does not know to have arrived.
    """

    since_ms: int
    commitments: tuple[bytes, ...]


class Evidence(Value, frozen=True):
    """A content with all that shows that it is what the relay stamped; for a forward or a report (spec 60 §7)."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"content", "opening", "stamp"})
    content: bytes
    hidden: bytes
    opening: bytes
    commitment: bytes
    stamp: bytes


class Forward(Value, frozen=True):
    """Somebody else's content, with its evidence."""

    original: Evidence


class Unknown(Value, frozen=True):
    """A content of a kind that this program does not know: it is told to the person, not dropped."""

    kind: int


Content = Text | Read | Retry | Forward | Unknown

read_evidence: Reader[Evidence] = record(
    Evidence, octets_up_to(BODY_BYTES_MAX, 1), octets(32), octets(32), octets(COMMITMENT_BYTES),
    octets_up_to(STAMP_BYTES_MAX),
)  # fmt: skip


def _text(value: object) -> str:
    written = text(TEXT_BYTES_MAX)(value)
    if len(written.encode()) > TEXT_BYTES_MAX:
        raise Malformed(f"a text of more than {TEXT_BYTES_MAX} bytes")
    return written


_READERS: Final[dict[int, Reader[Any]]] = {
    ContentKind.TEXT: record(Text, _text, uint()),
    ContentKind.READ: record(Read, sequence(octets(16), READ_MAX, 1), uint()),
    ContentKind.RETRY: record(Retry, uint(), sequence(octets(COMMITMENT_BYTES), RETRY_MAX)),
    ContentKind.FORWARD: record(Forward, read_evidence),
}


def encode(content: Text | Read | Retry | Forward) -> bytes:
    """Return the bytes that are committed to; Malformed for what would not be read again."""
    packed = _packed(content)
    decode(packed)
    return packed


def _packed(content: Text | Read | Retry | Forward) -> bytes:
    match content:
        case Text():
            return pack(ContentKind.TEXT, content.text, content.number)
        case Read():
            return pack(ContentKind.READ, content.messages, content.at_ms)
        case Retry():
            return pack(ContentKind.RETRY, content.since_ms, content.commitments)
        case Forward(original):
            evidence = (original.content, original.hidden, original.opening, original.commitment, original.stamp)
            return pack(ContentKind.FORWARD, evidence)
        case _ as never:
            assert_never(never)


def decode(packed: bytes) -> Content:
    """Return the content that the bytes say, or raise Malformed."""
    parts = unpack(packed)
    if type(parts) is not list or not parts:
        raise Malformed("not an array that begins with a kind")
    kind = uint(_KIND_MAX)(parts[0])
    if kind not in _READERS:
        return Unknown(kind)
    content: Content = _READERS[kind](parts[1:])
    return content
