"""What a person is told."""

import os

import pytest

from relayclient import errors
from relayclient.errors import ClientError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClientError)]
SYSEXITS = {value for name, value in vars(os).items() if name.startswith("EX_")}


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_a_sentence_and_an_exit_status(kind):
    sentence = str(kind())

    assert sentence[0].isupper()
    assert sentence.rstrip().endswith((".", "?", "!"))
    assert kind.exit_status in SYSEXITS


def test_a_detail_follows_the_sentence():
    assert str(errors.NotJoined("/home/alice")).endswith(" (/home/alice)")
