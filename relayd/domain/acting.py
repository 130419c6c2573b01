"""The domain room: who acts, and what an act came to (spec 70 §2, §3).

A seat becomes an actor, a change becomes an effect, or is denied. The rule of this file: a denial is a value for the
audit log as well as an answer, so it is none of the refusals that leave no trace.
"""

from dataclasses import dataclass

from relayproto.codes import Code
from relayproto.ids import AccountId, Address, UnitId
from relayproto.standing import PLATFORM, Role, Standing


@dataclass(frozen=True, slots=True)
class Actor:
    """An account that acts; ``row`` is its number in the store, ``unit`` is where it belongs.

    ``proven`` are the mail domains that a look-up has just proven for what it asks (spec 70 §7); ``seconded``: a second
    person agrees to what it does now, so that it does nothing alone.
    """

    row: int
    account: AccountId
    address: Address
    standing: Standing
    unit: UnitId
    proven: frozenset[str] = frozenset()
    seconded: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change came to.

    ``unit`` is the one whose auditors shall see it, ``also`` are others, from which something goes away; ``value`` is
    the number of what was made, 0 where nothing was; ``before`` and ``after`` are digests of what was changed, empty
    where there was or is nothing; ``ticket`` goes to who acts alone; ``second``: it is more than one person may do
    alone.
    """

    unit: UnitId = PLATFORM
    value: int = 0
    before: bytes = b""
    after: bytes = b""
    ticket: bytes = b""
    also: frozenset[UnitId] = frozenset()
    second: bool = False

    def __repr__(self) -> str:
        """Return it without the ticket."""
        return f"Effect(unit={self.unit}, value={self.value})"


@dataclass(frozen=True, slots=True)
class Authority:
    """In which role, held over which unit, somebody acts."""

    role: Role
    over: UnitId


class Denied(Exception):  # noqa: N818 - the word of the glossary
    """A change that may not be; nothing of it is left but the audit record."""

    def __init__(self, code: Code) -> None:
        """Keep what the actor is told."""
        super().__init__(code.name)
        self.code = code
