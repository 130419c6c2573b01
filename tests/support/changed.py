"""A copy with some fields changed, of a value, a tuple or a dataclass: what ``copy.replace`` is from Python 3.13 on."""

import dataclasses
from typing import TypeVar

import msgspec

T = TypeVar("T")


def replace(thing: T, **changes: object) -> T:
    if isinstance(thing, tuple):
        return thing._replace(**changes)
    copier = msgspec.structs.replace if isinstance(thing, msgspec.Struct) else dataclasses.replace
    return copier(thing, **changes)
