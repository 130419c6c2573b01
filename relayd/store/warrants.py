"""The store room: which keys of verifiers an organisation's root key has warranted (spec 85 §2).

Changes that keepers of the root key ask for enter and effects leave, or Denied. The rules of this file: the root key
that counts now has signed it; a warrant is for a device of the organisation's own; what is taken back takes all with it
that was attested under it.
"""

from typing import Final, NamedTuple

from relayd.domain.acting import Actor, Denied, Effect
from relayd.store import attested, belonging, organisations, revocations, units
from relayd.store.commit import Commit
from relayproto import attestation
from relayproto.attestation import Warrant
from relayproto.codes import Code
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import ATTESTATION_SKEW_MS
from relayproto.verification import PutWarrant, RevokeWarrant

WARRANTS_MAX: Final = 10_000
"""Of one organisation: as many as it may have units."""


class Kept(NamedTuple):
    """A warrant as it lies."""

    warrant: bytes
    signature: bytes
    said: Warrant


def put(commit: Commit, actor: Actor, change: PutWarrant) -> Effect:  # noqa: ARG001 - the root key has decided
    """Keep a warrant.

    Denied: CONFLICT for a unit that does not work and a serial that is known; BAD_SIGNATURE for what is no warrant, of
    another unit, account or organisation, or not signed by the present root key; EXPIRED; BAD_LIFETIME for one that
    begins later; NOT_PERMITTED for an account that is not the organisation's, or has no device with that key; LIMIT.
    """
    unit = units.working(commit, change.unit)
    try:
        said = attestation.decode_warrant(change.warrant)
        attestation.check_warrant(
            organisations.root_key(commit, unit.organisation), organisations.relay(commit), change.warrant,
            change.signature,
        )  # fmt: skip
    except (Malformed, CryptoFailure):
        raise Denied(Code.BAD_SIGNATURE) from None
    if (said.unit, said.account, said.organisation) != (change.unit, change.account, unit.organisation):
        raise Denied(Code.BAD_SIGNATURE)
    if said.expires_ms <= commit.now_ms:
        raise Denied(Code.EXPIRED)
    if said.not_before_ms > commit.now_ms + ATTESTATION_SKEW_MS:
        raise Denied(Code.BAD_LIFETIME)
    holder = belonging.account(commit, change.account)
    belonging.require_own(commit, holder, unit.organisation)
    if not has_key(commit, holder, said.key):
        raise Denied(Code.NOT_PERMITTED)
    if find(commit, said.serial) is not None or revocations.has(commit, said.serial):
        raise Denied(Code.CONFLICT)
    (count,) = commit.db.execute(
        "SELECT count(*) FROM warrant WHERE organisation = ?", (unit.organisation,)
    ).fetchone()  # fmt: skip
    if count >= WARRANTS_MAX:
        raise Denied(Code.LIMIT)
    commit.db.execute(
        "INSERT INTO warrant (serial, organisation, expires_ms, warrant, signature) VALUES (?, ?, ?, ?, ?)",
        (said.serial, unit.organisation, said.expires_ms, change.warrant, change.signature),
    )
    return Effect(unit.unit, after=units.digest(change.warrant))


def revoke(commit: Commit, actor: Actor, change: RevokeWarrant) -> Effect:  # noqa: ARG001 - the same for every actor
    """Take a warrant back, with all that was attested under it; Denied(NOT_PERMITTED) where the unit has no such."""
    kept = find(commit, change.serial)
    if kept is None or kept.said.unit != change.unit:
        raise Denied(Code.NOT_PERMITTED)
    revocations.add(commit, [(change.serial, kept.said.expires_ms)])
    commit.db.execute("DELETE FROM warrant WHERE serial = ?", (change.serial,))
    attested.end_under(commit, change.serial)
    return Effect(change.unit, before=units.digest(kept.warrant))


def find(commit: Commit, serial: bytes) -> Kept | None:
    """Return a warrant, or None where there is none."""
    found = commit.db.execute("SELECT warrant, signature FROM warrant WHERE serial = ?", (serial,)).fetchone()
    return None if found is None else Kept(found[0], found[1], attestation.decode_warrant(found[0]))


def has_key(commit: Commit, holder: Actor, key: bytes) -> bool:
    """Say whether a key is that of a device which an account has now."""
    found = commit.db.execute("SELECT 1 FROM device WHERE account = ? AND sign_key = ?", (holder.row, key)).fetchone()
    return found is not None


def forget(commit: Commit) -> None:
    """Delete warrants that are over."""
    commit.db.execute("DELETE FROM warrant WHERE expires_ms <= ?", (commit.now_ms,))
