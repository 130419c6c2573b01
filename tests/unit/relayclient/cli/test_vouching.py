"""What verbs share that attest; the verbs themselves are tested in test_member.py and test_claim.py."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

import pytest

from relayclient.cli import vouching
from relayclient.errors import ClientError


@pytest.mark.parametrize("said", ["0", "91", "0091", "x", "-1", "\u0661"])
def test_days_are_those_of_an_attestation(said: str) -> None:
    assert (vouching.days("1"), vouching.days("90")) == (1, 90)
    with pytest.raises(ArgumentTypeError):
        vouching.days(said)


@pytest.mark.parametrize("said", ["", "  ", "x" * 121, "a\x1bb"])
def test_a_name_is_one_line_that_can_be_seen(said: str) -> None:
    assert vouching.text(" Bob Roy ") == "Bob Roy"
    with pytest.raises(ArgumentTypeError):
        vouching.text(said)


def test_what_attests_people_attests_nothing_else() -> None:
    people, any_ = ArgumentParser(), ArgumentParser()
    vouching.adds_terms(people)
    vouching.adds_terms(any_, people=False)

    assert people.parse_args([]).standing == "verified"
    assert any_.parse_args(["--as", "office"]).standing == "office"
    with pytest.raises(SystemExit):
        people.parse_args(["--as", "office"])


def test_the_warrant_is_in_the_home_where_no_other_is_named(tmp_path: Path) -> None:
    parser = ArgumentParser()
    vouching.adds_terms(parser)
    arguments = parser.parse_args([])
    arguments.home = tmp_path

    with pytest.raises(ClientError, match=r"warrant\.json"):
        vouching.warrant_of(arguments)
