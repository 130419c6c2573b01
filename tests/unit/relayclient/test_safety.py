"""Blocking and reporting, as far as they are the device's."""

import pytest

from relayclient.errors import NoModerators
from relayclient.events import (
    BlockSettled,
    ContentUnknown,
    EnvelopeFailed,
    MessageState,
    RelayRestored,
    ReportHeldUp,
    ReportSettled,
)
from relayproto import descriptor
from relayproto.codes import Code
from relayproto.commands import Block, Report
from relayproto.e2e import body
from relayproto.e2e.content import Evidence, Forward, Text
from relayproto.e2e.report import open_report, verify
from relayproto.packed import pack, unpack
from relayproto.primitives import ed25519_public, x25519_public
from relayproto.replies import Refused
from support.small_relay import DAY_MS, NOW_MS
from support.talk import BOB, HOUR_MS, introduce, of, said, states, texts

FIRST, SECOND = b"m" * 32, b"n" * 32


@pytest.fixture
def moderated(relay):
    relay.moderators = (x25519_public(FIRST), x25519_public(SECOND))


def test_what_is_still_queued_of_somebody_blocked_is_not_shown_and_counts_as_delivered(relay, alice, bob):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "queued before", now_ms=NOW_MS)
    relay.connect(alice).run()

    bob.block(alice.identity.account)
    told = relay.connect(bob).run()

    assert texts(told) == of(EnvelopeFailed, told) == []
    assert of(BlockSettled, told) == [BlockSettled(alice.identity.account, True, None)]
    assert relay.blocks == {(bob.identity.account, alice.identity.account)}
    assert bob.inbox(unread=True)[0].text == "hello"
    assert states(relay.connect(alice).run()) == [(message, MessageState.DELIVERED)]


def test_what_comes_after_unblocking_is_shown(relay, alice, bob):
    introduce(relay, alice, bob)
    bob.block(alice.identity.account)
    relay.connect(bob).run()

    bob.block(alice.identity.account, blocked=False)
    told = relay.connect(bob).run()
    alice.queue(BOB, "again", now_ms=NOW_MS)
    relay.connect(alice).run()

    assert of(BlockSettled, told) == [BlockSettled(alice.identity.account, False, None)]
    assert relay.blocks == set()
    assert texts(relay.connect(bob).run()) == ["again"]


def test_a_kind_of_a_newer_program_is_not_told_of_somebody_blocked(relay, alice, bob, monkeypatch):
    introduce(relay, alice, bob)
    bob.block(alice.identity.account)
    monkeypatch.setattr(body, "encode", lambda content: pack(200, "new"))
    said(relay, alice, bob, Text("", 0))

    assert of(ContentUnknown, relay.connect(bob).run()) == []


def test_a_block_holds_at_once_and_the_relay_is_told_when_it_can_be(relay, alice, bob):
    introduce(relay, alice, bob)

    bob.block(alice.identity.account)
    before = bob.contact(alice.identity.account)
    relay.connect(bob).run()
    after = bob.contact(alice.identity.account)

    assert (before.blocked, before.block_due) == (True, True)
    assert (after.blocked, after.block_due, after.block_code) == (True, False, None)


def test_a_changed_mind_is_told_whatever_the_relay_answers_to_the_first(relay, alice, bob):
    introduce(relay, alice, bob)
    line = relay.connect(bob)
    line.run()
    bob.block(alice.identity.account)
    [first] = bob.next_needs(NOW_MS)
    bob.block(alice.identity.account, blocked=False)

    stale = bob.answered(relay.answer(line.key, first), first, NOW_MS)
    told = line.run()

    assert stale == []
    assert of(BlockSettled, told) == [BlockSettled(alice.identity.account, False, None)]
    assert relay.blocks == set()


def test_a_relay_that_blocks_no_more_is_told_and_the_block_stays_here(relay, alice, bob):
    introduce(relay, alice, bob)
    relay.answers[Block] = Refused(Code.LIMIT, 0)
    bob.block(alice.identity.account)

    told = relay.connect(bob).run()
    line = relay.connect(bob)
    line.run()

    assert of(BlockSettled, told) == [BlockSettled(alice.identity.account, True, Code.LIMIT)]
    assert bob.contact(alice.identity.account).block_code == Code.LIMIT
    assert of(Block, line.commands) == []


