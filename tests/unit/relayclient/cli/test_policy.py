"""relay policy."""

import json

import pytest

from relayproto import document, policy, rootkeys
from relayproto.administration import PutDocument
from relayproto.codes import Code
from relayproto.commands import PutPolicy
from relayproto.primitives import ed25519_public
from relayproto.replies import Done, Refused
from relayproto.standing import Action, Permission, Standing
from support.registrar import Registrar

FIRST = {"limits": {"targets": 9}, "names": [{"language": "en", "text": "Works"}]}
SECOND = {"limits": {"targets": 8}}


@pytest.fixture
def works(office):
    office.join("alice")
    office.relay.belongs[office.relay.addresses["alice@office.example"]] = (Standing.VERIFIED, 1)
    return Registrar().install(office.relay)


@pytest.fixture
def key(office):
    path = office.place / "works.key"
    office.run("nobody", "org", "key", "new", str(path))
    return path


def written(office, fields, name="document.json"):
    path = office.place / name
    path.write_text(json.dumps(fields))
    return str(path)


def put(office, key, fields, *more):
    return office.run("alice", "policy", "put", ".", written(office, fields), "--key", str(key), *more)


def test_a_document_is_checked_offline(office):
    good = office.run("nobody", "policy", "check", written(office, FIRST))
    bad = office.run("nobody", "policy", "check", written(office, {"limits": {"targets": "nine"}}))
    odd = office.run("nobody", "policy", "check", written(office, []))

    assert (good.status, bad.status, odd.status) == (0, 65, 65)
    assert "limits.targets" in bad.err
    assert office.run("nobody", "policy", "check", str(office.place / "none")).status == 66


def test_the_first_document_is_put_signed_with_its_head_filled_in(office, works, key):
    ran = put(office, key, FIRST, "--yes", "--reason", "the first")

    [change] = works.changes
    said = document.read(change.document)
    assert isinstance(change, PutDocument)
    assert (said.unit, said.version, said.previous) == (1, 1, document.FIRST_PREVIOUS)
    public = ed25519_public(bytes.fromhex(key.read_text().splitlines()[1]))
    rootkeys.check_document(public, office.relay.root_fingerprint, change.document, change.signature)
    assert ran.out.splitlines() == [
        "limits.targets: nothing -> 9", "names.en: nothing -> Works",
        "Version 1 of unit 1's document is in force. (audit record 5)",
    ]  # fmt: skip


def test_the_next_document_follows_the_one_in_force_and_its_difference_is_shown(office, works, key):
    put(office, key, FIRST, "--yes")

    diff = office.run("alice", "policy", "diff", ".", written(office, SECOND))
    ran = put(office, key, SECOND, "--yes", "--json")

    said = document.read(works.changes[-1].document)
    assert diff.out == "limits.targets: 9 -> 8\nnames.en: Works -> nothing\n"
    assert (said.version, said.previous) == (2, document.digest(works.changes[0].document))
    assert ran.lines[0]["difference"] == diff.out.splitlines()
    assert office.run("alice", "policy", "diff", ".", written(office, SECOND)).out == "Nothing changes.\n"
    assert office.run("alice", "policy", "diff", ".", written(office, SECOND), "--json").lines == [{"difference": []}]


def test_a_dry_run_shows_the_difference_and_changes_nothing(office, works, key):
    ran = put(office, key, FIRST, "--dry-run")

    assert works.acts[0].rehearsal
    assert works.documents == {}
    assert "limits.targets: nothing -> 9" in ran.out


def test_putting_is_asked_for(office, works, key):
    assert put(office, key, FIRST).status == 64
    assert works.acts == []


def test_a_locked_field_is_told_by_its_code(office, works, key):
    works.outcome = Refused(Code.LOCKED, 0)

    ran = put(office, key, FIRST, "--yes")

    assert ran.status == 65
    assert "LOCKED" in ran.err


def test_another_units_document_is_not_put(office, works, key):
    ran = put(office, key, {**FIRST, "unit": 7}, "--yes")

    assert (ran.status, works.acts) == (65, [])


