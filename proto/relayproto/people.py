"""The contract: who belongs to a unit, as far as the asker is shown it (spec 88 §5)."""

from typing import Any, ClassVar, NamedTuple

from relayproto.codes import Kind
from relayproto.fields import Reader, flag, octets, octets_up_to, record, sequence, text, uint
from relayproto.ids import AccountId, UnitId
from relayproto.limits import ABOUT_CHARS_MAX, PAGE_ROWS_MAX, PROOF_BYTES_MAX, SOUGHT_CHARS_MAX
from relayproto.message import Message

_U32 = (1 << 32) - 1
_ACCOUNT_BYTES = 32


class Person(NamedTuple):
    """Somebody of whom something is attested; ``proof`` and ``about`` are what the asker is shown."""

    account: AccountId
    proof: bytes
    about: str


_person: Reader[Person] = record(
    Person, octets(_ACCOUNT_BYTES), octets_up_to(PROOF_BYTES_MAX), text(ABOUT_CHARS_MAX)
)  # fmt: skip


class GetPeople(Message, frozen=True):
    """Ask who belongs to a unit or to one below it, by account after ``after`` (empty: from the first). Answer: PEOPLE.

    ``sought`` is a part of a name, a title, an address or a line about oneself, in whatever case; empty for everybody.
    """

    KIND: ClassVar[Kind] = Kind.GET_PEOPLE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"sought"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (
        uint(_U32, 1), text(SOUGHT_CHARS_MAX), octets_up_to(_ACCOUNT_BYTES), uint(PAGE_ROWS_MAX, 1)
    )  # fmt: skip
    unit: UnitId
    sought: str
    after: bytes
    rows: int


class People(Message, frozen=True):
    """Who belongs there, by account; ``more`` says that others follow."""

    KIND: ClassVar[Kind] = Kind.PEOPLE
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"people"})
    READERS: ClassVar[tuple[Reader[Any], ...]] = (sequence(_person, PAGE_ROWS_MAX), flag)
    people: tuple[Person, ...]
    more: bool
