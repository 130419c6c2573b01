"""relay member renew."""

import json
import time

import pytest

from relayclient.cli import statements
from relayclient.device import Device
from relayproto import attestation
from relayproto.attestation import Warrant
from relayproto.codes import Code
from relayproto.organisation import RootKey
from relayproto.people import GetPeople, People, Person
from relayproto.primitives import ed25519_public
from relayproto.replies import Refused
from relayproto.standing import Field, Standing
from relayproto.verification import GetOrganisation, GetRevocations, Organisation, Revocations
from support import attesting
from support.attesting import DAY_MS, ROOT_SEED
from support.registrar import Registrar

NOW_MS = int(time.time() * 1000)


def attested(office, who: str, days: int, standing: Standing = Standing.VERIFIED) -> Person:
    """Return somebody of unit 2 whose attestation ends in so many days."""
    address = f"{who}@office.example"
    account = office.relay.addresses[address]
    times = {"not_before_ms": NOW_MS - DAY_MS, "expires_ms": NOW_MS + days * DAY_MS}
    said = attesting.attested(account=account, standing=standing, serial=account[:16], **times)
    texts = {Field.NAME: who.title(), Field.UNIT: "2", Field.ADDRESS: address}
    proof = attesting.proof(said, attesting.warrant(**times), texts=texts, relay=office.relay.root_fingerprint)
    return Person(account, attestation.encode_proof(proof), "")


@pytest.fixture
def works(office):
    office.join("vera", "bob", "carol", "counter")
    with Device.open(office.place / "vera") as device:
        own = device.administration.sign_key()
    vera = office.relay.addresses["vera@office.example"]
    said = Warrant(b"v" * 16, 1, 2, vera, own, NOW_MS - DAY_MS, NOW_MS + 300 * DAY_MS)
    (office.place / "vera" / "warrant.json").write_text(
        json.dumps(statements.warrant(ROOT_SEED, office.relay.root_fingerprint, attestation.encode_warrant(said)))
    )
    record = attesting.record(domains=("office.example",), keys=(RootKey(ed25519_public(ROOT_SEED), b"", b"", 1),))
    people = (
        attested(office, "bob", 3), attested(office, "carol", 60), attested(office, "vera", 3),
        attested(office, "counter", 13, Standing.OFFICE),
    )  # fmt: skip
    office.relay.script |= {
        GetPeople: lambda *_: People(people, False),
        GetOrganisation: lambda *_: Organisation(*attesting.signed(record, office.relay.stamp_seed)),
        GetRevocations: lambda *_: Revocations((), 0, False),
    }
    return Registrar().install(office.relay)


def test_who_ends_soon_is_attested_anew_as_what_he_was_and_nobody_else(office, works):
    ran = office.run("vera", "member", "renew", "2")

    assert ran.status == 0, ran.err
    who = [office.relay.addresses[f"{name}@office.example"] for name in ("bob", "counter")]
    assert [change.account for change in works.changes] == who, "not his own, and not who has two months left"
    said = [attestation.decode(change.attestation) for change in works.changes]
    assert [each.standing for each in said] == [Standing.VERIFIED, Standing.OFFICE]
    assert all(each.expires_ms > NOW_MS + 89 * DAY_MS for each in said)
    assert attestation.texts(works.changes[0].statements) == {
        Field.NAME: "Bob", Field.UNIT: "2", Field.ADDRESS: "bob@office.example",
    }  # fmt: skip
    assert "2 were renewed, 0 were not." in ran.err


def test_within_how_many_days_is_said(office, works):
    [only] = office.run("vera", "member", "renew", "2", "--within", "5", "--json").lines

    assert only == {"address": "bob@office.example", "came": "attested"}
    assert office.run("vera", "member", "renew", "2", "--within", "91").status == 2


def test_what_is_refused_is_told_one_by_one(office, works):
    works.outcome = Refused(Code.NOT_PERMITTED, 0)

    ran = office.run("vera", "member", "renew", "2")

    assert (ran.status, len(works.acts)) == (65, 2)
    assert "bob@office.example: " in ran.out
