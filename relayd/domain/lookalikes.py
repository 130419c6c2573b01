"""The domain room: which texts people would take for one another.

A text enters and its skeleton leaves: two texts with one skeleton look alike (Unicode Technical Standard 39 §4). The
rule of this file: what looks like somebody is refused before it can pass for him. The table of confusable characters
is that of the library ``confusable_homoglyphs``; it is read when somebody first asks, not at import.
"""

import json
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

from relayproto.ids import Address

_MARK: Final = "\u200e"
"""The table puts it around what is written from right to left; it is no part of that."""
_UNSEEN: Final = (
    0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010),
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0,
    *range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
)  # fmt: skip
"""What is drawn as nothing: Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties."""


def skeleton(text: str) -> str:
    """Return what a text looks like: two that have the same skeleton are taken for one another.

    Beyond the standard, forms of one letter count as one, wide ones and capitals too: an address is in lower case, so
    that the digit 0 looks like o there and not like O.
    """
    if text.isascii():
        return text.translate(_ascii())  # None of them changes what another is drawn as.
    return _folded(text)


def look(address: Address) -> str:
    """Return the skeleton of an address, that of its name and that of its domain apart."""
    name, _, domain = address.rpartition("@")
    return f"{skeleton(name)}@{skeleton(domain)}"


def looks(name: str) -> frozenset[str]:
    """Return what a name looks like; names that have any of it in common look alike.

    A capital I is drawn like l and means i, so that a name with one has two looks: as it stands and in small letters.
    """
    return frozenset({skeleton(name), skeleton(name.casefold())})


def _folded(text: str) -> str:
    for _ in range(2):  # Taking a letter apart can bring one to light that has other forms.
        text = unicodedata.normalize("NFKC", _drawn(text)).casefold()
    return _drawn(text)


def _drawn(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", decomposed.translate(_table()))


@cache
def _ascii() -> dict[int, str]:
    return {code: _folded(chr(code)) for code in range(128)}


@cache
def _table() -> dict[int, str]:
    """Return what each confusable character is drawn as, and nothing for those that are not drawn.

    The library tells each pair both ways round. The standard maps a character to one prototype, and a prototype to
    none: so a prototype is what has several partners, or is several characters; of two that have only each other,
    either may stand for both.
    """
    path = files("confusable_homoglyphs").joinpath("confusables.json")
    told: dict[str, list[dict[str, str]]] = json.loads(path.read_text("utf-8"))
    partners = {each.replace(_MARK, ""): [other["c"].replace(_MARK, "") for other in told[each]] for each in told}
    table: dict[int, str] = dict.fromkeys(_UNSEEN, "")
    for each, others in partners.items():
        if len(each) > 1 or len(others) > 1:
            continue
        [other] = others
        if len(other) > 1 or len(partners[other]) > 1 or other < each:
            table[ord(each)] = other
    # What stands for several characters is taken apart as a text would be.
    return {each: unicodedata.normalize("NFD", drawn).translate(table) for each, drawn in table.items()}
