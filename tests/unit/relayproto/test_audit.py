import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto import audit
from relayproto.audit import FIRST_HASH, HIDDEN_MAX, BrokenChain, Chain, Record
from relayproto.codes import Code, Kind
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import AUDIT_RECORD_BYTES_MAX, REASON_CHARS_MAX, TIME_MS_MAX
from relayproto.primitives import ed25519_public
from relayproto.standing import ActState, Role
from support.changed import replace

NOW_MS = 1_790_000_000_000
RECORD = Record(
    NOW_MS, 7, Kind.GRANT_ROLE, b"a" * 32, 2, Role.ORGANISATION_ADMIN, 7, b"f" * 32, 9, 0, b"w" * 32, b"o" * 32,
    Role.VERIFIER, Code.STORED, ActState.DONE, 3, b"d" * 32, b"b" * 32, b"c" * 32, "a new verifier",
)  # fmt: skip
LOG = [audit.encode(replace(RECORD, at_ms=NOW_MS + n, unit=n % 3)) for n in range(1, 101)]
SEED, RELAY = bytes(range(32)), b"r" * 32


def heads(log=LOG) -> dict[int, bytes]:
    """Return the head after each record."""
    made, head = {}, FIRST_HASH
    for number, record in enumerate(log, 1):
        made[number] = head = audit.following(head, audit.digest(record))
    return made


def followed(rows, expected) -> Chain:
    chain = Chain(expected)
    for number, said in rows:
        chain.take(number, said)
    chain.end()
    return chain


def test_a_record_comes_back_as_it_was() -> None:
    for record in (RECORD, Record(NOW_MS, 0, Kind.BREAK_GLASS)):
        assert audit.decode(audit.encode(record)) == record


def test_a_row_stands_for_one_record_or_for_as_many_as_it_has_digests() -> None:
    assert audit.count(LOG[0]) == 1
    assert audit.count(audit.hidden([bytes(32)] * 3)) == 3


def test_the_reason_is_not_shown_in_a_repr() -> None:
    assert "verifier" not in repr(RECORD)


def test_the_largest_record_fits_its_bound_and_longer_ones_are_not_looked_at() -> None:
    most = (1 << 32) - 1
    largest = Record(
        TIME_MS_MAX, most, Kind.GET_CHECKPOINTS, bytes(32), most, max(Role), most, bytes(32), most, most, bytes(32),
        bytes(32), max(Role), 999, max(ActState), (1 << 63) - 1, bytes(32), bytes(32), bytes(32),
        "x" * REASON_CHARS_MAX,
    )  # fmt: skip

    assert len(audit.encode(largest)) <= AUDIT_RECORD_BYTES_MAX
    with pytest.raises(Malformed):
        audit.decode(b"\x01" + bytes(AUDIT_RECORD_BYTES_MAX))


@given(st.binary(max_size=100))
def test_any_bytes_are_a_record_or_malformed(octets: bytes) -> None:
    for candidate in (octets, b"\x01" + octets):
        with pytest.raises(Malformed):
            audit.decode(candidate)


def test_a_record_has_one_form_only() -> None:
    octets = audit.encode(replace(RECORD, device=1))
    at = octets.index(b"a" * 32) + 32

    with pytest.raises(Malformed):
        audit.decode(octets[:at] + b"\xcc\x01" + octets[at + 1 :])


def test_a_whole_log_ends_where_its_checkpoints_say() -> None:
    expected = heads()

    chain = followed(enumerate(LOG, 1), {n: expected[n] for n in (1, 50, 100)})

    assert (chain.records, chain.head) == (100, expected[100])


@pytest.mark.parametrize("count", [1, 2, HIDDEN_MAX, HIDDEN_MAX + 1])
def test_hidden_records_do_not_break_the_chain(count: int) -> None:
    digests = [audit.digest(record) for record in LOG]
    rows = [(1, LOG[0])]
    rows += [
        (first + 1, audit.hidden(digests[first : min(first + HIDDEN_MAX, 1 + count)]))
        for first in range(1, 1 + count, HIDDEN_MAX)
    ]
    rows += [(number, LOG[number - 1]) for number in range(count + 2, 101)]

    assert followed(rows, {100: heads()[100]}).head == heads()[100]


def test_a_log_is_followed_from_a_checkpoint_on() -> None:
    expected = heads()
    chain = Chain({100: expected[100]}, 40, expected[40])

    for number in range(41, 101):
        chain.take(number, LOG[number - 1])
    chain.end()

    assert chain.head == expected[100]


@given(st.integers(0, 99), st.data())
def test_an_edit_is_found_at_the_latest_by_the_next_checkpoint(at: int, data) -> None:
    expected = {50: heads()[50], 100: heads()[100]}
    edited = bytearray(LOG[at])
    edited[data.draw(st.integers(0, len(edited) - 1))] ^= data.draw(st.integers(1, 255))
    log = [*LOG[:at], bytes(edited), *LOG[at + 1 :]]

    with pytest.raises(BrokenChain) as broken:
        followed(enumerate(log, 1), expected)

    assert at < broken.value.number <= (50 if at < 50 else 100)


@given(st.integers(0, 99))
def test_a_gap_is_found(at: int) -> None:
    rows = [row for row in enumerate(LOG, 1) if row[0] != at + 1]

    with pytest.raises(BrokenChain) as broken:
        followed(rows, {100: heads()[100]})

    assert broken.value.number == at + 1


@given(st.integers(0, 99))
def test_a_gap_that_was_numbered_away_is_found(at: int) -> None:
    log = LOG[:at] + LOG[at + 1 :]

    with pytest.raises(BrokenChain):
        followed(enumerate(log, 1), {50: heads()[50], 100: heads()[100]})


@given(st.integers(0, 99), st.integers(0, 99))
def test_another_order_is_found(one: int, other: int) -> None:
    log = list(LOG)
    log[one], log[other] = log[other], log[one]
    if one == other:
        followed(enumerate(log, 1), {100: heads()[100]})
        return
    for rows in (enumerate(log, 1), [(n, LOG[n - 1]) for n in [*range(1, one + 1), other + 1, one + 1]]):
        with pytest.raises(BrokenChain):
            followed(rows, {100: heads()[100]})


@given(st.integers(0, 99))
def test_a_log_that_was_cut_short_is_found(length: int) -> None:
    with pytest.raises(BrokenChain, match="missing") as broken:
        followed(enumerate(LOG[:length], 1), {100: heads()[100]})

    assert broken.value.number == length + 1


@pytest.mark.parametrize("said", [b"", b"\x00", b"\x00" + bytes(31), b"\x00" + bytes(33), b"\x02"])
def test_what_is_neither_a_record_nor_digests_is_refused(said: bytes) -> None:
    with pytest.raises(BrokenChain, match="record 1: "):
        Chain({}).take(1, said)


def test_a_checkpoint_holds_for_its_relay_place_and_time_alone() -> None:
    signed = (RELAY, 7, b"h" * 32, NOW_MS)
    signature = audit.sign_checkpoint(SEED, *signed)

    audit.check_checkpoint(ed25519_public(SEED), *signed, signature)
    for wrong in (
        (b"R" * 32, *signed[1:]),
        (RELAY, 8, *signed[2:]),
        (*signed[:2], b"H" * 32, NOW_MS),
        (*signed[:3], 1),
    ):
        with pytest.raises(CryptoFailure):
            audit.check_checkpoint(ed25519_public(SEED), *wrong, signature)
    with pytest.raises(CryptoFailure):
        audit.check_checkpoint(ed25519_public(bytes(32)), *signed, signature)