def test_a_document_is_signed_on_another_machine(office, works, key):
    draft = office.place / "draft.json"
    drafted = office.run("alice", "policy", "draft", ".", written(office, FIRST), "--out", str(draft))
    root = office.relay.root_fingerprint.hex()
    assert f"relay org key sign KEY --relay {root} --document {draft}" in drafted.err
    signed = office.run("nobody", "org", "key", "sign", str(key), "--relay", root, "--document", str(draft))
    statement = office.place / "signed.json"
    statement.write_text(signed.out)

    ran = office.run("alice", "policy", "put", ".", str(draft), "--statement", str(statement), "--yes")
    assert ran.status == 0
    assert works.changes[0].document == draft.read_bytes()

    draft.write_bytes(draft.read_bytes() + b"\n")
    other = office.run("alice", "policy", "put", ".", str(draft), "--statement", str(statement), "--yes")
    assert other.status == 65
    assert len(works.acts) == 1


def test_the_content_of_an_older_version_comes_back_as_the_next(office, works, key):
    put(office, key, FIRST, "--yes")
    put(office, key, SECOND, "--yes")

    ran = office.run("alice", "policy", "rollback", ".", "1", "--key", str(key), "--yes")
    none = office.run("alice", "policy", "rollback", ".", "9", "--key", str(key), "--yes")

    said = document.read(works.changes[-1].document)
    assert (ran.status, said.version, said.limits.targets) == (0, 3, 9)
    assert (none.status, len(works.acts)) == (65, 3)


def test_the_root_key_does_not_sign_again_what_it_never_signed(office, works, key):
    put(office, key, FIRST, "--yes")
    put(office, key, SECOND, "--yes")
    (octets, signature), second = works.documents[1]
    works.documents[1] = [(octets.replace(b'"Works"', b'"Perks"'), signature), second]

    ran = office.run("alice", "policy", "rollback", ".", "1", "--key", str(key), "--yes")

    assert (ran.status, len(works.acts)) == (65, 2)
    assert "not signed by this key" in ran.err


def test_a_document_is_shown_and_older_ones_too(office, works, key):
    assert "no document" in office.run("alice", "policy", "show").err
    put(office, key, FIRST, "--yes")
    put(office, key, SECOND, "--yes")

    now = json.loads(office.run("alice", "policy", "show").out)
    before = office.run("alice", "policy", "show", ".", "--version", "1", "--json").lines[0]

    assert (now["version"], now["limits"]) == (2, {"targets": 8})
    assert (before["version"], before["limits"]) == (1, {"targets": 9})


def test_a_document_of_the_relay_that_is_none_is_told(office, works):
    works.documents[1] = [(b"nonsense", bytes(64))]

    assert office.run("alice", "policy", "show").status == 65


def test_one_tightens_what_others_may_do_to_oneself_step_by_step(office):
    office.join("alice")
    office.relay.script[PutPolicy] = lambda *_: Done()

    office.run("alice", "policy", "mine", "public:first-contact=deny")
    second = office.run("alice", "policy", "mine", "office:call=request")
    shown = office.run("alice", "policy", "mine", "--json").lines
    office.run("alice", "policy", "mine", "--reset")
    after = office.run("alice", "policy", "mine")

    rows = [command.row for command in office.relay.got(PutPolicy)]
    first, call = Standing.PUBLIC * policy.ACTIONS, Standing.OFFICE * policy.ACTIONS + Action.CALL
    assert [(row[first], row[call]) for row in rows] == [
        (Permission.DENY, Permission.ALLOW), (Permission.DENY, Permission.REQUEST), (0, 0),
    ]  # fmt: skip
    assert "first-contact" in second.out
    assert shown[0]["mine"][0] == {"from": "public", "action": "first-contact", "permission": "deny"}
    assert "forbid nobody" in after.out


def test_a_row_that_the_relay_refuses_is_not_kept(office):
    office.join("alice")
    office.relay.script[PutPolicy] = lambda *_: Refused(Code.RATE, 0)

    ran = office.run("alice", "policy", "mine", "public:call=deny")

    assert ran.status != 0
    assert "forbid nobody" in office.run("alice", "policy", "mine").out


@pytest.mark.parametrize(
    "cell", ["public", "public:text", "public:text=perhaps", "king:text=deny", "public:dance=deny"]
)
def test_a_cell_that_is_none_is_a_usage_error(office, cell):
    assert office.run("alice", "policy", "mine", cell).status == 2
