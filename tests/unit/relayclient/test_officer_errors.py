"""What an officer who attests is told."""

import os

import pytest

from relayclient import officer_errors
from relayclient.errors import ClientError

KINDS = [kind for kind in vars(officer_errors).values() if isinstance(kind, type) and kind is not ClientError]
SYSEXITS = {value for name, value in vars(os).items() if name.startswith("EX_")}


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_a_sentence_and_an_exit_status(kind):
    sentence = str(kind("line 3"))

    assert issubclass(kind, ClientError)
    assert sentence[0].isupper()
    assert sentence.endswith(" (line 3)")
    assert kind.exit_status in SYSEXITS
