"""The device's room: what a relay that was restored is told again (spec 50 §10).

WELCOME enters; PUT_DEVICES, PUT_POLICY and PUT_PROFILE leave until the relay has answered. The rule of this file: a
device tells again everything that it or its account is the authority of, each with the time or the version by which
the relay knows what is newer. Blocks (safety.py) and prekeys (prekeys.py) are their own files'.
"""

from typing import Final, assert_never

from relayclient import contacts, prekeys, safety
from relayclient.link import Link
from relayclient.store.database import Step
from relayproto.codes import Code, CodeRange, range_of
from relayproto.commands import DeviceCommand, GetDevices, PutDevices, PutPolicy, PutProfile
from relayproto.replies import Welcome
from relayproto.visibility import NOTHING_HIDDEN

Retold = PutDevices | PutPolicy | PutProfile
_UNDATED_MS: Final = 1
"""When something was said of which a device of release 0.1.0 kept no time: whatever has a time is newer."""


def welcomed(step: Step, link: Link, welcome: Welcome, *, restored: bool) -> None:
    """Note what the relay is to be told again; ``restored``: it came back from a copy."""
    account = step.setting("account")
    link.own_list_due = welcome.list_version < contacts.version(step, account)
    if not restored:
        return
    safety.tell_again(step)
    prekeys.tell_again(step)
    for said in ("own_policy", "own_about", "own_hidden"):
        if step.setting(said) is not None:
            step.put("policy_due" if said == "own_policy" else "profile_due", 1)


def needs(step: Step, link: Link) -> list[DeviceCommand]:
    """Return what the relay is to be told, the list first: what else is asked may depend on it.

    Where the relay's list is the newer one, it is asked for instead.
    """
    account = step.setting("account")
    wanted: list[DeviceCommand] = [GetDevices(account)] if link.own_list_stale else []
    if link.own_list_due:
        wanted.append(PutDevices(*step.rows("SELECT listed, signature FROM contact WHERE account = ?", account)[0]))
    if step.setting("policy_due"):
        wanted.append(PutPolicy(step.setting("own_policy"), step.setting("own_policy_ms") or _UNDATED_MS))
    if step.setting("profile_due"):
        about, hidden = step.setting("own_about") or "", step.setting("own_hidden") or NOTHING_HIDDEN
        wanted.append(PutProfile(about, hidden, step.setting("own_profile_ms") or _UNDATED_MS))
    return wanted


def taken(step: Step, link: Link, command: Retold, now_ms: int) -> None:
    """Note that the relay has what was told, again or for the first time (``now_ms`` in relay time)."""
    match command:
        case PutDevices():
            link.own_list_due = False
        case PutPolicy(row, said_ms):
            _keep(step, "policy", said_ms or now_ms, own_policy=row)
        case PutProfile(about, hidden, said_ms):
            _keep(step, "profile", said_ms or now_ms, own_about=about, own_hidden=hidden)
        case _ as never:
            assert_never(never)


def _keep(step: Step, what: str, said_ms: int, **said: object) -> None:
    """Keep what was said and when, unless something was said later than what is told again now."""
    if said_ms < (step.setting(f"own_{what}_ms") or 0):
        return
    for name, value in said.items():
        step.put(name, value)
    step.put(f"own_{what}_ms", said_ms)
    step.put(f"{what}_due", 0)


def is_again(command: DeviceCommand, link: Link) -> bool:
    """Say whether a command was this file's and not a person's."""
    if isinstance(command, PutDevices):
        return link.own_list_due
    return isinstance(command, PutPolicy | PutProfile) and command.said_ms > 0


def refused(step: Step, link: Link, command: DeviceCommand, code: int) -> None:
    """Give up what the relay will never take; where it has a newer list by now, learn that one."""
    if range_of(code) in (CodeRange.RETRY_LATER, CodeRange.INTERNAL):
        return
    match command:
        case PutDevices():
            link.own_list_due = False
            link.own_list_stale = code == Code.STALE_LIST
        case PutPolicy():
            step.put("policy_due", 0)
        case PutProfile():
            step.put("profile_due", 0)
        case _:
            pass
