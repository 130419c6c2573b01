"""Attestations: what a good one says, and why any other attests nothing."""

import itertools

import pytest

from relayproto import attestation
from relayproto.attestation import Doubt, Statement, Unattested
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import ATTESTATION_SKEW_MS, PROOF_BYTES_MAX
from relayproto.organisation import RootKey
from relayproto.packed import pack
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.rootkeys import sign_successor
from relayproto.standing import Field, Standing
from support.attesting import (
    DAY_MS,
    NOW_MS,
    OFFICER,
    ROOT_SEED,
    TEXTS,
    VERIFIER,
    VERIFIER_SEED,
    attested,
    proof,
    record,
    warrant,
)
from support.changed import replace
from support.organisations import RELAY

NEW_SEED = b"N" * 32


def doubt(shown, organisation=None, *, account=OFFICER, now_ms=NOW_MS, revoked=()) -> Doubt | None:
    """Return why a proof attests nothing, None where it does."""
    try:
        attestation.check(shown, RELAY, organisation or record(), account, now_ms, revoked)
    except Unattested as unattested:
        return unattested.doubt
    return None


def rotated(since_ms: int):
    """Return a record whose root key was replaced at a time."""
    new = ed25519_public(NEW_SEED)
    signatures = sign_successor(ROOT_SEED, RELAY, 1, new), sign_successor(NEW_SEED, RELAY, 1, new)
    return record(keys=(*record().keys, RootKey(new, *signatures, since_ms)))


def test_a_good_proof_says_who_somebody_is() -> None:
    found = attestation.check(proof(), RELAY, record(), OFFICER, NOW_MS)

    assert (found.said, found.organisation, found.name, found.title, found.unit, found.address) == (
        attested(), "General Administration", "Bob Roy", "Registrar", 2, "bob@gad.example",
    )  # fmt: skip
    assert "Bob" not in repr(found)


@pytest.mark.parametrize(
    "shown", [fields for count in range(5) for fields in itertools.combinations(attestation.STATED, count)]
)  # fmt: skip
def test_each_field_can_be_shown_without_the_others(shown: tuple[Field, ...]) -> None:
    whole = proof()
    projected = replace(whole, statements=tuple(each for each in whole.statements if each.field in shown))

    found = attestation.check(projected, RELAY, record(), OFFICER, NOW_MS)

    texts = {Field.NAME: found.name, Field.TITLE: found.title, Field.UNIT: found.unit and str(found.unit),
             Field.ADDRESS: found.address}  # fmt: skip
    assert texts == {each: TEXTS[each] if each in shown else None for each in Field if each is not Field.ABOUT}


def test_what_is_left_out_leaves_no_trace() -> None:
    """Spec 88 §4: two people who differ in a field that is not shown have the same proof, byte for byte."""
    one, other = proof(), proof(texts=TEXTS | {Field.NAME: "Carol Das"})
    without = [
        attestation.encode_proof(replace(each, statements=each.statements[1:])) for each in (one, other)
    ]  # fmt: skip

    assert without[0] == without[1]
    assert attestation.encode_proof(one) != attestation.encode_proof(other)


def test_an_address_is_checked_against_the_domains_only_where_it_is_shown() -> None:
    elsewhere = TEXTS | {Field.ADDRESS: "bob@else.example"}

    assert doubt(proof(texts=elsewhere)) is Doubt.FORGED
    assert doubt(proof(texts={Field.NAME: "Bob Roy"}), record(domains=())) is None


@pytest.mark.parametrize(
    "stated",
    [
        [[0, "a", b"s" * 64]] * 2, [[1, "a", b"s" * 64], [0, "a", b"s" * 64]], [[0, "a" * 121, b"s" * 64]],
        [[2, "02", b"s" * 64]], [[2, "0", b"s" * 64]], [[2, "", b"s" * 64]], [[2, "4294967296", b"s" * 64]],
        [[2, "9" * 254, b"s" * 64]],
        [[2, "-1", b"s" * 64]], [[2, "२", b"s" * 64]], [[4, "about", b"s" * 64]], [[5, "", b"s" * 64]],
        [[0, "a", b"s"]], [[3, "a" * 255, b"s" * 64]],
    ],
)  # fmt: skip
def test_what_are_no_statements_is_malformed(stated: list[object]) -> None:
    with pytest.raises(Malformed):
        attestation.decode_proof(b"\x01" + pack(b"", bytes(64), b"", bytes(64), stated))


