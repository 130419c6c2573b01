"""What passes by: somebody is typing. Worth nothing a moment later, so nothing of it is kept, here or at the relay.

Whom the user types to enters and EPHEMERAL leaves; PASSING enters and an event leaves. The rule of this file: no state
of the store changes, nothing is asked for it, and what is late, repeated or not from a device in reach is dropped
without a word (spec 50 §9, 60 §9).
"""

from typing import Final

from relayclient import contacts, sessions
from relayclient.events import Event, TypingSeen
from relayclient.link import Link
from relayclient.store.database import Step
from relayproto.codes import PassingKind
from relayproto.commands import Ephemeral, Target, Wrap
from relayproto.e2e.passing import Passed
from relayproto.errors import CryptoFailure
from relayproto.ids import AccountId, Address
from relayproto.limits import PASSING_AGE_MS_MAX
from relayproto.notices import Passing

TYPING_EVERY_MS: Final = 5_000
"""However fast somebody types: an EPHEMERAL takes one of the device's rate like a submission."""


def typing(step: Step, link: Link, to: Address | AccountId, now_ms: int) -> Ephemeral | None:
    """Return what says that the user types to somebody; None where it was just said or nobody could hear it."""
    account = AccountId(to) if isinstance(to, bytes) else contacts.named(step, Address(to.strip().lower()))
    devices = None if account is None else contacts.devices(step, account)
    if account is None or devices is None or contacts.is_stale(step, account):
        return None
    if now_ms < link.typed.get(account, -TYPING_EVERY_MS) + TYPING_EVERY_MS:
        return None
    passed = Passed(PassingKind.TYPING, now_ms)
    sealed = [(device, sessions.pass_by(step, account, device, passed)) for device in sessions.others(step, devices)]
    wraps = tuple(Wrap(device, wrap) for device, wrap in sealed if wrap is not None)
    if not wraps:
        return None
    link.typed[account] = now_ms
    return Ephemeral(Target(account, devices.version, wraps), contacts.pass_of(step, account))


def take_in(step: Step, link: Link, passing: Passing, now_ms: int) -> list[Event]:
    """Tell of what passed by, where it is from a device that is known and was said just now."""
    account, device = passing.sender, passing.sender_device
    devices = contacts.devices(step, account)
    if devices is None or devices.entry(device) is None or contacts.is_blocked(step, account):
        return []
    try:
        kind, sent_ms = sessions.passed_by(step, passing)
    except CryptoFailure:
        return []
    if abs(now_ms - sent_ms) > PASSING_AGE_MS_MAX or sent_ms <= link.passed.get((account, device), 0):
        return []
    link.passed[account, device] = sent_ms
    if kind != PassingKind.TYPING or account == step.setting("account"):
        return []
    return [TypingSeen(account, contacts.address_of(step, account), device)]
