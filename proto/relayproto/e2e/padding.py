"""The contract, between devices: how long a content looks (spec 60 §6).

Bytes enter and longer ones leave, and back. The rule of this file: the length that is seen tells little - one of eight
sizes up to 1 KiB, above that a figure with few significant bits (Padmé, of PURBs, PoPETs 2019).
"""

from typing import Final

from relayproto.errors import Malformed

_STEP: Final = 128
_STEPS_UP_TO: Final = 1024
_MARK: Final = b"\x80"


def padded_length(length: int) -> int:
    """Return how long ``length`` bytes become, the mark included: at least one more, at most 12 % above 1 KiB."""
    least = length + 1
    if least <= _STEPS_UP_TO:
        return -(-least // _STEP) * _STEP
    exponent = least.bit_length() - 1
    free = exponent - exponent.bit_length()
    return (least + (1 << free) - 1) >> free << free


def pad(octets: bytes) -> bytes:
    """Return the octets, a mark, and zeros up to the padded length."""
    return (octets + _MARK).ljust(padded_length(len(octets)), b"\x00")


def unpad(padded: bytes) -> bytes:
    """Return what was padded, or raise Malformed where there is no mark."""
    stripped = padded.rstrip(b"\x00")
    if not stripped.endswith(_MARK):
        raise Malformed("padding without its mark")
    return stripped[:-1]
