"""Mutants of rosters and claims: who is expected, by whose word, and how much one person does alone."""

from typing import Final

from mutants.mutant import Mutant

_STORE: Final = "tests/unit/relayd/store/"

MUTANTS: Final = (
    Mutant(
        name="a-hundred-lines-at-a-time",
        story="Each roster is held against the bound for itself: who imports a hundred lines at a time needs nobody.",
        file="relayd/store/alone.py",
        old="    done = amount + (0 if found is None else int(found[0]))\n",
        new="    done = amount\n",
        killers=(_STORE + "test_rosters.py::test_more_than_so_many_lines_a_day_are_for_two",),
    ),
    Mutant(
        name="strangers-attested-without-end",
        story="A stolen verifier's device makes a department out of strangers in a day.",
        file="relayd/store/attestations.py",
        old="    return line is None or line.unit != unit or not line.seconded\n",
        new="    return False\n",
        killers=(_STORE + "test_attestations.py::test_so_many_whom_nobody_expects_are_attested_alone_on_a_day",),
    ),
    Mutant(
        name="expected-anywhere-is-expected-here",
        story="Who is on another unit's roster is attested into one's own without a second person.",
        file="relayd/store/attestations.py",
        old="    return line is None or line.unit != unit or not line.seconded\n",
        new="    return line is None or not line.seconded\n",
        killers=(_STORE + "test_attestations.py::test_who_is_expected_in_another_unit_is_not_expected_here",),
    ),
    Mutant(
        name="a-list-brought-alone-vouches",
        story="A stolen verifier's device brings in a list of strangers, and attests them all without a second person.",
        file="relayd/store/attestations.py",
        old="    return line is None or line.unit != unit or not line.seconded\n",
        new="    return line is None or line.unit != unit\n",
        killers=(_STORE + "test_attestations.py::test_so_many_whom_nobody_expects_are_attested_alone_on_a_day",),
    ),
    Mutant(
        name="people-taken-by-a-list",
        story="A list of another unit's addresses, staged before theirs came in force, takes its people.",
        file="relayd/store/settling.py",
        old="        if all(unit in authority.chain(commit, its_unit) for _, its_unit in older):\n",
        new="        if True:\n",
        killers=(_STORE + "test_rosters.py::test_nobody_takes_another_units_people_by_a_list_of_their_addresses",),
    ),
    Mutant(
        name="placed-as-verified",
        story="An officer verifies by placing somebody: without a signature, a warrant or an end.",
        file="relayd/store/members.py",
        old="    if who.row == actor.row or change.standing is Standing.VERIFIED:\n",
        new="    if who.row == actor.row:\n",
        killers=(_STORE + "test_members.py::test_nobody_is_verified_by_being_placed_and_what_something_is_stays",),
    ),
    Mutant(
        name="another-roster-than-was-signed",
        story="What comes in force is whatever is staged at that moment, and not what was signed and approved.",
        file="relayd/store/rosters.py",
        old="(roster.unit, roster.kept, roster.digest) != (unit.unit, change.lines, change.digest)",
        new="(roster.unit, roster.kept) != (unit.unit, change.lines)",
        killers=(_STORE + "test_rosters.py::test_only_what_is_staged_there_and_described_rightly_comes_in_force",),
    ),
    Mutant(
        name="a-word-over-a-roster",
        story="Whom a roster names overwrites name and post by what he says of himself, and is attested with that.",
        file="relayd/store/claims.py",
        old="    if found is not None and (found[0] == ClaimState.REFUSED or found[1]):\n",
        new="    if found is not None and found[0] == ClaimState.REFUSED:\n",
        killers=(
            _STORE + "test_claims.py::test_what_a_roster_says_is_not_overwritten_by_what_somebody_says_of_himself",
        ),
    ),
    Mutant(
        name="looks-like-another",
        story="Somebody is expected under an address that looks like an officer's.",
        file="relayd/store/staging.py",
        old="    if taken - {address} or _like_an_account(commit, look, address):\n",
        new="    if taken - {address}:\n",
        killers=(_STORE + "test_staging.py::test_a_bad_line_is_told_and_left_out_and_the_others_are_kept",),
    ),
    Mutant(
        name="staged-is-in-force",
        story="What somebody has only staged expects people already, without a second person.",
        file="relayd/store/rosters.py",
        old=' WHERE line.look = ? AND line.address = ? AND force > 0"',
        new=' WHERE line.look = ? AND line.address = ? AND force >= 0"',
        killers=(_STORE + "test_staging.py::test_a_part_is_kept_in_its_order_with_a_hash_over_it",),
    ),
)
