import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto import preface
from relayproto.codes import GoawayCode, Purpose, Suite, Transport
from relayproto.errors import RemoteProtocolError
from relayproto.preface import Preface, UnknownChoice


def test_a_preface_is_twelve_bytes() -> None:
    octets = Preface(Suite.HYBRID, Purpose.DEVICE, 0x01020304).encode()

    assert octets.hex() == "524c59310101010001020304"
    assert len(octets) == preface.PREFACE_BYTES
    assert preface.decode(octets) == Preface(Suite.HYBRID, Purpose.DEVICE, 0x01020304)


def test_the_transport_is_part_of_the_prologue() -> None:
    wanted = Preface(Suite.HYBRID, Purpose.DEVICE, 1)

    assert wanted.prologue(Transport.TCP) == wanted.encode() + b"\x01"
    assert wanted.prologue(Transport.TCP) != wanted.prologue(Transport.WEBSOCKET)


@pytest.mark.parametrize("octets", [b"RLY1\x02\x01\x01\x00\x00\x00\x00\x01", b"RLY1\x01\x02\x01\x00\x00\x00\x00\x01"])
def test_a_version_or_suite_that_we_do_not_speak_gets_an_answer(octets: bytes) -> None:
    with pytest.raises(UnknownChoice):
        preface.decode(octets)


@pytest.mark.parametrize(
    "octets", [b"GET / HTTP/1", b"RLY1\x01\x01\x09\x00\x00\x00\x00\x01", b"RLY1\x01\x01\x01\x01\x00\x00\x00\x01"]
)
def test_what_is_not_our_protocol_gets_none(octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        preface.decode(octets)

    assert raised.value.code is GoawayCode.BAD_PREFACE
    assert not isinstance(raised.value, UnknownChoice)


@given(octets=st.binary(min_size=12, max_size=12))
def test_any_twelve_bytes_are_a_preface_or_one_error(octets: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert preface.decode(octets).encode() == octets
