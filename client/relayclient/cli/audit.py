"""relay audit: who did what, and whether the log of it is whole."""

import contextlib
import os
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

from relayclient import auditlog
from relayclient.auditlog import OUTCOMES, Verdict, Verifier
from relayclient.cli import desk, home, terminal
from relayclient.cli.columns import fingerprint, moment, table, word
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.device import Device
from relayclient.errors import FileUnusable, FileUnwritable, LogBroken, LogUnwitnessed, NotJoined
from relayproto import audit
from relayproto.administration import GetAudit, GetCheckpoints
from relayproto.administration_replies import Audit, Checkpoint, Checkpoints
from relayproto.audit import HIDDEN, BrokenChain, Chain, Record
from relayproto.codes import Kind
from relayproto.commands import GetRelayKeys
from relayproto.ids import UnitId
from relayproto.limits import PAGE_ROWS_MAX
from relayproto.rules import RULES
from relayproto.standing import Role, Where

DESCRIPTION: Final = """\
Who did what in which role, when and why, and what came of it; denials are in it as well, what people write never is.
It is for auditors, who hold no other role. The records are a chain that the relay signs every hour: an export of it can
be verified anywhere, without the relay.
"""
EPILOG: Final = """\
examples:
  relay audit list
  relay audit search --by head@works.example --verb grant-role --since 2027-01-01
  relay audit search --outcome denied --json
  relay audit export works-2027-03.jsonl
  relay audit verify works-2027-03.jsonl --checkpoints /mnt/elsewhere/checkpoints-2027-03.jsonl
"""
_LOGGED: Final = sorted(
    {Kind.ACT, *(kind for kind, rule in RULES.items() if rule.where not in {Where.OWN, Where.ANYBODY})}
    - {Kind.GET_STATUS, Kind.SELF_CHECK}
)
"""What can be in the log: acts and what they change, what officers ask, and what the relay's operator does."""
Take = Callable[[int, Record], bool]
_HASH_BYTES: Final = 32
_VERIFY: Final = """\
Check a file that relay audit export wrote, without the relay. It is whole where checkpoints from elsewhere cover all
of it: those that were carried outside (--checkpoints), and the furthest one that the relay has shown to this device.
Those in the file do not count for that: whoever cuts its end off cuts them off as well. The exit status is 0 for a
whole log, 77 for one that is in order but not covered to its end, 65 for one that is not in order.
"""


# --- list and search --------------------------------------------------------------------------
def _add_list(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=UNIT_HELP)
    parser.add_argument("--limit", type=int, metavar="N", default=20, help="the last N (default: 20)")


def _add_search(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=UNIT_HELP)
    parser.add_argument("--by", metavar="WHO", help=f"who acted: {WHO_HELP}")
    parser.add_argument("--whom", metavar="WHO", help=f"whom it is about: {WHO_HELP}")
    parser.add_argument("--verb", metavar="VERB", choices=[word(kind) for kind in _LOGGED], help="such as grant-role")
    parser.add_argument("--about", metavar="UNIT", help="the unit that was changed or asked for")
    parser.add_argument("--since", metavar="DATE", type=moment, default=0, help="not before")
    parser.add_argument("--until", metavar="DATE", type=moment, default=1 << 62, help="before")
    parser.add_argument("--outcome", choices=OUTCOMES, help="what came of it")
    parser.add_argument("--reason", metavar="TEXT", help="what the reason holds")
    parser.add_argument("--limit", type=int, metavar="N", default=1_000, help="the last N that fit (default: 1000)")


