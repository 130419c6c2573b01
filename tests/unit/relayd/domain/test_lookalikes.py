import subprocess
import sys

import pytest

from relayd.domain.lookalikes import look, looks, skeleton
from relayproto.ids import Address


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mail", "rnail"),
        ("0ffice", "office"),
        ("1ist", "list"),
        ("o1", "0l"),
        ("paypal", "p\N{CYRILLIC SMALL LETTER A}ypal"),
        ("Ministry", "\N{GREEK CAPITAL LETTER MU}inistry"),
        ("office", "Office"),
        ("office", "\N{FULLWIDTH LATIN SMALL LETTER O}\N{FULLWIDTH LATIN SMALL LETTER F}fice"),
        ("office", "\N{DEVANAGARI DIGIT ZERO}ffice"),
        ("office", "\N{ARABIC LETTER HEH ISOLATED FORM}ffice"),  # Written from right to left.
        ("élan", "e\N{COMBINING ACUTE ACCENT}lan"),
        ("office", "of\N{ZERO WIDTH NON-JOINER}fice"),
        ("office", "office\N{VARIATION SELECTOR-17}"),
    ],
)
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"), [("ali", "all"), ("bob", "bop"), ("a.b", "ab"), ("स्वास्थ्य", "शिक्षा"), ("x", ""), ("élan", "elan")]
)
def test_what_looks_different_has_two(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_a_skeleton_looks_like_itself() -> None:
    for code in [*range(32, 0x3000), *range(0x1D400, 0x1D800)]:
        once = skeleton(chr(code))

        assert skeleton(once) == once, hex(code)


def test_the_name_and_the_domain_of_an_address_are_looked_at_apart() -> None:
    assert look(Address("c1erk@forms.example")) == look(Address("clerk@forrns.example"))
    assert look(Address("clerk@forms.example")) != look(Address("clerk@form.example"))
    assert look(Address("clerk@forms.example")).count("@") == 1


def test_a_capital_letter_looks_like_another_and_means_its_small_one() -> None:
    assert looks("GovIT") & looks("GovlT")
    assert looks("GovIT") & looks("govit")
    assert not looks("govit") & looks("govlt")


def test_the_table_is_read_by_the_first_who_asks_and_not_at_import() -> None:
    code = (
        "import sys; from relayd.domain import lookalikes; before = 'confusable_homoglyphs' in sys.modules; "
        "lookalikes.skeleton('a'); print(before, 'confusable_homoglyphs' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == "False True\n"
