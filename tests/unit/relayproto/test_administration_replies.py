import pytest
from hypothesis import given

from relayproto import frame, message
from relayproto.administration_replies import ADMINISTRATION_REPLIES, Acted, AdministrationReply
from relayproto.codes import Kind
from relayproto.errors import Malformed
from relayproto.replies import REPLIES
from relayproto.standing import ActState
from support.reading import FIELDS, read
from support.samples import SAMPLES


@pytest.mark.parametrize("kind", list(ADMINISTRATION_REPLIES), ids=lambda kind: Kind(kind).name)
def test_a_reply_comes_back_as_it_was(kind: int) -> None:
    said = SAMPLES[kind]

    decoded = frame.decode(message.encode(said, 3))

    assert message.read(ADMINISTRATION_REPLIES[decoded.kind], decoded.octets) == said


@pytest.mark.parametrize("kind", list(ADMINISTRATION_REPLIES), ids=lambda kind: Kind(kind).name)
@given(fields=FIELDS)
def test_any_fields_make_one_or_are_malformed(kind: int, fields: list[object]) -> None:
    try:
        said = read(ADMINISTRATION_REPLIES[kind], fields)
    except Malformed:
        return
    assert kind == said.KIND


def test_they_are_replies_like_all_others() -> None:
    assert ADMINISTRATION_REPLIES.keys() <= REPLIES.keys()
    assert {each.KIND for each in AdministrationReply.__args__} == set(ADMINISTRATION_REPLIES)


def test_a_ticket_is_not_shown_in_a_repr() -> None:
    assert "tttt" not in repr(Acted(ActState.DONE, 1, 0, b"t" * 16))
