"""The command line: how a badge is shown.

A badge that the device has checked enters; words and fields leave. The rule of this file: only what was checked looks
like a badge, and what is doubted says why and shows nothing of what it claims.
"""

from relayclient.badges import Badge
from relayclient.cli import terminal
from relayclient.cli.columns import word
from relayproto.attestation import Attested


def mark(badge: Badge | None) -> str:
    """Return what stands after an address: the organisation, or nothing."""
    return f" [{terminal.harmless(badge.organisation)}]" if isinstance(badge, Attested) else ""


def line(badge: Badge | None) -> str:
    """Return the sentence that says what is attested, or why nothing is."""
    if badge is None:
        return "No organisation attests anything of this account."
    if not isinstance(badge, Attested):
        return f"What the relay shows as attested does not count: it is {badge.value}."
    said = ", ".join(each for each in (badge.name, badge.title, badge.address) if each) or "one of its own"
    unit = "" if badge.unit is None else f"unit {badge.unit}, "
    who = f"{word(badge.said.standing)}, {unit}until {terminal.when(badge.said.expires_ms)}"
    return terminal.harmless(f"{badge.organisation} attests: {said} ({who})")


def fields(badge: Badge | None) -> dict[str, object]:
    """Return it as JSON has it: ``attested`` is null where nothing is, ``doubt`` says why what is shown is nothing."""
    if not isinstance(badge, Attested):
        return {"attested": None, "doubt": None if badge is None else badge.value}
    said = badge.said
    return {
        "attested": {
            "organisation": badge.organisation, "unit": badge.unit, "address": badge.address, "name": badge.name,
            "title": badge.title, "standing": word(said.standing), "expires_ms": said.expires_ms,
            "serial": said.serial.hex(),
        },
        "doubt": None,
    }  # fmt: skip
