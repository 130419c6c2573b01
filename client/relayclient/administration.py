"""The device's room: what officers change and ask (spec 70).

A change enters and a signed act leaves; a question enters and the next one of its pages leaves. The rules of this file:
an act's number is in the store before the act is handed out, so that none is used twice, whatever ends this process;
what the relay would not read is not signed.
"""

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from msgspec.structs import replace

from relayclient import badges, contacts, membership, relaykeys
from relayclient.badges import Badge
from relayclient.errors import BadChange, Denied, DeniedForNow, NoRight, RelayUntrusted
from relayclient.link import Link
from relayclient.store.database import Store
from relayproto import acts, attestation, audit
from relayproto.acts import Instruction
from relayproto.administration import Change, GetAudit, GetCheckpoints, GetProposals, GetRoles, GetUnits
from relayproto.administration_replies import Audit, Checkpoint, Checkpoints, Proposals, Roles, Units
from relayproto.attestation import Attestation
from relayproto.codes import Code, CodeRange, range_of
from relayproto.commands import Act, GetDevices
from relayproto.errors import Malformed
from relayproto.ids import AccountId, Address, UnitId
from relayproto.invitation import Invitation
from relayproto.people import GetPeople, People
from relayproto.policy import ROW_BYTES
from relayproto.primitives import ed25519_public
from relayproto.rosters import Claims, GetClaims, GetRoster, Roster
from relayproto.standing import Field, Standing
from relayproto.statistics import GetRetention, GetStatistics, Retention, Statistics
from relayproto.verification import Attest
from relayproto.visibility import NOTHING_HIDDEN

ACT_LIFETIME_MS: Final = 300_000
"""Half of what the relay allows: time for a connection to come back, and none for whoever has found an act."""
_NUMBER_MAX: Final = (1 << 63) - 1
"""What the store can hold; nobody comes so far, and a relay that says he did is lying."""

Numbered = GetUnits | GetRoles | GetProposals | GetAudit | GetCheckpoints | GetRoster | GetClaims
"""Questions whose pages go on after the number of their last thing."""
Paged = Numbered | GetStatistics | GetRetention | GetPeople
"""Questions whose answers come in pages."""
_NumberedPage = Units | Roles | Proposals | Audit | Checkpoints | Roster | Claims
Page = _NumberedPage | Statistics | Retention | People


