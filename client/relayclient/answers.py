"""What the relay's answers mean to the device.

A reply and the command that it answers enter; events leave. The rule of this file: an answer that did not help is not
asked for again at once, and one that says 'never' ends what waited for it.
"""

from typing import Final, assert_never

from relayclient import badges, contacts, outbox, prekeys, relaykeys, retelling, safety, sessions, submissions
from relayclient.events import Event
from relayclient.link import RETRY_MS, Link
from relayclient.store.database import Step
from relayproto import acts
from relayproto.administration import (
    GetAudit,
    GetCheckpoints,
    GetDocument,
    GetProposals,
    GetRoles,
    GetUnits,
    Question,
)
from relayproto.administration_replies import Acted
from relayproto.codes import Code, CodeRange, range_of
from relayproto.commands import (
    Ack,
    Act,
    Block,
    Body,
    DeviceCommand,
    Ephemeral,
    GetBundles,
    GetDevices,
    GetRelayKeys,
    Lookup,
    PutDevices,
    PutPolicy,
    PutPrekeys,
    PutProfile,
    Report,
    Submit,
)
from relayproto.ids import Address
from relayproto.people import GetPeople
from relayproto.replies import (
    Account,
    Bundles,
    Devices,
    Done,
    NotTaken,
    PrekeysLeft,
    Refused,
    RelayKeys,
    Reply,
    Submitted,
)
from relayproto.rosters import Claim, GetClaim, GetClaims, GetRoster, PutRoster
from relayproto.statistics import GetRetention, GetStatistics
from relayproto.verification import GetOrganisation, GetRevocations, Organisation, Revocations

_NOT_TAKEN_MS: Final = 1_000
"""Where the relay is busy and names no time: a few of its commits."""


def take_in(  # noqa: C901, PLR0911, PLR0912 - one a kind of answer
    step: Step, link: Link, reply: Reply, command: DeviceCommand, now_ms: int
) -> list[Event]:
    """Take in an answer; one that no command of its kind can have is ignored (spec 30 §5)."""
    link.asked_at = link.asking.answered(command)
    match reply, command:
        case Submitted(), Submit():
            return submissions.answered(step, reply, now_ms)
        case NotTaken(), Submit():
            return _not_taken(step, link, reply, now_ms)
        case Account(), Lookup(address):
            return _account(step, link, reply, Address(address.strip().lower()), now_ms)
        case Bundles(), GetBundles():
            return _bundles(step, link, reply, command, now_ms)
        case Devices(), GetDevices():
            return _devices(step, link, reply, command, now_ms)
        case Devices(devices, signature), PutDevices():
            retelling.taken(step, link, command, now_ms)
            return contacts.learn(step, step.setting("account"), devices, signature, now_ms)[1]
        case Done(), PutPolicy() | PutProfile():
            retelling.taken(step, link, command, now_ms)
            return []
        case RelayKeys(descriptors), GetRelayKeys():
            link.keys_fetched = True
            for described in descriptors:
                relaykeys.keep(step, described)
            return relaykeys.choose(step, now_ms)
        case PrekeysLeft(one_time, kem), PutPrekeys(kept):
            link.left = (one_time, kem)
            prekeys.deposited(step, kept, now_ms)
            return []
        case Done(), Block() | Report():
            return safety.settled(step, command, None)
        case Acted(), Act(octets):
            _numbered(link, octets)
            return []
        case Refused(), _:
            return _refused(step, link, reply, command, now_ms)
        case _:
            return _attested(step, link, reply, command)


def _attested(step: Step, link: Link, reply: Reply, command: DeviceCommand) -> list[Event]:
    match reply, command:
        case Organisation(), GetOrganisation():
            return badges.learn_organisation(step, command, reply)
        case Revocations(), GetRevocations():
            badges.learn_revocations(step, link, command, reply)
            return []
        case _:
            return []


def _not_taken(step: Step, link: Link, reply: NotTaken, now_ms: int) -> list[Event]:
    """Go back. What was behind the one not taken need not wait; the one itself has a time, or gets one here."""
    behind = reply.code == Code.GO_BACK
    _go_back(link, reply.submission, now_ms + (reply.retry_after_ms or (0 if behind else _NOT_TAKEN_MS)))
    return [] if behind else submissions.not_taken(step, reply.submission, reply.code)


def _go_back(link: Link, submission: int, not_before_ms: int) -> None:
    link.sent = min(link.sent, submission - 1)
    link.not_before_ms = max(link.not_before_ms, not_before_ms)


