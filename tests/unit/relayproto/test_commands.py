import pytest
from hypothesis import given

from relayproto import frame, message
from relayproto.codes import Kind
from relayproto.commands import COMMANDS, Ack, Credit, DeviceCommand, Hello, Submit
from relayproto.errors import Malformed
from relayproto.limits import ACK_RANGES_MAX, TARGETS_MAX
from support.reading import FIELDS, read
from support.samples import SAMPLES


@pytest.mark.parametrize("kind", list(COMMANDS), ids=lambda kind: Kind(kind).name)
def test_a_command_comes_back_as_it_was(kind: int) -> None:
    said = SAMPLES[kind]

    decoded = frame.decode(message.encode(said, 3))

    assert message.read(COMMANDS[decoded.kind], decoded.octets) == said


@pytest.mark.parametrize("kind", list(COMMANDS), ids=lambda kind: Kind(kind).name)
@given(fields=FIELDS)
def test_any_fields_make_a_command_or_are_malformed(kind: int, fields: list[object]) -> None:
    try:
        said = read(COMMANDS[kind], fields)
    except Malformed:
        return
    assert kind == said.KIND


def test_a_submission_has_a_number_a_target_and_no_slot() -> None:
    submit = list(SAMPLES[Kind.SUBMIT].fields())

    for position, wrong in ((0, 0), (1, 1), (3, 0), (8, []), (8, [submit[8][0]] * (TARGETS_MAX + 1))):
        with pytest.raises(Malformed):
            read(Submit, [*submit[:position], wrong, *submit[position + 1 :]])


def test_an_acknowledgement_has_a_bounded_number_of_ranges() -> None:
    ranges = [[2 * n, 2 * n] for n in range(1, ACK_RANGES_MAX + 2)]

    with pytest.raises(Malformed):
        read(Ack, [1, 0, 0, ranges, Credit(1, 1).fields(), []])


def test_hello_fits_the_bytes_that_it_is_padded_to() -> None:
    most = (1 << 63) - 1
    hello = Hello(
        bytes(32), (1 << 32) - 1, (1 << 32) - 1, most, (most,) * 3, most, most, most, Credit(most, most), "x" * 64
    )

    assert len(message.encode(hello)) + 2 <= 256


def test_what_only_the_operator_may_ask_is_no_devices_command() -> None:
    assert not {Kind.HELLO, Kind.ENROL, Kind.INVITE, Kind.GET_STATUS} & {each.KIND for each in DeviceCommand.__args__}
