"""relay member."""

import json
import time

import pytest

from relayclient import contacts
from relayclient.cli import statements
from relayclient.device import Device
from relayproto import attestation
from relayproto.attestation import Warrant
from relayproto.commands import GetDevices
from relayproto.organisation import RootKey
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.replies import Devices
from relayproto.standing import Field, Standing
from relayproto.verification import (
    GetOrganisation,
    GetRevocations,
    Organisation,
    Revocations,
    RevokeAttestation,
)
from support import attesting
from support.registrar import Registrar

DAY_MS = 86_400_000
ROOT_SEED = b"k" * 32


@pytest.fixture
def works(office):
    office.join("vera", "bob")
    return Registrar().install(office.relay)


def warranted(office, *, key=None, days=300, name="warrant.json"):
    """Put a warrant for vera's device into her home."""
    with Device.open(office.place / "vera") as device:
        own = device.administration.sign_key()
    now_ms = int(time.time() * 1000)
    said = Warrant(b"w" * 16, 3, 7, office.relay.addresses["vera@office.example"], key or own, now_ms - 9 * DAY_MS,
                   now_ms + days * DAY_MS)  # fmt: skip
    path = office.place / "vera" / name
    path.write_text(
        json.dumps(statements.warrant(ROOT_SEED, office.relay.root_fingerprint, attestation.encode_warrant(said)))
    )
    return path


def test_a_verifier_attests_name_and_title_apart(office, works):
    warranted(office)

    ran = office.run(
        "vera", "member", "attest", "7", "bob@office.example", "--name", " Bob Roy ", "--title", "Registrar"
    )

    assert ran.status == 0, ran.err
    [change] = works.changes
    said = attestation.decode(change.attestation)
    bob = office.relay.addresses["bob@office.example"]
    assert (change.unit, change.account, said.account, said.standing) == (7, bob, bob, Standing.VERIFIED)
    assert attestation.texts(change.statements) == {
        Field.NAME: "Bob Roy", Field.TITLE: "Registrar", Field.UNIT: "7", Field.ADDRESS: "bob@office.example",
    }  # fmt: skip
    assert (said.organisation, said.root, said.warrant) == (3, blake2b_256(ed25519_public(ROOT_SEED)), b"w" * 16)
    assert said.expires_ms - said.not_before_ms == 90 * DAY_MS
    with Device.open(office.place / "vera") as device:
        key, relay = device.administration.sign_key(), office.relay.root_fingerprint
        attestation.check_attestation(key, relay, change.attestation, change.signature)
        attestation.check_statements(key, relay, said.serial, change.statements)


def test_an_attestation_ends_with_its_warrant_at_the_latest(office, works):
    other = warranted(office, days=10, name="other.json")

    office.run("vera", "member", "attest", "7", "bob@office.example", "--warrant", str(other), "--as", "office")

    said = attestation.decode(works.changes[0].attestation)
    assert said.expires_ms == statements.read_warrant(other).said.expires_ms
    assert said.standing is Standing.OFFICE
    assert attestation.texts(works.changes[0].statements).keys() == {Field.UNIT, Field.ADDRESS}


@pytest.mark.parametrize(("key", "days", "why"), [(b"x" * 32, 300, "another device"), (None, -1, "it ended on")])
def test_a_warrant_that_does_not_fit_is_told_before_anything_is_sent(office, works, key, days, why):
    warranted(office, key=key, days=days)

    ran = office.run("vera", "member", "attest", "7", "bob@office.example")

    assert (ran.status, works.acts) == (77, [])
    assert why in ran.err


def test_whose_address_nobody_knows_is_not_attested(office, works):
    warranted(office)
    bob = office.relay.addresses["bob@office.example"]
    office.relay.script[GetDevices] = lambda peer, asked, request: Devices(*office.relay.lists[bob], "")

    ran = office.run("vera", "member", "attest", "7", bob.hex())

    assert (ran.status, works.acts) == (65, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "x" * 121),
        ("--name", "  "),
        ("--title", "a\x1bb"),
        ("--days", "91"),
        ("--days", "0091"),
        ("--days", "x"),
    ],
)
def test_what_cannot_be_attested_is_a_usage_error(office, works, arguments):
    assert office.run("vera", "member", "attest", "7", "bob@office.example", *arguments).status == 2


def test_what_is_attested_is_shown_as_the_device_checks_it(office, works):
    bob, now_ms = office.relay.addresses["bob@office.example"], int(time.time() * 1000)
    times = {"not_before_ms": now_ms, "expires_ms": now_ms + DAY_MS}
    shown = attesting.proof(
        attesting.attested(account=bob, **times),
        attesting.warrant(**times),
        texts=attesting.TEXTS | {Field.ADDRESS: "bob@office.example"},
        relay=office.relay.root_fingerprint,
    )
    packed = attestation.encode_proof(shown)
    said = attesting.record(
        domains=("office.example",), keys=(RootKey(ed25519_public(attesting.ROOT_SEED), b"", b"", 1),)
    )
    relay = office.relay
    relay.script |= {
        GetDevices: lambda peer, asked, request: Devices(*relay.lists[bob], "bob@office.example", packed),
        GetOrganisation: lambda peer, asked, request: Organisation(*attesting.signed(said, relay.stamp_seed)),
        GetRevocations: lambda peer, asked, request: Revocations((), 0, False),
    }

    ran = office.run("vera", "member", "show", "bob@office.example")
    [fields] = office.run("vera", "member", "show", bob.hex(), "--json").lines

    assert ran.out.startswith("General Administration attests: Bob Roy, Registrar, bob@office.example (verified")
    assert (fields["account"], fields["attested"]["name"]) == (bob.hex(), "Bob Roy")


def test_what_is_attested_is_taken_back(office, works):
    bob = office.relay.addresses["bob@office.example"]

    assert office.run("vera", "member", "revoke", "7", "bob@office.example").status == 64
    ran = office.run("vera", "member", "revoke", "7", "bob@office.example", "--yes", "--reason", "left")

    assert ran.out.startswith("Nothing is attested of bob@office.example any more.")
    assert works.changes == [RevokeAttestation(7, bob)]


def test_whose_pass_is_held_is_asked_about_with_it(office, works):
    bob = office.relay.addresses["bob@office.example"]
    office.relay.script[GetDevices] = lambda peer, asked, request: Devices(*office.relay.lists[bob], "")
    office.run("vera", "lookup", "bob@office.example")
    with Device.open(office.place / "vera") as device, device._step() as step:
        contacts.keep_pass(step, bob, b"p" * 19)

    office.run("vera", "member", "show", bob.hex())

    assert office.relay.got(GetDevices)[-1] == GetDevices(bob, b"p" * 19)
