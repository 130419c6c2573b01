"""The contract: what a text that people are shown may hold (spec 86 §1).

A text enters; whether it can be shown leaves. The rule of this file: it holds nothing that hides, turns or breaks the
line it stands in, whatever script it is in.
"""

import unicodedata
from typing import Final

from relayproto.limits import SHOWN_CHARS_MAX

_JOINERS: Final = frozenset("\u200c\u200d")
"""Indian scripts need them to join letters or keep them apart; of the other format characters no name needs any."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Categories of control and format characters, private ones, halves of pairs, and separators of lines."""


def visible(text: str) -> bool:
    """Say whether a text has something to see, and nothing but that."""
    unseen = any(unicodedata.category(each) in _UNSEEN and each not in _JOINERS for each in text)
    return not unseen and text.strip("".join(_JOINERS)) != ""


def presentable(text: str) -> bool:
    """Say whether a person's name or title is one line of letters and signs, without spaces around, not too long."""
    return 0 < len(text) <= SHOWN_CHARS_MAX and text == text.strip() and visible(text)
