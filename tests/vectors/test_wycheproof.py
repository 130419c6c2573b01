"""Wycheproof against every primitive that the relay uses, through the functions that it uses them by."""

import pytest

from relayproto.errors import CryptoFailure
from relayproto.primitives import ML_KEM_768, Aead, ed25519_public, hkdf_sha256, sign, verify, x25519
from support.kem import DeterministicKem
from support.shared import shared


def cases(name: str, **group: str) -> list[dict]:
    """Return the file's tests, each with the fields of its group, for the groups that have these values."""
    groups = shared(f"vectors/wycheproof/{name}_test.json")["testGroups"]
    wanted = [each for each in groups if all(each.get(key) == value for key, value in group.items())]
    return [{**each, **test} for each in wanted for test in each["tests"]]


def octets(case: dict, *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def test_x25519_computes_every_secret_and_refuses_every_point_of_low_order():
    computed = refused = 0

    for case in cases("x25519"):
        private, public, secret = octets(case, "private", "public", "shared")
        if "LowOrderPublic" in case["flags"]:
            with pytest.raises(CryptoFailure):
                x25519(private, public)
            refused += 1
        else:
            assert x25519(private, public) == secret, case["tcId"]
            computed += 1

    assert (computed, refused) == (487, 31)


def test_ed25519_verifies_exactly_the_valid_signatures():
    verified = refused = 0

    for case in cases("ed25519"):
        message, signature = octets(case, "msg", "sig")
        public = bytes.fromhex(case["publicKey"]["pk"])
        if case["result"] == "valid":
            verify(public, message, signature)
            verified += 1
        else:
            with pytest.raises(CryptoFailure):
                verify(public, message, signature)
            refused += 1

    assert (verified, refused) == (88, 63)


def test_ed25519_signs_what_verifies_and_nothing_else():
    seed = bytes(range(32))
    messages = [bytes.fromhex(case["msg"]) for case in cases("ed25519")]

    signatures = [sign(seed, message) for message in messages]

    for message, signature in zip(messages, signatures, strict=True):
        verify(ed25519_public(seed), message, signature)
        with pytest.raises(CryptoFailure):
            verify(ed25519_public(seed), message + b"\x00", signature)


def test_chacha20_poly1305_seals_and_opens_every_valid_case_and_no_other():
    opened = refused = 0

    for case in cases("chacha20_poly1305"):
        key, nonce, associated, plaintext, ciphertext, tag = octets(case, "key", "iv", "aad", "msg", "ct", "tag")
        if case["result"] == "valid":
            assert Aead(key).seal(nonce, plaintext, associated) == ciphertext + tag, case["tcId"]
            assert Aead(key).open(nonce, ciphertext + tag, associated) == plaintext
            opened += 1
        else:
            with pytest.raises(ValueError if "InvalidNonceSize" in case["flags"] else CryptoFailure):
                Aead(key).open(nonce, ciphertext + tag, associated)
            refused += 1

    assert (opened, refused) == (256, 69)


def test_hkdf_gives_every_output_and_refuses_what_is_too_large():
    given = refused = 0

    for case in cases("hkdf_sha256"):
        secret, salt, label, output = octets(case, "ikm", "salt", "info", "okm")
        if case["result"] == "valid":
            assert hkdf_sha256(secret, salt=salt, label=label, length=case["size"]) == output, case["tcId"]
            given += 1
        else:
            with pytest.raises(ValueError, match="8160"):
                hkdf_sha256(secret, salt=salt, label=label, length=case["size"])
            refused += 1

    assert (given, refused) == (83, 3)


def test_ml_kem_768_takes_every_valid_public_key_and_refuses_the_others():
    taken = refused = 0

    for case in cases("mlkem_768_encaps", parameterSet="ML-KEM-768"):
        [public] = octets(case, "ek")
        if case["result"] == "valid":
            ciphertext, secret = ML_KEM_768.encapsulate(public)
            assert (len(ciphertext), len(secret)) == (1088, 32)
            taken += 1
        else:
            with pytest.raises(CryptoFailure):
                ML_KEM_768.encapsulate(public)
            refused += 1

    assert (taken, refused) == (133, 132)


def test_the_deterministic_kem_of_the_frozen_vectors_encapsulates_as_it_should():
    valid = [case for case in cases("mlkem_768_encaps", parameterSet="ML-KEM-768") if case["result"] == "valid"]

    for case in valid:
        randomness, public, ciphertext, secret = octets(case, "m", "ek", "c", "K")
        assert DeterministicKem(lambda _, randomness=randomness: randomness).encapsulate(public) == (ciphertext, secret)

    assert len(valid) == 133
