"""What organisations attest of the people whom the device knows (spec 85).

Proofs, records of organisations and serials that were taken back enter and are kept; badges leave. The rules of this
file: a badge is checked each time it is shown, by this device alone, offline too; an organisation's first record is
believed as the relay signs it, and from then on only what its root keys lead to; what was once taken back stays so.
"""

from collections.abc import Container
from typing import Final

from relayclient import contacts, relaykeys
from relayclient.events import Event, OrganisationRefused
from relayclient.link import Link
from relayclient.store.database import Step
from relayproto import attestation, organisation
from relayproto.attestation import Attested, Doubt, Proof, Unattested
from relayproto.commands import DeviceCommand, GetDevices
from relayproto.errors import CryptoFailure, Malformed
from relayproto.ids import AccountId, UnitId
from relayproto.limits import PAGE_ROWS_MAX, WARRANT_LIFETIME_MS_MAX
from relayproto.notices import Revoked
from relayproto.organisation import PublicRecord
from relayproto.primitives import blake2b_256
from relayproto.verification import GetOrganisation, GetRevocations, Organisation, Revocations

_ASKED_TOGETHER: Final = 8
"""Records of organisations, and renewed proofs, that are asked for in one turn."""
_RENEWED_MS: Final = 7 * 86_400_000
"""How long before its end a proof may have been renewed: whoever renews in time has done so by then."""
_AGAIN_MS: Final = 86_400_000

Badge = Attested | Doubt
"""What is attested of somebody, or why what the relay shows attests nothing."""


def keep(step: Step, account: AccountId, packed: bytes, now_ms: int) -> None:
    """Keep what the relay shows as attested of an account, in place of what it showed before; empty for nothing."""
    said = _said(packed)
    due_ms = None if said is None else max(said.expires_ms - _RENEWED_MS, now_ms + _AGAIN_MS)
    step.run("UPDATE contact SET proof = ?, proof_due_ms = ? WHERE account = ?", packed or None, due_ms, account)
    if said is not None:
        _want(step, said)


def _want(step: Step, said: attestation.Attestation) -> None:
    """Note that the organisation's record is to be asked for, unless it is held and has the key that is named."""
    held = _record(step, said.organisation)
    if held is None or said.root not in {blake2b_256(key.root_key) for key in held.keys}:
        step.run(
            "INSERT INTO organisation (unit, wanted) VALUES (?, 1) ON CONFLICT (unit) DO UPDATE SET wanted = 1",
            said.organisation,
        )


def badge(step: Step, account: AccountId, now_ms: int) -> Badge | None:
    """Return what is attested of an account at a time, or why that is doubted; None where nothing is shown.

    ``now_ms`` is this machine's; the latest time of the relay's that the device has seen counts where that is later.
    """
    found = step.row("SELECT proof FROM contact WHERE account = ?", account)
    return None if found is None or found[0] is None else _judged(step, account, found[0], now_ms)


def judge(step: Step, account: AccountId, packed: bytes, now_ms: int) -> Badge:
    """Return what a proof that is not kept attests of an account at a time, or why it is doubted.

    The organisation's record is asked for where it is lacking.
    """
    said = _said(packed)
    if said is not None:
        _want(step, said)
    return _judged(step, account, packed, now_ms)


def _judged(step: Step, account: AccountId, packed: bytes, now_ms: int) -> Badge:
    proof, said = _proof(packed), _said(packed)
    if proof is None or said is None:
        return Doubt.FORGED
    held = _record(step, said.organisation)
    latest_ms = max(now_ms, step.setting("latest_ms") or 0)
    try:
        return attestation.check(proof, step.setting("root"), held, account, latest_ms, _Revoked(step))
    except Unattested as unattested:
        return unattested.doubt


