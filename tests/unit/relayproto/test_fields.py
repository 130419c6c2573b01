import contextlib
from enum import IntEnum
from typing import Annotated, Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto.errors import Malformed
from relayproto.fields import octets, octets_up_to, sequence, text, uint
from relayproto.packed import unpack
from relayproto.value import Packable


class Fruit(IntEnum):
    APPLE = 1


class Pair(Packable, frozen=True):
    left: Annotated[int, uint(10)]
    right: Annotated[bytes, octets(1)]


KINDS: dict[str, Any] = {
    "uint": Annotated[int, uint(10, 2)],
    "bool": bool,
    "octets": Annotated[bytes, octets(3)],
    "octets_up_to": Annotated[bytes, octets_up_to(3, 1)],
    "text": Annotated[str, text(3)],
    "enumeration": Fruit,
    "optional": Annotated[int, uint(10)] | None,
    "sequence": Annotated[tuple[Annotated[int, uint(10)], ...], sequence(3, 1)],
    "value": Pair,
    "values": Annotated[tuple[Pair, ...], sequence(2)],
}

MSGPACK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.binary(max_size=5)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("uint", 2, 2),
        ("uint", 10, 10),
        ("bool", True, True),
        ("octets", b"abc", b"abc"),
        ("octets_up_to", b"a", b"a"),
        ("octets_up_to", b"abc", b"abc"),
        ("text", "हिं", "हिं"),
        ("text", "", ""),
        ("enumeration", 1, Fruit.APPLE),
        ("optional", None, None),
        ("optional", 4, 4),
        ("sequence", [1, 2, 3], (1, 2, 3)),
        ("value", [1, b"x"], Pair(1, b"x")),
        ("value", [1, b"x", "what a later version adds"], Pair(1, b"x")),
        ("values", [[1, b"x", []], [2, b"y"]], (Pair(1, b"x"), Pair(2, b"y"))),
    ],
)
def test_a_value_in_bounds_is_read(kind: str, value: object, read: object) -> None:
    found = unpack(msgpack.packb(value), KINDS[kind])

    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint", 1), ("uint", 11), ("uint", True), ("uint", 3.0), ("uint", "3"), ("uint", None), ("uint", 1 << 63),
        ("bool", 1), ("bool", None), ("bool", "true"),
        ("octets", b"ab"), ("octets", b"abcd"), ("octets", "abc"), ("octets", "YWJj"), ("octets", None),
        ("octets_up_to", b""), ("octets_up_to", b"abcd"), ("octets_up_to", "abc"),
        ("text", "four"), ("text", b"abc"), ("text", 3),
        ("enumeration", 2), ("enumeration", True), ("enumeration", "APPLE"), ("enumeration", 1.0),
        ("optional", 11), ("optional", False),
        ("sequence", []), ("sequence", [1, 2, 3, 4]), ("sequence", [11]), ("sequence", {1: 2}), ("sequence", b"abc"),
        ("value", [1]), ("value", {}), ("value", {"left": 1, "right": b"x"}), ("value", [1, b"xy"]), ("value", None),
        ("values", [[1, b"x"], [1]]), ("values", [[1, b"x"]] * 3),
    ],
)  # fmt: skip
def test_a_value_out_of_bounds_is_malformed(kind: str, value: object) -> None:
    with pytest.raises(Malformed):
        unpack(msgpack.packb(value), KINDS[kind])


@given(name=st.sampled_from(sorted(KINDS)), value=MSGPACK)
def test_any_value_is_read_or_malformed(name: str, value: object) -> None:
    with contextlib.suppress(Malformed):
        unpack(msgpack.packb(value), KINDS[name])


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        ("octets", b"a secret of the peer's", "Expected `bytes` of length <= 3"),
        ("uint", 77, "Expected `int` <= 10"),
        ("enumeration", 77, "not a number of its enumeration"),
        ("values", [[1, b"x"], [77, b"x"]], "[1][0]: Expected `int` <= 10"),
        ("value", {"a secret": 77}, "Expected `array`, got `object`"),
        ("value", [77, b"x"], "left: Expected `int` <= 10"),
        ("value", [7], "Expected `array` of at least length 2"),
        ("sequence", [1] * 7, "Expected `array` of length <= 3"),
    ],
)
def test_the_reason_is_the_rule_and_does_not_repeat_what_the_peer_sent(kind: str, value: object, rule: str) -> None:
    with pytest.raises(Malformed) as raised:
        unpack(msgpack.packb(value), KINDS[kind])

    assert raised.value.detail == rule


def test_the_reason_names_no_number_that_the_peer_made_up_in_a_part() -> None:
    with pytest.raises(Malformed) as raised:
        unpack(msgpack.packb([1, 77]), tuple[Fruit, ...])

    assert raised.value.detail == "[1]: not a number of its enumeration"
