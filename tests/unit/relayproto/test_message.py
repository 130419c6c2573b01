from typing import Annotated, ClassVar

import pytest

from relayproto import frame, message
from relayproto.codes import Kind
from relayproto.errors import LocalProtocolError, Malformed
from relayproto.fields import octets, uint
from relayproto.message import Message
from support.reading import read


class Sample(Message, frozen=True):
    KIND: ClassVar[Kind] = Kind.PING
    number: Annotated[int, uint(9)]
    pair: Annotated[bytes, octets(2)]


def test_a_message_is_encoded_and_read_by_its_description_alone() -> None:
    said = Sample(4, b"ab")

    decoded = frame.decode(message.encode(said, 12))

    assert (decoded.kind, decoded.request) == (Kind.PING, 12)
    assert message.read(Sample, decoded.octets) == said


def test_what_a_later_version_adds_at_the_end_is_ignored() -> None:
    assert read(Sample, [4, b"ab", "new"]) == Sample(4, b"ab")


def test_a_field_that_is_missing_is_malformed() -> None:
    with pytest.raises(Malformed, match="at least length 4"):
        read(Sample, [4])


def test_two_messages_of_one_kind_are_our_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="two messages of kind PING"):
        message.table(Sample, Sample)


class Whispered(Message, frozen=True):
    KIND: ClassVar[Kind] = Kind.PONG
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"secret"})
    number: int
    secret: bytes


def test_a_message_is_a_value() -> None:
    assert Sample(4, b"ab") == Sample(4, b"ab") != Sample(5, b"ab")
    assert len({Sample(4, b"ab"), Sample(4, b"ab")}) == 1
    assert Sample(4, b"ab").fields() == (4, b"ab")
    with pytest.raises(AttributeError):
        Sample(4, b"ab").number = 5  # type: ignore[misc]


def test_what_is_hidden_is_in_no_repr() -> None:
    assert repr(Whispered(7, b"hush")) == "Whispered(number=7)"
    assert repr(Sample(4, b"ab")) == "Sample(number=4, pair=b'ab')"
