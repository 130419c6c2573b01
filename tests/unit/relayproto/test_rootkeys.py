import pytest

from relayproto import rootkeys
from relayproto.errors import CryptoFailure
from relayproto.primitives import ed25519_public, sign

OLD, NEW = b"o" * 32, b"n" * 32
RELAY, OTHER = b"r" * 32, b"q" * 32
OLD_KEY, NEW_KEY = ed25519_public(OLD), ed25519_public(NEW)


def test_a_root_key_signs_its_own_domain_and_no_other() -> None:
    signature = rootkeys.sign_domain(OLD, RELAY, "gad.example")

    rootkeys.check_domain(OLD_KEY, RELAY, "gad.example", signature)
    for key, relay, domain in (
        (OLD_KEY, RELAY, "gad2.example"), (NEW_KEY, RELAY, "gad.example"), (OLD_KEY, OTHER, "gad.example"),
    ):  # fmt: skip
        with pytest.raises(CryptoFailure):
            rootkeys.check_domain(key, relay, domain, signature)


def test_a_succession_is_of_one_organisation_and_one_key() -> None:
    by_old, by_new = rootkeys.sign_successor(OLD, RELAY, 7, NEW_KEY), rootkeys.sign_successor(NEW, RELAY, 7, NEW_KEY)

    rootkeys.check_successor(OLD_KEY, RELAY, 7, NEW_KEY, by_old)
    rootkeys.check_successor(NEW_KEY, RELAY, 7, NEW_KEY, by_new)
    for key, relay, unit, successor, signature in (
        (OLD_KEY, RELAY, 8, NEW_KEY, by_old), (OLD_KEY, RELAY, 7, OLD_KEY, by_old),
        (NEW_KEY, RELAY, 7, NEW_KEY, by_old), (OLD_KEY, RELAY, 7, NEW_KEY, by_new),
        (OLD_KEY, OTHER, 7, NEW_KEY, by_old), (NEW_KEY, OTHER, 7, NEW_KEY, by_new),
    ):  # fmt: skip
        with pytest.raises(CryptoFailure):
            rootkeys.check_successor(key, relay, unit, successor, signature)


def test_the_labels_are_those_of_the_spec() -> None:
    assert rootkeys.sign_domain(OLD, RELAY, "gad.example") == sign(OLD, b"relayd/owned/1" + RELAY + b"gad.example")
    assert rootkeys.sign_successor(OLD, RELAY, 7, NEW_KEY) == sign(
        OLD, b"relayd/root-key/1" + RELAY + b"\0\0\0\x07" + NEW_KEY
    )
    assert rootkeys.sign_document(OLD, RELAY, b"{}") == sign(OLD, b"relayd/document/1" + RELAY + b"{}")


def test_a_document_counts_with_its_own_signature_only() -> None:
    signature = rootkeys.sign_document(OLD, RELAY, b"{}")

    rootkeys.check_document(OLD_KEY, RELAY, b"{}", signature)
    for key, relay, octets in ((NEW_KEY, RELAY, b"{}"), (OLD_KEY, RELAY, b"{ }"), (OLD_KEY, OTHER, b"{}")):
        with pytest.raises(CryptoFailure):
            rootkeys.check_document(key, relay, octets, signature)
