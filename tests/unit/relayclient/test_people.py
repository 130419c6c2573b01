"""What people ask of whom the device knows."""

import pytest

from relayclient.errors import UnknownContact
from relayproto.ids import AccountId
from support.small_relay import NOW_MS
from support.talk import ALICE, BOB, introduce


def test_both_see_the_same_safety_number_and_can_verify_by_code(relay, alice, bob):
    introduce(relay, alice, bob)
    account = bob.identity.account

    matched = alice.verify(account, bob.verification_code(alice.identity.account))
    wrong = bob.verify(alice.identity.account, bytes(65))

    assert alice.safety_number(account) == bob.safety_number(alice.identity.account)
    assert (matched, wrong) == (True, False)
    assert alice.contact(BOB).verified
    assert not bob.contact(ALICE).verified
    assert bob.verify(alice.identity.account)


def test_contacts_and_figures_are_listed(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "waiting", now_ms=NOW_MS)

    listed, summary = alice.contacts(), alice.summary()

    assert [(contact.account, contact.address, contact.offered) for contact in listed] == [
        (bob.identity.account, BOB, None)
    ]
    assert (summary.waiting, summary.under_way, summary.unread, summary.contacts) == (1, 0, 1, 1)
    assert [message.text for message in alice.outbox()] == ["waiting", "hello"]
    assert [message.address for message in bob.outbox()] == [ALICE]


def test_whom_nobody_knows_is_said(alice):
    with pytest.raises(UnknownContact):
        alice.contact(BOB)
    with pytest.raises(UnknownContact):
        alice.contact(AccountId(bytes(32)))
    with pytest.raises(UnknownContact):
        alice.safety_number(AccountId(bytes(32)))
