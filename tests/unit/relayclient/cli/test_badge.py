"""How a badge is shown: what was checked in words, what is doubted by its reason alone."""

import pytest

from relayclient.cli import badge, terminal
from relayproto.attestation import Attested, Doubt
from support.attesting import attested

GOOD = Attested(attested(), "General\x1b[2J Administration", "Bob Roy", "Registrar", 2, "bob@gad.example")


def test_a_good_one_is_the_organisations_word_and_commands_no_terminal() -> None:
    assert badge.mark(GOOD).startswith(" [General")
    assert "\x1b" not in badge.mark(GOOD) + badge.line(GOOD)
    until = terminal.when(attested().expires_ms)
    assert badge.line(GOOD).endswith(f"attests: Bob Roy, Registrar, bob@gad.example (verified, unit 2, until {until})")


def test_what_is_not_shown_is_not_said() -> None:
    bare = Attested(attested(), "Works")

    assert badge.line(bare).startswith("Works attests: one of its own (verified, until ")
    assert badge.line(Attested(attested(), "Works", address="bob@gad.example")).startswith("Works attests: bob@gad")
    assert {badge.fields(bare)["attested"][each] for each in ("name", "title", "unit", "address")} == {None}


@pytest.mark.parametrize("doubt", Doubt)
def test_what_is_doubted_looks_like_no_badge(doubt: Doubt) -> None:
    assert badge.mark(doubt) == ""
    assert badge.line(doubt) == f"What the relay shows as attested does not count: it is {doubt.value}."
    assert badge.fields(doubt) == {"attested": None, "doubt": doubt.value}


def test_nothing_is_said_to_be_nothing() -> None:
    assert (badge.mark(None), badge.fields(None)) == ("", {"attested": None, "doubt": None})
    assert badge.line(None) == "No organisation attests anything of this account."


def test_a_script_gets_all_of_it() -> None:
    assert badge.fields(GOOD) == {
        "attested": {
            "organisation": GOOD.organisation, "unit": 2, "address": "bob@gad.example", "name": "Bob Roy",
            "title": "Registrar", "standing": "verified", "expires_ms": attested().expires_ms, "serial": "61" * 16,
        },
        "doubt": None,
    }  # fmt: skip
