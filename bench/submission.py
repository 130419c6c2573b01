"""What a sender of the relay's says: SUBMIT behind its number, made once and sent many times.

Random bytes of the sizes that real envelopes have; the relay cannot tell. The body is left blank: the load generator
writes a payload there that tells whose it is and which.
"""

import os
from collections.abc import Sequence

from msgspec.msgpack import encode
from people import DEVICE, Person

from relayproto.codes import Class, Kind
from relayproto.limits import COMMITMENT_BYTES

_BIN8_MAX = 255
TTL_S = 86_400

assert int(Kind.SUBMIT) == 3, "load/relay.c writes the kind and the length of the array by hand"  # noqa: PLR2004


def sizes(envelope_bytes: int) -> tuple[int, int]:
    """Return the bytes of the body and of the wrap, a third, of an envelope."""
    wrap_bytes = envelope_bytes // 3
    return envelope_bytes - wrap_bytes, wrap_bytes


def tail(
    targets: Sequence[Person], envelope_bytes: int, *, class_: Class = Class.CHAT, ttl_s: int = TTL_S,
    outcomes: bool = False,
) -> tuple[bytes, int]:  # fmt: skip
    """Return the octets, and where in them the body begins.

    Several targets share the body and have empty wraps, as members of a group that has a sender key do.
    """
    body_bytes, wrap_bytes = sizes(envelope_bytes)
    wrap = os.urandom(wrap_bytes) if len(targets) == 1 else b""
    before = b"".join(map(encode, (0, class_, ttl_s, int(outcomes), os.urandom(COMMITMENT_BYTES))))
    listed = [(target.account, 1, ((DEVICE, wrap),)) for target in targets]
    after = b"".join(map(encode, (bytes(body_bytes), None, listed, None, ())))
    return before + after, len(before) + (2 if body_bytes <= _BIN8_MAX else 3)
