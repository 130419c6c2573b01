"""relay warrant."""

import json

import pytest

from relayclient import rootfile
from relayclient.cli import statements
from relayproto import attestation
from relayproto.primitives import ed25519_public
from relayproto.verification import PutWarrant, RevokeWarrant
from support.registrar import Registrar

DAY_MS = 86_400_000


@pytest.fixture
def works(office):
    office.join("alice", "vera")
    return Registrar().install(office.relay)


def asked(office):
    path = office.place / "vera.json"
    path.write_text(office.run("vera", "warrant", "ask").out)
    return path


def signed(office, *arguments, verifier=None):
    """Make a root key and let it warrant vera's device; return the statement's file and the root key's."""
    key, made = office.place / "works.key", office.place / "warrant.json"
    if not key.exists():
        office.run("nobody", "org", "key", "new", str(key))
    ran = office.run("nobody", "warrant", "sign", str(key), "--verifier", str(verifier or asked(office)),
                     "--organisation", "3", *arguments)  # fmt: skip
    assert ran.status == 0, ran.err
    made.write_text(ran.out)
    return made, key


def test_the_organisations_machine_warrants_what_a_verifiers_device_asks_for(office, works):
    made, key = signed(office, "--unit", "7", "--days", "30")

    said = statements.read_warrant(made)
    asked_for = json.loads((office.place / "vera.json").read_text())
    assert (said.said.organisation, said.said.unit, said.said.expires_ms - said.said.not_before_ms) == (
        3, 7, 30 * DAY_MS,
    )  # fmt: skip
    assert (said.said.account, said.said.key.hex()) == (office.relay.addresses["vera@office.example"], asked_for["key"])
    assert said.root_key == ed25519_public(rootfile.read(key))
    attestation.check_warrant(said.root_key, office.relay.root_fingerprint, said.warrant, said.signature)


def test_without_a_unit_it_is_for_all_of_the_organisation_and_a_year(office, works):
    said = statements.read_warrant(signed(office)[0]).said

    assert (said.unit, said.expires_ms - said.not_before_ms) == (3, 365 * DAY_MS)


def test_a_warrant_is_put_into_force_and_taken_back(office, works):
    made, _ = signed(office, "--unit", "7")
    said = statements.read_warrant(made)

    put = office.run("alice", "warrant", "put", str(made), "--json")
    office.run("alice", "warrant", "put", str(made))
    serial = said.said.serial.hex()
    unasked = office.run("alice", "warrant", "revoke", "7", serial)
    revoked = office.run("alice", "warrant", "revoke", "7", serial, "--yes")

    assert (put.status, unasked.status, revoked.status) == (0, 64, 0)
    change = PutWarrant(7, said.said.account, said.warrant, said.signature)
    assert works.changes == [change, change, RevokeWarrant(7, said.said.serial)]
    assert put.lines[0]["serial"] == serial


@pytest.mark.parametrize("arguments", [("revoke", "7", "zz"), ("revoke", "7", "00")])
def test_a_serial_that_is_none_is_a_usage_error(office, works, arguments):
    assert office.run("alice", "warrant", *arguments).status == 2


@pytest.mark.parametrize("days", ["0", "367", "many", "1" * 400, "0001366"])
def test_more_than_a_year_is_a_usage_error(office, works, days):
    ran = office.run("nobody", "warrant", "sign", "k", "--verifier", "v", "--organisation", "3", "--days", days)

    assert (ran.status, "1 to 366 days" in ran.err) == (2, True)
