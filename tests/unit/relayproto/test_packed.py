import contextlib
from enum import IntEnum
from typing import Annotated, Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto.errors import Malformed
from relayproto.fields import octets, uint
from relayproto.packed import pack, unpack, unpack_behind
from relayproto.value import Packable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


NUMBERS = ("first", "second")


class Colour(IntEnum):
    RED = 1


class Paper(Packable, frozen=True):
    number: Annotated[int, uint(9)]
    key: Annotated[bytes, octets(2)] = b"no"


def test_what_is_packed_is_one_array_in_its_shortest_form():
    packed = pack(1, b"two", ("three",), Paper(4, b"ab"), Colour.RED)

    assert packed == bytes.fromhex("9501c40374776f91a574687265659204c402616201")
    assert unpack(packed, Any) == [1, b"two", ["three"], [4, b"ab"], 1]


@given(st.lists(VALUES, max_size=4))
def test_what_is_packed_is_what_another_library_packs(value):
    try:
        packed = msgpack.packb(value)
    except (OverflowError, UnicodeEncodeError):
        with pytest.raises((OverflowError, UnicodeEncodeError)):
            pack(*value)
    else:
        assert pack(*value) == packed


@given(st.binary(max_size=64))
def test_any_bytes_give_a_value_of_the_type_or_malformed(packed):
    with contextlib.suppress(Malformed):
        assert isinstance(unpack(packed, Paper), Paper)
    with contextlib.suppress(Malformed):
        assert isinstance(unpack_behind(packed, Paper, NUMBERS)[1], Paper)


@pytest.mark.parametrize(
    "packed",
    [
        b"", b"\x01\x02", b"\xc1", b"\x91" * 60_000, b"\x81" * 60_000, b"\xa1\xff", b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01", b"\xd7\xff" + b"\xff" * 8,
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [Paper, Any])
def test_what_is_not_one_value_is_malformed(packed, kind):
    with pytest.raises(Malformed):
        unpack(packed, kind)


def test_behind_leading_numbers_a_value_has_all_its_fields():
    assert unpack_behind(pack(3, 4, 5, b"ab"), Paper, NUMBERS) == ((3, 4), Paper(5, b"ab"))
    assert unpack_behind(pack(3, 4, 5, b"ab", "more"), Paper, NUMBERS) == ((3, 4), Paper(5, b"ab"))
    with pytest.raises(Malformed, match="at least length 4"):
        unpack_behind(pack(3, 4, 5), Paper, NUMBERS)
    with pytest.raises(Malformed, match=r"^number: Expected `int` <= 9$"):
        unpack_behind(pack(3, 4, 50, b"ab"), Paper, NUMBERS)
    for numbers, name in (((-1, 0), "first"), ((1, 1 << 32), "second"), ((1, "0"), "second"), ((True, 0), "first")):
        with pytest.raises(Malformed, match=rf"^{name}: Expected `int`"):
            unpack_behind(pack(*numbers, 5, b"ab"), Paper, NUMBERS)


def test_what_is_ignored_is_skipped_and_never_built():
    # A map whose keys are maps: nobody can build it, and of keys that collide it would take a core's 20 ms a record.
    map_of_maps = b"\x81\x80\x01"

    assert unpack(pack(5, b"ab", None)[:-1] + map_of_maps, Paper) == Paper(5, b"ab")
    assert unpack_behind(pack(0, 1, 5, b"ab", None)[:-1] + map_of_maps, Paper, NUMBERS)[1] == Paper(5, b"ab")


def test_what_is_kept_as_it_came_can_be_unpacked():
    class Around(Packable, frozen=True):
        inside: msgspec.Raw

    around = unpack(pack([5, b"ab"]), Around)

    assert unpack(around.inside, Paper) == Paper(5, b"ab")
