import pytest

from relayproto import frame, message
from relayproto.codes import Kind
from relayproto.errors import Malformed
from relayproto.replies import REPLIES, Refused, Reply, Submitted
from support.samples import SAMPLES


@pytest.mark.parametrize("kind", list(REPLIES), ids=lambda kind: Kind(kind).name)
def test_a_reply_comes_back_as_it_was(kind: int) -> None:
    said = SAMPLES[kind]

    decoded = frame.decode(message.encode(said, 3))

    assert message.read(REPLIES[decoded.kind], decoded.fields) == said


def test_a_code_that_nobody_knows_yet_is_read_as_a_number() -> None:
    assert message.read(Refused, [177, 5]) == Refused(177, 5)


def test_a_recorded_outcome_names_at_least_one_target() -> None:
    with pytest.raises(Malformed):
        message.read(Submitted, [1, [], [], 0])


def test_every_reply_is_in_the_table() -> None:
    assert {each.KIND for each in Reply.__args__} == set(REPLIES)
