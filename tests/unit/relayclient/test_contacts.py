"""Whom the device knows: what is believed of lists and addresses."""

import pytest

from relayclient import contacts
from relayclient.errors import UnknownContact
from relayclient.events import DevicesChanged, DevicesRefused, IdentityChanged, MessageState
from relayproto.codes import Code
from relayproto.commands import GetDevices, Lookup, Submit
from relayproto.ids import AccountId
from relayproto.replies import Devices
from support.changed import replace
from support.small_relay import DAY_MS, NOW_MS, drop_device, join_second
from support.talk import BOB, introduce, of, states, texts


def test_other_devices_than_thought_are_fetched_and_the_message_is_sealed_anew(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with join_second(relay, bob, tmp_path / "bob2") as tablet:
        relay.connect(tablet).run()
        message = alice.queue(BOB, "to both", now_ms=NOW_MS)
        line = relay.connect(alice)

        told = line.run()
        came = [texts(relay.connect(device).run()) for device in (bob, tablet)]

    assert GetDevices(bob.identity.account) in line.commands
    assert of(DevicesChanged, told) == [DevicesChanged(bob.identity.account, (2,), ())]
    assert [submit.submission for submit in of(Submit, line.commands)] == [2, 3]
    assert came == [["to both"], ["to both"]]
    assert (message, MessageState.ACCEPTED) in states(told)


def test_a_removed_device_gets_nothing_more(relay, alice, bob, tmp_path):
    with join_second(relay, bob, tmp_path / "bob2") as tablet:
        relay.connect(tablet).run()
        introduce(relay, alice, bob)
        drop_device(relay, bob, 2)

        alice.queue(BOB, "to one", now_ms=NOW_MS)
        told = relay.connect(alice).run()

        assert of(DevicesChanged, told) == [DevicesChanged(bob.identity.account, (), (2,))]
        assert texts(relay.connect(tablet).run()) == ["hello", "hello to you"]
        assert texts(relay.connect(bob).run()) == ["to one"]


def test_the_hash_of_an_old_list_is_kept_until_nothing_under_way_can_name_it(relay, bob, tmp_path):
    changed_ms = relay.now_ms = NOW_MS + 100 * DAY_MS
    account = bob.identity.account
    with join_second(relay, bob, tmp_path / "bob2"):
        relay.connect(bob).run()

    bob.housekeep(changed_ms + 37 * DAY_MS)
    with bob._store.step() as step:
        assert contacts.list_hashes(step, account).keys() == {1, 2}
    bob.housekeep(changed_ms + 37 * DAY_MS + 1)
    with bob._store.step() as step:
        assert contacts.list_hashes(step, account).keys() == {2}


def test_an_older_device_list_is_not_believed(relay, alice, bob, tmp_path):
    old = relay.accounts[bob.identity.account]
    with join_second(relay, bob, tmp_path / "bob2"):
        alice.queue(BOB, "text", now_ms=NOW_MS)
        relay.connect(alice).run()
        relay.accounts[bob.identity.account] = old
        message = alice.queue(BOB, "text", now_ms=NOW_MS)
        relay.verdicts.append(Code.MISMATCHED_DEVICES)

        told = relay.connect(alice).run()

    assert [event.account for event in of(DevicesRefused, told)] == [bob.identity.account]
    assert alice.state_of(message) == (MessageState.QUEUED, None)
    assert alice.contact(BOB).devices.version == 2


def test_two_lists_of_one_version_are_not_believed(relay, alice, bob):
    introduce(relay, alice, bob)
    listed = relay.devices_of(bob.identity.account)
    with bob._store.step() as step:
        relay.put_list(replace(listed, issued_ms=listed.issued_ms + 1), step.secret("identity_seed"))
    line = relay.connect(alice)
    line.run()

    told = alice.answered(relay.answer(line.key, GetDevices(bob.identity.account)), GetDevices(bob.identity.account), 0)

    assert [event.detail for event in told] == ["it contradicts the one known"]


def test_a_list_that_the_account_did_not_sign_is_not_believed(relay, alice, bob):
    listed, signature = relay.accounts[bob.identity.account]
    relay.accounts[bob.identity.account] = (listed, bytes(64))
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    line = relay.connect(alice)

    told = line.run()
    relay.accounts[bob.identity.account] = (listed, signature)
    relay.now_ms += 30_000
    line.run()

    assert [event.detail for event in of(DevicesRefused, told)] == ["it is not signed by the account"]
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_a_list_of_somebody_else_is_not_believed(relay, alice, bob):
    line = relay.connect(alice)
    command = GetDevices(AccountId(bytes(32)))

    told = alice.answered(Devices(*relay.accounts[bob.identity.account], ""), command, NOW_MS)

    assert line.events == []
    assert of(DevicesRefused, told) == told
    assert len(told) == 1


def test_an_address_that_changes_hands_is_asked_about_first(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with relay.join(tmp_path / "other", "other@office.example") as other:
        relay.connect(other).run()
        relay.addresses[BOB] = other.identity.account
        line = relay.connect(alice)
        told = alice.answered(relay.answer(line.key, Lookup(BOB)), Lookup(BOB), NOW_MS)
        again = alice.answered(relay.answer(line.key, Lookup(BOB)), Lookup(BOB), NOW_MS)
        message = alice.queue(BOB, "for whom?", now_ms=NOW_MS)
        line.run()
        held = alice.state_of(message)

        with pytest.raises(UnknownContact):
            alice.accept_identity(BOB, AccountId(bytes(32)))
        alice.accept_identity(BOB, other.identity.account)
        line.run()

        assert told == [IdentityChanged(BOB, bob.identity.account, other.identity.account)]
        assert again == []
        assert held == (MessageState.QUEUED, None)
        assert texts(relay.connect(other).run()) == ["for whom?"]
        assert texts(relay.connect(bob).run()) == []


def test_an_address_that_comes_back_to_its_account_is_no_question(relay, alice, bob, tmp_path):
    introduce(relay, alice, bob)
    with relay.join(tmp_path / "other", "other@office.example") as other:
        line = relay.connect(alice)
        relay.addresses[BOB] = other.identity.account
        alice.answered(relay.answer(line.key, Lookup(BOB)), Lookup(BOB), NOW_MS)
        offered = alice.contact(BOB).offered
        relay.addresses[BOB] = bob.identity.account

        alice.answered(relay.answer(line.key, Lookup(BOB)), Lookup(BOB), NOW_MS)

        assert offered == other.identity.account
        assert alice.contact(BOB).offered is None


def test_nothing_to_accept_is_said(alice):
    with pytest.raises(UnknownContact):
        alice.accept_identity(BOB, AccountId(bytes(32)))
