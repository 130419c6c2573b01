"""The store room: what anybody may know of an organisation (spec 85 §1).

A question enters; the record leaves, unsigned as yet, or Denied. The rule of this file: the chain of root keys is as
the organisation signed it, each by the one before.
"""

from relayd.domain.acting import Denied
from relayd.store import authority
from relayd.store.authority import Sight
from relayproto import organisation
from relayproto.codes import Code
from relayproto.limits import ORGANISATION_DOMAINS_MAX, ROOT_KEYS_MAX
from relayproto.organisation import PublicRecord, RootKey
from relayproto.verification import GetOrganisation, Organisation


def get(sight: Sight, question: GetOrganisation) -> Organisation:
    """Return an organisation's record; Denied(NOT_PERMITTED) for what is none, or does not work."""
    found = sight.db.execute(
        "SELECT unit.id, name, root_key, since_ms FROM organisation JOIN unit ON unit.id = organisation.unit"
        " WHERE unit.id = ?",
        (question.unit,),
    ).fetchone()
    domains = sight.db.execute(
        "SELECT domain.name FROM domain JOIN unit ON unit.id = domain.unit WHERE ? IN (unit.id, organisation)"
        " ORDER BY domain.name LIMIT ?",
        (question.unit, ORGANISATION_DOMAINS_MAX),
    ).fetchall()
    if found is None or not domains or not authority.reach(sight, question.unit).working:
        raise Denied(Code.NOT_PERMITTED)
    unit, name, root_key, since_ms = found
    keys = tuple(_keys(sight, unit, root_key, since_ms)[-ROOT_KEYS_MAX:])
    said = PublicRecord(unit, name, tuple(domain for (domain,) in domains), keys, sight.now_ms)
    return Organisation(organisation.encode(said), b"")


def _keys(sight: Sight, unit: int, present: bytes, since_ms: int) -> list[RootKey]:
    """Return the root keys that an organisation has had, the present one last."""
    former = sight.db.execute(
        "SELECT root_key, until_ms, by_old, by_new FROM former_key WHERE organisation = ? ORDER BY id", (unit,)
    ).fetchall()
    keys, since, by_old, by_new = [], since_ms, b"", b""
    for key, until_ms, *signatures in former:
        keys.append(RootKey(key, by_old, by_new, since))
        since, (by_old, by_new) = until_ms, signatures
    return [*keys, RootKey(present, by_old, by_new, since)]
