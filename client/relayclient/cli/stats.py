"""relay stats: how much was sent and what became of it, and what the relay keeps."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Final

from msgspec.structs import asdict

from relayclient.cli import desk, terminal
from relayclient.cli.columns import table, word
from relayclient.cli.desk import UNIT_HELP, Desk
from relayclient.cli.group import Verb
from relayproto.codes import Fate
from relayproto.limits import PAGE_ROWS_MAX, STATISTICS_CELL_MIN
from relayproto.standing import PLATFORM
from relayproto.statistics import Cell, Day, GetRetention, GetStatistics, Kept, Retention, Statistics

DESCRIPTION: Final = """\
How many messages were sent, by day, class and size, and what became of them. There are no people in it, nothing finer
than a day, and nothing that is fewer than ten. It is for those who hold statistics-viewer or organisation-admin over
the organisation; what the relay keeps of whom, and how long, anybody may ask.
"""
EPILOG: Final = """\
examples:
  relay stats show --from 2027-03-01 --to 2027-03-31
  relay stats show 0 --json
  relay stats retention
"""
_SHOW: Final = """\
One line a day, class and size, one column for each thing that became of a message. "<10" is any number from 0 to 9.
Today is not in it: only days that are over are told. Unit 0 are the totals over all organisations, for those who hold a
role over the platform: each is the truth or up to nine below it. What became of messages in the end (delivered and
what follows it) is counted where the sender asked to be told, which relay send does.
"""
_RETENTION: Final = """\
Everything that the relay keeps, table by table and file by file: whom it concerns, what each part is for, what ends it,
and how long it stays at most by the relay's settings of now.
"""
_DAY_MS: Final = 86_400_000
_DAY_MAX: Final = (1 << 32) - 1
_SHOWN_DAYS: Final = 31
_FEW: Final = f"<{STATISTICS_CELL_MIN}"
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def _date(text: str) -> int:
    """Return the number of a day since 1970, in UTC as the relay counts: 2027-01-31."""
    try:
        return max(0, (date.fromisoformat(text) - date(1970, 1, 1)).days)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date: write it as 2027-01-31") from None


def _day(number: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()


def _add_show(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=f"an organisation; {UNIT_HELP}")
    parser.add_argument(
        "--from", dest="first", metavar="DATE", type=_date, help=f"the first day, in UTC (default: {_SHOWN_DAYS} ago)"
    )
    parser.add_argument("--to", dest="last", metavar="DATE", type=_date, help="the last day (default: yesterday)")


def _show(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        last = at.client.now_ms() // _DAY_MS if arguments.last is None else arguments.last
        first = max(0, last - _SHOWN_DAYS) if arguments.first is None else arguments.first
        asked = GetStatistics(unit, min(_DAY_MAX, first), min(_DAY_MAX, last))
        days = [each async for page in at.pages(asked) if isinstance(page, Statistics) for each in page.days]
        if arguments.json:
            _say_cells(days)
            return
        table(("DAY", "CLASS", "SIZE", *(fate.name for fate in Fate)), _lines(days))
        if days and unit == PLATFORM:
            terminal.note("Totals over all organisations: each is the truth or up to nine below it.")

    desk.run(arguments, work)
    return 0


def _say_cells(days: Iterable[Day]) -> None:
    for each in days:
        for cell in each.cells:
            terminal.say_json(
                {"day": _day(each.day), "class": word(cell.class_), "size": word(cell.size), "fate": word(cell.fate),
                 "targets": cell.targets}
            )  # fmt: skip


def _lines(days: Iterable[Day]) -> Iterable[tuple[object, ...]]:
    for each in days:
        cells = sorted(each.cells, key=Cell.fields)
        for (class_, size), same in groupby(cells, key=lambda cell: (cell.class_, cell.size)):
            found: dict[Fate, int] = {cell.fate: cell.targets for cell in same}
            yield _day(each.day), word(class_), word(size), *(found.get(fate, _FEW) for fate in Fate)


def _add_retention(_: ArgumentParser) -> None:
    """Take nothing."""


def _retention(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        pages = at.pages(GetRetention(0, PAGE_ROWS_MAX))
        rows = [row async for page in pages if isinstance(page, Retention) for row in page.rows]
        if arguments.json:
            for row in rows:
                terminal.say_json(asdict(row))
            return
        _say_policy(rows)

    desk.run(arguments, work)
    return 0


def _say_policy(rows: Iterable[Kept]) -> None:
    """Print the map as a page: a heading for what ends together, and below it what each part is for."""
    for (place, concerns, ends, kept_s), parts in groupby(
        rows, key=lambda row: (row.place, row.concerns, row.ends, row.kept_s)
    ):
        longest = "" if kept_s is None else f"at most {lasting(kept_s)}; "
        terminal.say(terminal.harmless(f"{place} - of {concerns}; {longest}{ends}"))
        for part in parts:
            terminal.say(terminal.harmless(f"    {part.column}: {part.purpose}"))


def lasting(seconds: int) -> str:
    """Return a length of time in the largest unit that says it exactly: 30 days, 1 hour."""
    for length_s, unit in _UNITS:
        if seconds >= length_s and not seconds % length_s:
            count = seconds // length_s
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "no time"


VERBS: Final = (
    Verb("show", "how much was sent and what became of it", _add_show, _show, _SHOW),
    Verb("retention", "what the relay keeps of whom, why and how long", _add_retention, _retention, _RETENTION),
)
