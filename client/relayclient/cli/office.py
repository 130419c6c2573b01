"""relay office: who answers for an office."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import desk, terminal
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayproto.administration import AssignOffice

DESCRIPTION: Final = """\
An office is an account that people outside may write to first, and for which people of the organisation answer. It is
made like any member, with relay unit invite UNIT ADDRESS --as office.
"""
EPILOG: Final = """\
examples:
  relay unit invite North counter@works.example --as office
  relay office assign North counter@works.example clerk@works.example
  relay office release North counter@works.example clerk@works.example
"""


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    parser.add_argument("office", metavar="OFFICE", help=f"the office: {WHO_HELP}")
    parser.add_argument("account", metavar="WHO", help=f"who answers for it: {WHO_HELP}")
    desk.adds(parser)


def _settle(arguments: Namespace, *, answers: bool) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        office, account = await at.account(arguments.office), await at.account(arguments.account)
        who = terminal.harmless(arguments.account)
        done = f"{who} answers for {terminal.harmless(arguments.office)}{'' if answers else ' no longer'}."
        await at.do(AssignOffice(unit, office, account, answers), done)

    desk.run(arguments, work)
    return 0


def _assign(arguments: Namespace) -> int:
    return _settle(arguments, answers=True)


def _release(arguments: Namespace) -> int:
    return _settle(arguments, answers=False)


VERBS: Final = (
    Verb("assign", "let somebody answer for an office", _add, _assign),
    Verb("release", "let somebody answer for an office no longer", _add, _release),
)
