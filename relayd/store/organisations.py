"""The store room: organisations - let in, suspended, merged, and their keys (spec 70 §1, §7).

Changes that two people have decided enter and effects leave, or Denied. The rules of this file: a domain and a root
key are one organisation's; what an organisation says of itself its root key has signed; checks first, then changes.
"""

from relayd.domain import addresses, lookalikes
from relayd.domain.acting import Actor, Denied, Effect
from relayd.store import belonging, chosen, grants, units
from relayd.store.commit import Commit
from relayproto import descriptor, rootkeys
from relayproto.administration import CreateOrganisation, MergeOrganisation, RotateKey, SuspendOrganisation
from relayproto.codes import Code
from relayproto.errors import CryptoFailure
from relayproto.ids import UnitId
from relayproto.limits import UNITS_MAX
from relayproto.standing import PLATFORM, Role, Standing, UnitState


def create(commit: Commit, actor: Actor, change: CreateOrganisation) -> Effect:
    """Let an organisation in; its first admin belongs to it from now on.

    Denied: CONFLICT for a name that is taken or none, for a domain or root key that another has, for a name or domain
    that looks like another's, where somebody has chosen a name under the domain himself and is not suspended, and where
    the admin belongs to somebody already; BAD_ADDRESS for what is no domain; BAD_SIGNATURE; NOT_PROVEN; else what a
    grant says.
    """
    db, name = commit.db, units.free_name(commit, PLATFORM, change.name)
    if not addresses.is_domain(change.domain):
        raise Denied(Code.BAD_ADDRESS)
    try:
        rootkeys.check_domain(change.root_key, relay(commit), change.domain, change.owned)
    except CryptoFailure:
        raise Denied(Code.BAD_SIGNATURE) from None
    look = lookalikes.skeleton(change.domain)
    if any(lookalikes.skeleton(name) == look for (name,) in db.execute("SELECT name FROM domain")):
        raise Denied(Code.CONFLICT)
    if chosen.first(db, change.domain, 1):
        # Whoever has made his name up under it would be taken for one of its people from now on.
        raise Denied(Code.CONFLICT)
    _require_new_key(commit, change.root_key)
    if change.domain not in actor.proven:
        raise Denied(Code.NOT_PROVEN)
    admin = belonging.account(commit, change.admin)
    if admin.row == actor.row:
        raise Denied(Code.NOT_PERMITTED)
    if admin.unit != PLATFORM:
        raise Denied(Code.CONFLICT)
    belonging.require_person(admin)
    grants.require_end(commit, change.until_ms)
    grants.require_joint(commit, admin.row, [(Role.ORGANISATION_ADMIN, None)])
    made = units.add(commit, None, name)
    db.execute(
        "INSERT INTO organisation (unit, root_key, form_hash, since_ms) VALUES (?, ?, ?, ?)",
        (made.unit, change.root_key, change.form_hash, commit.now_ms),
    )
    db.execute("INSERT INTO domain (name, unit) VALUES (?, ?)", (change.domain, made.unit))
    belonging.put(commit, admin, made.unit, Standing.VERIFIED)
    grants.put(commit, admin.row, Role.ORGANISATION_ADMIN, made.unit, change.until_ms)
    after = units.digest(*made, change.domain, change.root_key, change.form_hash, change.admin, change.until_ms)
    return Effect(made.unit, made.unit, after=after)


def suspend(commit: Commit, actor: Actor, change: SuspendOrganisation) -> Effect:  # noqa: ARG001 - two have decided
    """Suspend an organisation or let it work again; Denied(CONFLICT) where it is none, or is that already."""
    before = _root(commit, change.unit)
    after = UnitState.SUSPENDED if change.suspended else UnitState.ACTIVE
    if before.state in {after, UnitState.CLOSED}:
        raise Denied(Code.CONFLICT)
    commit.db.execute("UPDATE unit SET state = ? WHERE id = ?", (after, before.unit))
    units.forget_people(commit, before.unit)
    return Effect(
        before.unit, before=units.digest(*before), after=units.digest(*before._replace(state=after))
    )  # fmt: skip


def merge(commit: Commit, actor: Actor, change: MergeOrganisation) -> Effect:  # noqa: ARG001 - two have decided
    """Make an organisation a unit of another; its domain, units, people and grants go along.

    Denied(CONFLICT) where it is none, for a circle, too deep, too many, a name that is taken there, and while either is
    suspended: whoever suspended it has to say first that it may go on.
    """
    before, into = units.working(commit, _root(commit, change.unit).unit), units.working(commit, change.into)
    units.require_room(commit, before.unit, into.unit)
    if units.count(commit, before.unit) + units.count(commit, into.organisation) > UNITS_MAX:
        raise Denied(Code.CONFLICT)
    units.free_name(commit, into.unit, before.name)
    commit.db.execute("UPDATE unit SET organisation = ? WHERE organisation = ?", (into.organisation, before.unit))
    commit.db.execute("UPDATE unit SET under = ? WHERE id = ?", (into.unit, before.unit))
    units.forget_people(commit, before.unit)
    after = before._replace(under=into.unit, organisation=into.organisation)
    return Effect(before.unit, before=units.digest(*before), after=units.digest(*after))


def rotate_key(commit: Commit, actor: Actor, change: RotateKey) -> Effect:  # noqa: ARG001 - two have decided
    """Replace an organisation's root key; Denied: CONFLICT where it is none or the key is known, BAD_SIGNATURE."""
    before = units.working(commit, _root(commit, change.unit).unit)
    old = root_key(commit, before.unit)
    _require_new_key(commit, change.root_key)
    try:
        rootkeys.check_successor(old, relay(commit), change.unit, change.root_key, change.by_old)
        rootkeys.check_successor(change.root_key, relay(commit), change.unit, change.root_key, change.by_new)
    except CryptoFailure:
        raise Denied(Code.BAD_SIGNATURE) from None
    commit.db.execute(
        "INSERT INTO former_key (organisation, root_key, until_ms, by_old, by_new) VALUES (?, ?, ?, ?, ?)",
        (before.unit, old, commit.now_ms, change.by_old, change.by_new),
    )
    commit.db.execute("UPDATE organisation SET root_key = ? WHERE unit = ?", (change.root_key, before.unit))
    return Effect(before.unit, before=units.digest(old), after=units.digest(change.root_key))


def relay(commit: Commit) -> bytes:
    """Return the fingerprint of this relay's root, which all that root keys sign names."""
    return descriptor.fingerprint(commit.tools.root_key)


def root_key(commit: Commit, organisation: UnitId) -> bytes:
    """Return the root key of an organisation."""
    found: tuple[bytes] = commit.db.execute(
        "SELECT root_key FROM organisation WHERE unit = ?", (organisation,)
    ).fetchone()
    return found[0]


def _root(commit: Commit, unit: UnitId) -> units.Node:
    found = units.node(commit, unit)
    if not found.is_root:
        raise Denied(Code.CONFLICT)
    return found


def _require_new_key(commit: Commit, key: bytes) -> None:
    known = "SELECT 1 FROM organisation WHERE root_key = ?1 UNION SELECT 1 FROM former_key WHERE root_key = ?1"
    if commit.db.execute(known, (key,)).fetchone() is not None:
        raise Denied(Code.CONFLICT)
