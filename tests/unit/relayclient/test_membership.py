"""How a device comes to be."""

import pytest

from relayclient.device import Device
from relayclient.errors import AlreadyJoined, NotJoined, PassphraseNeeded, RelayUntrusted
from relayproto.ids import AccountId
from support.changed import replace
from support.small_relay import NOW_MS, SmallRelay
from support.talk import ALICE, BOB, introduce


def test_a_join_that_was_cut_off_goes_on_with_the_same_keys(relay, tmp_path):
    invitation = relay.invite(ALICE)
    with Device.create(tmp_path / "a", invitation, now_ms=NOW_MS) as begun:
        first = begun.enrol_command()
    with pytest.raises(NotJoined):
        Device.open(tmp_path / "a")

    with Device.create(tmp_path / "a", invitation, now_ms=NOW_MS + 5) as device:
        second = device.enrol_command()
        device.enrolled(relay.enrol(second, ALICE))

    assert first == second
    with pytest.raises(AlreadyJoined):
        Device.create(tmp_path / "a", invitation, now_ms=NOW_MS)


def test_another_invitation_begins_anew(relay, tmp_path):
    with Device.create(tmp_path / "a", relay.invite(ALICE), now_ms=NOW_MS) as begun:
        first = begun.enrol_command()

    with Device.create(tmp_path / "a", relay.invite(BOB), now_ms=NOW_MS) as device:
        assert device.enrol_command().ticket == relay.invite(BOB).ticket
        assert device.enrol_command().devices != first.devices


def test_a_joined_home_enrols_the_same_account_again_by_another_invitation_for_its_address(relay, tmp_path):
    with relay.join(tmp_path / "a", ALICE) as device:
        account, listed = device.identity.account, relay.accounts[device.identity.account]
    invitation = replace(relay.invite(ALICE), ticket=b"another ticket..", host="moved.example")

    with Device.create(tmp_path / "a", invitation, now_ms=NOW_MS) as device:
        command = device.enrol_command()
    with Device.create(tmp_path / "a", invitation, now_ms=NOW_MS + 5) as device:
        assert device.enrol_command() == command, "what was cut off goes on"
        device.enrolled(relay.enrol(command, ALICE))

    assert (command.devices, command.signature) == listed
    assert command.ticket == invitation.ticket
    assert device.identity.account == account
    with Device.open(tmp_path / "a") as device:
        assert device.endpoint().host == "moved.example"
    with pytest.raises(AlreadyJoined):
        Device.create(tmp_path / "a", invitation, now_ms=NOW_MS)


def test_an_invitation_for_another_address_or_of_another_root_enrols_nobody_again(relay, tmp_path):
    relay.join(tmp_path / "a", ALICE).close()
    another = replace(relay.invite(BOB), ticket=b"another ticket..")
    foreign = replace(SmallRelay("mallory").invite(ALICE), ticket=b"another ticket..")

    for invitation in (another, foreign):
        with pytest.raises(AlreadyJoined):
            Device.create(tmp_path / "a", invitation, now_ms=NOW_MS)


def test_an_answer_for_another_account_or_of_another_root_does_not_join(relay, tmp_path):
    with Device.create(tmp_path / "a", relay.invite(ALICE), now_ms=NOW_MS) as device:
        enrolled = relay.enrol(device.enrol_command(), ALICE)

        with pytest.raises(RelayUntrusted):
            device.enrolled(replace(enrolled, account=AccountId(bytes(32))))
        with pytest.raises(RelayUntrusted):
            device.enrolled(replace(enrolled, descriptor=SmallRelay("mallory").descriptor))


def test_a_device_with_a_passphrase_opens_with_it_alone(relay, tmp_path):
    relay.join(tmp_path / "a", ALICE, passphrase="correct horse").close()

    with Device.open(tmp_path / "a", passphrase="correct horse") as device:
        assert device.identity.address == ALICE
    with pytest.raises(PassphraseNeeded):
        Device.open(tmp_path / "a")
    with pytest.raises(PassphraseNeeded):
        Device.create(tmp_path / "a", relay.invite(BOB), now_ms=NOW_MS)


def test_nothing_that_a_device_keeps_secret_or_was_written_lies_in_clear(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    alice.queue(BOB, "waiting and between us", now_ms=NOW_MS)
    with alice._store.step() as step:
        secrets = [step.secret(name) for name in ("identity_seed", "sign_seed", "dh_private", "ticket")]
    alice.close()

    stored = b"".join(path.read_bytes() for path in (tmp_path / "alice").iterdir())

    assert len(stored) > 100_000
    assert not [secret for secret in (*secrets, b"hello to you", b"between us") if secret in stored]
