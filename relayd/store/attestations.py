"""The store room: officers attest who an account is, and take it back (spec 85 §4).

Changes enter and effects leave, or Denied. The rules of this file: nothing is believed but what a warranted key of the
officer who acts has signed, about that very account, address and unit; nobody attests himself; an account that is
attested anew stays the account.
"""

from typing import Final

from relayd.domain.acting import Actor, Denied, Effect
from relayd.store import (
    alone,
    attested,
    authority,
    belonging,
    claims,
    grants,
    offices,
    organisations,
    revocations,
    rosters,
    units,
)
from relayd.store import warrants as warranted
from relayd.store.commit import Commit
from relayproto import attestation
from relayproto.attestation import Attestation, Proof
from relayproto.codes import Code
from relayproto.errors import CryptoFailure, Malformed
from relayproto.ids import UnitId
from relayproto.limits import ATTESTATION_SKEW_MS, ATTESTED_ALONE_MAX
from relayproto.primitives import blake2b_256
from relayproto.rules import RULES
from relayproto.standing import PEOPLE, PLATFORM, Field, Standing
from relayproto.texts import presentable
from relayproto.verification import Attest, RevokeAttestation

KEPT_MAX: Final = 32
"""Attestations of one account that are not over: one a quarter and its renewals; more only fills the disk."""


def attest(commit: Commit, actor: Actor, change: Attest) -> Effect:
    """Keep an attestation and let its account be what it says.

    Denied: CONFLICT for a unit that does not work, a serial that is known, and for an office or application that would
    become a person or the other way round; BAD_SIGNATURE for what is no attestation of this account, unit and
    organisation, or is not signed in every part; NOT_PERMITTED without a good warrant of the actor's over the unit,
    and for an account that he may not place; EXPIRED, BAD_LIFETIME; BAD_ADDRESS; LIMIT.
    """
    unit = units.working(commit, change.unit)
    said, warrant = _read(commit, actor, change)
    root_key = organisations.root_key(commit, unit.organisation)
    if (said.organisation, said.root) != (unit.organisation, blake2b_256(root_key)):
        raise Denied(Code.BAD_SIGNATURE)
    try:
        attestation.check_warrant(root_key, organisations.relay(commit), warrant.warrant, warrant.signature)
    except CryptoFailure:
        raise Denied(Code.NOT_PERMITTED) from None
    who = _subject(commit, actor, change)
    _require_time(commit, said, warrant.said)
    if attestation.texts(change.statements)[Field.ADDRESS] != who.address:
        raise Denied(Code.BAD_ADDRESS)
    person = who.standing in PEOPLE
    if said.standing is not (Standing.VERIFIED if person else who.standing):
        raise Denied(Code.CONFLICT)
    if _known(commit, said.serial):
        raise Denied(Code.CONFLICT)
    if len(attested.serials(commit, who.row)) >= KEPT_MAX:
        raise Denied(Code.LIMIT)
    before = b"" if who.unit == PLATFORM else units.digest(who.account, who.unit, who.standing)
    second = _is_new(commit, who, unit.unit) and (
        actor.seconded or not alone.within(commit, actor.row, change.KIND, 1, ATTESTED_ALONE_MAX)
    )
    proof = attestation.encode_proof(
        Proof(change.attestation, change.signature, warrant.warrant, warrant.signature, change.statements)
    )
    commit.db.execute(
        "INSERT INTO attestation (account, serial, warrant, expires_ms, proof) VALUES (?, ?, ?, ?, ?)",
        (who.row, said.serial, said.warrant, said.expires_ms, proof),
    )
    belonging.put(commit, who, unit.unit, said.standing)
    claims.drop(commit, who.row)
    return Effect(unit.unit, before=before, after=units.digest(change.attestation, change.statements), second=second)


def _is_new(commit: Commit, who: Actor, unit: UnitId) -> bool:
    """Say whether one person alone vouches for an account: it is not attested, and no roster that two read names it."""
    if who.standing is Standing.VERIFIED or attested.serials(commit, who.row):
        return False
    line = rosters.line_of(commit, who.address)
    return line is None or line.unit != unit or not line.seconded


