"""relay member import, roster and strike: whom an organisation expects."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections import deque
from pathlib import Path
from typing import Final

from relayclient import spreadsheet
from relayclient.cli import desk, terminal, wording
from relayclient.cli.columns import table
from relayclient.cli.desk import UNIT_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.errors import DeniedForNow, RelayUntrusted
from relayclient.officer_errors import LinesFaulty, RosterLost
from relayclient.rosters import Parts
from relayclient.spreadsheet import Fault, Line
from relayproto import rosters
from relayproto.limits import PAGE_ROWS_MAX, ROSTER_ALONE_MAX, ROSTER_NAME_BYTES
from relayproto.rosters import Expected, GetRoster, ImportRoster, PutRoster, Roster, Rostered, RosterLine, StrikeLine

_NAMED_MAX: Final = 20
"""Numbers of lines in the last sentence."""
_TRIES_MAX: Final = 10
"""How often a part is handed in that the relay has no room for, and how often all is said again."""
_UNDER_WAY_MAX: Final = 8
"""Parts without an answer: the relay takes them one after the other, and need not wait for the next; it holds 16."""
_WAIT_S: Final = 1.0
"""Where the relay names no time."""
_SHOWN_MAX: Final = 10
"""Lines of a roster that a proposal shows; all of them are read by relay member roster."""


# --- import -----------------------------------------------------------------------------------
def _add_import(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"where they belong: {UNIT_HELP}")
    parser.add_argument("file", metavar="FILE", type=Path,
                        help="a CSV file whose first line names the columns address, name and title")  # fmt: skip
    parser.add_argument("--preview", action="store_true", help="say what is wrong with which line, and ask nobody")
    desk.adds(parser)


def _import(arguments: Namespace) -> int:
    lines, faults = spreadsheet.read(terminal.read_file(arguments.file))
    total = len(lines) + len(faults)
    for fault in faults:
        _tell(arguments, fault.number, fault.address, fault.why)
    if not arguments.preview:

        async def work(at: Desk) -> None:
            parts = Parts(await at.within(arguments.unit), lines)
            faults.extend(await _stage(at, parts))
            if parts.kept:
                done = f"{parts.kept:,} people are expected in unit {parts.unit}."
                await at.do(parts.done(), done, lines=parts.kept, roster=parts.name.hex())

        desk.run(arguments, work)
    terminal.note(
        f"{total - len(faults):,} {'can be' if arguments.preview else 'were'} taken, {len(faults):,} were not."
    )
    if faults:
        raise LinesFaulty(", ".join(str(number) for number in sorted(fault.number for fault in faults)[:_NAMED_MAX]))
    return 0


async def _stage(at: Desk, parts: Parts) -> list[Fault]:
    """Hand a roster in and return what was not kept. Raises RosterLost."""
    for _ in range(_TRIES_MAX):
        faults = await _said(at, parts)
        if faults is not None:
            return faults
        parts.again()
    raise RosterLost


async def _said(at: Desk, parts: Parts) -> list[Fault] | None:
    """Hand in all parts, a few under way at a time; None where the relay has lost what came before."""
    faults: list[Fault] = []
    under_way: deque[tuple[PutRoster, asyncio.Task[Rostered]]] = deque()
    try:
        for part in (*parts, None):
            if part is not None:
                under_way.append((part, asyncio.create_task(_hand_in(at, part))))
            while under_way and (part is None or len(under_way) >= _UNDER_WAY_MAX):
                refused = await _taken(at, parts, *under_way.popleft())
                if refused is None:
                    return None
                faults += [Fault(line.number, line.address, wording.of_line(code)) for line, code in refused]
    finally:
        for _, task in under_way:
            task.cancel()
    for fault in faults:
        _tell(at.arguments, *fault)
    if at.arguments.json:
        _tell_kept(at.arguments, parts.lines, faults)
    return faults


async def _taken(
    at: Desk, parts: Parts, part: PutRoster, handed_in: asyncio.Task[Rostered]
) -> list[tuple[Line, int]] | None:
    """Take in the answer to a part; one that overtook another, which had to wait, is handed in once more."""
    refused = parts.took(part, await handed_in)
    if refused is None:
        refused = parts.took(part, await _hand_in(at, part))
    terminal.progress(f"{part.position + len(part.lines):,} of {len(parts.lines):,}", end="\r")
    return refused


async def _hand_in(at: Desk, part: PutRoster) -> Rostered:
    """Hand in a part; where the relay has no room for it yet, later."""
    for _ in range(_TRIES_MAX):
        try:
            answer = await at.answer(part)
        except DeniedForNow as later:
            await asyncio.sleep(later.retry_after_ms / 1000 or _WAIT_S)
            continue
        if not isinstance(answer, Rostered):
            raise RelayUntrusted
        return answer
    raise RosterLost


def _tell(arguments: Namespace, number: int, address: str, came: str) -> None:
    """Say what became of a line: each in JSON, for people those alone that are to be looked at."""
    if arguments.json:
        terminal.say_json({"line": number, "address": address, "came": came})
    else:
        terminal.say(terminal.harmless(f"line {number}: {address + ': ' if address else ''}{came}"))


def _tell_kept(arguments: Namespace, lines: list[Line], faults: list[Fault]) -> None:
    faulty = {fault.number for fault in faults}
    for line in lines:
        if line.number not in faulty:
            _tell(arguments, line.number, line.address, "taken")


# --- what is expected -------------------------------------------------------------------------
def _name(text: str) -> bytes:
    octets = bytes.fromhex(text)
    if len(octets) != ROSTER_NAME_BYTES:
        raise ValueError
    return octets


def _add_roster(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    parser.add_argument("--roster", metavar="NAME", type=_name, default=b"",
                        help="one that waits for a second person, by the name that its proposal shows")  # fmt: skip


def _roster(arguments: Namespace) -> int:
    async def work(at: Desk) -> list[Expected]:
        return await _read(at, GetRoster(await at.within(arguments.unit), arguments.roster, 0, PAGE_ROWS_MAX))

    found = desk.run(arguments, work)
    if arguments.json:
        for each in found:
            terminal.say_json({"line": each.number, "unit": each.unit, "address": each.address, "name": each.name,
                               "title": each.title})  # fmt: skip
        return 0
    table(("UNIT", "ADDRESS", "NAME", "TITLE"), [each.fields()[1:] for each in found])
    terminal.note(f"{len(found):,} lines" + (f" with the hash {_hash(found).hex()}" if arguments.roster else ""))
    return 0


async def _read(at: Desk, question: GetRoster) -> list[Expected]:
    pages = [page async for page in at.pages(question)]
    return [line for page in pages if isinstance(page, Roster) for line in page.lines]


def _hash(lines: list[Expected]) -> bytes:
    return rosters.digest(RosterLine(line.address, line.name, line.title) for line in lines)


async def shown(at: Desk, change: ImportRoster) -> list[str]:
    """Return how a roster that waits for a second person begins, and whether its lines are those that were signed."""
    found = await _read(at, GetRoster(change.unit, change.roster, 0, PAGE_ROWS_MAX))
    if len(found) != change.lines or _hash(found) != change.digest:
        return ["its lines are not there any more, or not those that were signed: it cannot be approved"]
    told = [", ".join(text for text in (line.address, line.name, line.title) if text) for line in found[:_SHOWN_MAX]]
    more = f"and {len(found) - _SHOWN_MAX:,} others: relay member roster {change.unit} --roster {change.roster.hex()}"
    return [*told, more] if len(found) > _SHOWN_MAX else told


# --- strike -----------------------------------------------------------------------------------
def _add_strike(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"their unit, or one above it: {UNIT_HELP}")
    parser.add_argument("address", metavar="ADDRESS", help="whose line goes")
    desk.adds(parser)


def _strike(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.within(arguments.unit)
        await at.do(
            StrikeLine(unit, arguments.address), f"{terminal.harmless(arguments.address)} is expected no longer."
        )

    desk.run(arguments, work)
    return 0


VERBS: Final = (
    Verb(
        "import", "expect a whole list of people in a unit", _add_import, _import,
        description="Reads a CSV file and hands its lines to the relay. Whoever comes with such an address belongs to"
        " the unit from the first moment, and is attested by relay member attest-all. The same file goes on where it"
        f" was cut off. More than {ROSTER_ALONE_MAX} lines a day wait for a second person (relay proposal).",
    ),
    Verb("roster", "who is expected in a unit and below", _add_roster, _roster),
    Verb("strike", "expect somebody no longer", _add_strike, _strike),
)  # fmt: skip
