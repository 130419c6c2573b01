"""Mutants of registration: who is guessed at, who is told of, and who passes for somebody else."""

from typing import Final

from mutants.mutant import Mutant

_STORE: Final = "tests/unit/relayd/store/test_registrations.py"
_SERVICE: Final = "tests/unit/relayd/services/test_registration.py"

MUTANTS: Final = (
    Mutant(
        name="code-tried-without-end",
        story="A wrong code is not counted: whoever has a day guesses it.",
        file="relayd/store/registrations.py",
        old='    db.execute("UPDATE code SET tries = max(0, tries - 1) WHERE contact = ?", (mark,))\n',
        new="",
        killers=(f"{_STORE}::test_a_code_is_tried_five_times_and_restarting_gives_no_more",),
    ),
    Mutant(
        name="unwanted-code-is-good",
        story="Who may not register has a code all the same, that nobody is sent and anybody may guess.",
        file="relayd/store/registrations.py",
        old="code if wanted else nobodys",
        new="code",
        killers=(f"{_STORE}::test_whom_nobody_wants_has_no_code_and_who_is_wanted_no_longer_has_none_either",),
    ),
    Mutant(
        name="code-good-whoever-is-wanted",
        story="A line is struck while its person holds a code, and he comes in all the same.",
        file="relayd/store/registrations.py",
        old="    if not (may_register(commit, contact, terms) and good):\n",
        new="    if not good:\n",
        killers=(f"{_STORE}::test_whom_nobody_wants_has_no_code_and_who_is_wanted_no_longer_has_none_either",),
    ),
    Mutant(
        name="code-good-for-another-spelling",
        story="The code that was sent to alice+m is good for alice: of two mailboxes, one takes the other's.",
        file="relayd/store/marks.py",
        old='blake2b_256(f"{contact}\\n{code}".encode(), key=self._contact_key)',
        new="blake2b_256(code.encode(), key=self._contact_key)",
        killers=(f"{_STORE}::test_what_is_no_good_code_is_one_answer",),
    ),
    Mutant(
        name="offered-domain-of-an-organisation",
        story="A name under an organisation's domain is given to anybody where the configuration lists it.",
        file="relayd/store/registrations.py",
        old="    if _proven(db, domain):\n        return address == contact\n",
        new="    if address == contact and _proven(db, domain):\n        return True\n",
        killers=(f"{_STORE}::test_an_address_is_the_contact_or_a_name_under_a_domain_that_is_offered",),
    ),
    Mutant(
        name="place-without-a-bound",
        story="Codes are not counted by where they are asked for: one machine uses up the whole relay's.",
        file="relayd/services/registration.py",
        old="        wait_ms = wait_ms or self.bounds.codes.take(place, now)\n",
        new="",
        killers=(f"{_SERVICE}::test_one_place_gets_so_many_codes_an_hour_and_leaves_the_others_theirs",),
    ),
    Mutant(
        name="look-alike-has-another-look",
        story="Addresses are compared as they are written: a1ice registers beside alice.",
        file="relayd/domain/lookalikes.py",
        old="        return text.translate(_ascii())  # None of them changes what another is drawn as.\n",
        new="        return text\n",
        killers=(f"{_STORE}::test_an_address_that_looks_like_somebodys_is_taken",),
    ),
)
