import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto import acts
from relayproto.acts import Instruction
from relayproto.administration import CHANGES, CreateUnit, PutDocument
from relayproto.codes import Kind
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import ACT_BYTES_MAX, ACT_LIFETIME_MS_MAX, DOCUMENT_BYTES_MAX, REASON_CHARS_MAX, TIME_MS_MAX
from relayproto.primitives import ed25519_public
from support.changed import replace
from support.samples import SAMPLES

SEED = bytes(range(32))
NOW_MS = 1_700_000_000_000
ACT = Instruction(
    b"r" * 32, b"a" * 32, 1, 7, NOW_MS, NOW_MS + 60_000, "a new registry", False, CreateUnit(7, "Registry")
)


@pytest.mark.parametrize("kind", list(CHANGES), ids=lambda kind: Kind(kind).name)
def test_an_act_of_every_change_comes_back_as_it_was(kind: int) -> None:
    act = replace(ACT, change=SAMPLES[kind])

    assert acts.decode(acts.encode(act)) == act


def test_an_act_holds_with_its_devices_signature_and_with_no_other() -> None:
    octets = acts.encode(ACT)
    signature = acts.signature_of(SEED, octets)

    acts.check(octets, signature, ed25519_public(SEED))
    for wrong in (octets[:-1] + b"x", octets + b"\0"):
        with pytest.raises(CryptoFailure):
            acts.check(wrong, signature, ed25519_public(SEED))
    with pytest.raises(CryptoFailure):
        acts.check(octets, signature, ed25519_public(bytes(32)))


def test_two_acts_that_differ_anywhere_have_different_digests() -> None:
    others = [
        replace(ACT, relay=b"R" * 32), replace(ACT, account=b"A" * 32), replace(ACT, device=2), replace(ACT, number=8),
        replace(ACT, expires_ms=NOW_MS + 1), replace(ACT, reason=""), replace(ACT, rehearsal=True),
        replace(ACT, change=CreateUnit(7, "Records")),
    ]  # fmt: skip

    assert len({acts.digest(acts.encode(act)) for act in [ACT, *others]}) == len(others) + 1


@pytest.mark.parametrize("expires_ms", [NOW_MS, NOW_MS - 1, NOW_MS + ACT_LIFETIME_MS_MAX + 1])
def test_an_act_lives_for_minutes(expires_ms: int) -> None:
    with pytest.raises(Malformed, match="ends before it begins"):
        acts.decode(acts.encode(replace(ACT, expires_ms=expires_ms)))


def test_an_act_has_one_form_only() -> None:
    octets = acts.encode(ACT)
    spaced = b"\x01" + octets[1:].replace(b"\x07", b"\xcc\x07", 1)  # 7 in two bytes

    assert acts.decode(octets) == ACT
    for wrong in (b"\x02" + octets[1:], b"", octets + b"\0", spaced):
        with pytest.raises(Malformed):
            acts.decode(wrong)


@pytest.mark.parametrize("kind", [0, int(Kind.SUBMIT), 63, 95, 128])
def test_only_a_change_can_be_an_act(kind: int) -> None:
    fields = list(msgpack.unpackb(acts.encode(ACT)[1:]))
    fields[8] = kind

    with pytest.raises(Malformed):
        acts.decode(b"\x01" + msgpack.packb(fields))


def test_the_fields_of_a_change_are_an_array() -> None:
    fields = list(msgpack.unpackb(acts.encode(ACT)[1:]))
    fields[9] = b"fields"

    with pytest.raises(Malformed, match="Expected `array`, got `bytes`"):
        acts.decode(b"\x01" + msgpack.packb(fields))


def test_the_statements_of_an_attestation_fit_together() -> None:
    attest = SAMPLES[Kind.ATTEST]
    twice = replace(attest, statements=attest.statements[:1] * 2)

    with pytest.raises(Malformed, match="not statements"):
        acts.decode(acts.encode(replace(ACT, change=twice)))


def test_the_largest_act_fits_its_bound_and_nothing_larger_is_looked_at() -> None:
    largest = Instruction(
        bytes(32), bytes(32), (1 << 32) - 1, (1 << 63) - 1, TIME_MS_MAX - 1, TIME_MS_MAX,
        "\U0001f600" * REASON_CHARS_MAX, True,
        PutDocument((1 << 32) - 1, bytes(DOCUMENT_BYTES_MAX - 1_024), bytes(64)),
    )  # fmt: skip
    plain = replace(largest, reason="x" * REASON_CHARS_MAX, change=PutDocument(1, bytes(DOCUMENT_BYTES_MAX), bytes(64)))

    assert len(acts.encode(largest)) <= ACT_BYTES_MAX
    assert len(acts.encode(plain)) <= ACT_BYTES_MAX
    with pytest.raises(Malformed):
        acts.decode(b"\x01" + bytes(ACT_BYTES_MAX))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_act_or_malformed(octets: bytes) -> None:
    for candidate in (octets, b"\x01" + octets):
        with pytest.raises(Malformed):
            acts.decode(candidate)


def test_a_domain_is_looked_up_for_what_lets_an_organisation_in_or_may_be_the_approval_of_that() -> None:
    found = {kind for kind in CHANGES if acts.may_prove(acts.encode(replace(ACT, change=SAMPLES[kind])))}

    assert found == {Kind.CREATE_ORGANISATION, Kind.APPROVE}
    assert not acts.may_prove(b"no act")
