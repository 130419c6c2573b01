"""The frozen documents: a change here is a change of the protocol."""

import json

import pytest

from relayproto import document, rootkeys
from relayproto.errors import Malformed
from support.generate_document import PATH, generate

VECTORS = json.loads(PATH.read_text(encoding="utf-8"))


def test_the_committed_file_is_what_the_code_makes() -> None:
    assert PATH.read_text(encoding="utf-8") == generate()


@pytest.mark.parametrize("number", range(len(VECTORS["documents"])))
def test_a_frozen_document_is_read_written_and_checked(number: int) -> None:
    vector = VECTORS["documents"][number]
    octets = vector["document"].encode()

    read = document.read(octets)

    assert document.write(read) == octets
    assert document.digest(octets) == vector["hash"]
    root_key, relay, signature = (
        bytes.fromhex(each) for each in (VECTORS["root_key"], VECTORS["relay"], vector["signature"])
    )
    rootkeys.check_document(root_key, relay, octets, signature)
    for name, table in (("table", document.permissions(read)), ("visibilities", document.views(read))):
        assert vector[name] == (None if table is None else table.hex())


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["why"])
def test_what_was_refused_is_refused(vector: dict) -> None:
    with pytest.raises(Malformed):
        document.read(bytes.fromhex(vector["octets"]))


@pytest.mark.parametrize("vector", VECTORS["inherited"], ids=lambda vector: vector["what"])
def test_what_held_holds(vector: dict) -> None:
    several = [document.read(each.encode()) for each in vector["documents"]]

    assert document.write(document.inherited(several)).decode() == vector["holds"]


@pytest.mark.parametrize("vector", VECTORS["loosened"], ids=lambda vector: vector["what"])
def test_what_loosened_loosens(vector: dict) -> None:
    above = document.inherited(document.read(each.encode()) for each in vector["above"])

    assert list(document.loosened(above, document.read(vector["document"].encode()))) == vector["paths"]


def test_the_words_of_the_vectors_are_what_they_say() -> None:
    """Written down once more by hand, so that code and vectors cannot be wrong together."""
    assert {vector["what"]: vector["paths"] for vector in VECTORS["loosened"]} == {
        "a field shown that the default hides": ["visibility.unit.public"], "a field hidden": [],
        "a longer lifetime": ["lifetimes.chat_s"], "a shorter one": [], "a type more": ["file_types"],
        "a type of a kind": [], "a kind for a type": ["file_types"],
        "the default's word": ["policy.public.verified.call"], "the same by the platform": [],
        "locked, two levels up": ["lifetimes.chat_s"], "locked and repeated": [],
    }  # fmt: skip
    held = {vector["what"]: json.loads(vector["holds"]) for vector in VECTORS["inherited"]}
    strictest = held["the strictest counts"]
    assert strictest["lifetimes"] == {"chat_s": 100, "otp_s": 30}
    assert (strictest["file_types"], strictest["limits"]) == (["c/d"], {"targets": 9})
    assert strictest["policy"]["verified"]["verified"]["call"] == "deny"
    lowest = held["the lowest counts where nothing is locked"]
    assert (lowest["names"][0]["text"], lowest["branding"]) == ("Low", {"primary": "#333333", "accent": "#222222"})
    assert [notice["id"] for notice in lowest["notices"]] == ["a-b"]
    assert held["the platform allows more"]["policy"]["public"]["verified"]["first_contact"] == "request"
    assert held["the default"]["policy"]["public"]["verified"]["first_contact"] == "deny"
