import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto.e2e.padding import pad, padded_length, unpad
from relayproto.errors import Malformed


@given(st.binary(max_size=3000))
def test_what_is_padded_comes_back(octets):
    assert unpad(pad(octets)) == octets


@pytest.mark.parametrize(
    ("length", "padded"),
    [(0, 128), (127, 128), (128, 256), (1023, 1024), (1024, 1088), (1087, 1088), (4000, 4096), (12_799, 12_800),
     (12_800, 13_312)],
)  # fmt: skip
def test_lengths_fall_on_few_values(length, padded):
    assert padded_length(length) == padded == len(pad(bytes(length)))


@given(st.integers(min_value=0, max_value=20_000))
def test_padding_costs_at_most_an_eighth_above_one_kib(length):
    padded = padded_length(length)

    assert length < padded
    assert padded <= max(length + 129, (length + 1) * 1.125)
    assert padded_length(padded - 1) == padded


@pytest.mark.parametrize("padded", [b"", bytes(128), b"text", b"text\x80\x00\x01"])
def test_padding_without_its_mark_is_malformed(padded):
    with pytest.raises(Malformed):
        unpad(padded)
