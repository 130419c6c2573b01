import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto.e2e.content import Evidence, Forward, Read, Retry, Text, Unknown, decode, encode
from relayproto.errors import Malformed
from relayproto.limits import READ_MAX, RETRY_MAX, TEXT_BYTES_MAX

EVIDENCE = Evidence(b"\x01", b"h" * 32, b"r" * 32, b"c" * 33, b"stamp")


@pytest.mark.parametrize(
    "content",
    [
        Text("नमस्कार", 7),
        Text("", 0),
        Text("x" * TEXT_BYTES_MAX, (1 << 63) - 1),
        Read((bytes(16), b"m" * 16), 5),
        Read((bytes(16),) * READ_MAX, 5),
        Retry(9, ()),
        Retry(9, (b"c" * 33,) * RETRY_MAX),
        Forward(EVIDENCE),
    ],
)
def test_a_content_comes_back_from_its_bytes(content):
    assert decode(encode(content)) == content


@pytest.mark.parametrize(
    "content",
    [
        Text("x" * (TEXT_BYTES_MAX + 1), 1),
        Text("न" * (TEXT_BYTES_MAX // 3 + 1), 1),
        Text("", -1),
        Read((), 5),
        Read((bytes(16),) * (READ_MAX + 1), 5),
        Read((bytes(15),), 5),
        Retry(9, (b"c" * 32,)),
        Retry(9, (b"c" * 33,) * (RETRY_MAX + 1)),
        Forward(Evidence(b"", b"h" * 32, b"r" * 32, b"c" * 33, b"stamp")),
    ],
)
def test_what_would_not_be_read_is_not_written(content):
    with pytest.raises(Malformed):
        encode(content)


def test_a_kind_of_a_newer_program_is_known_to_be_unknown():
    assert decode(msgpack.packb([99, "whatever"])) == Unknown(99)


def test_extra_fields_of_a_newer_program_are_ignored():
    assert decode(msgpack.packb([1, "text", 3, "more"])) == Text("text", 3)


@pytest.mark.parametrize(
    "value", [None, [], [256], [True, "text", 1], ["1"], [1], [1, b"text", 1], [2, [], 1], [3, None], [4, []]]
)
def test_what_is_no_content_is_malformed(value):
    with pytest.raises(Malformed):
        decode(msgpack.packb(value))


@given(st.binary(max_size=64))
def test_any_bytes_give_a_content_or_malformed(packed):
    try:
        content = decode(packed)
    except Malformed:
        return

    assert isinstance(content, Text | Read | Retry | Forward | Unknown)


def test_what_people_write_is_not_shown_in_a_repr():
    assert "secret" not in repr((Text("secret", 1), Evidence(b"secret", b"", b"secret", b"", b"")))
