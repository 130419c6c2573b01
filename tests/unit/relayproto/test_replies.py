import pytest

from relayproto import frame, message
from relayproto.codes import Kind
from relayproto.commands import Enrol
from relayproto.errors import Malformed
from relayproto.limits import TIME_MS_MAX
from relayproto.replies import REPLIES, Invited, Refused, Reply, Submitted, Welcome
from support.reading import read
from support.samples import SAMPLES


@pytest.mark.parametrize("kind", list(REPLIES), ids=lambda kind: Kind(kind).name)
def test_a_reply_comes_back_as_it_was(kind: int) -> None:
    said = SAMPLES[kind]

    decoded = frame.decode(message.encode(said, 3))

    assert message.read(REPLIES[decoded.kind], decoded.octets) == said


def test_a_code_that_nobody_knows_yet_is_read_as_a_number() -> None:
    assert read(Refused, [177, 5]) == Refused(177, 5)


def test_a_recorded_outcome_names_at_least_one_target() -> None:
    with pytest.raises(Malformed):
        read(Submitted, [1, [], [], 0])


def test_a_time_beyond_all_calendars_is_malformed() -> None:
    fields = list(SAMPLES[Kind.WELCOME].fields())
    fields[2] = TIME_MS_MAX + 1

    with pytest.raises(Malformed):
        read(Welcome, fields)


def test_a_ticket_is_not_shown_in_a_repr() -> None:
    ticket = b"t" * 16

    assert "tttt" not in repr((Enrol(ticket, b"", b"", ()), Invited("", ticket, 0, "", b"")))


def test_every_reply_is_in_the_table() -> None:
    assert {each.KIND for each in Reply.__args__} == set(REPLIES)