def _account(step: Step, link: Link, reply: Account, address: Address, now_ms: int) -> list[Event]:
    believed, events = contacts.learn(step, reply.account, reply.devices, reply.signature, now_ms)
    if not believed:
        link.asking.pause(Lookup(address), now_ms + RETRY_MS)
        return events
    badges.keep(step, reply.account, reply.proof, now_ms)
    contacts.keep_about(step, reply.account, reply.about)
    events += contacts.pin(step, address, reply.account)
    outbox.addressed(step, address)
    return events


def _bundles(step: Step, link: Link, reply: Bundles, command: GetBundles, now_ms: int) -> list[Event]:
    believed, events = contacts.learn(step, command.account, reply.devices, reply.signature, now_ms)
    devices = contacts.devices(step, command.account) if believed else None
    if devices is not None:
        sessions.begin(step, devices, reply.bundles, command.devices or sessions.others(step, devices), now_ms)
    if devices is None or set(lacking := sessions.lacking(step, devices, now_ms)) & set(command.devices or lacking):
        link.asking.pause(command, now_ms + RETRY_MS)
    return events


def _devices(step: Step, link: Link, reply: Devices, command: GetDevices, now_ms: int) -> list[Event]:
    believed, events = contacts.learn(step, command.account, reply.devices, reply.signature, now_ms)
    link.fresh[command.account] = link.asked_at
    if command.account == step.setting("account"):
        link.own_list_stale = False
    if not believed:
        link.asking.pause(command, now_ms + RETRY_MS)
        return events
    badges.keep(step, command.account, reply.proof, now_ms)
    contacts.keep_about(step, command.account, reply.about)
    if contacts.plausible(address := Address(reply.address.strip().lower())):
        events += contacts.pin(step, address, command.account)
    return events


def _refused(step: Step, link: Link, reply: Refused, command: DeviceCommand, now_ms: int) -> list[Event]:
    again_ms = now_ms + (reply.retry_after_ms or RETRY_MS)
    never = range_of(reply.code) not in (CodeRange.RETRY_LATER, CodeRange.INTERNAL) and not reply.retry_after_ms
    asks_itself = isinstance(command, GetOrganisation | GetRevocations)
    if again := retelling.is_again(command, link):
        retelling.refused(step, link, command, reply.code)
    if isinstance(command, Act | PutPolicy | PutProfile | PutRoster | Claim | Question) and not asks_itself:
        # Whoever asked holds the answer (Exchange.ask); the device does not ask such a thing again by itself.
        if isinstance(command, Act):
            _numbered(link, command.octets)
        if not again:
            return []
    link.asking.pause(command, again_ms)
    if isinstance(command, Submit):
        _go_back(link, command.submission, again_ms)
        return []
    if isinstance(command, Report) and not never:
        return safety.held_up(step, command, reply.code)
    if isinstance(command, PutPrekeys):
        link.left = None
    return _never(step, link, reply.code, command, now_ms) if never else []


def _numbered(link: Link, octets: bytes) -> None:
    """Note that an act's number may be used, whatever came of it: the next one is above it (spec 70 §2)."""
    link.act = max(link.act, acts.decode(octets).number)


def _never(step: Step, link: Link, code: int, command: DeviceCommand, now_ms: int) -> list[Event]:
    """End what waited for an answer that the relay will never give."""
    match command:
        case Lookup(address):
            return outbox.refuse_waiting(step, "address", address.strip().lower(), code, now_ms)
        case GetDevices(account) | GetBundles(account):
            link.fresh[account] = link.asked_at
            return outbox.refuse_waiting(step, "account", account, code, now_ms)
        case GetRelayKeys():
            link.keys_fetched = True
        case GetOrganisation() | GetRevocations():
            badges.give_up(step, link, command)
        case Block() | Report():
            return safety.settled(step, command, code)
        case Submit() | PutPrekeys() | Body() | Ack() | PutDevices() | Ephemeral() | Act() | PutPolicy() | PutProfile():
            pass
        case (
            GetUnits() | GetRoles() | GetDocument() | GetProposals() | GetAudit() | GetCheckpoints()
            | GetStatistics() | GetRetention() | GetPeople() | GetRoster() | GetClaims() | GetClaim() | PutRoster()
            | Claim()
        ):  # fmt: skip
            pass
        case _ as unknown:
            assert_never(unknown)
    return []
