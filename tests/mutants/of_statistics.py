"""Bugs in what is counted, told and kept (spec 87)."""

from typing import Final

from mutants.mutant import Mutant

_SUPPRESSION = "tests/unit/relayd/domain/test_suppression.py::"
_STATISTICS = "tests/unit/relayd/store/test_statistics.py::"
_COUNTING = "tests/unit/relayd/store/test_counting.py::"

MUTANTS: Final[tuple[Mutant, ...]] = (
    Mutant(
        name="total-tells-the-few",
        story="Small counts are hidden in each table and stand in the total, from which they are subtracted.",
        file="relayd/domain/suppression.py",
        old="    return own(shown + (own(pool) or 0))\n",
        new="    return own(shown + pool)\n",
        killers=(
            f"{_SUPPRESSION}test_the_naive_total_would_have_told",
            f"{_SUPPRESSION}test_whoever_subtracts_cannot_narrow_a_count_below_ten",
        ),
    ),
    Mutant(
        name="nine-is-told",
        story="The least count that is told is one too low: a bound that was read as 'not above'.",
        file="relayd/domain/suppression.py",
        old="    return count if count >= STATISTICS_CELL_MIN else None\n",
        new="    return count if count >= STATISTICS_CELL_MIN - 1 else None\n",
        killers=(f"{_SUPPRESSION}test_a_count_below_ten_is_not_told[9-None]",),
    ),
    Mutant(
        name="strangers-are-an-organisation",
        story="Those who belong to nobody are summed like an organisation, so that the pool is the others' few alone.",
        file="relayd/store/statistics.py",
        old="organisation <> 0 AND count >= :least",
        new="count >= :least",
        killers=(f"{_STATISTICS}test_what_is_told_of_random_counters_is_what_the_rule_says",),
    ),
    Mutant(
        name="today-is-told",
        story="A day that goes on is told: two answers, an hour apart, tell of the hour.",
        file="relayd/store/statistics.py",
        old="day(committed_ms) - 1)",
        new="day(committed_ms))",
        killers=(f"{_STATISTICS}test_a_day_that_is_not_over_is_not_told",),
    ),
    Mutant(
        name="midnight-by-the-clock",
        story="The clock says that a day is over while its last counts are still in memory.",
        file="relayd/store/statistics.py",
        old="day(committed_ms) - 1)",
        new="day(sight.now_ms) - 1)",
        killers=(f"{_STATISTICS}test_the_clock_alone_ends_no_day",),
    ),
    Mutant(
        name="counts-of-yesterday-today",
        story="What was counted before midnight is written after it, for the wrong day or a day that was told already.",
        file="relayd/store/counting.py",
        old="            self._write(db, len(self._counts))\n        elif",
        new="            self._day = day(now_ms)\n            self._write(db, len(self._counts))\n        elif",
        killers=(f"{_COUNTING}test_the_first_commit_of_a_later_day_writes_all_of_the_day_before",),
    ),
    Mutant(
        name="counts-of-a-rollback-lost",
        story="What a transaction wrote is forgotten before anybody knows that it was rolled back.",
        file="relayd/store/counting.py",
        old='the transaction was rolled back."""\n',
        new='the transaction was rolled back."""\n        self.committed((), 0)\n',
        killers=(f"{_COUNTING}test_what_was_rolled_back_is_written_again",),
    ),
    Mutant(
        name="repeats-are-counted",
        story="A submission that is sent again is counted again, and a bad line looks like a busy day.",
        file="relayd/store/submissions.py",
        old="        return Submitted(command.submission, (Code.STORED,) * len(command.targets), (), 0)\n    packed",
        new="        _count(commit, work, who, (Code.STORED,) * len(command.targets))\n"
        "        return Submitted(command.submission, (Code.STORED,) * len(command.targets), (), 0)\n    packed",
        killers=(f"{_STATISTICS}test_a_repeat_is_not_counted_again",),
    ),
    Mutant(
        name="reports-outlive-the-policy",
        story="The published policy says when a thing is gone, and the sweep looks at another number.",
        file="relayd/store/reports.py",
        old="- commit.tools.retention_days,)",
        new="- 2 * commit.tools.retention_days,)",
        killers=("tests/acceptance/test_retention.py::test_a_row_is_there_until_its_time_and_not_after_it[report]",),
    ),
    Mutant(
        name="a-column-nobody-knows-of",
        story="A column is added for a good reason, and the policy that people read does not have it.",
        file="relayd/store/migrations/0001_initial.sql",
        old="    remaining INTEGER NOT NULL,\n",
        new="    remaining INTEGER NOT NULL,\n    sender INTEGER,\n",
        killers=(
            "tests/unit/relayd/services/test_retention.py::test_every_column_is_in_the_map_and_the_map_has_no_other",
        ),
    ),
)
"""In the order of spec 87."""