def test_a_relay_from_a_backup_is_told_again(relay, alice, bob):
    introduce(relay, alice, bob)
    bob.block(alice.identity.account)
    relay.connect(bob).run()
    relay.blocks.clear()
    relay.restore()

    told = relay.connect(bob).run()

    assert RelayRestored() in told
    assert relay.blocks == {(bob.identity.account, alice.identity.account)}


def test_a_relay_that_comes_back_from_a_backup_is_told_who_is_not_blocked_any_more(relay, alice, bob):
    introduce(relay, alice, bob)
    pair = (bob.identity.account, alice.identity.account)
    for blocked in (True, False):
        bob.block(alice.identity.account, blocked=blocked)
        relay.connect(bob).run()
    relay.blocks.add(pair)
    relay.restore()

    relay.connect(bob).run()

    assert relay.blocks == set()


def test_a_report_says_to_both_moderators_together_who_wrote_what(relay, moderated, alice, bob):
    introduce(relay, alice, bob)
    [received] = bob.inbox()

    number = bob.report(received, NOW_MS)
    waiting = bob.report_state(number)
    told = relay.connect(bob).run()

    evidence = open_report(relay.reports[0], FIRST, SECOND)
    author = verify(evidence, [relay_descriptor(relay)], relay.hour_key)
    assert waiting == (True, None)
    assert of(ReportSettled, told) == [ReportSettled(received.message, None)]
    assert bob.report_state(number) == (False, None)
    assert b"hello" in evidence.content
    assert (author.account, author.device) == (alice.identity.account, 1)


def relay_descriptor(relay):
    return descriptor.read(relay.descriptor, descriptor.fingerprint(ed25519_public(relay.root_seed)))


def test_a_report_of_a_forward_names_its_first_author(relay, moderated, alice, bob):
    introduce(relay, alice, bob)
    [own] = alice.inbox()
    with alice._store.step() as step:
        [(sealed,)] = step.rows("SELECT sealed_evidence FROM inbox WHERE id = ?", own.message)
        proof = unpack(step.open(sealed, b"evidence", own.sender, own.device.to_bytes(4), own.message), list[bytes])
    said(relay, alice, bob, Forward(Evidence(*proof)))
    relay.connect(bob).run()
    forwarded = bob.inbox()[0]

    bob.report(forwarded, NOW_MS)
    relay.connect(bob).run()

    author = verify(open_report(relay.reports[0], FIRST, SECOND), [relay_descriptor(relay)], relay.hour_key)
    assert forwarded.forwarded
    assert author.account == bob.identity.account


def test_a_relay_without_moderators_gets_no_report(relay, alice, bob):
    introduce(relay, alice, bob)

    assert not bob.moderated(NOW_MS)
    with pytest.raises(NoModerators):
        bob.report(bob.inbox()[0], NOW_MS)


def test_the_moderators_of_a_key_past_its_date_do_not_count(relay, moderated, alice, bob):
    introduce(relay, alice, bob)

    assert bob.moderated(NOW_MS)
    assert not bob.moderated(NOW_MS + 500 * DAY_MS)


def test_above_the_rate_a_report_waits_and_goes_later(relay, moderated, alice, bob):
    introduce(relay, alice, bob)
    number = bob.report(bob.inbox()[0], NOW_MS)
    relay.answers[Report] = Refused(Code.LIMIT, HOUR_MS)
    line = relay.connect(bob)

    first = line.run()
    held_up = bob.report_state(number)
    del relay.answers[Report]
    relay.now_ms += HOUR_MS
    later = line.run()

    assert (of(ReportSettled, first), held_up) == ([], (True, Code.LIMIT))
    assert {(event.message, event.code) for event in of(ReportHeldUp, first)} == {(bob.inbox()[0].message, Code.LIMIT)}
    assert len(of(ReportSettled, later)) == len(relay.reports) == 1


def test_a_report_that_the_relay_never_takes_is_told(relay, moderated, alice, bob):
    introduce(relay, alice, bob)
    number = bob.report(bob.inbox()[0], NOW_MS)
    relay.answers[Report] = Refused(Code.UNSUPPORTED, 0)

    told = relay.connect(bob).run()

    assert [event.code for event in of(ReportSettled, told)] == [Code.UNSUPPORTED]
    assert bob.report_state(number) == (False, Code.UNSUPPORTED)
