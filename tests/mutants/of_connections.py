"""Mutants of connections and of what only shows while many things happen: takeovers, ends, freshness.

Most were seen by the simulator first; at which seed it saw each is noted. Where that is an early one, it is the killer.
"""

from typing import Final

from mutants.mutant import Mutant

_SEEDS: Final = "tests/sim/test_first_seeds.py::test_the_first_seeds_hold"

MUTANTS: Final = (
    Mutant(
        name="listener-stays-when-its-connection-ends",
        story="Who listened is never forgotten: the registry grows with every device that was ever here (seed 1).",
        file="relayd/delivery/hub.py",
        old="        if self._listeners.get(mailbox) is listener:\n            del",
        new="        if self._listeners.get(mailbox) is None:\n            del",
        killers=(_SEEDS,),
    ),
    Mutant(
        name="session-stays-when-its-socket-is-gone",
        story="A connection that ended stays in the list of all: memory goes, and a drain waits for nobody (seed 1).",
        file="relayd/net/session.py",
        old="        self._rooms.counters.connections_open -= 1\n        self._left(self)\n",
        new="        self._rooms.counters.connections_open -= 1\n",
        killers=(_SEEDS,),
    ),
    Mutant(
        name="half-open-is-never-counted-out",
        story="Who went without saying who it was counts as half-open for ever, until nobody is let in (seed 6).",
        file="relayd/net/admission.py",
        old='        """One is gone."""\n        self.shown(place, stranger)\n',
        new='        """One is gone."""\n',
        killers=(_SEEDS,),
    ),
    Mutant(
        name="older-connection-is-not-told",
        story="A connection that was taken over stays open, and its device believes that it is connected (seed 39).",
        file="relayd/delivery/hub.py",
        old="            older.supersede()\n",
        new="            pass\n",
        killers=("tests/unit/relayd/delivery/test_hub.py::test_the_newest_connection_wins",),
    ),
    Mutant(
        name="copy-for-own-devices-goes-before-it-is-known-to-whom",
        story="The copy for one's other devices is sealed while the address is looked up: the device ends (seed 2).",
        file="client/relayclient/parcels.py",
        old=" AND message.account IS NOT NULL ORDER",
        new=" ORDER",
        killers=(_SEEDS,),
    ),
    Mutant(
        name="removed-device-makes-its-account-unavailable",
        story="Who asks for the prekeys of a device that was removed hears that there is no such account (seed 17).",
        file="relayd/store/prekeys.py",
        old="    if not commit.is_there(party, who, permitted=permitted):\n",
        new="""\
    if not commit.is_there(party, who, permitted=permitted) or not party.mailboxes.keys() >= set(devices):
""",
        killers=(
            "tests/unit/relayd/store/test_prekeys.py::test_whoever_asks_for_a_device_that_was_removed_is_shown_the_newest_list",
        ),
    ),
    Mutant(
        name="list-that-was-fetched-once-is-fresh-for-ever",
        story="A list fetched earlier on a connection judges what came later: a new device's texts are lost (seed 80).",
        file="client/relayclient/notified.py",
        old="link.fresh.get(account, 0) > link.dealt_with",
        new="account in link.fresh",
        killers=(
            "tests/unit/relayclient/test_notified.py::test_a_device_that_was_let_in_after_its_list_was_fetched_on_this_connection_is_heard",
        ),
    ),
    Mutant(
        name="restored-relay-is-told-of-blocks-only",
        story="A relay that came back from a copy goes on to refuse somebody who was unblocked since then.",
        file="client/relayclient/safety.py",
        old="        step.put(_unblocked(account), account)\n",
        new="        pass\n",
        killers=(
            "tests/unit/relayclient/test_safety.py::test_a_relay_that_comes_back_from_a_backup_is_told_who_is_not_blocked_any_more",
        ),
    ),
    Mutant(
        name="first-come-first-committed",
        story="A line is served to its end before the next one: a code waits for the whole of a broadcast (case F).",
        file="relayd/store/intake.py",
        old="> until:\n                self._turns.append(line)\n",
        new="> until:\n                self._turns.appendleft(line)\n",
        killers=("tests/unit/relayd/store/test_intake.py::test_devices_that_say_much_take_turns",),
    ),
    Mutant(
        name="nobody-is-quiet",
        story="Who writes one message waits for all who write hundreds, each in its turn (0049).",
        file="relayd/store/intake.py",
        old="            (self._quiet if quiet else self._turns).append(line)\n",
        new="            self._turns.append(line)\n",
        killers=("tests/unit/relayd/store/test_intake.py::test_who_says_little_does_not_wait_for_who_says_much",),
    ),
    Mutant(
        name="a-burst-is-quiet",
        story="A device that was quiet goes before everybody with all of its next burst.",
        file="relayd/store/intake.py",
        old="self._fill(taken, self._quiet, QUIET_MAX, 0, ",
        new="self._fill(taken, self._quiet, TURN_PLACEMENTS, 0, ",
        killers=("tests/unit/relayd/store/test_intake.py::test_who_says_little_does_not_wait_for_who_says_much",),
    ),
    Mutant(
        name="where-many-are-quiet-nobody-else-is-committed",
        story="Quiet devices fill the commits of a busy relay, and a gateway's codes get one row in two of them.",
        file="relayd/store/intake.py",
        old="most = rows + others if short",
        new="most = others if short",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_who_says_much_has_a_part_of_each_commit_however_many_say_little",
        ),
    ),
    Mutant(
        name="others-have-as-many-rows-of-a-short-commit-as-the-quiet",
        story="Somebody who says little waits for sixty-four rows of those who say much, and for the answers to them.",
        file="relayd/store/intake.py",
        old="others = min(max(self._rows // SHORT_SHARE, SHORT_OTHERS), SHORT_PLACEMENTS)",
        new="others = SHORT_PLACEMENTS",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_who_says_much_has_the_more_of_a_short_commit_the_more_of_it_waits",
        ),
    ),
    Mutant(
        name="others-have-few-rows-of-a-short-commit-however-much-waits",
        story="A gateway has sixteen rows of each commit while anybody says little, and falls behind for ever.",
        file="relayd/store/intake.py",
        old="others = min(max(self._rows // SHORT_SHARE, SHORT_OTHERS), SHORT_PLACEMENTS)",
        new="others = min(SHORT_OTHERS, SHORT_PLACEMENTS)",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_who_says_much_has_the_more_of_a_short_commit_the_more_of_it_waits",
        ),
    ),
    Mutant(
        name="what-is-behind-one-over-the-rate-is-committed",
        story="Who is over his rate and submits on has a commit for each of it, which says that it must come again.",
        file="relayd/net/router.py",
        old="        if behind:\n",
        new="        if False:\n",
        killers=(
            "tests/unit/relayd/net/test_router.py::test_what_is_behind_a_submission_over_the_rate_comes_for_nothing",
        ),
    ),
    Mutant(
        name="who-does-not-wait-is-heard-for-ever",
        story="Whoever is over his rate repeats at once, again and again, and is answered each time.",
        file="relayd/domain/pace.py",
        old="        self.early = now < self._until\n",
        new="        self.early = False\n",
        killers=("tests/unit/relayd/net/test_session.py::test_who_never_waits_is_sent_away",),
    ),
    Mutant(
        name="who-waited-is-early-ever-after",
        story="Who came too early once has everything counted that he says later, and is sent away for it.",
        file="relayd/domain/pace.py",
        old="        if held is None:\n            self.early = False\n",
        new="        if held is None:\n",
        killers=(
            "tests/unit/relayd/domain/test_pace.py::test_who_was_early_and_was_taken_all_the_same_is_early_no_more",
        ),
    ),
    Mutant(
        name="who-submits-without-an-answer-is-never-too-far",
        story="Who is over his rate goes on counting for ever, each number answered, and nobody ends it.",
        file="relayd/domain/pace.py",
        old="if number - held >= UNANSWERED_MAX:",
        new="if False:",
        killers=("tests/unit/relayd/net/test_router.py::test_who_does_not_wait_for_an_answer_breaks_the_protocol",),
    ),
    Mutant(
        name="who-breaks-the-protocol-comes-back-at-once",
        story="A device that breaks the protocol is let in again each time, with a commit for each login.",
        file="relayd/net/session.py",
        old="            self._rooms.desk.logins.ended_badly(self._static_key, now)\n        if router is not None:\n",
        new="            pass\n        if router is not None:\n",
        killers=(
            "tests/unit/relayd/net/test_session.py::test_who_breaks_the_protocol_again_and_again_is_not_let_in_at_once",
        ),
    ),
    Mutant(
        name="a-hello-that-breaks-the-protocol-costs-nothing",
        story="A device says HELLO with a floor that it was never given, again and again, with a commit for each.",
        file="relayd/services/login.py",
        old="        except RemoteProtocolError:\n            self.ended_badly(static_key, now)\n",
        new="        except RemoteProtocolError:\n",
        killers=("tests/unit/relayd/services/test_login.py::test_a_hello_that_breaks_the_protocol_counts_as_well",),
    ),
    Mutant(
        name="all-whose-peers-have-closed-leave-in-one-turn",
        story="A network fails, and the relay does nothing but close connections for a tenth of a second.",
        file="relayd/net/turn.py",
        old="range(min(EXITS_A_TURN_MAX, len(self._leavers)))",
        new="range(len(self._leavers))",
        killers=("tests/unit/relayd/net/test_turn.py::test_those_whose_peers_have_closed_leave_a_few_in_each_turn",),
    ),
    Mutant(
        name="a-connection-that-waits-to-leave-is-a-second-copy",
        story="Devices whose network failed are not let in again, since their old connections had not been closed yet.",
        file="relayd/net/session.py",
        old="not (self._outbox.aborted or self._outbox.ended)",
        new="not self._outbox.aborted",
        killers=(
            "tests/unit/relayd/net/test_session.py::test_a_predecessor_that_waits_for_its_turn_to_leave_does_not_count",
        ),
    ),
    Mutant(
        name="a-large-message-is-quiet-behind-a-small-one",
        story="Who writes one message and then one to 500 has both committed before everybody who says little.",
        file="relayd/store/intake.py",
        old="        strict = turns is self._quiet ",
        new="        strict = False ",
        killers=("tests/unit/relayd/store/test_intake.py::test_a_large_message_of_a_quiet_device_is_no_quiet_one",),
    ),
    Mutant(
        name="who-was-quiet-before-a-pause-is-about",
        story="Commits are short for half a second because of somebody who said a word an hour ago.",
        file="relayd/store/intake.py",
        old="if follows else ({}, set())\n",
        new="if follows else ({}, self._quiet_now)\n",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_commits_are_short_until_a_whole_window_had_no_quiet_device",
        ),
    ),
    Mutant(
        name="a-large-message-never-fits",
        story="A short commit has no room for a message to many: it waits for ever, and whoever is behind it.",
        file="relayd/store/intake.py",
        old="        self._passed = bool(self._turns) and len(taken) == quiet\n",
        new="        self._passed = False\n",
        killers=("tests/unit/relayd/store/test_intake.py::test_a_large_message_goes_in_time_however_many_are_quiet",),
    ),
    Mutant(
        name="a-part-of-a-turn-is-none",
        story="A line that a short commit cut off begins the next one with a new turn: the others never have theirs.",
        file="relayd/store/intake.py",
        old="(turns.appendleft if strict or len(taken) == before else turns.append)(line)",
        new="turns.appendleft(line)",
        killers=("tests/unit/relayd/store/test_intake.py::test_turns_go_on_from_one_short_commit_to_the_next",),
    ),
    Mutant(
        name="commits-are-never-short",
        story="Who writes one message waits 10 ms for a commit of a flood that has begun before it.",
        file="relayd/store/intake.py",
        old="        return bool(quiet) and not self.slow\n",
        new="        return False\n",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_commits_are_short_until_a_whole_window_had_no_quiet_device",
        ),
    ),
    Mutant(
        name="each-window-begins-with-a-whole-commit",
        story="Twice a second whoever writes one message waits for 512 rows of a flood: it comes first in each window.",
        file="relayd/store/intake.py",
        old="        quiet = self._quiet or self._quiet_now or self._quiet_before\n",
        new="        quiet = self._quiet or self._quiet_now\n",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_commits_are_short_until_a_whole_window_had_no_quiet_device",
        ),
    ),
    Mutant(
        name="who-has-waited-long-waits-for-a-whole-commit",
        story="A quiet device that a slow disk kept waiting for a second waits for 512 rows of a flood as well.",
        file="relayd/store/intake.py",
        old="        quiet = self._quiet or self._quiet_now",
        new="        quiet = self._quiet_now",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_a_quiet_device_that_waits_makes_a_commit_short_however_long_it_has_waited",
        ),
    ),
    Mutant(
        name="whoever-begins-is-quiet",
        story="Whenever somebody begins to say much commits are short for a second, for nobody's sake.",
        file="relayd/store/intake.py",
        old="        self._quiet_now.discard(row)\n        self._quiet_before.discard(row)\n",
        new="",
        killers=("tests/unit/relayd/store/test_intake.py::test_who_begins_to_say_much_makes_no_commit_short",),
    ),
    Mutant(
        name="nothing-is-gathered",
        story="Each message of a flood is a commit of its own, and half of the loop's time goes to waiting for them.",
        file="relayd/store/engine.py",
        old="                await self._gathered()\n",
        new="                pass\n",
        killers=(
            "tests/unit/relayd/store/test_engine.py::test_a_commit_gathers_while_the_loop_is_busy_until_a_quiet_device_waits",
        ),
    ),
    Mutant(
        name="a-quiet-device-waits-for-the-gathering",
        story="Who writes one message waits up to 5 ms for what a busy loop may still bring.",
        file="relayd/store/engine.py",
        old="        while not (self.intake.urgent or self._begun is not None or not self.taking):\n",
        new="        while not (self._begun is not None or not self.taking):\n",
        killers=(
            "tests/unit/relayd/store/test_engine.py::test_a_commit_gathers_while_the_loop_is_busy_until_a_quiet_device_waits",
        ),
    ),
    Mutant(
        name="an-acknowledgement-waits-alone",
        story="Acknowledgements after which nothing comes are never committed, so their envelopes come again (0044).",
        file="relayd/store/intake.py",
        old="        self._waits = False\n        if self._acknowledgements:\n",
        new="        if self._acknowledgements and not self._waits:\n",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_acknowledgements_that_nothing_comes_after_go_alone_a_little_later",
        ),
    ),
    Mutant(
        name="room-is-announced-where-there-is-none",
        story="What a failed commit puts back fills the intake; who waits is called at once, for ever (seed 6).",
        file="relayd/store/intake.py",
        old="wait again, round and round.\n            self.full = True\n            self._space.clear()\n",
        new="wait again, round and round.\n            self.full = True\n",
        killers=(
            "tests/unit/relayd/store/test_intake.py::test_what_is_put_back_may_fill_it_and_then_nobody_is_called_for_room",
        ),
    ),
    Mutant(
        name="nobody-waits-for-a-commit",
        story="A busy loop does not wait for a commit, and a sync of a third of a millisecond takes ten on its core.",
        file="relayd/store/engine.py",
        old="                self._thread.wait_out(WAIT_S)\n",
        new="                pass\n",
        killers=(
            "tests/unit/relayd/store/test_engine.py::test_a_message_is_committed_and_told_in_the_turn_after_it_came",
        ),
    ),
    Mutant(
        name="messages-wait-for-the-commit-of-logins",
        story="A commit of 17 logins took 87 ms on a busy core, and who writes waits for it (0047).",
        file="relayd/store/engine.py",
        old="        if len(works) <= SMALL_MAX and rows <= SMALL_MAX:\n",
        new="        if 0 < rows <= SMALL_MAX:\n",
        killers=("tests/unit/relayd/store/test_engine.py::test_a_commit_of_logins_is_waited_for_too",),
    ),
    Mutant(
        name="commits-follow-each-other-in-one-turn",
        story="After a commit that was waited for the next begins at once, and nobody is read between them.",
        file="relayd/store/engine.py",
        old="            await asyncio.sleep(0)  # those whom it has let in",
        new="            # those whom it has let in",
        killers=(
            "tests/unit/relayd/store/test_engine.py::test_of_the_commits_that_are_waited_for_each_turn_has_one",
            "tests/unit/relayd/store/test_engine.py::test_who_logs_in_goes_on_before_the_end_of_the_next_commit_is_told",
        ),
    ),
    Mutant(
        name="committed-after-trust-has-ended",
        story="What gathered while the store was found damaged is committed all the same, and told STORED.",
        file="relayd/store/engine.py",
        old="                if self.fatal.done():\n                    break\n",
        new="",
        killers=(
            "tests/unit/relayd/store/test_engine.py::test_nothing_is_committed_once_trust_has_ended_while_it_gathered",
        ),
    ),
    Mutant(
        name="told-before-who-logs-in-listens",
        story="A commit is told before those whom the one before let in have attached: their OVERFLOW is lost.",
        file="relayd/store/engine.py",
        old="            asyncio.get_running_loop().call_soon(self._begin_next)\n",
        new="            self._begin_next()\n",
        killers=(
            "tests/unit/relayd/store/test_engine.py::test_who_logs_in_goes_on_before_the_end_of_the_next_commit_is_told",
        ),
    ),
    Mutant(
        name="strangers-ask-for-more-than-a-turn",
        story="Forty enrolments are looked at in one turn, and their signatures take eight milliseconds of the next.",
        file="relayd/net/shares.py",
        old="        for _ in range(STRANGERS_A_TURN_MAX):\n",
        new="        while True:\n",
        killers=(
            "tests/unit/relayd/net/test_shares.py::test_of_strangers_who_say_little_only_a_few_have_their_turn_at_once",
        ),
    ),
    Mutant(
        name="more-is-given-back-than-was-taken",
        story="Who writes to one whose rate is used up has his own rate back, and more, each time that he is refused.",
        file="relayd/services/rates.py",
        old="        self._young[key] -= cost * self._each_s\n",
        new="        self._young[key] -= self._burst_s\n",
        killers=("tests/unit/relayd/services/test_rates.py::test_what_is_given_back_can_be_taken_again",),
    ),
    Mutant(
        name="refused-submissions-push-out-the-rates-of-others",
        story="Who is refused leaves a bucket for each account that he named, until nobody else is limited.",
        file="relayd/services/pairs.py",
        old="        if not wait_ms:\n",
        new="        if counts:\n",
        killers=("tests/unit/relayd/services/test_pairs.py::test_who_is_refused_leaves_nothing_behind",),
    ),
    Mutant(
        name="whoever-came-last-is-served-first",
        story="Handshakes wait on a stack: who is unlucky in a morning's crowd is passed over until his time is over.",
        file="relayd/net/shares.py",
        old="line.popleft()",
        new="line.pop()",
        killers=("tests/unit/relayd/net/test_shares.py::test_of_one_place_nobody_is_passed_over_by_who_came_later",),
    ),
)
