"""HELLO and WELCOME: where the device stands, and what the relay says to that.

The rule of this file: a store that is an older copy of this device's is told from what the relay has recorded, stops
for good, and sends nothing more (spec 50 §2).
"""

from typing import Final

from relayclient import contacts, position, relaykeys, retelling, submissions
from relayclient.events import Event, RelayRestored
from relayclient.link import Link
from relayclient.membership import Identity
from relayclient.store.database import Step
from relayproto.commands import Credit, Hello
from relayproto.replies import Welcome

AHEAD_MS: Final = 35 * 86_400_000
"""How far ahead of the device's own clock a relay's may be and still be believed: more than a device's clock is off,
and far less than the 90 days of an attestation, so that no relay's mistake ends them all."""


def hello(step: Step, who: Identity, *, credit: Credit, build: str) -> Hello:
    """Return HELLO."""
    return Hello(
        account=who.account,
        device=who.device,
        list_version=contacts.version(step, who.account),
        epoch=position.epoch(step),
        floors=position.hello_floors(step),
        ledger_epoch=submissions.epoch(step),
        submission=submissions.highest(step),
        features=0,
        credit=credit,
        build=build,
    )


def is_cloned(step: Step) -> bool:
    """Say whether this store was found to be an old copy."""
    return bool(step.setting("cloned"))


def found_cloned(step: Step, welcome: Welcome) -> bool:
    """Say whether the relay has recorded submissions that this store never made; it is then a copy, for good."""
    used = submissions.highest(step) if welcome.ledger_epoch == submissions.epoch(step) else 0
    if welcome.ledger_floor <= used:
        return False
    step.put("cloned", 1)
    return True


def welcomed(step: Step, link: Link, who: Identity, welcome: Welcome, now_ms: int) -> list[Event]:
    """Take in WELCOME: other epochs are gone over to, and what the relay has is noted."""
    floors = tuple(lane.floor for lane in welcome.lanes)
    restored = submissions.enter_epoch(step, welcome.ledger_epoch)
    retelling.welcomed(step, link, welcome, restored=restored)
    if position.enter_epoch(step, welcome.epoch, floors):
        link.flow.restart(floors)
    link.own_list_stale = welcome.list_version > contacts.version(step, who.account)
    link.left = (welcome.one_time_left, welcome.kem_left)
    link.standing, link.unit, link.act = welcome.standing, welcome.unit, welcome.act
    step.put("standing", welcome.standing)
    step.put("unit", welcome.unit)
    link.open = True
    _note_time(step, welcome.now_ms, now_ms)
    events: list[Event] = [RelayRestored()] if restored else []
    return events + relaykeys.choose(step, now_ms)


def _note_time(step: Step, relay_ms: int, now_ms: int) -> None:
    """Keep the latest time that a relay has said, unless it is far ahead of the device's own clock."""
    bound_ms = now_ms + AHEAD_MS
    held = step.setting("latest_ms") or 0
    # One that is kept can be from a relay whose clock was wrong, or from before this device's own was put right.
    latest = max(each if each <= bound_ms else 0 for each in (held, relay_ms))
    if latest != held:
        step.put("latest_ms", latest)
