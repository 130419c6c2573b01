"""enrol.py: an invitation's ticket turned into an account, over loopback."""

import asyncio

import pytest

from relayclient import enrol
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.errors import AddressUnknown, ClientError, RelayAway, RelayRefused, RelayUntrusted, TicketWrong
from relayproto.codes import Code
from relayproto.commands import Enrol
from relayproto.replies import Refused
from support.changed import replace
from support.devices import joined, started
from support.resetting import resetting
from support.scripted_relay import ScriptedRelay


def created(home, invitation):
    return Device.create(home, invitation, now_ms=RelayClock().now_ms())


async def test_an_invitation_becomes_a_joined_device(tmp_path):
    relay = await started()

    device = await joined(relay, tmp_path, "alice")

    assert relay.addresses == {"alice@office.example": device.identity.account}
    with Device.open(tmp_path / "alice") as again:
        assert again.identity == device.identity
    device.close()
    await relay.stop()


async def test_a_join_that_was_cut_off_is_repeated_with_the_same_keys(tmp_path):
    relay = await started()
    invitation = relay.invite("alice@office.example")
    with created(tmp_path / "alice", invitation) as device:
        relay.script[Enrol] = lambda peer, command, request: peer.transport.abort()
        with pytest.raises(RelayAway, match="broke"):
            await enrol.join(device)
    del relay.script[Enrol]

    with created(tmp_path / "alice", invitation) as device:
        await enrol.join(device)

    first, second = relay.got(Enrol)
    assert first == second
    await relay.stop()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (Code.BAD_TICKET, TicketWrong),
        (Code.ADDRESS_TAKEN, RelayRefused),
        (Code.BAD_ADDRESS, AddressUnknown),
        (Code.BUSY, RelayRefused),
    ],
)
async def test_a_refused_ticket_is_told_by_its_cause(tmp_path, code, error):
    relay = await started()
    relay.script[Enrol] = lambda peer, command, request: Refused(code, 0)

    with created(tmp_path / "alice", relay.invite("alice@office.example")) as device, pytest.raises(error):
        await enrol.join(device)

    await relay.stop()


async def test_a_relay_that_is_away_is_told(tmp_path):
    relay = await started()
    invitation = relay.invite("alice@office.example")
    await relay.stop()

    with created(tmp_path / "alice", invitation) as device, pytest.raises(RelayAway, match="refuses connections"):
        await enrol.join(device)


async def test_a_relay_that_does_not_hold_the_invitations_key_is_told(tmp_path):
    relay = await started()
    invitation = replace(relay.invite("alice@office.example"), relay_key=b"\x09" + bytes(31))

    with (
        created(tmp_path / "alice", invitation) as device,
        pytest.raises(RelayAway, match="before it showed that it holds the relay key"),
    ):
        await enrol.join(device)

    await relay.stop()


@pytest.mark.parametrize("first_octets", [0, 8])
async def test_a_relay_that_turns_us_away_is_not_taken_for_one_with_another_key(tmp_path, first_octets):
    relay = await started()
    full = await resetting(first_octets)
    port = full.sockets[0].getsockname()[1]
    invitation = replace(relay.invite("alice@office.example"), host="127.0.0.1", port=port)

    with (
        created(tmp_path / "alice", invitation) as device,
        pytest.raises(RelayAway, match="broke off as we came: most likely it has too many connections for now"),
    ):
        await enrol.join(device)

    full.close()
    await full.wait_closed()
    await relay.stop()


async def test_a_newer_key_that_the_root_signed_is_used_for_the_second_try(tmp_path):
    relay = await started()
    invitation = relay.invite("alice@office.example")
    relay.rotate()

    with created(tmp_path / "alice", invitation) as device:
        await enrol.join(device)

        assert device.endpoint().key_id == relay.key_id
    await relay.stop()


async def test_a_key_that_another_root_signed_is_not_believed(tmp_path):
    relay, stranger = await started(), ScriptedRelay()
    invitation = relay.invite("alice@office.example")
    stranger.rotate()
    relay.rotate()
    relay.descriptor = stranger.descriptor

    with created(tmp_path / "alice", invitation) as device, pytest.raises(RelayUntrusted):
        await enrol.join(device)

    await relay.stop()


async def test_an_answer_that_another_root_signed_ends_the_join(tmp_path):
    relay = await started()
    invitation = relay.invite("alice@office.example")
    relay.descriptor = ScriptedRelay().descriptor

    with created(tmp_path / "alice", invitation) as device, pytest.raises(ClientError):
        await enrol.join(device)

    await relay.stop()


async def test_a_host_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    relay = await started()
    monkeypatch.setattr(enrol, "CONNECT_TIMEOUT_S", 0.05)

    async def never(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)

    with (
        created(tmp_path / "alice", relay.invite("alice@office.example")) as device,
        pytest.raises(RelayAway, match="does not answer"),
    ):
        await enrol.join(device)

    await relay.stop()
