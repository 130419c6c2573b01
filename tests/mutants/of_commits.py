"""Mutants of the way from a submission to the disk: commit, ledger, numbers, targets."""

from typing import Final

from mutants.mutant import Mutant

MUTANTS: Final = (
    Mutant(
        name="reply-before-commit",
        story="The answer is made before the transaction and sent whatever becomes of it: a queue before a disk.",
        file="relayd/store/engine.py",
        old="            submission.settle(NotTaken(submission.command.submission, code, retry_after_ms))\n",
        new="""\
            from relayproto.replies import Submitted

            codes = (Code.STORED,) * len(submission.command.targets)
            submission.settle(Submitted(submission.command.submission, codes, (), 0))
""",
        killers=(
            "tests/unit/relayd/store/test_writer.py::test_a_commit_that_fails_at_its_last_step_is_told_to_nobody_and_forgotten",
        ),
    ),
    Mutant(
        name="wake-without-commit",
        story="The error of a transaction is swallowed, so answers and wake-ups go out for what was rolled back.",
        file="relayd/store/writer.py",
        old="""\
                db.execute("ROLLBACK")
            raise
""",
        new="""\
                db.execute("ROLLBACK")
""",
        killers=(
            "tests/unit/relayd/store/test_writer.py::test_a_commit_that_fails_at_its_last_step_is_told_to_nobody_and_forgotten",
        ),
    ),
    Mutant(
        name="residents-kept-after-rollback",
        story="A cache keeps what a rolled-back transaction had decided: floors, numbers and counters never committed.",
        file="relayd/store/writer.py",
        old="        self._tools.residents.clear()\n        self._tools.contacts.forget()\n",
        new="        self._tools.contacts.forget()\n",
        killers=(
            "tests/unit/relayd/store/test_writer.py::test_a_commit_that_fails_at_its_last_step_is_told_to_nobody_and_forgotten",
        ),
    ),
    Mutant(
        name="rolled-back-verb-kept-in-memory",
        story="A savepoint is undone on disk but not in the cache, as in brokers with partial rollbacks.",
        file="relayd/store/writer.py",
        old="                self._tools.residents.clear()\n        done.tally = tally\n",
        new="                pass\n        done.tally = tally\n",
        killers=(
            "tests/unit/relayd/store/test_writer.py::test_a_mistake_of_ours_in_a_verb_leaves_nothing_of_it_in_memory",
        ),
    ),
    Mutant(
        name="ledger-only-in-memory",
        story="What was taken is remembered until the restart only, and then stored again: most duplicate filters.",
        file="relayd/store/commit.py",
        old="s.ledger.epoch, s.ledger.floor)",
        new="s.ledger.epoch, 0)",
        killers=("tests/unit/relayd/store/test_submissions.py::test_k_submissions_of_one_number_make_one_envelope",),
    ),
    Mutant(
        name="refusals-only-in-memory",
        story="Refusals are forgotten by a restart, after which a repeat of a refused number is told STORED.",
        file="relayd/store/commit.py",
        old="            rows.REFUSALS.run(db, [(*key, codes) for key, codes in sorted(pending.refusals.items())])\n",
        new="            pass\n",
        killers=(
            "tests/unit/relayd/store/test_submissions.py::test_a_repeat_of_a_refused_number_gets_the_recorded_codes_though_things_have_changed",
        ),
    ),
    Mutant(
        name="ledger-floor-past-not-taken",
        story="A number that was not taken counts as recorded, so its repeat is told STORED and is nowhere (A16).",
        file="relayd/store/submissions.py",
        old="""\
    if commit.disk_tight:
        return NotTaken""",
        new="""\
    if commit.disk_tight:
        ledger.record(number, refused=False)
        commit.sender_changed(row, sender)
        return NotTaken""",
        killers=("tests/unit/relayd/store/test_submissions.py::test_a_number_that_is_not_taken_stays_free",),
    ),
    Mutant(
        name="number-after-a-hole-is-taken",
        story="A number is taken although one before it was not: the ledger's floor passes over the missing one.",
        file="relayd/domain/ledger.py",
        old="            return Verdict.GO_BACK\n",
        new="            return Verdict.NEW\n",
        killers=(
            "tests/unit/relayd/store/test_submissions.py::test_what_is_behind_a_missing_number_is_not_taken_until_it_comes",
        ),
    ),
    Mutant(
        name="repeat-is-stored-again",
        story="A repeated submission is a new one: every queue that is at-least-once on both sides.",
        file="relayd/domain/ledger.py",
        old="        if above == 1:\n",
        new="        if -UNANSWERED_MAX < above <= 1:\n",
        killers=("tests/unit/relayd/store/test_submissions.py::test_a_repeat_after_its_envelope_is_gone_makes_none",),
    ),
    Mutant(
        name="too-old-is-told-stored",
        story="A number whose outcome is forgotten is told STORED, since most of them were.",
        file="relayd/domain/ledger.py",
        old="Verdict.REPEATED if above > -UNANSWERED_MAX else Verdict.TOO_OLD",
        new="Verdict.REPEATED",
        killers=(
            "tests/unit/relayd/store/test_submissions.py::test_a_number_too_far_back_is_too_old_and_never_called_stored",
        ),
    ),
    Mutant(
        name="refusal-forgotten-too-early",
        story="The window of remembered refusals is shorter than that of repeats: the ones between are told STORED.",
        file="relayd/domain/ledger.py",
        old="self.refused.discard(submission - UNANSWERED_MAX)",
        new="self.refused.discard(submission - UNANSWERED_MAX // 2)",
        killers=(
            "tests/unit/relayd/domain/test_ledger.py::test_a_refused_number_is_remembered_as_long_as_it_may_be_repeated",
        ),
    ),
    Mutant(
        name="sequence-from-the-highest-live-row",
        story="After a restart numbering goes on from what is queued, so numbers of what was acknowledged come again.",
        file="relayd/store/residents.py",
        old="                numbers[3:6],\n",
        new="""\
                [
                    db.execute("SELECT ifnull(max(sequence), 0) + 1 FROM envelope WHERE lane = ?", (at,)).fetchone()[0]
                    for at in range(row * 4, row * 4 + 3)
                ],
""",
        killers=("tests/unit/relayd/store/test_store.py::test_an_acknowledged_envelope_is_never_delivered_again",),
    ),
    Mutant(
        name="missing-sync",
        story="A commit returns without a sync (synchronous=NORMAL): the default advice for SQLite in WAL mode.",
        file="relayd/store/database.py",
        old='"synchronous = FULL"',
        new='"synchronous = NORMAL"',
        killers=("tests/unit/relayd/store/test_database.py::test_the_file_is_opened_so_that_nothing_is_lost",),
    ),
    Mutant(
        name="failed-sync-is-tried-again",
        story="After an I/O error the next commit goes on, as PostgreSQL did until 2018: the pages were lost already.",
        file="relayd/store/failures.py",
        old="_BY_CODE.get(code & _PRIMARY, Failure.FATAL)",
        new="_BY_CODE.get(code & _PRIMARY, Failure.PASSING)",
        killers=("tests/unit/relayd/store/test_engine.py::test_after_a_failed_sync_or_damage_nothing_is_tried_again",),
    ),
    Mutant(
        name="stop-drops-what-was-taken-in",
        story="A stop ends the loop before the last works are committed: acknowledgements vanish in a restart.",
        file="relayd/store/engine.py",
        old="if wanted and not self._begin() and self._stopping:",
        new="if wanted and (self._stopping or not self._begin()) and self._stopping:",
        killers=("tests/unit/relayd/store/test_engine.py::test_closing_finishes_what_was_taken_in",),
    ),
    Mutant(
        name="day-key-is-used-before-it-is-written",
        story="Rows are sealed under a key that is in memory only: after the restart nobody opens them.",
        file="relayd/store/daykeys.py",
        old="            self._write(wrapped)\n            cipher",
        new="            self._wrapped = wrapped\n            cipher",
        killers=("tests/unit/relayd/store/test_daykeys.py::test_a_key_is_in_the_file_before_it_is_used",),
    ),
    Mutant(
        name="day-key-is-not-synced",
        story="A key file is renamed into place without a sync: the zero-length files of ext4 in 2009.",
        file="relayd/store/daykeys.py",
        old="            file.flush()\n            os.fsync(file.fileno())\n",
        new="            file.flush()\n",
        killers=(
            "tests/unit/relayd/store/test_daykeys.py::test_the_new_file_is_synced_before_it_takes_its_place_and_its_folder_after",
        ),
    ),
    Mutant(
        name="relay-time-is-not-kept",
        story="The latest relay time is not committed: after a restart with a clock behind, what had expired lives.",
        file="relayd/store/writer.py",
        old='"UPDATE relay_time SET high_water_ms = ? WHERE high_water_ms < ?"',
        new='"UPDATE relay_time SET high_water_ms = ? WHERE high_water_ms < ? AND id = 0"',
        killers=("tests/unit/relayd/store/test_store.py::test_relay_time_is_remembered",),
    ),
    Mutant(
        name="a-look-for-two-connections",
        story="Whoever sends is looked up once a device: what its older connection said counts as the newer one's.",
        file="relayd/store/submissions.py",
        old="        if work.seat is not seat:  #",
        new="        if seat is None or work.seat.row != seat.row:  #",
        killers=(
            "tests/unit/relayd/store/test_submissions.py::test_of_two_connections_of_a_device_in_one_commit_the_newer_counts",
        ),
    ),
    Mutant(
        name="superseded-connection-submits",
        story="What an outdated connection still had under way is stored: two writers of one ledger after a takeover.",
        file="relayd/store/commit.py",
        old="        return sender if sender is not None and sender.generation == seat.generation else None\n",
        new="        return sender\n",
        killers=(
            "tests/unit/relayd/store/test_submissions.py::test_a_superseded_connection_stores_nothing_and_is_told_nothing",
        ),
    ),
    Mutant(
        name="generation-is-not-kept",
        story="Which connection is the newest is known until the restart only; then an old one's works count again.",
        file="relayd/store/commit.py",
        old="[(row, s.generation, s.ledger.epoch,",
        new="[(row, 0, s.ledger.epoch,",
        killers=(
            "tests/unit/relayd/store/test_logins.py::test_each_login_outdates_the_one_before_also_across_a_restart",
        ),
    ),
    Mutant(
        name="fan-out-decided-by-the-first-device",
        story="Whether an account has room is asked of its first device only, and its others get nothing.",
        file="relayd/store/submissions.py",
        old="    for wrap in wraps:\n        row = party",
        new="    for wrap in wraps[:1]:\n        row = party",
        killers=(
            "tests/unit/relayd/store/test_submissions.py::test_one_full_device_refuses_the_account_and_leaves_the_others_as_they_were",
        ),
    ),
    Mutant(
        name="fan-out-not-atomic",
        story="A fan-out stops at a full device and keeps what it has done: some devices of a person get a message.",
        file="relayd/store/submissions.py",
        old="        rooms.append((wrap, row, mailbox, cost))\n",
        new="        rooms.append((wrap, row, mailbox, cost))\n"
        "        sequence = mailbox.put(quota, lane, class_, cost, sender)\n"
        '        one.placements.append(Placement(position, row, sequence, None, wrap, b""))\n',
        killers=(
            "tests/unit/relayd/store/test_submissions.py::test_one_full_device_refuses_the_account_and_leaves_the_others_as_they_were",
        ),
    ),
    Mutant(
        name="stale-device-list-is-taken",
        story="A list that lacks a device is good enough: the device that was added last never gets the message.",
        file="relayd/domain/party.py",
        old="if len(addressed) == len(expected) and expected.keys() == set(addressed):",
        new="if expected.keys() >= set(addressed):",
        killers=("tests/unit/relayd/domain/test_party.py::test_a_list_that_lacks_a_device_does_not_match",),
    ),
    Mutant(
        name="blocked-is-not-like-unknown",
        story="Who is blocked is told so by another code than who writes to nobody, as several messengers did.",
        file="relayd/store/submissions.py",
        old="            codes.append(Code.NOT_AVAILABLE)\n",
        new="            codes.append(Code.LIMIT if commit.party(target.account) else Code.NOT_AVAILABLE)\n",
        killers=("tests/unit/relayd/store/test_blocks.py::test_who_is_blocked_finds_nobody_and_everybody_else_does",),
    ),
    Mutant(
        name="look-up-tells-a-block",
        story="Submitting hides a block and the directory does not: two roads, one check.",
        file="relayd/store/lookups.py",
        old="    if found is None or (account != asking.account and (blocked or not permitted)):\n",
        new="    if found is None or (account != asking.account and not permitted):\n",
        killers=("tests/unit/relayd/store/test_blocks.py::test_nothing_of_an_account_is_shown_to_who_is_blocked",),
    ),
    Mutant(
        name="typing-goes-to-disk",
        story="Something that is worth nothing later takes the way of messages, and its traces are in every backup.",
        file="relayd/services/passing.py",
        old="                if mailbox != seat.row:\n",
        new="""\
                sealed = wrap.sealed
                await self._store._act(
                    lambda commit: commit.db.execute("INSERT INTO report (day, sealed) VALUES (0, ?)", (sealed,))
                )
                if mailbox != seat.row:
""",
        killers=("tests/unit/relayd/services/test_passing.py::test_nothing_of_it_is_ever_on_disk",),
    ),
    Mutant(
        name="questions-leave-the-loop-no-turn",
        story="The reading thread never pauses while many ask: interpreter and core are its own, and commits wait.",
        file="relayd/store/reading.py",
        old="        asyncio.get_running_loop().call_soon(self._go)\n",
        new="        self._go()\n",
        killers=(
            (
                "tests/unit/relayd/store/test_reading.py"
                "::test_a_few_questions_go_together_and_the_loop_has_its_turn_before_the_next"
            ),
        ),
    ),
    Mutant(
        name="whoever-asks-a-thread-that-has-ended-waits-for-ever",
        story="The store has closed its reader, and a question that comes then is never answered.",
        file="relayd/store/reading.py",
        old="            self._tell(futures, [error] * len(some))\n",
        new="            raise error\n",
        killers=("tests/unit/relayd/store/test_reading.py::test_nobody_waits_for_a_thread_that_has_ended",),
    ),
    Mutant(
        name="what-ends-one-go-ends-all-questions",
        story="A question that ends the whole go is told to nobody, and the line stands still from then on.",
        file="relayd/store/reading.py",
        old="        self._tell(asked, gone.result() if error is None else [error] * len(asked))\n",
        new="        self._tell(asked, gone.result())\n",
        killers=(
            (
                "tests/unit/relayd/store/test_reading.py"
                "::test_what_ends_a_whole_go_is_told_to_all_of_it_and_the_next_are_asked"
            ),
        ),
    ),
)
