"""The domain room: what organisations, units and people may be called.

A text enters; its one form leaves, or None. The rule of this file: two names that look the same are the same, as far
as Unicode's composed form says so, and a name holds nothing that turns or breaks the line it stands in.
"""

import unicodedata
from typing import Final

from relayproto.limits import SHOWN_CHARS_MAX, UNIT_NAME_CHARS_MAX

_JOINERS: Final = frozenset("\u200c\u200d")
"""Indian scripts need them to join letters or keep them apart; of the other format characters no name needs any."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Categories of control and format characters, private ones, halves of pairs, and separators of lines."""


def named(text: str) -> str | None:
    """Return a name in its composed form (NFC) without spaces around it, or None where it is none."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(name) <= UNIT_NAME_CHARS_MAX:
        return None
    return name if _visible(name) else None


def presentable(text: str) -> bool:
    """Say whether a person's name or title is one line of letters and signs that turns no text round, not too long."""
    return 0 < len(text) <= SHOWN_CHARS_MAX and text == text.strip() and _visible(text)


def _visible(text: str) -> bool:
    unseen = any(unicodedata.category(each) in _UNSEEN and each not in _JOINERS for each in text)
    return not unseen and text.strip("".join(_JOINERS)) != ""