@pytest.mark.parametrize(
    "shown",
    [
        replace(proof(), signature=bytes(64)), replace(proof(), warrant_signature=bytes(64)),
        proof(root_seed=NEW_SEED), proof(relay=bytes(32)),
        proof(sign_seed=NEW_SEED), replace(proof(), attestation=b"\x01nothing"),
        replace(proof(), warrant=b"\x02" + proof().warrant[1:]),
        replace(proof(), statements=(Statement(Field.NAME, "Carol", proof().statements[0].signature),)),
        replace(proof(), statements=(Statement(Field.TITLE, "Bob Roy", proof().statements[0].signature),)),
        replace(proof(), statements=proof(attested(serial=b"b" * 16)).statements),
        replace(proof(), statements=proof(relay=bytes(32)).statements),
        replace(proof(), statements=proof(sign_seed=NEW_SEED).statements),
        proof(attested(warrant=b"x" * 16)), proof(under=warrant(organisation=3)), proof(under=warrant(account=OFFICER)),
        proof(under=warrant(not_before_ms=NOW_MS + DAY_MS)), proof(under=warrant(expires_ms=NOW_MS + 89 * DAY_MS)),
    ],
)  # fmt: skip
def test_what_is_not_signed_or_not_covered_is_forged(shown) -> None:
    assert doubt(shown) is Doubt.FORGED


def test_it_is_one_accounts_one_organisations_and_one_keys() -> None:
    assert doubt(proof(), account=VERIFIER) is Doubt.ANOTHER
    assert doubt(proof(), record(unit=7)) is Doubt.UNKNOWN
    assert doubt(proof(attested(root=bytes(32)))) is Doubt.UNKNOWN
    with pytest.raises(Unattested, match="not known"):
        attestation.check(proof(), RELAY, None, OFFICER, NOW_MS)


@pytest.mark.parametrize(
    ("now_ms", "why"),
    [
        (NOW_MS - ATTESTATION_SKEW_MS - 1, Doubt.EARLY), (NOW_MS - ATTESTATION_SKEW_MS, None),
        (NOW_MS + 90 * DAY_MS - 1, None), (NOW_MS + 90 * DAY_MS, Doubt.EXPIRED), (NOW_MS - DAY_MS, Doubt.EARLY),
    ],
)  # fmt: skip
def test_it_counts_in_its_time_and_not_a_moment_longer(now_ms: int, why: Doubt | None) -> None:
    assert doubt(proof(), now_ms=now_ms) is why


@pytest.mark.parametrize("serial", [b"a" * 16, b"w" * 16])
def test_what_was_taken_back_does_not_count_nor_what_its_warrant_was_taken_from(serial: bytes) -> None:
    assert doubt(proof(), revoked={serial}) is Doubt.REVOKED


def test_a_replaced_root_key_counts_for_as_long_as_it_takes_to_renew_all() -> None:
    assert doubt(proof(), rotated(NOW_MS - DAY_MS)) is None
    assert doubt(proof(), rotated(NOW_MS - 90 * DAY_MS)) is Doubt.UNKNOWN
    new = attested(root=blake2b_256(ed25519_public(NEW_SEED)))
    assert doubt(proof(new, root_seed=NEW_SEED), rotated(NOW_MS - 90 * DAY_MS)) is None


def test_what_a_proof_of_ones_own_says_is_read_without_checking_it() -> None:
    assert attestation.texts_of(attestation.encode_proof(proof())) == TEXTS
    assert attestation.texts_of(attestation.encode_proof(proof(texts={}))) == {}


def test_bytes_come_back_as_they_went() -> None:
    shown = proof(texts={Field.NAME: "Bob Roy"})

    assert attestation.decode_proof(attestation.encode_proof(shown)) == shown
    assert attestation.decode(shown.attestation) == attested()
    assert attestation.decode_warrant(shown.warrant) == warrant()
    longest = attestation.encode_proof(proof(
        attested(organisation=2**32 - 1), warrant(organisation=2**32 - 1, unit=2**32 - 1),
        texts={Field.NAME: "𑄚" * 120, Field.TITLE: "𑄚" * 120, Field.UNIT: str(2**32 - 1),
               Field.ADDRESS: "a" * 242 + "@gad.example"},
    ))  # fmt: skip
    assert len(longest) <= PROOF_BYTES_MAX
    assert attestation.encode_proof(attestation.decode_proof(longest)) == longest


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"\x02" + proof().attestation[1:], b"\x01" + bytes(PROOF_BYTES_MAX), b"\x01" + pack(1),
        attestation.encode(attested(expires_ms=NOW_MS)), attestation.encode(attested(expires_ms=NOW_MS + 91 * DAY_MS)),
        attestation.encode(attested(standing=Standing.PUBLIC)),
        b"\x01" + pack(*attested().fields(), "more"),
    ],
)  # fmt: skip
def test_what_is_no_attestation_is_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        attestation.decode(octets)


@pytest.mark.parametrize("expires_ms", [NOW_MS - DAY_MS, NOW_MS + 366 * DAY_MS])
def test_a_warrant_of_no_or_too_long_a_life_is_none(expires_ms: int) -> None:
    with pytest.raises(Malformed):
        attestation.decode_warrant(attestation.encode_warrant(warrant(expires_ms=expires_ms)))


def test_one_signature_never_counts_as_another() -> None:
    shown = proof()

    with pytest.raises(CryptoFailure):
        attestation.check_attestation(
            ed25519_public(VERIFIER_SEED),
            RELAY,
            shown.attestation,
            attestation.sign_warrant(VERIFIER_SEED, RELAY, shown.attestation),
        )
    attestation.check_warrant(ed25519_public(ROOT_SEED), RELAY, shown.warrant, shown.warrant_signature)
