"""The domain room: what documents tighten of what their people send (spec 75 §4).

What a document says enters and octets for the store leave; octets of all that concern somebody enter, and what holds
leaves. The rule of this file: the least of several counts.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from relayproto.codes import Class
from relayproto.limits import BODY_BYTES_MAX, LIFETIME_S_MAX, TARGETS_MAX
from relayproto.schema import Document

_OCTETS: Final = struct.Struct(f">{len(Class) + 2}I")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The longest lifetime by class, seconds; the bytes of a body; the accounts that one submission goes to."""

    longest_s: Mapping[Class, int]
    body_bytes: int
    targets: int


def octets_of(document: Document) -> bytes | None:
    """Return what a document says of bounds, as the store keeps it; None where it says nothing."""
    lifetimes, limits = document.lifetimes, document.limits
    longest = [getattr(lifetimes, f"{class_.name.lower()}_s", None) for class_ in Class]
    sizes = [getattr(limits, name, None) for name in ("body_bytes", "targets")]
    if not any((*longest, *sizes)):
        return None
    most = [*(LIFETIME_S_MAX[class_] for class_ in Class), BODY_BYTES_MAX, TARGETS_MAX]
    return _OCTETS.pack(*[said or maximum for said, maximum in zip([*longest, *sizes], most, strict=True)])


def least(several: Iterable[bytes]) -> Bounds | None:
    """Return what holds where several documents say something, or None where none does."""
    said = [_OCTETS.unpack(octets) for octets in several]
    if not said:
        return None
    *longest, body_bytes, targets = map(min, *said) if len(said) > 1 else said[0]
    return Bounds(dict(zip(Class, longest, strict=True)), body_bytes, targets)
