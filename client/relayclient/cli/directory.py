"""relay member list and search: who is in a unit, as far as the relay shows it."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.badges import Badge
from relayclient.cli import badge, desk, online, terminal
from relayclient.cli.columns import table
from relayclient.cli.desk import UNIT_HELP, Desk
from relayclient.cli.group import Verb
from relayproto.attestation import Attested
from relayproto.limits import PAGE_ROWS_MAX, SOUGHT_CHARS_MAX
from relayproto.people import GetPeople, People, Person

_ACCOUNT_CHARS: Final = 16
"""Digits of an account by which people tell two of one name apart; a script gets all."""


def _add_list(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=f"the unit and all below: {UNIT_HELP}")


def _add_search(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"the unit and all below: {UNIT_HELP}")
    parser.add_argument("sought", metavar="TEXT", help="part of a name, a title, an address or a line about oneself")


def _list(arguments: Namespace) -> int:
    return _tell(arguments, "")


def _search(arguments: Namespace) -> int:
    return _tell(arguments, arguments.sought.strip()[:SOUGHT_CHARS_MAX])


def _tell(arguments: Namespace, sought: str) -> int:
    async def work(at: Desk) -> list[tuple[Person, Badge]]:
        question = GetPeople(await at.within(arguments.unit), sought, b"", PAGE_ROWS_MAX)
        pages = [page async for page in at.pages(question)]
        found = [person for page in pages if isinstance(page, People) for person in page.people]
        _judged(at, found)  # Asks for the records of organisations that this device has not seen yet.
        await at.client.settle(online.SETTLE_S)
        return _judged(at, found)

    found = desk.run(arguments, work)
    if arguments.json:
        for person, shown in found:
            terminal.say_json({"account": person.account.hex(), "about": person.about, **badge.fields(shown)})
    else:
        table(("NAME", "TITLE", "UNIT", "ADDRESS", "SAYS", "ACCOUNT"), [_row(*each) for each in found])
    return 0


def _judged(at: Desk, found: list[Person]) -> list[tuple[Person, Badge]]:
    now_ms = at.client.now_ms()
    return [(person, at.device.administration.judge(person.account, person.proof, now_ms)) for person in found]


def _row(person: Person, shown: Badge) -> tuple[object, ...]:
    """Return a line of the table; of whom nothing counts as attested, why not."""
    if isinstance(shown, Attested):
        said = (shown.name or "", shown.title or "", shown.unit or "", shown.address or "")
    else:
        said = (f"({shown.value})", "", "", "")
    return (*said, person.about, person.account.hex()[:_ACCOUNT_CHARS])


VERBS: Final = (
    Verb("list", "who is in a unit and below it, as far as you are shown it", _add_list, _list),
    Verb("search", "look for somebody in a unit and below it", _add_search, _search),
)
