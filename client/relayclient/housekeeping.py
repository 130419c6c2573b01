"""What a device drops because nothing can come of it any more.

The time enters; what ended thereby is told. The rule of this file: nothing goes before the last copy of what it is for
can have come (spec 50 §3: 37 days).
"""

from typing import Final

from relayclient import (
    attempts,
    badges,
    contacts,
    inbox,
    outbox,
    prekeys,
    relaykeys,
    resends,
    safety,
    sessions,
    submissions,
)
from relayclient.events import Event
from relayclient.store.database import Step
from relayproto.limits import DEDUPE_DAYS

_DEDUPE_MS: Final = DEDUPE_DAYS * 86_400_000


def sweep(step: Step, now_ms: int) -> list[Event]:
    """Drop what is too old to matter and return what expired in the queue."""
    events = outbox.expire(step, now_ms)
    for forget in (outbox.forget_control, submissions.forget, attempts.forget, safety.forget, resends.forget):
        forget(step, now_ms - _DEDUPE_MS)
    sessions.forget_lost(step, now_ms - resends.RESEND_MS)
    inbox.forget(step, now_ms)
    prekeys.expire(step, now_ms)
    relaykeys.forget(step, now_ms)
    contacts.forget_lists(step, now_ms)
    badges.forget(step, now_ms)
    return events