class _Revoked(Container[bytes]):
    """The serials that were taken back."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def __contains__(self, serial: object) -> bool:
        return self._step.row("SELECT 1 FROM revocation WHERE serial = ?", serial) is not None


def _proof(packed: bytes) -> Proof | None:
    try:
        return attestation.decode_proof(packed)
    except Malformed:
        return None


def _said(packed: bytes) -> attestation.Attestation | None:
    proof = _proof(packed)
    try:
        return None if proof is None else attestation.decode(proof.attestation)
    except Malformed:
        return None


def _record(step: Step, unit: UnitId) -> PublicRecord | None:
    found = step.row("SELECT record FROM organisation WHERE unit = ? AND record IS NOT NULL", unit)
    return organisation.decode(found[0], step.setting("root")) if found else None


# --- what is asked ----------------------------------------------------------------------------
def needs(step: Step, link: Link, now_ms: int) -> list[DeviceCommand]:
    """Return what the device has to ask: what was taken back, once a connection; records that it lacks; renewals.

    Nothing, as long as nothing is attested of anybody whom it knows.
    """
    asked: list[DeviceCommand] = []
    if not link.revocations_known and step.row("SELECT 1 FROM organisation LIMIT 1") is not None:
        asked.append(GetRevocations(step.setting("revocations") or 0, PAGE_ROWS_MAX))
    wanted = step.rows("SELECT unit FROM organisation WHERE wanted = 1 ORDER BY unit LIMIT ?", _ASKED_TOGETHER)
    return [*asked, *(GetOrganisation(UnitId(unit)) for (unit,) in wanted), *_renewals(step, now_ms)]


def _renewals(step: Step, now_ms: int) -> list[DeviceCommand]:
    """Return what asks for proofs in the place of those that end soon; each at most once a day.

    Nothing of whom a message waits for: a refusal would end that, and it asks by itself.
    """
    due = step.rows(
        "SELECT account FROM contact WHERE proof_due_ms <= ? AND NOT EXISTS"
        " (SELECT 1 FROM parcel WHERE parcel.account = contact.account AND parcel.state = 0)"
        " ORDER BY proof_due_ms LIMIT ?",
        now_ms, _ASKED_TOGETHER,
    )  # fmt: skip
    for (account,) in due:
        step.run("UPDATE contact SET proof_due_ms = ? WHERE account = ?", now_ms + _AGAIN_MS, account)
    return [GetDevices(account, contacts.pass_of(step, account)) for (account,) in due]


def learn_organisation(step: Step, asked: GetOrganisation, reply: Organisation) -> list[Event]:
    """Take in an organisation's record, if the relay has signed it and it leads on from the one that is held."""
    step.run("UPDATE organisation SET wanted = 0 WHERE unit = ?", asked.unit)
    held = _record(step, asked.unit)
    try:
        said = organisation.decode(reply.record, step.setting("root"))
    except Malformed:
        said = None
    signed = any(_signed(key.stamp_key, reply) for key in relaykeys.known(step))
    if said is None or not signed or said.unit != asked.unit or not (held is None or organisation.follows(held, said)):
        return [OrganisationRefused(asked.unit)]
    step.run("INSERT OR REPLACE INTO organisation (unit, record, wanted) VALUES (?, ?, 0)", asked.unit, reply.record)
    return []


def _signed(stamp_key: bytes, reply: Organisation) -> bool:
    try:
        organisation.check_record(stamp_key, reply.record, reply.signature)
    except CryptoFailure:
        return False
    return True


def give_up(step: Step, link: Link, asked: GetOrganisation | GetRevocations) -> None:
    """Note that the relay will not tell: an organisation is asked for again only when it is named again."""
    if isinstance(asked, GetOrganisation):
        step.run("UPDATE organisation SET wanted = 0 WHERE unit = ?", asked.unit)
    else:
        link.revocations_known = True


def learn_revocations(step: Step, link: Link, asked: GetRevocations, reply: Revocations) -> None:
    """Take in what was taken back; a relay that was restored counts from the beginning again."""
    for each in reply.revocations:
        _take_back(step, each.serial, each.until_ms)
        step.put("revocations", each.number)
    if reply.newest < asked.after:
        step.put("revocations", 0)
    elif not reply.more or not reply.revocations:
        step.put("revocations", reply.newest)
        link.revocations_known = True


def revoked(step: Step, link: Link, notice: Revoked, now_ms: int) -> None:
    """Take in what was taken back just now; it is asked for where it is too much for a notice."""
    for serial in notice.serials:
        _take_back(step, serial, now_ms + WARRANT_LIFETIME_MS_MAX)
    if not notice.serials:
        link.revocations_known = False
    elif link.revocations_known:
        step.put("revocations", notice.newest)


def _take_back(step: Step, serial: bytes, until_ms: int) -> None:
    step.run("INSERT OR IGNORE INTO revocation (serial, until_ms) VALUES (?, ?)", serial, until_ms)


def forget(step: Step, now_ms: int) -> None:
    """Forget serials of what has ended by now."""
    step.run("DELETE FROM revocation WHERE until_ms < ?", now_ms)
