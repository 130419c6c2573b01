"""Which envelopes this program has begun to open and never finished: one that ends it again and again is left alone.

An envelope enters before anything of it is looked at; whether it is to be tried leaves. The rule of this file: the note
is written before the attempt and outlives the process, so that what makes it die stops neither the device nor what
lies behind it (spec 50 §3).
"""

from typing import Final

from relayclient.store.database import Step
from relayproto.notices import Deliver

DEATHS_MAX: Final = 3
"""Once is bad luck and twice a coincidence; the relay offers an envelope alone after five logins, so we are first."""
_PLACE: Final = "sender = ? AND device = ? AND commitment = ?"


def _place(delivered: Deliver) -> tuple[object, ...]:
    return delivered.sender, delivered.sender_device, delivered.commitment


def begin(step: Step, delivered: Deliver, now_ms: int) -> bool:
    """Note that an envelope is being tried; return False, and note nothing, where that has gone wrong too often."""
    tried = step.number(f"SELECT tries FROM attempt WHERE {_PLACE}", *_place(delivered))  # noqa: S608 - our own words
    if tried >= DEATHS_MAX:
        return False
    step.run(
        "INSERT INTO attempt (sender, device, commitment, tries, at_ms) VALUES (?, ?, ?, 1, ?)"
        " ON CONFLICT DO UPDATE SET tries = tries + 1, at_ms = excluded.at_ms",
        *_place(delivered), now_ms,
    )  # fmt: skip
    return True


def finish(step: Step, delivered: Deliver) -> None:
    """Note that an envelope was dealt with."""
    step.run(f"DELETE FROM attempt WHERE {_PLACE}", *_place(delivered))  # noqa: S608 - our own words


def undo(step: Step, delivered: Deliver) -> None:
    """Note that an attempt was given up for a reason that is not the envelope's."""
    step.run(f"UPDATE attempt SET tries = tries - 1 WHERE {_PLACE}", *_place(delivered))  # noqa: S608 - our own words


def forget(step: Step, before_ms: int) -> None:
    """Forget attempts that were made before a time: their envelopes can't come again."""
    step.run("DELETE FROM attempt WHERE at_ms < ?", before_ms)
