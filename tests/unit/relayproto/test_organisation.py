"""Public records of organisations: what leads on from what."""

import pytest

from relayproto import organisation
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import ORGANISATION_BYTES_MAX
from relayproto.organisation import RootKey
from relayproto.packed import pack
from relayproto.primitives import ed25519_public
from relayproto.rootkeys import sign_successor
from support.attesting import NOW_MS, ROOT_SEED, STAMP_SEED, record, signed
from support.changed import replace
from support.organisations import RELAY

NEW_SEED, OTHER_SEED = b"N" * 32, b"X" * 32


def next_key(old_seed: bytes = ROOT_SEED, new_seed: bytes = NEW_SEED, unit: int = 1) -> RootKey:
    key = ed25519_public(new_seed)
    return RootKey(key, sign_successor(old_seed, RELAY, unit, key), sign_successor(new_seed, RELAY, unit, key), NOW_MS)


def test_a_record_comes_back_as_it_went_and_is_the_relays_word() -> None:
    said = record(keys=(*record().keys, next_key()))
    octets, signature = signed(said)

    assert organisation.decode(octets, RELAY) == said
    organisation.check_record(ed25519_public(STAMP_SEED), octets, signature)
    with pytest.raises(CryptoFailure):
        organisation.check_record(ed25519_public(NEW_SEED), octets, signature)


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"\x02" + organisation.encode(record())[1:], b"\x01" + bytes(ORGANISATION_BYTES_MAX),
        b"\x01" + pack(1, "x", ("gad.example",), record().keys, NOW_MS, "more"),
        organisation.encode(record(domains=())), organisation.encode(record(keys=())),
        organisation.encode(record(keys=(*record().keys, next_key(OTHER_SEED)))),
        organisation.encode(record(keys=(*record().keys, replace(next_key(), by_new=bytes(64))))),
        organisation.encode(record(keys=(*record().keys, next_key(unit=2)))),
        organisation.encode(record(keys=(*record().keys, RootKey(ed25519_public(NEW_SEED), b"", b"", NOW_MS)))),
    ],
)  # fmt: skip
def test_what_is_no_record_or_no_chain_is_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        organisation.decode(octets, RELAY)


def test_a_newer_record_follows_where_the_key_that_is_known_leads_to_it() -> None:
    held, led_on = record(), record(keys=(*record().keys, next_key()), issued_ms=NOW_MS + 1)
    stranger = record(keys=(RootKey(ed25519_public(OTHER_SEED), b"", b"", NOW_MS),), issued_ms=NOW_MS + 1)

    assert organisation.follows(held, held)
    assert organisation.follows(held, led_on)
    assert not organisation.follows(held, stranger)
    assert not organisation.follows(led_on, replace(held, issued_ms=NOW_MS + 2)), "back to the key that was replaced"
    assert not organisation.follows(led_on, held)
    assert not organisation.follows(held, replace(led_on, unit=2))


def test_keys_name_each_other_for_one_relay() -> None:
    octets = organisation.encode(record(keys=(*record().keys, next_key())))

    with pytest.raises(Malformed):
        organisation.decode(octets, bytes(32))
