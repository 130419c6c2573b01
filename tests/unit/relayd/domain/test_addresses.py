import pytest

from relayd.domain.addresses import domain_of, is_domain, parse
from relayd.domain.refusals import Refusal
from relayproto.codes import Code


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("officer@gad.example", "officer@gad.example"),
        ("  Officer@GAD.Example ", "officer@gad.example"),
        ("a.b-c_d+e1@x-1.gad.example", "a.b-c_d+e1@x-1.gad.example"),
    ],
)
def test_two_spellings_of_an_address_are_one(text, address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "officer", "@gad.example", "officer@", "officer@example", "a@@gad.example", "a b@gad.example",
        ".a@gad.example", "a.@gad.example", "a@-gad.example", "a@gad..example", "offi\u0441er@gad.example",
        "a@gad.example\n.", "a" * 65 + "@gad.example", "a@" + "b" * 64 + ".example", "a@" + "b.c" * 100 + ".example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text) -> None:
    with pytest.raises(Refusal) as refusal:
        parse(text)

    assert refusal.value.code is Code.BAD_ADDRESS


@pytest.mark.parametrize("text", ["gad.example", "x-1.gad.example", "1.example", "a." * 125 + "xyz"])
def test_a_domain_is_what_an_address_ends_in(text) -> None:
    assert is_domain(text)
    assert domain_of(f"officer@{text}") == text


@pytest.mark.parametrize(
    "text",
    [
        "", "example", "GAD.example", ".gad.example", "gad.example.", "gad..example", "-gad.example",
        "g\u0430d.example", "gad.example\n", "a@gad.example", "a." * 126 + "xy", "b" * 64 + ".example",
    ],
)  # fmt: skip
def test_what_is_no_domain_in_its_one_form_is_none(text) -> None:
    assert not is_domain(text)
