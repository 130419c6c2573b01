"""relay role: who may do what over which unit."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import desk, terminal
from relayclient.cli.columns import meant, moment, table, word, words
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.errors import BadChange
from relayproto.administration import GetRoles, GrantRole, RevokeRole
from relayproto.administration_replies import Grant, Roles
from relayproto.limits import GRANT_LIFETIME_S_MAX, PAGE_ROWS_MAX
from relayproto.standing import Role

DESCRIPTION: Final = """\
Who may do what over which unit and everything below it. Every role ends by itself, at the latest after 366 days; nobody
grants to himself; over an organisation's root a second person approves each grant. No role reads what people write.
"""
EPILOG: Final = """\
examples:
  relay role list
  relay role grant North head@works.example unit-admin --until 2027-03-31 --reason 'head of the region'
  relay role revoke North head@works.example unit-admin --reason 'moved on'

A role that is revoked counts nowhere from that moment on, in no open session either.
"""
DAYS: Final = 180
_DAY_MS: Final = 86_400_000


def adds_end(parser: ArgumentParser) -> None:
    """Say how long something is granted."""
    parser.add_argument("--until", type=moment, metavar="DATE", default=None,
                        help=f"when it ends, at most 366 days from now (default: in {DAYS} days)")  # fmt: skip


def end_of(at: Desk) -> int:
    """Return until when something is granted, unix ms. Raises BadChange for what the relay would not take."""
    until_ms: int | None = at.arguments.until
    now_ms = at.client.now_ms()
    if until_ms is None:
        return now_ms + DAYS * _DAY_MS
    if not 0 < until_ms - now_ms <= GRANT_LIFETIME_S_MAX * 1000:
        raise BadChange("a role ends in the future and within 366 days")
    return until_ms


def _add_list(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=UNIT_HELP)


def _list(arguments: Namespace) -> int:
    async def work(at: Desk) -> list[Grant]:
        unit = await at.unit(arguments.unit)
        pages = [page async for page in at.pages(GetRoles(unit, 0, PAGE_ROWS_MAX))]
        return [grant for page in pages if isinstance(page, Roles) for grant in page.grants]

    grants = desk.run(arguments, work)
    if arguments.json:
        for grant in grants:
            terminal.say_json(
                {"unit": grant.unit, "account": grant.account.hex(), "address": grant.address, "role": word(grant.role),
                 "until_ms": grant.until_ms}
            )  # fmt: skip
        return 0
    rows = [(grant.unit, grant.address, word(grant.role), terminal.when(grant.until_ms)) for grant in grants]
    table(("UNIT", "WHO", "ROLE", "UNTIL"), rows)
    return 0


def _add_grant(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"{UNIT_HELP}; 0 is the platform")
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)
    parser.add_argument("role", metavar="ROLE", choices=words(Role), help=", ".join(words(Role)))
    adds_end(parser)
    desk.adds(parser)


def _grant(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit, account = await at.unit(arguments.unit), await at.account(arguments.account)
        until_ms = end_of(at)
        who, end = terminal.harmless(arguments.account), terminal.when(until_ms)
        await at.do(
            GrantRole(unit, account, meant(Role, arguments.role), until_ms),
            f"{who} is {arguments.role} over unit {unit} until {end}.",
        )

    desk.run(arguments, work)
    return 0


def _add_revoke(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"{UNIT_HELP}; 0 is the platform")
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)
    parser.add_argument("role", metavar="ROLE", choices=words(Role), help=", ".join(words(Role)))
    desk.adds(parser, asks=True)


def _revoke(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit, account = await at.unit(arguments.unit), await at.account(arguments.account)
        who = terminal.harmless(arguments.account)
        await at.do(
            RevokeRole(unit, account, meant(Role, arguments.role)),
            f"{who} is {arguments.role} over unit {unit} no longer.",
            dangerous=f"{who} loses the role {arguments.role} over unit {unit}, at once and in every session.",
        )

    desk.run(arguments, work)
    return 0


VERBS: Final = (
    Verb("list", "who holds which role over a unit and below it", _add_list, _list),
    Verb("grant", "let somebody act in a role over a unit, or until another date", _add_grant, _grant),
    Verb("revoke", "take a role back at once, or lay down your own", _add_revoke, _revoke),
)