def _list(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        await _last(at, lambda _, __: True)

    desk.run(arguments, work)
    return 0


def _search(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        by = None if arguments.by is None else await at.account(arguments.by)
        whom = None if arguments.whom is None else await at.account(arguments.whom)
        about = None if arguments.about is None else await at.unit(arguments.about)

        def take(_: int, record: Record) -> bool:
            return (
                (by is None or by in (record.account, record.first))
                and (whom is None or whom in (record.whom, record.other))
                and (about is None or about in (record.object, record.into))
                and (arguments.verb is None or word(record.kind) == arguments.verb)
                and arguments.since <= record.at_ms < arguments.until
                and (arguments.outcome is None or auditlog.outcome(record) == arguments.outcome)
                and (arguments.reason is None or arguments.reason.casefold() in record.reason.casefold())
            )

        await _last(at, take)

    desk.run(arguments, work)
    return 0


async def _last(at: Desk, take: Take) -> None:
    """Print the last records that fit, oldest first."""
    found: deque[tuple[int, Record]] = deque(maxlen=max(1, at.arguments.limit))
    async for number, said in _rows(at, await at.unit(at.arguments.unit), 0):
        if said[:1] != HIDDEN and take(number, record := audit.decode(said)):
            found.append((number, record))
    await at.know(account for _, record in found for account in (record.account, record.first, record.whom))
    if at.arguments.json:
        for number, record in found:
            terminal.say_json({"number": number, **auditlog.readable(record), "address": _address(at, record.account)})
        return
    table(("RECORD", "TIME", "WHO", "AS", "VERB", "ABOUT", "OUTCOME", "REASON"),
          [_shown(at, number, record) for number, record in found])  # fmt: skip


def _address(at: Desk, account: bytes) -> str | None:
    named = at.name(account).removesuffix(" (you)")
    return named if "@" in named else None


def _shown(at: Desk, number: int, record: Record) -> tuple[object, ...]:
    role = f"{word(Role(record.role))}/{record.over}" if record.role in set(Role) else "-"
    about = f"unit {record.object}" + (f", {at.name(record.whom)}" if record.whom else "")
    said = auditlog.readable(record)
    came = f"denied {said['code']}" if said["outcome"] == "denied" else said["outcome"]
    who = at.name(record.account) + (f" (proposed by {at.name(record.first)})" if record.first else "")
    return number, terminal.when(record.at_ms), who, role, said["verb"], about, came, record.reason


async def _rows(at: Desk, unit: UnitId, after: int) -> AsyncGenerator[tuple[int, bytes], None]:
    async for page in at.pages(GetAudit(unit, after, PAGE_ROWS_MAX)):
        if isinstance(page, Audit):
            for row in page.records:
                yield row


# --- export -----------------------------------------------------------------------------------
def _add_export(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the new file, lines of JSON; only you can read it")
    parser.add_argument("--unit", metavar="UNIT", default=".", help=UNIT_HELP)
    parser.add_argument("--signed", action="store_true", help="end with the last record that the relay has signed for")


def _export(arguments: Namespace) -> int:
    async def work(at: Desk) -> Verdict:
        await at.ask(GetRelayKeys())
        unit = await at.unit(arguments.unit)
        with _new_file(arguments.file) as file:
            checkpoints = await _write(at, unit, file)
        return _verified(arguments.file, at.device, _verifier(at.device, checkpoints))

    verdict = desk.run(arguments, work)
    _say(verdict, arguments, "is written and whole" if verdict.whole else "is written and in order")
    if not verdict.whole:
        terminal.note(f"{_beyond(verdict)}: the relay signs every hour. With --signed an export ends before them.")
    return 0


async def _write(at: Desk, unit: UnitId, file: TextIO) -> list[Checkpoint]:
    """Write the log as the relay gives it now; return its checkpoints."""
    pages = [page async for page in at.pages(GetCheckpoints(0, PAGE_ROWS_MAX)) if isinstance(page, Checkpoints)]
    checkpoints = [each for page in pages for each in page.checkpoints]
    first = await at.answer(GetAudit(unit, 0, 1))
    oldest = first.records[0][0] if isinstance(first, Audit) and first.records else 1
    last = max((each.records for each in checkpoints), default=0)
    start = _start(oldest, checkpoints)
    administration = at.device.administration
    file.writelines(
        auditlog.begin(administration.root(), unit, administration.descriptors(), checkpoints, start)
    )  # fmt: skip
    chain = Chain({}, start.records, start.head) if start else Chain({})
    async for number, row in _rows(at, unit, chain.records):
        if at.arguments.signed and chain.records >= last:
            break
        said = _up_to(row, last - chain.records) if at.arguments.signed else row
        try:
            chain.take(number, said)
        except BrokenChain as broken:
            raise LogBroken(f"as the relay gave it, {broken}") from None
        file.write(auditlog.row(number, said))
    file.write(auditlog.end(chain))
    return checkpoints


def _up_to(said: bytes, records: int) -> bytes:
    """Return the digests of at most so many records of a row; a record that is shown stays as it is."""
    return said[: 1 + _HASH_BYTES * records] if said[:1] == HIDDEN else said


def _start(oldest: int, checkpoints: list[Checkpoint]) -> Checkpoint | None:
    """Return the checkpoint after which an export begins, None where the log is there from its first record.

    What is older than that checkpoint is there, but nobody could verify it: those before it are gone by retention.
    """
    if oldest == 1:
        return None
    found = [each for each in checkpoints if each.records >= oldest - 1]
    if not found:
        raise LogBroken(f"record {oldest}: older ones are gone, and the relay has signed nothing since")
    return min(found, key=lambda each: each.records)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """Give a new file under another name, which becomes ``path`` when all is written."""
    part = path.with_name(f"{path.name}.part")
    try:
        opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise FileUnwritable(f"{path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):  # as where its folder is a file: it is not there then
            part.unlink()


# --- verify -----------------------------------------------------------------------------------
def _add_verify(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="what relay audit export wrote")
    parser.add_argument(
        "--checkpoints", metavar="FILE", type=Path, action="append", default=[],
        help="checkpoints that were carried outside: the log has to agree with them, and go as far",
    )  # fmt: skip
    parser.add_argument(
        "--relay", metavar="HEX", type=fingerprint,
        help="fingerprint of the relay's root, where no device of that relay is in this home",
    )  # fmt: skip


def _verify(arguments: Namespace) -> int:
    with contextlib.ExitStack() as opened:
        device = _device(arguments, opened)
        root = arguments.relay if device is None else device.administration.root()
        known = [one for path in arguments.checkpoints for one in _carried(path, root)]
        verifier = Verifier(root, known=known) if device is None else _verifier(device, known)
        verdict = _verified(arguments.file, device, verifier)
    _say(verdict, arguments, "is whole" if verdict.whole else "is in order")
    if not verdict.whole:
        raise LogUnwitnessed(_beyond(verdict))
    return 0


def _carried(path: Path, root: bytes) -> list[Checkpoint]:
    found, torn = auditlog.carried(_lines(path, "replace"), root)
    if torn:
        terminal.note(f"{path}: passed over, since they are no checkpoints: lines {', '.join(map(str, torn[:20]))}")
    return found


def _device(arguments: Namespace, opened: contextlib.ExitStack) -> Device | None:
    """Return the home's device, None where its relay is named instead."""
    if arguments.relay is not None:
        return None
    try:
        return opened.enter_context(home.open_device(arguments))
    except NotJoined:
        raise NotJoined(f"{arguments.home}; or name the relay's root with --relay") from None


def _verifier(device: Device, known: Iterable[Checkpoint] = ()) -> Verifier:
    """Return a verifier that knows what the device knows of the relay, and how far it had signed."""
    administration = device.administration
    furthest = administration.furthest()
    seen = dict([furthest] if furthest else [])
    return Verifier(administration.root(), administration.descriptors(), known, seen)


def _verified(path: Path, device: Device | None, verifier: Verifier) -> Verdict:
    verdict = verifier.verify(_lines(path))
    if device is not None and verifier.furthest is not None:
        device.administration.remember(verifier.furthest)
    return verdict


def _lines(path: Path, errors: str = "strict") -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors=errors, newline="\n") as file:
            yield from file
    except UnicodeDecodeError:
        raise LogBroken(f"{path} is not UTF-8") from None
    except OSError as error:
        raise FileUnusable(f"{path}: {error.strerror}") from None


def _say(verdict: Verdict, arguments: Namespace, what: str) -> None:
    if arguments.json:
        terminal.say_json({"file": str(arguments.file), "whole": verdict.whole, **verdict._asdict()})
        return
    terminal.say(
        f"{arguments.file} {what}: records {verdict.first} to {verdict.last}, {verdict.shown} in full, the others as"
        " digests of what others may not see."
    )
    if verdict.outside >= verdict.first:
        terminal.say(f"The relay has signed for all up to record {verdict.outside}, as checkpoints from elsewhere say.")


def _beyond(verdict: Verdict) -> str:
    """Say what checkpoints from elsewhere do not cover."""
    first = max(verdict.first, verdict.outside + 1)
    if first > verdict.last:
        return "it has no records"
    return f"nobody outside has signed for records {first} to {verdict.last}"


VERBS: Final = (
    Verb("list", "the newest records", _add_list, _list),
    Verb("search", "records by who, what, when and what came of it", _add_search, _search),
    Verb("export", "write the log into a file that can be verified anywhere", _add_export, _export),
    Verb("verify", "check an export: every edit, gap, reorder and cut is found", _add_verify, _verify,
         _VERIFY),
)  # fmt: skip
