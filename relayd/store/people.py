"""The store room: who belongs to a unit, as far as the asker is shown it (spec 88 §5).

A question enters; people leave, by account. The rules of this file: nobody is listed whom the asker could not look up;
what is not shown is not searched, nor does it decide what follows; who hides his unit is listed at the root alone.
"""

from collections.abc import Iterator
from typing import Final

from relayd.domain import permits
from relayd.domain.fitting import fitting
from relayd.store import authority, projections
from relayd.store.authority import BELOW, Sight
from relayd.store.marks import Marks
from relayd.store.projections import Seen, Viewing
from relayd.store.sides import Sides
from relayproto import attestation
from relayproto.ids import AccountId
from relayproto.people import GetPeople, People, Person
from relayproto.standing import Field, Standing

_ASKER: Final = "SELECT id, unit, standing, policy, suspended FROM account WHERE account = ?"
_PEOPLE: Final = (
    f"{BELOW}SELECT id, unit, standing, policy, suspended, account, address, (SELECT proof FROM attestation"  # noqa: S608 - ours
    " WHERE attestation.account = account.id AND expires_ms > :now_ms ORDER BY expires_ms DESC, attestation.id DESC"
    " LIMIT 1) AS newest, about, hidden FROM account INDEXED BY account_of_unit"
    " WHERE unit <> 0 AND unit IN below AND account > :after AND newest IS NOT NULL ORDER BY account"
)
_SOUGHT: Final = frozenset(Field) - {Field.UNIT}
"""What is searched; units are asked for by their number."""


def listed(sight: Sight, marks: Marks, account: AccountId, question: GetPeople) -> People:
    """Return people of a unit and of all below it. ``marks`` is what blocks are known by."""
    return People(*fitting(_shown(sight, marks, account, question), question.rows))


def _shown(sight: Sight, marks: Marks, account: AccountId, question: GetPeople) -> Iterator[Person]:
    db, sides, sought = sight.db, Sides(), question.sought.strip().casefold()
    row, unit, standing, own, suspended = db.execute(_ASKER, (account,)).fetchone()
    side = sides.of(db, unit, Standing(standing), own, suspended=bool(suspended))
    viewing = Viewing(account, side, authority.held(sight, row))
    asked = {"unit": question.unit, "after": question.after, "now_ms": sight.now_ms}
    known: dict[tuple[int, int, bytes | None, bool], frozenset[Field]] = {}
    for row, unit, standing, own, suspended, *rest in db.execute(_PEOPLE, asked):
        whom = sides.of(db, unit, Standing(standing), own, suspended=bool(suspended))
        who, address, proof, about, hidden = rest
        seen = Seen(AccountId(who), whom, address, proof, about, hidden)
        alike = (unit, standing, hidden, who == account)
        fields = known.get(alike)
        if fields is None:
            fields = known[alike] = projections.fields(sight, viewing, seen)
        if Field.UNIT not in fields and question.unit != whom.organisation:
            continue
        if sought and not _matches(seen, fields, sought):
            continue
        if who == account or _may_find(sight, marks, viewing, row, seen):
            shown = projections.of(seen, fields)
            yield Person(seen.account, shown.proof, shown.about)


def _may_find(sight: Sight, marks: Marks, viewing: Viewing, row: int, seen: Seen) -> bool:
    who, whom = viewing.side, seen.side
    found = who.active and whom.active and permits.may_find(who, whom)
    return found and not marks.blocked(sight.db, row, seen.account, viewing.account)


def _matches(seen: Seen, fields: frozenset[Field], sought: str) -> bool:
    texts: dict[int, str] = {Field.ADDRESS: seen.address, Field.ABOUT: seen.about, **attestation.texts_of(seen.proof)}
    return any(sought in texts[each].casefold() for each in _SOUGHT & fields & texts.keys())
