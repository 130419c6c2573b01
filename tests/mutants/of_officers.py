"""Mutants of officers' own program: what is signed once, what is asked again, and what an export is believed by."""

from typing import Final

from mutants.mutant import Mutant

MUTANTS: Final = (
    Mutant(
        name="act-number-not-kept-before-it-is-sent",
        story="The number of an act is not in the store when the act leaves: after a crash it is used for another one.",
        file="client/relayclient/administration.py",
        old='            step.put("act", number)\n',
        new="",
        killers=(
            "tests/unit/relayclient/test_administration.py::test_numbers_grow_also_across_a_restart_that_comes_before_anything_was_sent",
        ),
    ),
    Mutant(
        name="lost-act-told-as-denied",
        story="An act that had come through is told as refused when its answer was lost: it is done a second time.",
        file="client/relayclient/client.py",
        old="                        again = True\n",
        new="",
        killers=(
            "tests/unit/relayclient/test_client.py::test_an_act_that_had_come_through_before_its_answer_was_lost_is_told_as_unclear",
        ),
    ),
    Mutant(
        name="export-believed-by-its-own-words",
        story="What a line of an export says in words is not held against its record: an auditor reads what is not so.",
        file="client/relayclient/auditlog.py",
        old='        if record is None or fields.get("said") != readable(record):\n',
        new="        if record is None:\n",
        killers=("tests/unit/relayclient/test_auditlog.py::test_words_that_are_not_what_the_record_says_are_found",),
    ),
    Mutant(
        name="checkpoint-under-any-key",
        story="A checkpoint counts without a signature of the relay's: whoever writes the file also writes those.",
        file="client/relayclient/auditlog.py",
        old="        if not any(self._signed(key, one) for key in self._keys):\n",
        new="        if not self._keys:\n",
        killers=("tests/unit/relayclient/test_auditlog.py::test_a_checkpoint_that_the_relay_did_not_sign_is_found",),
    ),
    Mutant(
        name="device-forgets-how-far-the-log-went",
        story="A log that ends before what this device has seen signed is taken for whole.",
        file="client/relayclient/cli/audit.py",
        old="    seen = dict([furthest] if furthest else [])\n",
        new="    seen: dict[int, bytes] = {}\n",
        killers=("tests/unit/relayclient/cli/test_audit.py::test_a_device_remembers_how_far_the_relay_had_signed",),
    ),
    Mutant(
        name="list-signed-twice-under-one-version",
        story="A device signs another list of the same version while the first is without an answer: two views of one"
        " account, which nobody can tell from an attack.",
        file="client/relayclient/linking.py",
        old='            if step.setting("signed_version") == old.version + 1:\n',
        new="            if False:\n",
        killers=(
            "tests/unit/relayclient/test_linking.py::test_a_version_is_signed_once_however_often_it_is_asked_for",
        ),
    ),
    Mutant(
        name="root-key-signs-what-the-relay-made-up",
        story="A version is brought back whoever signed it: the relay has the root key sign what it likes.",
        file="client/relayclient/cli/policy.py",
        old="        _require_own(seed, relay, old)\n",
        new="",
        killers=(
            "tests/unit/relayclient/cli/test_policy.py::test_the_root_key_does_not_sign_again_what_it_never_signed",
        ),
    ),
)
