"""The store room: who belongs to a unit, as far as the asker is shown it (spec 88 §5).

A question enters; people leave, by account. The rules of this file: nobody is listed whom the asker could not look up;
what is not shown is not searched, nor does it decide what follows; who hides his unit is listed at the root alone.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from relayd.domain import permits
from relayd.store import authority, projections
from relayd.store.authority import BELOW, Sight
from relayd.store.marks import Marks
from relayd.store.projections import Seen, Viewing
from relayd.store.sides import Sides
from relayproto import attestation
from relayproto.ids import AccountId
from relayproto.people import GetPeople, Person
from relayproto.standing import Field, Standing

_ASKER: Final = "SELECT id, unit, standing, policy, suspended FROM account WHERE account = ?"
LOOKED_MAX: Final = 1_000
"""Accounts that one look goes through, some 30 ms: what others who ask wait for a search among 100,000 people."""
_NEXT: Final = (
    f"{BELOW}SELECT account.id FROM below CROSS JOIN account INDEXED BY account_of_unit ON account.unit = below.id"  # noqa: S608 - ours
    " WHERE account.unit <> 0 AND account.account > :after ORDER BY account.account LIMIT :rows"
)
_PERSON: Final = (
    "SELECT id, unit, standing, policy, suspended, account, address, (SELECT proof FROM attestation"
    " WHERE attestation.account = account.id AND expires_ms > ?2 ORDER BY expires_ms DESC, attestation.id DESC"
    " LIMIT 1), about, hidden FROM account WHERE id = ?1"
)
_SOUGHT: Final = frozenset(Field) - {Field.UNIT}
"""What is searched; units are asked for by their number."""


def look(sight: Sight, marks: Marks, account: AccountId, question: GetPeople, found: list[Person]) -> GetPeople | None:
    """Add to ``found`` whom an account is shown among the next LOOKED_MAX of a unit and of all below it.

    Return the question that goes on where this one ended; None where nobody follows, or one more than it asked for is
    found. ``marks`` is what blocks are known by.
    """
    asked = {"unit": question.unit, "after": question.after, "rows": LOOKED_MAX}
    rows = [row for (row,) in sight.db.execute(_NEXT, asked).fetchall()]
    after = question.after
    for who, person in _shown(sight, marks, account, question, rows):
        after = who
        if person is not None:
            found.append(person)
        if len(found) > question.rows:
            return None
    return replace(question, after=after) if len(rows) == LOOKED_MAX else None


def _shown(
    sight: Sight, marks: Marks, account: AccountId, question: GetPeople, rows: list[int]
) -> Iterator[tuple[AccountId, Person | None]]:
    """Go through accounts by their numbers: each, and what the asker is shown of it, None for nothing."""
    db, sides, sought = sight.db, Sides(), question.sought.strip().casefold()
    row, unit, standing, own, suspended = db.execute(_ASKER, (account,)).fetchone()
    side = sides.of(db, unit, Standing(standing), own, suspended=bool(suspended))
    viewing = Viewing(account, side, authority.held(sight, row))
    known: dict[tuple[int, int, bytes | None, bool], frozenset[Field]] = {}
    for number in rows:
        row, unit, standing, own, suspended, *rest = db.execute(_PERSON, (number, sight.now_ms)).fetchone()
        who, address, proof, about, hidden = rest
        shown = None
        if proof is not None:
            whom = sides.of(db, unit, Standing(standing), own, suspended=bool(suspended))
            seen = Seen(AccountId(who), whom, address, proof, about, hidden)
            alike = (unit, standing, hidden, who == account)
            fields = known.get(alike)
            if fields is None:
                fields = known[alike] = projections.fields(sight, viewing, seen)
            if _meant(question, seen, fields, sought) and (
                who == account or _may_find(sight, marks, viewing, row, seen)
            ):
                left = projections.of(seen, fields)
                shown = Person(seen.account, left.proof, left.about)
        yield AccountId(who), shown


def _meant(question: GetPeople, seen: Seen, fields: frozenset[Field], sought: str) -> bool:
    """Say whether a question is about somebody, by what the asker is shown of him."""
    if Field.UNIT not in fields and question.unit != seen.side.organisation:
        return False
    return not sought or _matches(seen, fields, sought)


def _may_find(sight: Sight, marks: Marks, viewing: Viewing, row: int, seen: Seen) -> bool:
    who, whom = viewing.side, seen.side
    found = who.active and whom.active and permits.may_find(who, whom)
    return found and not marks.blocked(sight.db, row, seen.account, viewing.account)


def _matches(seen: Seen, fields: frozenset[Field], sought: str) -> bool:
    texts: dict[int, str] = {Field.ADDRESS: seen.address, Field.ABOUT: seen.about, **attestation.texts_of(seen.proof)}
    return any(sought in texts[each].casefold() for each in _SOUGHT & fields & texts.keys())
