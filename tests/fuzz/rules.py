"""What a target is, and the rules that hold whatever bytes come in.

Bytes enter a target and nothing leaves. The rule of this file: only the error families that a decoder names may leave
it (STYLE.md, errors); everything else is a finding, and so is a value that does not come back as it was.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Broken(AssertionError):  # noqa: N818 - what has happened, not whose mistake it is
    """A rule that any bytes have to keep was broken."""


TEXT_CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder under test. ``one`` takes any bytes, at most ``octets_max``."""

    one: Callable[[bytes], None]
    octets_max: int


class Refused(Exception):  # noqa: N818 - an expected no
    """The decoder said no in one of the ways that it names; there is nothing more to check."""


@contextmanager
def only(*families: type[Exception]) -> Iterator[None]:
    """Let these families, and no subclass that says something else, end the target in peace."""
    try:
        yield
    except families as error:
        said(str(error))
        raise Refused from None


def said(text: str) -> None:
    """Hold an error's text to being short: it goes to a log that the peer must not be able to fill."""
    require(len(text) <= TEXT_CHARS_MAX, f"an error of {len(text)} characters")


def require(holds: bool, what: str) -> None:
    """Raise Broken unless a rule holds."""
    if not holds:
        raise Broken(what)


def target(one: Callable[[bytes], None], octets_max: int) -> Target:
    """Return the target that takes a refusal for an end."""

    def judged(octets: bytes) -> None:
        try:
            one(octets)
        except Refused:
            return

    return Target(judged, octets_max)
