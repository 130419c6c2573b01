"""What people do about others who write to them: block an account, and report a message.

A wish of the user's enters and holds here at once; BLOCK and REPORT leave until the relay has answered. The rule of
this file: nothing waits for a connection, and a report is sealed to nobody but the moderators whom the relay's offline
root has signed (spec 50 §5, 55 §6, 65 §6).
"""

from typing import Final

from relayclient import contacts, relaykeys
from relayclient.errors import NoModerators
from relayclient.events import BlockSettled, Event, MessageReceived, ReportHeldUp, ReportSettled
from relayclient.store.database import Step
from relayproto.commands import Block, DeviceCommand, Report
from relayproto.e2e.content import Evidence
from relayproto.e2e.report import seal_report
from relayproto.ids import AccountId, MessageId
from relayproto.packed import unpack

_UNBLOCKED: Final = "unblocked-"
"""Of each account that was unblocked: the setting's name begins so."""


def block(step: Step, account: AccountId, *, blocked: bool) -> None:
    """Refuse an account from now on, or no longer."""
    contacts.meet(step, account)
    step.run(
        "UPDATE contact SET blocked = ?, block_due = 1, block_code = NULL WHERE account = ?", blocked, account
    )  # fmt: skip
    # A relay that comes back from a backup may refuse somebody whom it was told to refuse no longer.
    if blocked:
        step.run("DELETE FROM setting WHERE name = ?", _unblocked(account))
    else:
        step.put(_unblocked(account), account)


def _unblocked(account: AccountId) -> str:
    return f"{_UNBLOCKED}{account.hex()}"


def block_state(step: Step, account: AccountId) -> tuple[bool, int | None]:
    """Return whether the relay is still to be told of the last wish about an account, and its code if it refused."""
    due, code = step.rows("SELECT block_due, block_code FROM contact WHERE account = ?", account)[0]
    return bool(due), code


def tell_again(step: Step) -> None:
    """Let a relay that came back from a backup be told of all who are blocked, and of who was and is not any more."""
    step.run(
        "UPDATE contact SET block_due = 1 WHERE blocked"
        " OR account IN (SELECT value FROM setting WHERE name GLOB ?)", f"{_UNBLOCKED}*",
    )  # fmt: skip


def report(step: Step, received: MessageReceived, now_ms: int) -> int:
    """Seal a message of the inbox for the moderators; return the report's number. Raises NoModerators."""
    moderators = relaykeys.moderators(step, now_ms)
    if not moderators:
        raise NoModerators
    place = (received.sender, received.device.to_bytes(4), received.message)
    sealed = step.rows(
        "SELECT sealed_evidence FROM inbox WHERE sender = ? AND device = ? AND id = ?",
        received.sender, received.device, received.message,
    )[0][0]  # fmt: skip
    evidence = unpack(step.open(sealed, b"evidence", *place), Evidence)
    number = step.run(
        "INSERT INTO report (message, boxed, made_ms) VALUES (?, ?, ?)",
        received.message, seal_report(evidence, moderators), now_ms,
    ).lastrowid  # fmt: skip
    return int(number or 0)


def report_state(step: Step, number: int) -> tuple[bool, int | None]:
    """Return whether a report still waits, and the relay's code where it refused it, for good or for now."""
    waits, code = step.rows("SELECT boxed IS NOT NULL, code FROM report WHERE row = ?", number)[0]
    return bool(waits), code


def needs(step: Step) -> list[DeviceCommand]:
    """Return what the relay is to be told; one report at a time."""
    blocks = step.rows("SELECT account, blocked FROM contact WHERE block_due ORDER BY account")
    reports = step.rows("SELECT boxed FROM report WHERE boxed IS NOT NULL ORDER BY row LIMIT 1")
    told: list[DeviceCommand] = [Block(account, bool(blocked)) for account, blocked in blocks]
    return told + [Report(boxed) for (boxed,) in reports]


def settled(step: Step, command: Block | Report, code: int | None) -> list[Event]:
    """Note that the relay has done what was asked, or (with its code) that it never will."""
    if isinstance(command, Block):
        changed = step.run(
            "UPDATE contact SET block_due = 0, block_code = ? WHERE account = ? AND blocked = ?",
            code, command.account, command.blocked,
        )  # fmt: skip
        return [BlockSettled(command.account, command.blocked, code)] if changed.rowcount else []
    found = step.rows("SELECT message FROM report WHERE boxed = ?", command.sealed)
    step.run("UPDATE report SET boxed = NULL, code = ? WHERE boxed = ?", code, command.sealed)
    return [ReportSettled(MessageId(message), code) for (message,) in found]


def held_up(step: Step, command: Report, code: int) -> list[Event]:
    """Note why a report still waits."""
    found = step.rows("SELECT message FROM report WHERE boxed = ?", command.sealed)
    step.run("UPDATE report SET code = ? WHERE boxed = ?", code, command.sealed)
    return [ReportHeldUp(MessageId(message), code) for (message,) in found]


def forget(step: Step, before_ms: int) -> None:
    """Forget reports that were answered and made before a time."""
    step.run("DELETE FROM report WHERE boxed IS NULL AND made_ms < ?", before_ms)
