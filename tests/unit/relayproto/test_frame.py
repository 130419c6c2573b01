import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relayproto import frame
from relayproto.errors import LocalProtocolError, Malformed
from relayproto.limits import FRAME_BYTES_MAX
from support.reading import fields_of


def test_a_frame_comes_back_as_it_was() -> None:
    octets = frame.encode(3, 7, [b"body", "text", None, [1, 2]])

    assert frame.decode(octets) == frame.Frame(3, 7, octets)
    assert fields_of(octets) == [b"body", "text", None, [1, 2]]


def test_a_frame_that_no_record_holds_is_our_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="more than a record holds"):
        frame.encode(3, 0, [bytes(FRAME_BYTES_MAX)])


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xc1",
        msgpack.packb([1, 2]) + b"\x00",
        msgpack.packb({"kind": 1}),
        msgpack.packb(3),
        msgpack.packb([1]),
        msgpack.packb([-1, 0]),
        msgpack.packb([256, 0]),
        msgpack.packb([True, 0]),
        msgpack.packb([1, -1]),
        msgpack.packb([1, 1 << 32]),
        msgpack.packb([1, "0"]),
        b"\x91" * 8000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x92\x01\xa1\xff",
        b"\x81\x90\x01",
        b"\x93\x01\x00",
        b"\x93\x01\x00\xc1",
    ],
)
def test_bytes_that_are_no_frame_are_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        frame.decode(octets)


@given(octets=st.binary(max_size=200))
@example(octets=b"\x93\xcc\xff\x00\x00")
@example(octets=b"\xdc\x00\x02\x03\x00")
@example(octets=b"\xd7\xff" + bytes(8))
def test_any_bytes_are_a_frame_or_malformed(octets: bytes) -> None:
    try:
        decoded = frame.decode(octets)
    except Malformed:
        return
    assert 0 <= decoded.kind <= 255
    assert frame.kind_of(octets) == decoded.kind
