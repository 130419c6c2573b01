"""A message of fields that a test says one by one, and the fields of a frame, by another library than ours."""

from typing import Any, TypeVar

import msgpack
from hypothesis import strategies as st

from relayproto import message
from relayproto.message import Message
from relayproto.packed import pack

M = TypeVar("M", bound=Message)

NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1)
"""All that msgpack has."""
FIELDS = st.lists(
    st.none() | st.booleans() | NUMBERS | st.binary(max_size=40) | st.text() | st.lists(NUMBERS), max_size=8
)  # fmt: skip
"""Of a message that somebody made up."""


def read(kind: type[M], fields: list[Any]) -> M:
    return message.read(kind, pack(kind.KIND, 0, *fields))


def fields_of(octets: bytes) -> list[Any]:
    return msgpack.unpackb(octets)[2:]
