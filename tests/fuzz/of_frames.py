"""Frames and every command, reply and notice: what a device or a relay says once it is known.

Bytes enter ``relayproto.frame`` and what reads each message; the rule is spec 30 §3: a value or Malformed.
"""

from fuzz.rules import only, require, target
from relayproto import frame, message
from relayproto.administration import CHANGES
from relayproto.commands import COMMANDS
from relayproto.errors import Malformed
from relayproto.limits import FRAME_BYTES_MAX
from relayproto.notices import EITHER, NOTICES
from relayproto.replies import REPLIES
from relayproto.value import Packable

NAMES_CHARS_MAX = 48
"""Of a value's repr beside the value: a field of one octet has two names, as in ``size=<Size.SMALL: 1>``."""
KINDS = {**COMMANDS, **REPLIES, **NOTICES, **EITHER, **CHANGES}


def a_frame(octets: bytes) -> None:
    with only(Malformed):
        parts = frame.decode(octets)
    again = frame.decode(frame.encode(parts.kind, parts.request, ()))
    require((again.kind, again.request, parts.octets) == (parts.kind, parts.request, octets), "another one comes back")


def values(field: object) -> int:
    """Return how many values a field has, in whatever it is nested."""
    parts = field.fields() if isinstance(field, Packable) else field
    return 1 + sum(map(values, parts)) if isinstance(parts, tuple) else 1


def a_message(octets: bytes) -> None:
    with only(Malformed):
        parts = frame.decode(octets)
    kind = KINDS.get(parts.kind)
    if kind is None:
        return
    with only(Malformed):
        said = message.read(kind, parts.octets)
    again = frame.decode(message.encode(said, parts.request))
    require(again.request == parts.request and message.read(kind, again.octets) == said, "another message comes back")
    shown_max = 8 * len(octets) + NAMES_CHARS_MAX * values(said) + 2_000
    require(len(repr(said)) < shown_max, "a repr that is out of proportion")
    hash(said)


FRAMES = {"frame": target(a_frame, FRAME_BYTES_MAX), "message": target(a_message, FRAME_BYTES_MAX)}
