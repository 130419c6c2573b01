import contextlib
from enum import IntEnum
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto import fields
from relayproto.errors import Malformed


class Fruit(IntEnum):
    APPLE = 1


class Pair(NamedTuple):
    left: int
    right: bytes


READERS = {
    "uint": fields.uint(10, 2),
    "flag": fields.flag,
    "octets": fields.octets(3),
    "octets_up_to": fields.octets_up_to(3, 1),
    "text": fields.text(3),
    "one_of": fields.one_of(Fruit),
    "optional": fields.optional(fields.uint(10)),
    "sequence": fields.sequence(fields.uint(10), 3, 1),
    "record": fields.record(Pair, fields.uint(10), fields.octets(1)),
}

MSGPACK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        ("uint", 2, 2),
        ("uint", 10, 10),
        ("flag", True, True),
        ("octets", b"abc", b"abc"),
        ("octets_up_to", b"a", b"a"),
        ("octets_up_to", b"abc", b"abc"),
        ("text", "हिं", "हिं"),
        ("text", "", ""),
        ("one_of", 1, Fruit.APPLE),
        ("optional", None, None),
        ("optional", 4, 4),
        ("sequence", [1, 2, 3], (1, 2, 3)),
        ("record", [1, b"x"], Pair(1, b"x")),
        ("record", [1, b"x", "what a later version adds"], Pair(1, b"x")),
    ],
)
def test_a_value_in_bounds_is_read(reader: str, value: object, read: object) -> None:
    assert READERS[reader](value) == read


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("uint", 1), ("uint", 11), ("uint", True), ("uint", 3.0), ("uint", "3"), ("uint", None),
        ("flag", 1), ("flag", None),
        ("octets", b"ab"), ("octets", b"abcd"), ("octets", "abc"), ("octets", bytearray(b"abc")),
        ("octets_up_to", b""), ("octets_up_to", b"abcd"), ("octets_up_to", "abc"),
        ("text", "four"), ("text", b"abc"),
        ("one_of", 2), ("one_of", True), ("one_of", "APPLE"),
        ("optional", 11),
        ("sequence", []), ("sequence", [1, 2, 3, 4]), ("sequence", (1,)), ("sequence", [11]),
        ("record", [1]), ("record", {}), ("record", [1, b"xy"]),
    ],
)  # fmt: skip
def test_a_value_out_of_bounds_is_malformed(reader: str, value: object) -> None:
    with pytest.raises(Malformed):
        READERS[reader](value)


@given(name=st.sampled_from(sorted(READERS)), value=MSGPACK)
def test_any_value_is_read_or_malformed(name: str, value: object) -> None:
    with contextlib.suppress(Malformed):
        READERS[name](value)


def test_the_reason_does_not_repeat_what_the_peer_sent() -> None:
    with pytest.raises(Malformed) as raised:
        READERS["octets"](b"a secret of the peer's")

    assert "secret" not in raised.value.detail
