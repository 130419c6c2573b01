"""What a root key has signed, as files."""

import json

import pytest

from relayclient.cli import statements
from relayclient.errors import FileUnusable, StatementBad
from relayproto import attestation, rootkeys
from relayproto.primitives import ed25519_public
from support.attesting import warrant

OLD, NEW = b"o" * 32, b"n" * 32


def written(tmp_path, fields):
    path = tmp_path / "statement.json"
    path.write_text(json.dumps(fields))
    return path


def test_a_domain_is_owned_by_its_key(tmp_path):
    said = statements.read_owned(written(tmp_path, statements.own(OLD, "works.example")))

    rootkeys.check_domain(said.root_key, "works.example", said.owned)
    assert (said.domain, said.root_key) == ("works.example", ed25519_public(OLD))


def test_a_successor_is_named_by_both_keys(tmp_path):
    said = statements.read_succeeded(written(tmp_path, statements.succeed(OLD, NEW, 3)))

    rootkeys.check_successor(ed25519_public(OLD), 3, said.root_key, said.by_old)
    assert (said.unit, said.root_key) == (3, ed25519_public(NEW))


def test_a_document_is_signed_as_it_is(tmp_path):
    path = written(tmp_path, statements.document(OLD, b"bytes"))

    rootkeys.check_document(ed25519_public(OLD), b"bytes", statements.read_document_signature(path, b"bytes"))
    with pytest.raises(StatementBad, match="other bytes"):
        statements.read_document_signature(path, b"other")


@pytest.mark.parametrize(
    "fields",
    [[], {}, {"statement": "successor"}, {**statements.own(OLD, "works.example"), "domain": "other.example"},
     {**statements.own(OLD, "works.example"), "domain": 7}, {**statements.own(OLD, "works.example"), "owned": "zz"},
     {**statements.own(OLD, "works.example"), "root_key": "00"}],
)  # fmt: skip
def test_a_statement_that_is_none_is_told(tmp_path, fields):
    with pytest.raises(StatementBad):
        statements.read_owned(written(tmp_path, fields))


@pytest.mark.parametrize("change", [{"unit": 0}, {"unit": "3"}, {"unit": 4}, {"by_old": "00" * 64}, {"old_key": ""}])
def test_a_succession_that_is_none_is_told(tmp_path, change):
    with pytest.raises(StatementBad):
        statements.read_succeeded(written(tmp_path, {**statements.succeed(OLD, NEW, 3), **change}))


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "text").write_text("hello")

    with pytest.raises(StatementBad):
        statements.read_owned(tmp_path / "text")
    with pytest.raises(FileUnusable):
        statements.read_owned(tmp_path / "none")


def test_a_verifiers_device_says_what_it_would_attest_with(tmp_path):
    said = statements.read_verifier(written(tmp_path, statements.verifier(b"a" * 32, ed25519_public(NEW))))

    assert said == (b"a" * 32, ed25519_public(NEW))
    with pytest.raises(StatementBad):
        statements.read_verifier(written(tmp_path, {"statement": "verifier", "account": "00" * 31, "key": "00" * 32}))


def test_a_warrant_is_read_with_what_it_says(tmp_path):
    octets = attestation.encode_warrant(warrant())

    said = statements.read_warrant(written(tmp_path, statements.warrant(OLD, octets)))

    assert (said.root_key, said.warrant, said.said) == (ed25519_public(OLD), octets, warrant())


@pytest.mark.parametrize(
    "change", [{"warrant": "zz"}, {"warrant": "01"}, {"warrant": 7}, {"root_key": "00" * 32}, {"signature": "00" * 64}]
)
def test_a_warrant_that_is_none_is_told(tmp_path, change):
    fields = statements.warrant(OLD, attestation.encode_warrant(warrant())) | change

    with pytest.raises(StatementBad):
        statements.read_warrant(written(tmp_path, fields))
