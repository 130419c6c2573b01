"""The contract: who belongs to a unit, as far as the asker is shown it (spec 88 §5)."""

from typing import Annotated, ClassVar

from relayproto.codes import Kind
from relayproto.fields import octets, octets_up_to, sequence, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import ABOUT_CHARS_MAX, PAGE_ROWS_MAX, PROOF_BYTES_MAX, SOUGHT_CHARS_MAX
from relayproto.message import Message
from relayproto.value import Packable

_U32 = (1 << 32) - 1
_ACCOUNT_BYTES = 32


class Person(Packable, frozen=True):
    """Somebody of whom something is attested; ``proof`` and ``about`` are what the asker is shown."""

    account: Annotated[AccountId, octets(_ACCOUNT_BYTES)]
    proof: Annotated[bytes, octets_up_to(PROOF_BYTES_MAX)]
    about: Annotated[str, text(ABOUT_CHARS_MAX)]


class GetPeople(Message, frozen=True):
    """Ask who belongs to a unit or to one below it, by account after ``after`` (empty: from the first). Answer: PEOPLE.

    ``sought`` is a part of a name, a title, an address or a line about oneself, in whatever case; empty for everybody.
    """

    KIND: ClassVar[Kind] = Kind.GET_PEOPLE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"sought"})
    unit: Annotated[UnitId, uint(_U32, 1)]
    sought: Annotated[str, text(SOUGHT_CHARS_MAX)]
    after: Annotated[bytes, octets_up_to(_ACCOUNT_BYTES)]
    rows: Annotated[int, uint(PAGE_ROWS_MAX, 1)]


class People(Message, frozen=True):
    """Who belongs there, by account; ``more`` says that others follow."""

    KIND: ClassVar[Kind] = Kind.PEOPLE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"people"})
    people: Annotated[tuple[Person, ...], sequence(PAGE_ROWS_MAX)]
    more: bool
