"""The contract: what a text that people are shown may hold (spec 86 §1).

A text enters; whether it can be shown leaves. The rule of this file: it holds nothing that hides, turns or breaks the
line it stands in, whatever script it is in.
"""

import unicodedata
from itertools import groupby
from typing import Final

from relayproto.limits import SHOWN_CHARS_MAX

_JOINERS: Final = frozenset("\u200c\u200d")
"""Indian scripts need them to join letters or keep them apart; of the other format characters no name needs any."""
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs that are drawn as nothing (Unicode's Default_Ignorable_Code_Point, and the empty Braille cell)."""
_SPACES_MAX: Final = 3
"""Spaces in a row: more than a slip of typing, and too few to push the rest to the start of a reader's next line."""
_SEEN: Final = frozenset("LNPS")
"""Letters, digits, punctuation and symbols; marks alone are drawn on whatever stands before them."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Categories of control and format characters, private ones, halves of pairs, and separators of lines."""


def visible(text: str) -> bool:
    """Say whether a text has something to see, and nothing but that."""
    kinds = [unicodedata.category(each) for each in text]
    unseen = any(
        (kind in _UNSEEN and each not in _JOINERS) or each in _BLANK for each, kind in zip(text, kinds, strict=True)
    )
    return not unseen and any(kind[0] in _SEEN for kind in kinds) and _longest_gap(kinds) <= _SPACES_MAX


def _longest_gap(kinds: list[str]) -> int:
    return max((len(list(run)) for kind, run in groupby(kinds) if kind == "Zs"), default=0)


def presentable(text: str) -> bool:
    """Say whether a person's name or title is one line of letters and signs, without spaces around, not too long."""
    return 0 < len(text) <= SHOWN_CHARS_MAX and text == text.strip() and visible(text)
