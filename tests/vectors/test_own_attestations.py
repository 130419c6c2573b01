"""The frozen proofs: a change here is a change of the protocol."""

import json

import pytest

from relayproto import attestation, organisation
from relayproto.primitives import ed25519_public
from support.generate_attestation import PATH, generate, outcome

VECTORS = json.loads(PATH.read_text(encoding="utf-8"))


def test_the_committed_file_is_what_the_code_makes() -> None:
    assert PATH.read_text(encoding="utf-8") == generate()


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: vector["what"])
def test_a_frozen_proof_comes_to_what_it_came_to(vector: dict) -> None:
    packed, octets = bytes.fromhex(vector["proof"]), bytes.fromhex(vector["record"])
    shown, said = attestation.decode_proof(packed), organisation.decode(octets, bytes.fromhex(VECTORS["relay"]))
    stamp_key = ed25519_public(bytes.fromhex(VECTORS["stamp_seed"]))

    organisation.check_record(stamp_key, octets, bytes.fromhex(vector["record_signature"]))
    revoked = [bytes.fromhex(each) for each in vector["revoked"]]
    assert outcome(shown, said, vector["now_ms"], revoked) == vector["comes_to"]
    assert (attestation.encode_proof(shown), organisation.encode(said)) == (packed, octets)


def test_the_words_of_the_vectors_are_what_they_say() -> None:
    """Written down once more by hand, so that code and vectors cannot be wrong together."""
    good = {"all of it", "the name alone", "all but the address", "no statement", "five minutes early",
            "a moment before its end", "a key replaced yesterday", "under the next key",
            "another domain, and the address is not shown"}  # fmt: skip
    doubts = {
        "earlier": "EARLY", "at its end": "EXPIRED", "taken back": "REVOKED", "its warrant taken back": "REVOKED",
        "another text": "FORGED", "a text as another field": "FORGED",
        "a statement of another attestation": "FORGED", "another signature": "FORGED", "another root key": "FORGED",
        "another relay": "FORGED",
        "another organisation": "UNKNOWN", "another domain": "FORGED", "the verifier himself": "FORGED",
        "longer than its warrant": "FORGED", "a key replaced 90 days ago": "UNKNOWN",
    }  # fmt: skip
    came = {vector["what"]: vector["comes_to"] for vector in VECTORS["cases"]}

    assert {what for what, said in came.items() if "organisation" in said} == good
    assert {what: said["doubt"] for what, said in came.items() if "doubt" in said} == doubts
    assert came["the name alone"] == {"organisation": "General Administration", "name": "Bob Roy", "title": None,
                                      "unit": None, "address": None}  # fmt: skip
    assert (came["all of it"]["unit"], came["all of it"]["address"]) == (2, "bob@gad.example")
    assert came["all but the address"] == came["all of it"] | {"address": None}
