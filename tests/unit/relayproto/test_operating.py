import pytest
from hypothesis import given

from relayproto import frame, message
from relayproto.codes import Kind
from relayproto.commands import COMMANDS
from relayproto.errors import Malformed
from relayproto.limits import GOAWAY_AFTER_MS_MAX, LOCAL_REASON_CHARS_MAX, PAGE_ROWS_MAX
from relayproto.operating import (
    LOCAL_COMMANDS,
    LOCAL_REPLIES,
    LOG_LEVELS,
    GetConnections,
    GetMailbox,
    Kick,
    LocalCommand,
    Purge,
    SetLogLevel,
    Suspend,
)
from relayproto.rules import RULES
from relayproto.standing import Where
from support.reading import FIELDS, read
from support.samples import SAMPLES

ALL = LOCAL_COMMANDS | LOCAL_REPLIES


@pytest.mark.parametrize("kind", list(ALL), ids=lambda kind: Kind(kind).name)
def test_a_command_or_reply_comes_back_as_it_was(kind: int) -> None:
    said = SAMPLES[kind]

    decoded = frame.decode(message.encode(said, 3))

    assert message.read(ALL[decoded.kind], decoded.octets) == said


@pytest.mark.parametrize("kind", list(ALL), ids=lambda kind: Kind(kind).name)
@given(fields=FIELDS)
def test_any_fields_make_one_or_are_malformed(kind: int, fields: list[object]) -> None:
    try:
        said = read(ALL[kind], fields)
    except Malformed:
        return
    assert kind == said.KIND


def test_every_command_is_the_local_operators_alone() -> None:
    assert {each.KIND for each in LocalCommand.__args__} == set(LOCAL_COMMANDS) <= set(COMMANDS)
    assert {RULES[Kind(kind)].where for kind in LOCAL_COMMANDS} == {Where.LOCAL}


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (GetConnections, [0, PAGE_ROWS_MAX + 1]),
        (GetMailbox, ["a", "x" * (LOCAL_REASON_CHARS_MAX + 1)]),
        (Kick, ["a", 0, GOAWAY_AFTER_MS_MAX + 1, ""]),
        (SetLogLevel, [len(LOG_LEVELS)]),
    ],
)
def test_what_is_out_of_bounds_is_no_command(command: type[LocalCommand], fields: list[object]) -> None:
    with pytest.raises(Malformed):
        read(command, fields)


def test_a_reason_is_not_shown_in_a_repr() -> None:
    for said in (
        GetMailbox("a", "canary"),
        Kick("a", 0, 0, "canary"),
        Suspend("a", True, "canary"),
        Purge("a", 0, "canary"),
    ):
        assert "canary" not in repr(said)
