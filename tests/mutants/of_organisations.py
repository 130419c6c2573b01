"""Mutants of organisations: rights, second persons, policies and the audit log."""

from typing import Final

from mutants.mutant import Mutant

_STORE: Final = "tests/unit/relayd/store/"

MUTANTS: Final = (
    Mutant(
        name="a-right-outlives-its-end",
        story="A grant that is over still counts until somebody sweeps it away.",
        file="relayd/store/authority.py",
        old='        " WHERE account.id = ? AND until_ms > ? AND NOT suspended",\n',
        new='        " WHERE account.id = ? AND until_ms > ? - 86400000 AND NOT suspended",\n',
        killers=(_STORE + "test_authority.py",),
    ),
    Mutant(
        name="the-first-person-is-the-second",
        story="Two approvals of one person: dual control that counts signatures and not people.",
        file="relayd/store/proposals.py",
        old="    if proposal is None or by is None or proposal.row == who.row:\n",
        new="    if proposal is None or by is None:\n",
        killers=(_STORE + "test_proposals.py::test_the_first_person_is_not_the_second",),
    ),
    Mutant(
        name="another-act-is-approved-than-was-read",
        story="An approval names a number, and what lies under it is exchanged meanwhile.",
        file="relayd/store/proposals.py",
        old="    if first is None or not equal(command.digest, proposal.digest):\n",
        new="    if first is None:\n",
        killers=(_STORE + "test_proposals.py::test_nobody_approves_what_he_has_not_read",),
    ),
    Mutant(
        name="who-gains-approves",
        story="Whoever gets the role is the second person for it.",
        file="relayd/store/proposals.py",
        old="    if favours(change, who.account):\n",
        new="    if False:\n",
        killers=(_STORE + "test_proposals.py::test_nobody_approves_what_gives_him_something",),
    ),
    Mutant(
        name="a-replayed-act-counts",
        story="Signed commands are checked for their signature, and can be sent again by whoever saw them.",
        file="relayd/store/acts.py",
        old="    if act.number <= newest:\n",
        new="    if act.number < newest:\n",
        killers=(_STORE + "test_acts.py::test_an_act_that_comes_again_is_a_replay",),
    ),
    Mutant(
        name="a-rehearsal-is-the-performance",
        story="A dry run that commits.",
        file="relayd/store/acts.py",
        old="        return replace(outcome, state=ActState.REHEARSED, unit=_seen_by(commit, who, change))\n",
        new="        return outcome\n",
        killers=(_STORE + "test_acts.py",),
    ),
    Mutant(
        name="denials-are-not-written-down",
        story="The audit log knows what was done and nothing of what was tried.",
        file="relayd/store/acts.py",
        old="    denials.write(commit, who, record)\n    return Code(record.code)\n",
        new="    return Code(record.code)\n",
        killers=(_STORE + "test_acts.py::test_an_act_that_comes_again_is_a_replay",),
    ),
    Mutant(
        name="a-platform-role-reaches-into-organisations",
        story="The operator's role is a master key to every organisation's units.",
        file="relayd/domain/authority.py",
        old="            return change and reach.root and one.role is Role.PLATFORM_OPERATOR\n",
        new="            return True\n",
        killers=("tests/unit/relayd/domain/test_authority.py",),
    ),
    Mutant(
        name="a-suspended-organisation-goes-on",
        story="Suspension is a flag that the log-in page looks at.",
        file="relayd/store/sides.py",
        old="    active = all(state == UnitState.ACTIVE for state, _, _ in above)\n",
        new="    active = True\n",
        killers=(_STORE + "test_sides.py::test_what_is_suspended_or_closed_anywhere_above_is_not_active",),
    ),
    Mutant(
        name="a-pass-is-anybodys",
        story="A token that says 'may answer' and not who.",
        file="relayd/store/contacts.py",
        old="blake2b_256(_LABEL + when + sender + recipient, key=self._key)",
        new="blake2b_256(_LABEL + when + sender, key=self._key)",
        killers=(_STORE + "test_contacts.py::test_a_pass_is_good_for_its_pair_in_its_direction_for_thirty_days",),
    ),
    Mutant(
        name="a-pass-never-ends",
        story="Whoever was written to once may write for ever.",
        file="relayd/store/contacts.py",
        old="        return 0 <= age <= PASS_DAYS and equal(",
        new="        return 0 <= age and equal(",
        killers=(_STORE + "test_contacts.py::test_a_pass_is_good_for_its_pair_in_its_direction_for_thirty_days",),
    ),
    Mutant(
        name="the-senders-side-is-not-asked",
        story="A policy is looked up at the recipient's organisation only: what the sender's forbids is sent.",
        file="relayd/domain/permits.py",
        old="        inbound[theirs + action] or outbound[ours + action] or inbound[theirs + _FIRST]"
        " or outbound[ours + _FIRST]\n",
        new="        inbound[theirs + action] or inbound[theirs + _FIRST]\n",
        killers=("tests/unit/relayd/domain/test_permits.py",),
    ),
    Mutant(
        name="the-chain-skips-what-was-before",
        story="Each record has a hash of its own, and a removed one is missed by nobody.",
        file="proto/relayproto/audit.py",
        old="    return blake2b_256(previous + digested)\n",
        new="    return blake2b_256(digested)\n",
        killers=("tests/unit/relayproto/test_audit.py",),
    ),
    Mutant(
        name="a-log-may-end-anywhere",
        story="A log that was cut short verifies: what is there is in order.",
        file="proto/relayproto/audit.py",
        old="        if furthest > self.records:\n",
        new="        if False:\n",
        killers=("tests/unit/relayproto/test_audit.py::test_a_log_that_was_cut_short_is_found",),
    ),
)
