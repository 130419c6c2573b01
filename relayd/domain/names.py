"""The domain room: what organisations and units may be called.

A text enters; its one form leaves, or None. The rule of this file: two names that look the same are the same, as far
as Unicode's composed form says so, and a name holds nothing that turns or breaks the line it stands in.
"""

import unicodedata

from relayproto.limits import UNIT_NAME_CHARS_MAX
from relayproto.texts import visible


def named(text: str) -> str | None:
    """Return a name in its composed form (NFC) without spaces around it, or None where it is none."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(name) <= UNIT_NAME_CHARS_MAX:
        return None
    return name if visible(name) else None
