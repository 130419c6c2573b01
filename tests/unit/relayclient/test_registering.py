"""registering.py: a code that was sent to a mail address turned into an account, over loopback."""

import pytest

from relayclient import registering
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.errors import BadAddress, RelayRefused
from relayclient.membership import Shown
from relayclient.registering import (
    AddressRefused,
    AnotherRoot,
    CodesExhausted,
    CodeWrong,
    ContactUsed,
    RegistrationClosed,
)
from relayproto.codes import Code
from relayproto.commands import Enrol, GetCode, Register
from relayproto.ids import Address
from relayproto.replies import Done, Refused
from support.devices import started
from support.scripted_relay import ScriptedRelay, enrol

CONTACT = Address("alice@mail.example")
ADDRESS = Address("alice@city.example")
TICKET = b"t" * 16


def created(home, relay: ScriptedRelay, **changes) -> Device:
    known = relay.invite("anybody@office.example")
    fields = {"host": known.host, "port": known.port, "root": known.root_fingerprint} | changes
    return Device.create(home, registering.place(CONTACT, **fields), now_ms=RelayClock().now_ms())


def registered(peer, command: Register, _request: int):
    """Answer as a relay that finds the code right."""
    peer.relay.tickets[TICKET] = command.address
    return enrol(peer, Enrol(TICKET, command.devices, command.signature, command.prekeys))


async def test_a_code_becomes_a_joined_device_at_the_relay_of_that_root(tmp_path):
    relay, clock = await started(), RelayClock()
    relay.script[GetCode], relay.script[Register] = (lambda *_: Done()), registered

    with created(tmp_path / "alice", relay) as device:
        await registering.ask_for_code(device, CONTACT, clock=clock)
        await registering.register(device, Shown(CONTACT, "1234-5678 ", ADDRESS), clock=clock)

        assert device.identity.address == ADDRESS
        assert device.endpoint().key_id == relay.key_id
    [asked], [shown] = relay.got(GetCode), relay.got(Register)
    assert (asked.contact, shown.contact, shown.code, shown.address) == (CONTACT, CONTACT, "12345678", ADDRESS)
    await relay.stop()


async def test_what_was_cut_off_goes_on_with_the_same_keys_and_another_contact_begins_anew(tmp_path):
    relay, clock = await started(), RelayClock()
    relay.script[Register] = lambda *_: Refused(Code.BAD_TICKET, 0)
    for _ in range(2):
        with created(tmp_path / "alice", relay) as device, pytest.raises(CodeWrong):
            await registering.register(device, Shown(CONTACT, "12345678", ADDRESS), clock=clock)

    first, second = relay.got(Register)
    assert first == second
    assert registering.place("bob@mail.example", "h", 1, b"").ticket != registering.place(CONTACT, "h", 1, b"").ticket
    await relay.stop()


async def test_another_root_is_not_believed_and_told_nothing(tmp_path):
    relay = await started()

    with created(tmp_path / "alice", relay, root=bytes(32)) as device, pytest.raises(AnotherRoot):
        await registering.ask_for_code(device, CONTACT, clock=RelayClock())

    assert relay.got(GetCode) == []
    await relay.stop()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (Code.UNSUPPORTED, RegistrationClosed),
        (Code.RATE, CodesExhausted),
        (Code.BAD_TICKET, CodeWrong),
        (Code.LIMIT, ContactUsed),
        (Code.BAD_ADDRESS, AddressRefused),
        (Code.ADDRESS_TAKEN, AddressRefused),
        (Code.BUSY, RelayRefused),
    ],
)
async def test_each_refusal_is_told_by_its_cause(tmp_path, code, error):
    relay = await started()
    relay.script[Register] = lambda *_: Refused(code, 0)

    with created(tmp_path / "alice", relay) as device, pytest.raises(error):
        await registering.register(device, Shown(CONTACT, "12345678", ADDRESS), clock=RelayClock())

    await relay.stop()


async def test_what_is_far_too_long_for_a_code_is_not_sent(tmp_path):
    relay = await started()

    with created(tmp_path / "alice", relay) as device, pytest.raises(CodeWrong):
        await registering.register(device, Shown(CONTACT, "1" * 17, ADDRESS), clock=RelayClock())

    assert relay.got(Register) == []
    await relay.stop()


@pytest.mark.parametrize("text", ["", "alice", "a@b@c.example", "\u0430lice@mail.example", "a" * 250 + "@b.example"])
def test_what_is_no_mail_address_is_not_asked_for(text):
    with pytest.raises(BadAddress):
        registering.in_one_form(text)


def test_a_mail_address_has_one_form_and_a_code_is_not_shown():
    assert registering.in_one_form(" Alice@Mail.example ") == CONTACT
    assert "12345678" not in repr(Shown(CONTACT, "12345678", ADDRESS))
