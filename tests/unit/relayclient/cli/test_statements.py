"""What a root key has signed, as files."""

import json

import pytest

from relayclient.cli import statements
from relayclient.errors import FileUnusable, StatementBad
from relayproto import rootkeys
from relayproto.primitives import ed25519_public

OLD, NEW, RELAY, OTHER = b"o" * 32, b"n" * 32, b"r" * 32, b"q" * 32


def written(tmp_path, fields):
    path = tmp_path / "statement.json"
    path.write_text(json.dumps(fields))
    return path


def test_a_domain_is_owned_by_its_key(tmp_path):
    said = statements.read_owned(written(tmp_path, statements.own(OLD, RELAY, "works.example")))

    rootkeys.check_domain(said.root_key, RELAY, "works.example", said.owned)
    assert (said.relay, said.domain, said.root_key) == (RELAY, "works.example", ed25519_public(OLD))


def test_a_successor_is_named_by_both_keys(tmp_path):
    said = statements.read_succeeded(written(tmp_path, statements.succeed(OLD, RELAY, NEW, 3)))

    rootkeys.check_successor(ed25519_public(OLD), RELAY, 3, said.root_key, said.by_old)
    assert (said.relay, said.unit, said.root_key) == (RELAY, 3, ed25519_public(NEW))


def test_a_document_is_signed_as_it_is(tmp_path):
    path = written(tmp_path, statements.document(OLD, RELAY, b"bytes"))

    signature = statements.read_document_signature(path, RELAY, b"bytes")

    rootkeys.check_document(ed25519_public(OLD), RELAY, b"bytes", signature)
    with pytest.raises(StatementBad, match="other bytes"):
        statements.read_document_signature(path, RELAY, b"other")


def test_what_is_signed_for_another_relay_is_told(tmp_path):
    path = written(tmp_path, {**statements.document(OLD, RELAY, b"bytes"), "relay": OTHER.hex()})

    with pytest.raises(StatementBad, match=f"the root {OTHER.hex()}"):
        statements.read_document_signature(path, RELAY, b"bytes")
    with pytest.raises(StatementBad, match="other bytes"):
        statements.read_document_signature(path, OTHER, b"bytes")
    with pytest.raises(StatementBad):
        statements.require(OTHER, RELAY)


@pytest.mark.parametrize(
    "fields",
    [
        [], {}, {"statement": "successor"},
        *({**statements.own(OLD, RELAY, "works.example"), **change} for change in (
            {"domain": "other.example"}, {"domain": 7}, {"owned": "zz"}, {"root_key": "00"}, {"relay": OTHER.hex()},
            {"relay": None},
        )),
    ],
)  # fmt: skip
def test_a_statement_that_is_none_is_told(tmp_path, fields):
    with pytest.raises(StatementBad):
        statements.read_owned(written(tmp_path, fields))


@pytest.mark.parametrize(
    "change", [{"unit": 0}, {"unit": "3"}, {"unit": 4}, {"relay": OTHER.hex()}, {"by_old": "00" * 64}, {"old_key": ""}]
)
def test_a_succession_that_is_none_is_told(tmp_path, change):
    with pytest.raises(StatementBad):
        statements.read_succeeded(written(tmp_path, {**statements.succeed(OLD, RELAY, NEW, 3), **change}))


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "text").write_text("hello")

    with pytest.raises(StatementBad):
        statements.read_owned(tmp_path / "text")
    with pytest.raises(FileUnusable):
        statements.read_owned(tmp_path / "none")
