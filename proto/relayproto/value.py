"""The contract, lowest room: what a value is.

Fields enter once, and never change. The rule of this file: what a value hides is in no repr, and so in no log and no
traceback.
"""

from typing import ClassVar

import msgspec


class Value(msgspec.Struct, frozen=True):
    """Fields that belong together; equal where they are equal and the class is the same. Subclasses are frozen.

    A struct, since Python compiles six functions for each dataclass, and every start of ``relay`` pays for them
    (decision 0042). ``HIDDEN`` names fields that no log shows.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset()

    def fields(self) -> tuple[object, ...]:
        """Return the fields in their order, which is a message's order of the wire."""
        return msgspec.structs.astuple(self)

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.HIDDEN]
        return f"{type(self).__qualname__}({', '.join(shown)})"


class Packable(Value, frozen=True, array_like=True, gc=False):
    """A value that is packed as the array of its fields (``relayproto.packed``); it holds nothing that holds it."""
