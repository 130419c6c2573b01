"""Bugs in what of people is shown to whom (spec 88)."""

from typing import Final

from mutants.mutant import Mutant

_PROTO = "tests/unit/relayproto/"
_STORE = "tests/unit/relayd/store/"

MUTANTS: Final[tuple[Mutant, ...]] = (
    Mutant(
        name="the-flag-is-turned-round",
        story="Show and hide are mixed up where the table is read, as a flag of a well-known directory once was.",
        file="proto/relayproto/visibility.py",
        old="if table[cell(field, viewer)] == Visibility.SHOW)",
        new="if table[cell(field, viewer)] == Visibility.HIDE)",
        killers=(f"{_PROTO}test_visibility.py::test_a_cell_hides_that_field_from_that_viewer_and_nothing_else",),
    ),
    Mutant(
        name="the-proof-has-it-still",
        story="The answer's own field is emptied, and the same text goes along inside of another.",
        file="relayd/store/projections.py",
        old="    left = tuple(each for each in proof.statements if each.field in shown)\n",
        new="    left = proof.statements\n",
        killers=(f"{_STORE}test_projections.py::test_of_two_people_who_differ_in_what_is_hidden_the_same_is_shown",),
    ),
    Mutant(
        name="the-units-word-alone-counts",
        story="The organisation's table is asked and the person's own is not: a setting that does nothing.",
        file="relayd/domain/views.py",
        old="    table = whom.visibility if hidden is None else strictest([whom.visibility, hidden])\n",
        new="    table = whom.visibility\n",
        killers=("tests/unit/relayd/domain/test_views.py",),
    ),
    Mutant(
        name="who-asks-may-be-anybody",
        story="Applications count as officers, since an organisation stands behind both.",
        file="relayd/domain/views.py",
        old="        case Standing.VERIFIED | Standing.OFFICE:\n",
        new="        case Standing.VERIFIED | Standing.OFFICE | Standing.APPLICATION:\n",
        killers=("tests/unit/relayd/domain/test_views.py",),
    ),
    Mutant(
        name="a-search-finds-what-is-hidden",
        story="The search looks at everything and the answer shows less: who guesses a name has it confirmed.",
        file="relayd/store/people.py",
        old="_SOUGHT & fields & texts.keys()",
        new="_SOUGHT & texts.keys()",
        killers=(f"{_STORE}test_people.py::test_what_is_hidden_is_neither_found_nor_shown_nor_counted",),
    ),
    Mutant(
        name="units-are-asked-one-by-one",
        story="The unit is not in the answer, and the question has it.",
        file="relayd/store/people.py",
        old="    if Field.UNIT not in fields and question.unit != seen.side.organisation:\n",
        new="    if Field.UNIT not in fields and not seen.side.unit:\n",
        killers=(f"{_STORE}test_people.py::test_who_hides_his_unit_is_listed_at_the_root_alone",),
    ),
    Mutant(
        name="a-list-shows-who-can-not-be-looked-up",
        story="Whoever blocks somebody is still in the list that this one reads.",
        file="relayd/store/people.py",
        old="    return found and not marks.blocked(sight.db, row, seen.account, viewing.account)\n",
        new="    return found\n",
        killers=(f"{_STORE}test_people.py::test_who_could_not_be_looked_up_is_not_listed",),
    ),
    Mutant(
        name="a-statement-is-taken-on-trust",
        story="What lies beside the signed part is shown as if it were signed.",
        file="proto/relayproto/attestation.py",
        old="        check_statements(warrant.key, relay, said.serial, proof.statements)\n",
        new="",
        killers=(f"{_PROTO}test_attestation.py::test_what_is_not_signed_or_not_covered_is_forged",),
    ),
    Mutant(
        name="who-belongs-to-nobody-is-told-apart",
        story="Taking somebody out who is in nothing is a conflict; taking out who is not there is forbidden.",
        file="relayd/store/members.py",
        old="        return belonging.may_be_of(commit, who, units.node(commit, unit).organisation)\n",
        new="        return True\n",
        killers=(f"{_STORE}test_members.py::test_who_is_neither_the_organisations_nor_has_its_address_is_not_placed",),
    ),
    Mutant(
        name="a-strangers-address-is-judged",
        story="An officer of anywhere attests an account, and hears that its address is another's: so it exists.",
        file="relayd/store/attestations.py",
        old="        raise Denied(Code.NOT_PERMITTED if who.unit == PLATFORM else Code.BAD_ADDRESS)\n",
        new="        raise Denied(Code.BAD_ADDRESS)\n",
        killers=(f"{_STORE}test_attestations.py::test_whom_the_actor_may_not_place_he_cannot_attest",),
    ),
)
