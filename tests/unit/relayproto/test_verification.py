"""What verifiers change and anybody may ask: the bounds of its messages; round trips are test_message's."""

import pytest

from relayproto.attestation import Statement
from relayproto.errors import Malformed
from relayproto.limits import PAGE_ROWS_MAX, PROOF_BYTES_MAX
from relayproto.standing import Field
from relayproto.verification import Attest, GetRevocations, Revocation, Revocations
from support.reading import read


def test_names_stay_out_of_what_is_printed() -> None:
    assert "Bob" not in repr(Attest(2, b"a" * 32, b"x", bytes(64), (Statement(Field.NAME, "Bob", bytes(64)),)))


@pytest.mark.parametrize(
    "fields",
    [
        [0, b"a" * 32, b"x", bytes(64), []],
        [2, b"a" * 32, bytes(PROOF_BYTES_MAX + 1), bytes(64), []],
        [2, b"a" * 32, b"x", bytes(64), [[0, "Bob", bytes(63)]]],
    ],
)
def test_an_attestation_out_of_bounds_is_malformed(fields: list[object]) -> None:
    with pytest.raises(Malformed):
        read(Attest, fields)


def test_the_list_comes_in_pages() -> None:
    rows = [[number, b"s" * 16, 9] for number in range(PAGE_ROWS_MAX)]

    assert read(Revocations, [rows, 100, True]).revocations[7] == Revocation(7, b"s" * 16, 9)
    with pytest.raises(Malformed):
        read(Revocations, [[*rows, rows[0]], 100, True])
    with pytest.raises(Malformed):
        read(GetRevocations, [0, PAGE_ROWS_MAX + 1])
