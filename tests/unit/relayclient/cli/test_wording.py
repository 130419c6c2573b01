"""What the relay's codes mean to a person."""

import pytest

from relayclient.cli import wording
from relayproto.codes import Code


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.STORED])
def test_every_code_has_words_and_its_name(code):
    words = wording.of(code)

    assert code.name in words
    assert not words.startswith(code.name)


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.STORED])
def test_every_code_has_words_for_officers(code):
    assert code.name in wording.of_act(code)
    assert "message" not in wording.of_act(Code.RATE)
    assert "366 days" in wording.of_act(Code.BAD_LIFETIME)


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