def _read(commit: Commit, actor: Actor, change: Attest) -> tuple[Attestation, warranted.Kept]:
    """Return what is attested and the warrant for it; Denied: BAD_SIGNATURE, NOT_PERMITTED."""
    try:
        said = attestation.decode(change.attestation)
    except Malformed:
        raise Denied(Code.BAD_SIGNATURE) from None
    stated = attestation.texts(change.statements)
    if said.account != change.account or not stated.keys() >= attestation.REQUIRED:
        raise Denied(Code.BAD_SIGNATURE)
    if stated[Field.UNIT] != str(change.unit):
        raise Denied(Code.BAD_SIGNATURE)
    if not all(presentable(stated[each]) for each in (Field.NAME, Field.TITLE) if each in stated):
        raise Denied(Code.LIMIT)
    warrant = warranted.find(commit, said.warrant)
    if (
        warrant is None
        or warrant.said.account != actor.account
        or warrant.said.unit not in authority.chain(commit, change.unit)
        or not warranted.has_key(commit, actor, warrant.said.key)
    ):
        raise Denied(Code.NOT_PERMITTED)
    relay = organisations.relay(commit)
    try:
        attestation.check_attestation(warrant.said.key, relay, change.attestation, change.signature)
        attestation.check_statements(warrant.said.key, relay, said.serial, change.statements)
    except CryptoFailure:
        raise Denied(Code.BAD_SIGNATURE) from None
    return said, warrant


def _require_time(commit: Commit, said: Attestation, warrant: attestation.Warrant) -> None:
    if min(said.expires_ms, warrant.expires_ms) <= commit.now_ms:
        raise Denied(Code.EXPIRED)
    if said.not_before_ms > commit.now_ms + ATTESTATION_SKEW_MS or not attestation.fits(said, warrant):
        raise Denied(Code.BAD_LIFETIME)


def _subject(commit: Commit, actor: Actor, change: Attest) -> Actor:
    """Return whom it is about; Denied(NOT_PERMITTED) for oneself and for whom the actor may not place there."""
    who = belonging.account(commit, change.account)
    organisation = units.node(commit, change.unit).organisation
    if who.row == actor.row:
        raise Denied(Code.NOT_PERMITTED)
    if who.unit != PLATFORM:
        belonging.require_own(commit, who, organisation)
        if authority.find(commit, actor, RULES[change.KIND], who.unit) is None:
            raise Denied(Code.NOT_PERMITTED)
    if not belonging.may_be_of(commit, who, organisation):
        # Whom nobody has placed is none of the actor's: like one that there is not, whatever his address is.
        raise Denied(Code.NOT_PERMITTED if who.unit == PLATFORM else Code.BAD_ADDRESS)
    return who


def _known(commit: Commit, serial: bytes) -> bool:
    found = commit.db.execute("SELECT 1 FROM attestation WHERE serial = ?", (serial,)).fetchone()
    return found is not None or revocations.has(commit, serial)


def revoke(commit: Commit, actor: Actor, change: RevokeAttestation) -> Effect:
    """Take all back that is attested of an account, with its roles over units and its offices.

    Denied: NOT_PERMITTED for an account that is not of the unit or below it, and where the actor may not take one of
    its roles; CONFLICT where nothing is attested.
    """
    who = belonging.account(commit, change.account)
    if change.unit not in authority.chain(commit, who.unit):
        raise Denied(Code.NOT_PERMITTED)
    if not attested.serials(commit, who.row):
        raise Denied(Code.CONFLICT)
    before = units.digest(who.account, who.unit, who.standing, grants.drop_all(commit, actor, who.row))
    offices.drop_all(commit, who.row)
    attested.take_back(commit, who.row)
    attested.fall(commit, who.row)
    rosters.take_out(commit, who.address)
    claims.drop(commit, who.row)
    return Effect(who.unit, before=before)
