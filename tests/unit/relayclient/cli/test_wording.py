"""What the relay's codes mean to a person."""

from typing import get_args

import pytest

from relayclient.cli import wording
from relayproto.administration import Change, CreateOrganisation, GrantRole, InviteMember
from relayproto.codes import Code
from relayproto.rules import RULES
from relayproto.standing import Second
from support.samples import SAMPLES


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.STORED])
def test_every_code_has_words_and_its_name(code):
    words = wording.of(code)

    assert code.name in words
    assert not words.startswith(code.name)


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.STORED])
def test_every_code_has_words_for_officers(code):
    assert code.name in wording.of_act(code)
    assert "message" not in wording.of_act(code) or code not in {Code.RATE, Code.BAD_LIFETIME}


CHANGES = get_args(Change)


def change(kind):
    return SAMPLES[kind.KIND]  # words depend on the kind alone


@pytest.mark.parametrize("kind", CHANGES)
def test_what_does_not_fit_is_told_for_each_change_by_itself(kind):
    words = wording.of_act(Code.CONFLICT, change(kind))

    assert words.endswith(", CONFLICT")
    assert words not in {wording.of_act(Code.CONFLICT)} | {
        wording.of_act(Code.CONFLICT, change(other)) for other in CHANGES if other is not kind
    }
    assert ("proposed the same already" in words) == (RULES[kind.KIND].second is not Second.NEVER)


@pytest.mark.parametrize(
    ("kind", "words"),
    [(GrantRole, "within 366 days"), (CreateOrganisation, "within 366 days"), (InviteMember, "1 to 90 days")],
)
def test_an_end_that_cannot_be_is_told_for_what_ends(kind, words):
    assert words in wording.of_act(Code.BAD_LIFETIME, change(kind))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Code.STORED, "it was done, code 0"),
        (199, "not now; it is tried again, code 199"),
        (299, "the relay refuses it, code 299"),
        (399, "the relay does not let this device do that, code 399"),
        (999, "the relay made a mistake, code 999"),
    ],
)
def test_a_code_of_a_newer_relay_has_its_ranges_words(code, words):
    assert wording.of(code) == words
