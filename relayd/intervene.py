"""The command line's room: what an operator does to a relay that runs - look, kick, suspend, purge, drain, check.

Arguments enter; the running relay does it, and its exit status leaves. The rules of this file: what concerns a person
has a reason, for the auditors; what can't be taken back is asked for again; standard output has the result.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from relayd.exits import CannotGoOn, Exit
from relayd.safekeeping import Adds

if TYPE_CHECKING:
    from relayd.config import Config
    from relayproto.administration_replies import Acted
    from relayproto.operating import Box, Connections, LocalCommand

ROWS_MAX: Final = 1_000
"""Connections in one list; a relay has more, but nobody reads them."""
CHECK_TIMEOUT_S: Final = 25.0
"""The relay gives itself 15 s, and answers nobody for longer than 30."""
POLL_S: Final = 0.5
_DAY_S: Final = 86_400
_LEVELS: Final = ("debug", "info", "warning", "error")

Run = Callable[[argparse.Namespace, "Config"], Exit]


def _time_s(text: str) -> int:
    match = re.fullmatch(r"(0|[1-9][0-9]{0,5})([smhd])", text)
    time_s = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": _DAY_S}[match[2]] if match else -1
    if not 0 <= time_s <= _DAY_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of 0s to 1d, for example 30s or 5m")
    return time_s


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= ROWS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 to {ROWS_MAX}")
    return int(text)


def _device(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) < 1 << 32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a device's number")
    return int(text)


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    adds: Adds,
    config_of: "Callable[[argparse.Namespace], Config]",
) -> None:
    """Add the commands to the command line; ``config_of`` loads the configuration that arguments name."""

    def added(name: str, run: Run, help_: str, examples: str) -> argparse.ArgumentParser:
        made = adds(commands, name, lambda arguments: run(arguments, config_of(arguments)), help_, examples)
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    _add_personal(added)
    listed = added(
        "connections", _connections, "count the connections of the running relay, or list them by mailbox number",
        "  relayd connections\n  relayd connections --list 50",
    )  # fmt: skip
    listed.add_argument(
        "--list", metavar="N", type=_number, dest="rows", default=0,
        help=f"list this many at most (1 to {ROWS_MAX}); a list is in the audit log",
    )  # fmt: skip
    drain = added(
        "drain", _drain, "send every device away and let none in, until it is undone or the relay restarts",
        "  relayd drain --yes && systemctl restart relayd\n  relayd drain --undo",
    )  # fmt: skip
    drain.add_argument("--undo", action="store_true", help="let devices in again")
    drain.add_argument(
        "--wait", metavar="TIME", type=_time_s, default="30s",
        help="how long to wait until it is empty, 0s to 1d (default: 30s)",
    )  # fmt: skip
    drain.add_argument("--yes", action="store_true", help="do not ask")
    added("checkpoint", _checkpoint, "move the store's write-ahead log into its file now", "  relayd checkpoint")
    level = added(
        "loglevel", _loglevel, "set the level of the relay's log until it restarts or reloads",
        "  relayd loglevel debug\n  relayd loglevel info",
    )  # fmt: skip
    level.add_argument("level", choices=_LEVELS, help="from here on upwards is written")
    added(
        "selfcheck", _selfcheck, "check the store's invariants while the relay runs",
        "  relayd selfcheck\n  relayd selfcheck --json",
    )  # fmt: skip


def _add_personal(added: Callable[[str, Run, str, str], argparse.ArgumentParser]) -> None:
    look = added(
        "mailbox", _mailbox, "tell an account's mailboxes in numbers; this is written to the audit log",
        "  relayd mailbox officer@gad.example --reason 'ticket 4711: she says that nothing comes'",
    )  # fmt: skip
    kick = added(
        "kick", _kick, "end the connections of an account or of one device; they come back",
        "  relayd kick officer@gad.example --device 2 --reason 'its connection is stuck'",
    )  # fmt: skip
    kick.add_argument(
        "--back-after", metavar="TIME", type=_time_s, default="10s", help="when they come back, 0s to 1d (default: 10s)"
    )
    suspend = added(
        "suspend", _suspend, "suspend an account: unknown to others, its roles count for nothing; it may only fetch",
        "  relayd suspend officer@gad.example --reason 'the phone was stolen, ticket 4712'",
    )  # fmt: skip
    resume = added(
        "resume", _resume, "let a suspended account be as before",
        "  relayd resume officer@gad.example --reason 'the phone was found, ticket 4712'",
    )  # fmt: skip
    purge = added(
        "purge", _purge, "delete what waits for an account or one device; senders are told",
        "  relayd purge officer@gad.example --device 2 --reason 'order 17 of the court'",
    )  # fmt: skip
    for each in (look, kick, suspend, resume, purge):
        each.add_argument("whom", metavar="ADDRESS", help="an address, or an account as 64 hexadecimal digits")
        each.add_argument(
            "--reason", metavar="TEXT", required=True, help="why, for the auditors; - reads it from stdin"
        )
    for each in (kick, purge):
        each.add_argument("--device", metavar="N", type=_device, default=0, help="one device (default: all)")
    for each in (suspend, purge):
        each.add_argument("--yes", action="store_true", help="do not ask for the address again")


def _print_json(value: object) -> Exit:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")
    return Exit.OK


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows under their head, numbers to the right."""
    texts = [list(head), *[[f"{one:,}" if isinstance(one, int) else str(one) for one in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "".join(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in texts
    )


def _acted(config: "Config", command: "LocalCommand", device: str = "") -> "Acted":
    from relayd import operate
    from relayproto.administration_replies import Acted
    from relayproto.codes import Code

    try:
        return operate.ask(config.operator_socket, command, Acted)
    except operate.RelayRefused as refused:
        if device and refused.code == Code.NOT_AVAILABLE:
            raise CannotGoOn(f"there is no {device}; relayd mailbox names the devices", Exit.REFUSED) from None
        raise


def _reason(arguments: argparse.Namespace) -> str:
    from relayd import operate

    return operate.reason(arguments.reason, sys.stdin)


def _confirm(arguments: argparse.Namespace, question: str, expected: str) -> None:
    from relayd import operate

    if not arguments.yes:
        operate.confirm(question, expected, sys.stdin, sys.stderr)


def _told(arguments: argparse.Namespace, acted: "Acted", said: str, **values: object) -> Exit:
    if arguments.json:
        return _print_json({**values, "record": acted.record})
    sys.stdout.write(f"{said} Audit record {acted.record}.\n")
    return Exit.OK


# --- people ---


def _mailbox(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayd import operate
    from relayproto.operating import GetMailbox, Mailboxes

    seen = operate.ask(config.operator_socket, GetMailbox(arguments.whom, _reason(arguments)), Mailboxes)
    if arguments.json:
        return _print_json({
            "account": seen.account.hex(), "unit": seen.unit, "suspended": seen.suspended, "record": seen.record,
            "envelopes_max": seen.envelopes_max, "bytes_max": seen.octets_max, "now_ms": seen.now_ms,
            "devices": [_box(box) for box in seen.boxes],
        })  # fmt: skip
    sys.stdout.write(
        f"account {seen.account.hex()}, unit {seen.unit}{', SUSPENDED' if seen.suspended else ''}\n"
        f"a mailbox holds {seen.envelopes_max:,} envelopes or {seen.octets_max:,} bytes; audit record {seen.record}\n\n"
    )
    head = ("device", "mailbox", "epoch", "lane", "floor", "next", "envelopes", "bytes", "first expires")
    rows: list[list[object]] = []
    for box in seen.boxes:
        for lane, queue in zip(("normal", "urgent", "outcome"), box.queues, strict=True):
            # Names without commas: they are no quantities.
            first = lane == "normal"
            named = [str(box.device), str(box.mailbox), str(box.epoch)] if first else [""] * 3
            expires = operate.moment(box.earliest_ms) if first and box.earliest_ms else ""
            rows.append([*named, lane, str(queue.floor), str(queue.next), queue.envelopes, queue.octets, expires])
    sys.stdout.write(table(head, rows))
    for box in seen.boxes:
        if box.over or box.refused:
            sys.stdout.write(f"device {box.device} is full: {box.refused:,} refused since it last acknowledged\n")
    return Exit.OK


def _box(box: "Box") -> dict[str, Any]:
    lanes = {
        lane: {"floor": queue.floor, "next": queue.next, "envelopes": queue.envelopes, "bytes": queue.octets}
        for lane, queue in zip(("normal", "urgent", "outcome"), box.queues, strict=True)
    }
    return {
        "device": box.device, "mailbox": box.mailbox, "epoch": box.epoch, "lanes": lanes, "receipts": box.receipts,
        "full": box.over, "refused": box.refused, "first_expires_ms": box.earliest_ms,
    }  # fmt: skip


def _one(arguments: argparse.Namespace) -> str:
    """Return how the one device that is meant is called, "" where all are."""
    return f"device {arguments.device} of {arguments.whom}" if arguments.device else ""


def _kick(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayproto.operating import Kick

    after_s = arguments.back_after
    kick = Kick(arguments.whom, arguments.device, after_s * 1000, _reason(arguments))
    acted = _acted(config, kick, _one(arguments))
    said = f"{acted.value} connections end, and may come back after {after_s} s."
    return _told(arguments, acted, said, connections=acted.value)


def _suspend(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayproto.operating import Suspend

    reason = _reason(arguments)
    _confirm(
        arguments,
        f"Nobody can write to {arguments.whom} or find it any more, and it to nobody.\nType the address to go on: ",
        arguments.whom,
    )
    acted = _acted(config, Suspend(arguments.whom, suspended=True, reason=reason))
    return _told(arguments, acted, f"{arguments.whom} is suspended; relayd resume undoes it.", suspended=True)


def _resume(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayd import operate
    from relayproto.codes import Code
    from relayproto.operating import Suspend

    try:
        acted = _acted(config, Suspend(arguments.whom, suspended=False, reason=_reason(arguments)))
    except operate.RelayRefused as refused:
        if refused.code != Code.CONFLICT:
            raise
        raise CannotGoOn(
            "it is not suspended, or it chose its name under a domain that is an organisation's by now and stays so",
            Exit.REFUSED,
        ) from None
    return _told(arguments, acted, f"{arguments.whom} is as before.", suspended=False)


def _purge(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayproto.operating import Purge

    reason = _reason(arguments)
    what = _one(arguments) or arguments.whom
    _confirm(
        arguments,
        f"What waits for {what} is deleted for good, and its senders are told.\nType the address to go on: ",
        arguments.whom,
    )
    acted = _acted(config, Purge(arguments.whom, arguments.device, reason), _one(arguments))
    return _told(arguments, acted, f"{acted.value:,} envelopes are gone.", envelopes=acted.value)


# --- the relay ---


def _connections(arguments: argparse.Namespace, config: "Config") -> Exit:
    from msgspec.structs import asdict

    from relayd import operate
    from relayproto.limits import PAGE_ROWS_MAX
    from relayproto.operating import Connections, GetConnections, Line

    lines: list[Line] = []
    while True:
        command = GetConnections(lines[-1].mailbox if lines else 0, min(PAGE_ROWS_MAX, arguments.rows - len(lines)))
        counts = operate.ask(config.operator_socket, command, Connections)
        lines += counts.lines
        if not counts.more or len(lines) >= arguments.rows:
            break
    if arguments.json:
        return _print_json({**_counts(counts), "list": [asdict(line) for line in lines]})
    sys.stdout.writelines(f"{name.replace('_', ' '):<18}  {count:>10,}\n" for name, count in _counts(counts).items())
    if arguments.rows:
        rows = [(str(line.mailbox), operate.moment(line.since_ms), *line.fields()[2:]) for line in lines]
        head = ("mailbox", "since", "received", "sent", "window", "owed", "waiting")
        sys.stdout.write("\n" + table(head, rows) + ("and more\n" if counts.more else ""))
    return Exit.OK


def _counts(counts: "Connections") -> dict[str, int]:
    return {
        "open": counts.open, "half_open": counts.half_open, "devices": counts.devices,
        "works_waiting": counts.works, "draining": int(counts.draining),
    }  # fmt: skip


def _drain(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayproto.operating import Drain

    if arguments.undo:
        acted = _acted(config, Drain(draining=False))
        return _told(arguments, acted, "Devices are let in again.", draining=False)
    _confirm(arguments, "Every device is sent away and none is let in.\nType drain to go on: ", "drain")
    acted = _acted(config, Drain(draining=True))
    left = _emptied(config, arguments.wait)
    if arguments.json:
        _print_json({"draining": True, "connections": left, "empty": not left, "record": acted.record})
    elif left:
        sys.stdout.write(
            f"{left:,} connections or works are left. Audit record {acted.record}. Again: relayd connections\n"
        )
    else:
        sys.stdout.write(f"The relay is empty; relayd drain --undo lets devices in. Audit record {acted.record}.\n")
    return Exit.LATER if left else Exit.OK


def _emptied(config: "Config", wait_s: int) -> int:
    """Wait until nobody is connected and nothing waits for a commit, for so long at most; return what is left."""
    from relayd import operate
    from relayproto.operating import Connections, GetConnections

    looks_left = int(wait_s / POLL_S)
    while True:
        counts = operate.ask(config.operator_socket, GetConnections(0, 0), Connections)
        left = counts.open + counts.works
        if not left or not looks_left:
            return left
        looks_left -= 1
        time.sleep(POLL_S)


def _checkpoint(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayproto.operating import MoveLog

    acted = _acted(config, MoveLog())
    said = (
        "The log is in the file." if not acted.value else f"{acted.value:,} bytes of the log are left: somebody reads."
    )
    return _told(arguments, acted, said, bytes_left=acted.value)


def _loglevel(arguments: argparse.Namespace, config: "Config") -> Exit:
    from relayproto.operating import LOG_LEVELS, SetLogLevel

    acted = _acted(config, SetLogLevel(LOG_LEVELS.index(arguments.level)))
    said = f"The log has {arguments.level} and above, until a restart or reload."
    return _told(arguments, acted, said, level=arguments.level)


def _selfcheck(arguments: argparse.Namespace, config: "Config") -> Exit:
    from msgspec.structs import asdict

    from relayd import operate
    from relayproto.operating import Checked, SelfCheck

    checked = operate.ask(config.operator_socket, SelfCheck(), Checked, timeout_s=CHECK_TIMEOUT_S)
    broken = [each for each in checked.found if each.wrong]
    status = Exit.NOT_WHOLE if broken else Exit.LATER if checked.unfinished else Exit.OK
    if arguments.json:
        _print_json({
            "whole": status is Exit.OK, "found": [asdict(each) for each in checked.found],
            "unfinished": checked.unfinished,
        })  # fmt: skip
        return status
    sys.stdout.write(
        table(("looked at", "wrong", "rule"), [(each.looked_at, each.wrong, each.rule) for each in checked.found])
    )
    sys.stdout.writelines(f"BROKEN: {each.rule}; first {each.first}\n" for each in broken)
    sys.stdout.writelines(f"there was no time for: {rule}\n" for rule in checked.unfinished)
    if broken:
        sys.stdout.write("Next: relayd backup, then relayd verify, and keep this output.\n")
    return status
