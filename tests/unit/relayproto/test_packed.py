import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto.errors import Malformed
from relayproto.packed import pack, unpack


def test_what_is_packed_is_one_array_in_its_shortest_form():
    packed = pack(1, b"two", ("three",))

    assert packed == bytes.fromhex("9301c40374776f91a57468726565")
    assert unpack(packed) == [1, b"two", ["three"]]


@given(st.binary(max_size=64))
def test_any_bytes_give_one_value_or_malformed(packed):
    try:
        value = unpack(packed)
    except Malformed:
        return

    assert pack(*unpack(pack(value))) == pack(value)


@pytest.mark.parametrize("packed", [b"", b"\x01\x02", b"\xc1", b"\x91" * 2000, b"\xa1\xff"])
def test_what_is_not_one_value_is_malformed(packed):
    with pytest.raises(Malformed):
        unpack(packed)
