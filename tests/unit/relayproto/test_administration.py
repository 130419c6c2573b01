import pytest
from hypothesis import given

from relayproto import frame, message
from relayproto.administration import CHANGES, QUESTIONS, BreakGlass, Change, InviteMember, Question
from relayproto.codes import Kind
from relayproto.commands import COMMANDS
from relayproto.errors import Malformed
from relayproto.limits import PAGE_ROWS_MAX
from support.reading import FIELDS, read
from support.samples import SAMPLES

ALL = CHANGES | QUESTIONS | {BreakGlass.KIND: BreakGlass}


@pytest.mark.parametrize("kind", list(ALL), ids=lambda kind: Kind(kind).name)
def test_a_change_or_question_comes_back_as_it_was(kind: int) -> None:
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


def test_a_change_is_never_a_frame_and_a_question_is() -> None:
    assert not CHANGES.keys() & COMMANDS.keys()
    assert QUESTIONS.keys() <= COMMANDS.keys()
    assert {each.KIND for each in Change.__args__} == set(CHANGES)
    assert {each.KIND for each in Question.__args__} == set(QUESTIONS)


@pytest.mark.parametrize("kind", list(QUESTIONS), ids=lambda kind: Kind(kind).name)
def test_no_question_asks_for_more_rows_than_there_are_in_an_answer(kind: int) -> None:
    fields = list(SAMPLES[kind].fields())
    if "rows" not in QUESTIONS[kind].__match_args__:
        return
    for wrong in (0, PAGE_ROWS_MAX + 1):
        with pytest.raises(Malformed):
            read(QUESTIONS[kind], [*fields[:-1], wrong])


def test_an_invitation_is_good_for_a_minute_at_least_and_ninety_days_at_most() -> None:
    fields = list(SAMPLES[Kind.INVITE_MEMBER].fields())

    for wrong in (59, 90 * 86_400 + 1):
        with pytest.raises(Malformed):
            read(InviteMember, [*fields[:-1], wrong])


def test_the_reason_of_an_emergency_is_not_shown_in_a_repr() -> None:
    assert "because" not in repr(BreakGlass("officer@gad.example", 60, "because"))
