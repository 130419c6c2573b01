"""The domain room: what people type to name an account.

A text enters; an ``Address`` in its one form leaves, or a refusal. The rule of this file: two spellings that people
would take for one address are one address here.
"""

import re
from typing import Final

from relayd.domain.refusals import Refusal
from relayproto.codes import Code
from relayproto.ids import Address
from relayproto.limits import ADDRESS_CHARS_MAX, DOMAIN_CHARS_MAX

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = rf"{_LABEL}(?:\.{_LABEL})+"
_DOMAIN: Final = re.compile(_HOST)
_ADDRESS: Final = re.compile(rf"[a-z0-9](?:[a-z0-9._+-]{{0,62}}[a-z0-9])?@{_HOST}")
"""A name of 1 to 64 characters, and a host name of at least two labels (RFC 1123 §2.1)."""


def parse(text: str) -> Address:
    """Return the address in lower case, or raise Refusal(BAD_ADDRESS).

    Only ASCII: letters of other scripts that look like Latin ones would make two addresses of one.
    """
    lowered = text.strip().lower()
    if len(lowered) > ADDRESS_CHARS_MAX or not lowered.isascii() or _ADDRESS.fullmatch(lowered) is None:
        raise Refusal(Code.BAD_ADDRESS)
    return Address(lowered)


def is_domain(text: str) -> bool:
    """Say whether a text is a mail domain in its one form, such as addresses end in."""
    return len(text) <= DOMAIN_CHARS_MAX and _DOMAIN.fullmatch(text) is not None


def domain_of(address: Address) -> str:
    """Return the domain that an address ends in."""
    return address.rpartition("@")[2]
