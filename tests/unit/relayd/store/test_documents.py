import pytest

from relayd.store import documents
from relayproto.administration import GetDocument
from relayproto.administration_replies import Document
from support.officers import Chamber, chamber


@pytest.fixture
def made():
    with chamber() as opened:
        opened.unit(1)
        for version in (1, 2):
            opened.db.execute(
                "INSERT INTO document (unit, version, document, signature, since_ms) VALUES (1, ?, ?, ?, 0)",
                (version, b"document %d" % version, bytes([version]) * 64),
            )
        yield opened


@pytest.mark.parametrize(("asked", "version"), [(None, 2), (2, 2), (1, 1)])
def test_the_newest_version_is_in_force_and_older_ones_are_kept(made: Chamber, asked: int | None, version: int) -> None:
    shown = documents.get(made.view, GetDocument(1, asked))

    assert shown == Document(1, version, b"document %d" % version, bytes([version]) * 64)


@pytest.mark.parametrize(("unit", "version"), [(1, 3), (2, None)])
def test_what_there_is_not_is_version_0(made: Chamber, unit: int, version: int | None) -> None:
    assert documents.get(made.view, GetDocument(unit, version)) == Document(unit, 0, b"", b"")
