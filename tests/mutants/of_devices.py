"""Mutants of the device: what it keeps before it speaks, and what it knows again."""

from typing import Final

from mutants.mutant import Mutant

MUTANTS: Final = (
    Mutant(
        name="device-acknowledges-before-its-commit",
        story="The device acknowledges what has arrived and not what it has kept: a crash in between loses it.",
        file="client/relayclient/flow.py",
        old="        place = _cut(position.read(step, lane), top)\n",
        new="        place = Place(top, ())\n",
        killers=(
            "tests/unit/relayclient/test_flow.py::test_more_holes_than_an_ack_holds_are_acknowledged_from_the_lowest",
        ),
    ),
    Mutant(
        name="device-tells-a-restored-relay-of-no-prekeys",
        story="A relay restored from before a device's deposit has no signed prekey of it: nobody can begin a session.",
        file="client/relayclient/retelling.py",
        old="    prekeys.tell_again(step)\n",
        new="",
        killers=(
            "tests/unit/relayclient/test_prekeys.py::test_a_relay_that_was_restored_from_before_the_deposit_gets_them_again",
        ),
    ),
    Mutant(
        name="device-waits-for-prekeys-that-may-never-come",
        story="A device that was let in and never finished makes its account unreachable to everybody.",
        file="client/relayclient/sessions.py",
        old="    return tuple(device for device in without if (device,) not in excused)\n",
        new="    return without\n",
        killers=(
            "tests/unit/relayclient/test_sessions.py::test_a_device_without_prekeys_keeps_nobody_from_writing_and_asks_when_it_comes",
            "tests/faults/test_unfinished_device.py::test_an_account_with_a_device_that_never_finished_writes_and_is_written_to",
        ),
    ),
    Mutant(
        name="device-does-not-remember-what-it-has-opened",
        story="The mark by which a copy is known is not in the commit of the message: a redelivery is shown twice.",
        file="client/relayclient/inbox.py",
        old="    _mark(step, delivered, delivered.commitment, now_ms)\n    if _seen",
        new="    if _seen",
        killers=("tests/unit/relayclient/test_inbox.py::test_an_envelope_that_comes_twice_is_shown_once",),
    ),
    Mutant(
        name="device-remembers-before-it-has-opened",
        story="What could not be opened is marked as known: when its sender sends it again it is thrown away.",
        file="client/relayclient/inbox.py",
        old="    except _Unshown as unshown:\n",
        new="    except _Unshown as unshown:\n        _mark(step, delivered, delivered.commitment, now_ms)\n",
        killers=(
            "tests/unit/relayclient/test_sessions.py::test_what_does_not_open_is_asked_for_again_and_comes_under_a_new_session",
        ),
    ),
    Mutant(
        name="device-position-not-in-the-messages-commit",
        story="The message is kept and its place in the lane is not: it is never acknowledged.",
        file="client/relayclient/inbox.py",
        old="    position.cover(step, lane, sequence, sequence)\n    events = sessions.commit",
        new="    events = sessions.commit",
        killers=("tests/unit/relayclient/test_inbox.py::test_an_envelope_that_comes_twice_is_shown_once",),
    ),
    Mutant(
        name="ratchet-not-kept-with-the-message",
        story="The ratchet's state is not in the commit of the message that moved it: what follows cannot be opened.",
        file="client/relayclient/inbox.py",
        old="    events = sessions.commit(step, received, now_ms, answer=isinstance(opened.content, Retry))\n",
        new="    events: list[Event] = []\n",
        killers=(
            "tests/unit/relayclient/test_resends.py::test_a_message_in_flight_is_sent_again_when_its_answer_has_come",
        ),
    ),
    Mutant(
        name="another-epoch-goes-on-with-old-chains",
        story="A device and a relay that are put back together go on with the same keys: two texts under one key.",
        file="client/relayclient/submissions.py",
        old="    if before:\n        sessions.retire_all(step)\n",
        new="",
        killers=(
            "tests/hostile/test_ratchet_life.py::test_a_device_and_a_relay_that_are_both_put_back_use_no_key_twice",
            (
                "tests/hostile/test_ratchet_life.py::"
                "test_a_relay_that_names_another_epoch_gets_nothing_sealed_in_an_old_chain"
            ),
        ),
    ),
    Mutant(
        name="any-device-is-sent-again",
        story="What goes again goes to all devices of today: one that was linked later reads what was before it.",
        file="client/relayclient/resends.py",
        old="    if not stored:\n        for",
        new="    if True:\n        for",
        killers=(
            (
                "tests/unit/relayclient/test_resends.py::"
                "test_what_one_device_is_sent_again_is_withheld_from_one_that_came_later"
            ),
        ),
    ),
    Mutant(
        name="what-was-read-is-sent-again",
        story="A thief with the recipient's device asks for what was read and deleted, and gets it.",
        file="client/relayclient/resends.py",
        old=" AND (own OR message.state != ?8)",
        new=" AND (own OR ?8 IS NOT NULL)",
        killers=("tests/unit/relayclient/test_resends.py::test_what_was_read_is_not_sent_again",),
    ),
    Mutant(
        name="an-order-is-believed",
        story="A thief claims the highest order there is, and the owner's sessions win no more.",
        file="proto/relayproto/e2e/session.py",
        old="    order = min(claim.order, 1 + max((one.order for one in held.sessions), default=0))\n",
        new="    order = claim.order\n",
        killers=(
            (
                "tests/hostile/test_ratchet_life.py::"
                "test_a_stolen_device_key_takes_a_conversation_over_for_a_while_and_is_told_of"
            ),
        ),
    ),
    Mutant(
        name="ratchet-not-kept-with-what-it-sealed",
        story="The sending ratchet is not written before the wrap leaves: a key seals two messages.",
        file="client/relayclient/sessions.py",
        old="    _keep(step, after)\n    return wrap\n",
        new="    return wrap\n",
        killers=("tests/unit/relayclient/test_submissions.py::test_what_was_not_answered_is_repeated_byte_for_byte",),
    ),
    Mutant(
        name="submission-is-sent-before-it-is-kept",
        story="The frame goes out and no copy of it is in the outbox: after a cut nothing repeats it.",
        file="client/relayclient/submissions.py",
        old="number, now_ms, step.seal(kept, *_place(step, number)),\n",
        new="number, now_ms, None,\n",
        killers=(
            "tests/unit/relayclient/test_submissions.py::test_what_was_sealed_and_never_sent_goes_with_the_next_connection",
        ),
    ),
    Mutant(
        name="submission-number-is-not-kept",
        story="The highest number used is not written with the frame: the next message takes it again.",
        file="client/relayclient/submissions.py",
        old='    step.put("submission", number)\n',
        new="",
        killers=("tests/unit/relayclient/test_submissions.py::test_what_was_not_answered_is_repeated_byte_for_byte",),
    ),
    Mutant(
        name="device-step-is-not-synced",
        story="The device commits without a sync: what it has acknowledged is gone after a power cut.",
        file="client/relayclient/store/database.py",
        old="    def step(self, *, lasting: bool = True)",
        new="    def step(self, *, lasting: bool = False)",
        killers=(
            "tests/unit/relayclient/store/test_database.py::test_a_step_that_need_not_last_costs_no_sync_and_the_next_one_does",
        ),
    ),
    Mutant(
        name="device-speaks-before-it-has-synced",
        story="Events are told and acknowledgements sent before the turn is synced: a power cut takes it back.",
        file="client/relayclient/exchange.py",
        old="        self._device.make_last()\n        told,",
        new="        told,",
        killers=(
            "tests/unit/relayclient/test_exchange.py::test_what_came_and_what_is_to_be_said_lasts_before_it_is_told_answered_or_said",
        ),
    ),
    Mutant(
        name="device-greets-with-what-is-not-synced",
        story="A process was killed between commit and sync; the next one's HELLO acknowledges what a power cut takes.",
        file="client/relayclient/device.py",
        old="        self._store.sync()\n        self._link = Link(flow)\n",
        new="        self._link = Link(flow)\n",
        killers=(
            "tests/unit/relayclient/test_device.py::test_a_turn_is_synced_once_and_one_in_which_nothing_is_written_not_at_all",
        ),
    ),
    Mutant(
        name="device-keeps-ranges-of-another-epoch",
        story="Numbers that were dealt with before a restore count after it: new envelopes are taken for old ones.",
        file="client/relayclient/position.py",
        old='    step.run("DELETE FROM lane_range")\n',
        new="",
        killers=("tests/unit/relayclient/test_position.py::test_numbers_of_one_epoch_do_not_count_in_another",),
    ),
    Mutant(
        name="device-forgets-what-it-has-sent-at-a-restore",
        story="After the relay's restore what had been accepted is not sent again: the copy's age is lost.",
        file="client/relayclient/submissions.py",
        old="        outbox.WAITING, outbox.SUBMITTED, outbox.ACCEPTED,\n",
        new="        outbox.WAITING, outbox.SUBMITTED, outbox.SUBMITTED,\n",
        killers=(
            "tests/unit/relayclient/test_submissions.py::test_after_a_restore_what_may_be_lost_is_sent_again_and_shown_once",
        ),
    ),
    Mutant(
        name="device-goes-on-after-not-taken",
        story="After NOT_TAKEN the device goes on with later numbers, so that what waits is overtaken.",
        file="client/relayclient/exchange.py",
        old="(self._going_back and in_flight):\n",
        new="(self._going_back and in_flight < 0):\n",
        killers=(
            "tests/unit/relayclient/test_exchange.py::test_after_not_taken_nothing_is_submitted_until_everything_in_flight_is_answered",
        ),
    ),
    Mutant(
        name="undecryptable-is-hidden-by-hello",
        story="HELLO's floor covers what no acknowledgement has reported as unopened: the relay calls it delivered.",
        file="client/relayclient/position.py",
        old="min(read(step, lane).floor, held[0] - 1 if held else read(step, lane).floor)",
        new="read(step, lane).floor",
        killers=("tests/unit/relayclient/test_position.py::test_hello_does_not_acknowledge_what_no_ack_has_reported",),
    ),
)