class Administration:
    """What a device does as an officer's; ``Device.administration`` is one."""

    __slots__ = ("_link", "_store")

    def __init__(self, store: Store, link: Callable[[], Link]) -> None:
        """Take the device's store and how to get at its present connection's memory."""
        self._store = store
        self._link = link

    def sign(self, change: Change, *, reason: str, rehearsal: bool, now_ms: int) -> Act:
        """Return a new act, signed, good for five minutes of the relay's time.

        Call it on an open connection: the number of the account's last act comes with WELCOME. Raises BadChange.
        """
        with self._store.step() as step:
            number = max(self._link().act, step.setting("act") or 0) + 1
            if number > _NUMBER_MAX:
                raise RelayUntrusted
            who = membership.who(step)
            act = Instruction(
                step.setting("root"), who.account, who.device, number, now_ms, now_ms + ACT_LIFETIME_MS, reason,
                rehearsal, change,
            )  # fmt: skip
            octets = acts.encode(act)
            try:
                acts.decode(octets)
            except Malformed as error:
                raise BadChange(str(error)) from None
            step.put("act", number)
            return Act(octets, acts.signature_of(step.secret("sign_seed"), octets))

    def devices_question(self, account: AccountId) -> GetDevices:
        """Return what asks who an account is, with the pass that came with a message of it where one is held."""
        with self._store.step() as step:
            return GetDevices(account, contacts.pass_of(step, account))

    def attest(self, said: Attestation, unit: UnitId, texts: Mapping[Field, str]) -> Attest:
        """Return the change that attests something, signed by this device's key, which is to be a warranted one.

        ``texts`` say who it is: an address and, if they are to be known, name and title.
        """
        octets, stated = attestation.encode(said), {**texts, Field.UNIT: str(unit)}
        with self._store.step() as step:
            seed, relay = step.secret("sign_seed"), step.setting("root")
            signature = attestation.sign_attestation(seed, relay, octets)
            return Attest(
                unit, said.account, octets, signature, attestation.state(seed, relay, said.serial, stated)
            )  # fmt: skip

    def sign_key(self) -> bytes:
        """Return the public key by which this device signs acts and attestations."""
        with self._store.step() as step:
            return ed25519_public(step.secret("sign_seed"))

    @property
    def standing(self) -> Standing:
        """What this account is, as the relay has said on this connection."""
        return self._link().standing

    @property
    def unit(self) -> UnitId:
        """Which unit this account belongs to, as the relay has said on this connection; 0 for none."""
        return self._link().unit

    def belonging(self) -> tuple[Standing, UnitId] | None:
        """Return what this account was, and in which unit, when the relay last said; None before the first time."""
        with self._store.step() as step:
            standing = step.setting("standing")
            return None if standing is None else (Standing(standing), UnitId(step.setting("unit")))

    def root(self) -> bytes:
        """Return the fingerprint of the relay's offline root, by which everything of the relay is believed."""
        with self._store.step() as step:
            root: bytes = step.setting("root")
            return root

    def descriptors(self) -> list[bytes]:
        """Return the relay's signed keys that this device knows, as the root signed them."""
        with self._store.step() as step:
            return relaykeys.as_signed(step)

    def invitation(self, address: Address, ticket: bytes) -> Invitation:
        """Return the invitation that a ticket for an address is, to the place where this device connects."""
        with self._store.step() as step:
            place = membership.endpoint(step)
            return Invitation(
                address, place.host, place.port, place.key_id, place.key, step.setting("root"), ticket
            )  # fmt: skip

    def furthest(self) -> tuple[int, bytes] | None:
        """Return the records and the head of the furthest good checkpoint that this device has seen, None for none."""
        with self._store.step() as step:
            records = step.setting("checkpoint_records")
            return None if records is None else (int(records), bytes(step.setting("checkpoint_head")))

    def remember(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint that was checked, if it goes further than what is kept."""
        with self._store.step() as step:
            if checkpoint.records > (step.setting("checkpoint_records") or 0):
                step.put("checkpoint_records", checkpoint.records)
                step.put("checkpoint_head", checkpoint.head)

    def judge(self, account: AccountId, proof: bytes, now_ms: int) -> Badge:
        """Return what a proof of a list of people attests of an account, or why it is doubted."""
        with self._store.step() as step:
            return badges.judge(step, account, proof, now_ms)

    def own_policy(self) -> bytes:
        """Return what this device last said of what others may do to the user: a row of permissions."""
        with self._store.step() as step:
            row: bytes = step.setting("own_policy") or bytes(ROW_BYTES)
            return row

    def own_profile(self) -> tuple[str, bytes]:
        """Return what this device last said of the user, and what it hides: a line and a table of visibilities."""
        with self._store.step() as step:
            return step.setting("own_about") or "", step.setting("own_hidden") or NOTHING_HIDDEN


def following(question: Paged, page: Page) -> Paged | None:
    """Return the question for the page after this one, None where there is none.

    A page that says that more follows and leads no further ends the asking, which would go on for ever.
    """
    match question, page:
        case GetStatistics(_, first, last), Statistics(_, int(next_day)) if first < next_day <= last:
            return replace(question, first_day=next_day)
        case GetRetention(after), Retention(rows, True) if rows:
            return replace(question, after=after + len(rows))
        case GetPeople(_, _, after), People(people, True) if people and people[-1].account > after:
            return replace(question, after=people[-1].account)
        case GetStatistics() | GetRetention() | GetPeople(), _:
            return None
        case _, Statistics() | Retention() | People():
            return None
        case _:
            return _after(question, page)


def _after(question: Numbered, page: _NumberedPage) -> Numbered | None:
    last = _last(page)
    if not page.more or last <= question.after:
        return None
    return replace(question, after=UnitId(last)) if isinstance(question, GetUnits) else replace(question, after=last)


def _last(page: _NumberedPage) -> int:  # noqa: PLR0911 - one a kind of page
    """Return the number of the last thing on a page, 0 for an empty one."""
    match page:
        case Units(units):
            return max((unit.unit for unit in units), default=0)
        case Roles(grants):
            return max((grant.number for grant in grants), default=0)
        case Proposals(proposals):
            return max((proposal.number for proposal in proposals), default=0)
        case Audit(records):
            return max((number + audit.count(said) - 1 for number, said in records), default=0)
        case Checkpoints(checkpoints):
            return max((checkpoint.records for checkpoint in checkpoints), default=0)
        case Roster(lines):
            return max((line.number for line in lines), default=0)
        case Claims(claims):
            return max((claim.number for claim in claims), default=0)
        case _ as never:
            assert_never(never)


def denial(code: int, retry_after_ms: int = 0) -> Denied:
    """Return the error that a refusal of an act or a question is."""
    if code == Code.NOT_PERMITTED:
        return NoRight(code)
    if range_of(code) in (CodeRange.RETRY_LATER, CodeRange.INTERNAL):
        return DeniedForNow(code, retry_after_ms)
    return Denied(code)


def is_named(who: str) -> AccountId | None:
    """Return the account where it is given by its 64 hexadecimal digits, None where it is an address."""
    try:
        octets = bytes.fromhex(who)
    except ValueError:
        return None
    return AccountId(octets) if len(octets) == 32 else None  # noqa: PLR2004 - BLAKE2b-256
