"""relay org."""

import json
import stat

import pytest

from relayclient.cli import statements
from relayproto.administration import CreateOrganisation, HandOver, MergeOrganisation, RotateKey, SuspendOrganisation
from relayproto.administration_replies import Acted
from relayproto.primitives import blake2b_256
from relayproto.standing import ActState
from support.registrar import Registrar, unit

DOMAIN = "works.example"


@pytest.fixture
def works(office):
    office.join("alice", "bob", "carol")
    return Registrar(units=[unit(3, 0, "Works", domain=DOMAIN, root_key=b"k" * 32)]).install(office.relay)


def key(office, name="works.key"):
    """Make a root key on a machine that knows no relay; return its file."""
    path = office.place / name
    assert office.run("nobody", "org", "key", "new", str(path)).status == 0
    return path


def statement(office, path, *arguments, relay=None):
    root = relay or office.relay.root_fingerprint
    ran = office.run("nobody", "org", "key", "sign", str(path), "--relay", root.hex(), *arguments)
    assert ran.status == 0, ran.err
    made = office.place / "statement.json"
    made.write_text(ran.out)
    return made


def test_a_root_key_is_made_without_a_relay_and_only_its_public_half_is_shown(office):
    path = office.place / "works.key"

    made = office.run("nobody", "org", "key", "new", str(path))
    shown = office.run("nobody", "org", "key", "show", str(path))
    [said] = office.run("nobody", "org", "key", "show", str(path), "--json").lines

    seed = path.read_text().splitlines()[1]
    assert made.out == shown.out == f"{said['root_key']}\n"
    assert f'_relayd TXT "relayd-key={said["root_key"]}"' in made.err
    assert seed not in made.out + made.err + shown.out + shown.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert office.run("nobody", "org", "key", "new", str(path)).status == 73


def test_signing_needs_to_be_told_what(office):
    path = key(office)

    sign = ("org", "key", "sign", str(path))
    assert office.run("nobody", *sign, "--relay", "00" * 32).status == 64
    assert office.run("nobody", *sign, "--relay", "00" * 32, "--successor", str(path)).status == 64
    assert office.run("nobody", *sign, "--relay", "zz", "--domain", DOMAIN).status == 2
    nowhere = office.run("nobody", *sign, "--domain", DOMAIN)
    assert (nowhere.status, nowhere.out) == (64, "")
    assert "--relay" in nowhere.err


def test_the_hash_of_a_form_is_that_of_its_bytes(office):
    (office.place / "form.pdf").write_bytes(b"signed")

    ran = office.run("nobody", "org", "form-hash", str(office.place / "form.pdf"))

    assert ran.out == f"{blake2b_256(b'signed').hex()}\n"
    [said] = office.run("nobody", "org", "form-hash", str(office.place / "form.pdf"), "--json").lines
    assert said == {"form_hash": blake2b_256(b"signed").hex()}


@pytest.mark.parametrize("by_hash", [True, False])
def test_an_organisation_is_proposed_with_what_its_machine_has_signed(office, works, by_hash):
    works.outcome = Acted(ActState.PROPOSED, 9, 4, b"")
    made = statement(office, key(office), "--domain", "Works.example ")
    (office.place / "form.pdf").write_bytes(b"signed")
    form = blake2b_256(b"signed")
    given = ("--form-hash", form.hex()) if by_hash else ("--form", str(office.place / "form.pdf"))

    ran = office.run("alice", "org", "create", "Works", "--statement", str(made), *given, "--admin",
                     "bob@office.example", "--until", "2027-03-31")  # fmt: skip

    said = statements.read_owned(made)
    bob = office.relay.addresses["bob@office.example"]
    assert works.changes == [
        CreateOrganisation("Works", DOMAIN, said.root_key, said.owned, form, bob, 1_806_451_200_000)
    ]
    assert "Proposal 4 waits" in ran.out


def test_a_statement_that_was_mixed_up_is_told_before_anything_is_sent(office, works):
    made = statement(office, key(office), "--domain", DOMAIN)
    made.write_text(json.dumps({**json.loads(made.read_text()), "domain": "other.example"}))

    ran = office.run("alice", "org", "create", "Works", "--statement", str(made), "--form-hash", "00" * 32, "--admin",
                     "bob@office.example")  # fmt: skip

    assert (ran.status, works.acts) == (65, [])
    assert "not that key's" in ran.err


def test_what_was_signed_for_another_relay_is_told_before_anything_is_sent(office, works):
    made = statement(office, key(office), "--domain", DOMAIN, relay=bytes(32))
    create = ("org", "create", "Works", "--statement", str(made), "--form-hash", "00" * 32)
    created = office.run("alice", *create, "--admin", "bob@office.example")
    made = statement(
        office, key(office, "old.key"), "--successor", str(key(office, "next.key")), "--unit", "3", relay=bytes(32)
    )
    rotated = office.run("alice", "org", "rotate-key", "--statement", str(made), "--yes")

    assert (created.status, rotated.status, works.acts) == (65, 65, [])
    assert "signed for the relay with the root 0000" in created.err
    assert "signed for the relay with the root 0000" in rotated.err


def test_a_hash_that_is_none_is_a_usage_error(office, works):
    ran = office.run(
        "alice", "org", "create", "Works", "--statement", "x", "--form-hash", "zz", "--admin", "b@c.example"
    )

    assert ran.status == 2
    assert "relay org form-hash" in ran.err


def test_organisations_are_listed(office, works):
    ran = office.run("alice", "org", "list")

    assert ran.out.splitlines()[1].split() == ["3", "0", "Works", "active", DOMAIN, "6b" * 32]
    assert office.run("alice", "org", "list", "--json").lines[0]["domain"] == DOMAIN


def test_what_is_dangerous_is_asked_for_and_done(office, works):
    bob, carol = (office.relay.addresses[f"{name}@office.example"] for name in ("bob", "carol"))
    verbs = [
        (("suspend", "Works"), SuspendOrganisation(3, True)), (("merge", "3", "5"), MergeOrganisation(3, 5)),
        (("hand-over", "3", "bob@office.example", "carol@office.example"), HandOver(3, bob, carol)),
    ]  # fmt: skip
    for verb, change in verbs:
        assert office.run("alice", "org", *verb).status == 64
        assert works.acts == []

        assert office.run("alice", "org", *verb, "--yes").status == 0
        assert works.changes == [change]
        works.acts.clear()


def test_a_suspended_organisation_works_again(office, works):
    assert office.run("alice", "org", "resume", "3").status == 0
    assert works.changes == [SuspendOrganisation(3, False)]


def test_a_root_key_is_followed_by_another(office, works):
    old, new = key(office), key(office, "next.key")
    made = statement(office, old, "--successor", str(new), "--unit", "3")

    ran = office.run("alice", "org", "rotate-key", "--statement", str(made), "--yes")

    said = statements.read_succeeded(made)
    assert works.changes == [RotateKey(3, said.root_key, said.by_old, said.by_new)]
    assert said.root_key.hex() in ran.out
