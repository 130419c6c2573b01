import pytest

from relayproto import frame, message
from relayproto.codes import Kind
from relayproto.errors import Malformed
from relayproto.notices import EITHER, NOTICES, Deliver, Either, Goaway, Notice
from support.reading import read
from support.samples import SAMPLES


@pytest.mark.parametrize("kind", [*NOTICES, *EITHER], ids=lambda kind: Kind(kind).name)
def test_a_notice_comes_back_as_it_was(kind: int) -> None:
    said = SAMPLES[kind]

    decoded = frame.decode(message.encode(said))

    assert message.read((NOTICES | EITHER)[decoded.kind], decoded.octets) == said


def test_an_envelope_costs_its_body_and_its_wrap() -> None:
    deliver = SAMPLES[Kind.DELIVER]

    assert isinstance(deliver, Deliver)
    assert deliver.cost() == len(deliver.body) + len(deliver.wrap)


def test_an_envelope_without_a_body_is_malformed() -> None:
    *before, _, pass_ = SAMPLES[Kind.DELIVER].fields()

    with pytest.raises(Malformed, match="body"):
        read(Deliver, [*before, b"", pass_])


def test_an_end_for_a_reason_that_nobody_knows_yet_is_still_an_end() -> None:
    assert read(Goaway, [42, True, 10]) == Goaway(42, True, 10)


def test_every_notice_is_in_its_table() -> None:
    assert {each.KIND for each in Notice.__args__} == set(NOTICES)
    assert {each.KIND for each in Either.__args__} == set(EITHER)
