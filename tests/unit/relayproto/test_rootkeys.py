import pytest

from relayproto import rootkeys
from relayproto.errors import CryptoFailure
from relayproto.primitives import ed25519_public, sign

OLD, NEW = b"o" * 32, b"n" * 32
OLD_KEY, NEW_KEY = ed25519_public(OLD), ed25519_public(NEW)


def test_a_root_key_signs_its_own_domain_and_no_other() -> None:
    signature = rootkeys.sign_domain(OLD, "gad.example")

    rootkeys.check_domain(OLD_KEY, "gad.example", signature)
    for key, domain in ((OLD_KEY, "gad2.example"), (NEW_KEY, "gad.example")):
        with pytest.raises(CryptoFailure):
            rootkeys.check_domain(key, domain, signature)


def test_a_succession_is_of_one_organisation_and_one_key() -> None:
    by_old, by_new = rootkeys.sign_successor(OLD, 7, NEW_KEY), rootkeys.sign_successor(NEW, 7, NEW_KEY)

    rootkeys.check_successor(OLD_KEY, 7, NEW_KEY, by_old)
    rootkeys.check_successor(NEW_KEY, 7, NEW_KEY, by_new)
    for key, unit, successor, signature in (
        (OLD_KEY, 8, NEW_KEY, by_old), (OLD_KEY, 7, OLD_KEY, by_old), (NEW_KEY, 7, NEW_KEY, by_old),
        (OLD_KEY, 7, NEW_KEY, by_new),
    ):  # fmt: skip
        with pytest.raises(CryptoFailure):
            rootkeys.check_successor(key, unit, successor, signature)


def test_the_labels_are_those_of_the_spec() -> None:
    assert rootkeys.sign_domain(OLD, "gad.example") == sign(OLD, b"relayd/owned/1gad.example")
    assert rootkeys.sign_successor(OLD, 7, NEW_KEY) == sign(OLD, b"relayd/root-key/1\0\0\0\x07" + NEW_KEY)
    assert rootkeys.sign_document(OLD, b"{}") == sign(OLD, b"relayd/document/1{}")


def test_a_document_counts_with_its_own_signature_only() -> None:
    signature = rootkeys.sign_document(OLD, b"{}")

    rootkeys.check_document(OLD_KEY, b"{}", signature)
    for key, octets in ((NEW_KEY, b"{}"), (OLD_KEY, b"{ }")):
        with pytest.raises(CryptoFailure):
            rootkeys.check_document(key, octets, signature)
