"""relay member list and search."""

import time

import pytest

from relayproto import attestation
from relayproto.codes import Code
from relayproto.organisation import RootKey
from relayproto.people import GetPeople, People, Person
from relayproto.primitives import ed25519_public
from relayproto.replies import Refused
from relayproto.standing import Field
from relayproto.verification import GetOrganisation, GetRevocations, Organisation, Revocations
from support import attesting

DAY_MS = 86_400_000
BOB, CAROL, MALLORY = b"b" * 32, b"c" * 32, b"m" * 32


@pytest.fixture
def people(office):
    """Alice asks; bob and carol are attested, carol hides her address; for mallory the relay shows bob's proof."""
    office.join("alice")
    now_ms, relay = int(time.time() * 1000), office.relay
    times = {"not_before_ms": now_ms, "expires_ms": now_ms + DAY_MS}

    def proof(account: bytes, texts: dict[Field, str]) -> bytes:
        said = attesting.attested(account=account, serial=account[:16], **times)
        made = attesting.proof(said, attesting.warrant(**times), texts=texts, relay=relay.root_fingerprint)
        return attestation.encode_proof(made)

    whole = attesting.TEXTS | {Field.ADDRESS: "bob@office.example"}
    rows = [
        Person(BOB, proof(BOB, whole), "on leave"), Person(CAROL, proof(CAROL, {Field.NAME: "Carol \x1b[2J Das"}), ""),
        Person(MALLORY, proof(BOB, whole), ""),
    ]  # fmt: skip
    said = attesting.record(
        domains=("office.example",), keys=(RootKey(ed25519_public(attesting.ROOT_SEED), b"", b"", 1),)
    )
    asked: list[GetPeople] = []

    def page(_, question: GetPeople, __):
        asked.append(question)
        left = [each for each in rows if each.account > question.after]
        return People(tuple(left[:2]), len(left) > 2)

    relay.script |= {
        GetPeople: page,
        GetOrganisation: lambda *_: Organisation(*attesting.signed(said, relay.stamp_seed)),
        GetRevocations: lambda *_: Revocations((), 0, False),
    }
    return asked


def test_who_is_in_a_unit_is_listed_page_by_page_as_this_device_checks_it(office, people):
    ran = office.run("alice", "member", "list", "7")

    head, bob, carol, mallory = ran.out.splitlines()
    assert (ran.status, head.split()) == (0, ["NAME", "TITLE", "UNIT", "ADDRESS", "SAYS", "ACCOUNT"])
    assert bob.split("  ") == [each for each in bob.split("  ") if each is not None]
    assert all(each in bob for each in ("Bob Roy", "Registrar", "bob@office.example", "on leave", BOB.hex()[:16]))
    assert "\x1b" not in carol
    assert "@" not in carol
    assert "another account" in mallory
    assert "Bob Roy" not in mallory
    assert [(each.unit, each.sought, each.after) for each in people] == [(7, "", b""), (7, "", CAROL)]


def test_somebody_is_sought(office, people):
    found = office.run("alice", "member", "search", "7", " roy ", "--json").lines

    assert {each.sought for each in people} == {"roy"}
    assert [each["account"] for each in found] == [BOB.hex(), CAROL.hex(), MALLORY.hex()]
    assert (found[0]["attested"]["name"], found[0]["about"], found[1]["attested"]["address"]) == (
        "Bob Roy", "on leave", None,
    )  # fmt: skip
    assert (found[2]["attested"], found[2]["doubt"]) == (None, "another account's")


def test_what_the_relay_refuses_is_told(office, people):
    office.relay.script[GetPeople] = lambda *_: Refused(Code.NOT_PERMITTED, 0)

    ran = office.run("alice", "member", "list", "7")

    assert ran.status == 77
    assert "no right" in ran.err
