"""relay unit: the tree of an organisation, and who belongs where."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Final

from relayclient.cli import desk, terminal
from relayclient.cli.columns import meant, table, word, words
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.errors import RelayUntrusted
from relayproto.administration import CloseUnit, CreateUnit, InviteMember, MoveUnit, PlaceMember, RenameUnit
from relayproto.administration_replies import Acted, Unit
from relayproto.ids import Address, UnitId
from relayproto.invitation import to_link
from relayproto.standing import Standing, UnitState

DESCRIPTION: Final = """\
Make, rename, move and close units, invite people into them and place people. A unit is named by its number or by names
from your own unit down: North/Depot 4. What is done stands in the audit log, with the reason that you give.
"""
EPILOG: Final = """\
examples:
  relay unit list                                       the tree below your own unit
  relay unit add . North --reason 'the new region'
  relay unit invite North clerk@works.example           prints the invitation link
  relay unit place North clerk@works.example --standing verified
  relay unit move North/Depot South --dry-run           would it be allowed?
"""
_DAY_S: Final = 86_400
_DAYS_MAX: Final = 90
_INVITED_AS: Final = (Standing.INVITED, Standing.APPLICATION, Standing.OFFICE)


# --- list -------------------------------------------------------------------------------------
def _add_list(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=UNIT_HELP)
    parser.add_argument("--depth", type=int, metavar="N", default=12, help="show at most N levels (default: all)")
    parser.add_argument("--flat", action="store_true", help="a table instead of a tree, with domain and root key")
    parser.add_argument("--all", action="store_true", help="also units that are closed")


def _list(arguments: Namespace) -> int:
    async def work(at: Desk) -> tuple[str, list[tuple[int, Unit]]]:
        found: dict[UnitId, tuple[int, Unit]] = {}
        unit = await at.unit(arguments.unit)
        await _gather(at, unit, 0, found)
        return f"{unit}{'  (your own unit)' if unit == at.device.administration.unit else ''}", list(found.values())

    root, found = desk.run(arguments, work)
    if arguments.json:
        for _, unit in found:
            terminal.say_json(fields(unit))
    elif arguments.flat:
        show([unit for _, unit in found])
    else:
        terminal.say(root)
        for level, unit in found:
            state = "" if unit.state is UnitState.ACTIVE else f"  ({word(unit.state)})"
            terminal.say(f"{'  ' * (level + 1)}{unit.unit}  {terminal.harmless(unit.name)}{state}")
    if not found:
        terminal.note("There is nothing below it.")
    return 0


async def _gather(at: Desk, unit: UnitId, level: int, found: dict[UnitId, tuple[int, Unit]]) -> None:
    """Collect what is below a unit; below a closed one there is nothing, and nobody has a right to ask."""
    if level >= at.arguments.depth:
        return
    for below in await at.units(unit):
        if below.unit in found:
            raise RelayUntrusted  # a circle, which no honest relay has
        closed = below.state is UnitState.CLOSED
        if not closed or at.arguments.all:
            found[below.unit] = (level, below)
        if not closed:
            await _gather(at, below.unit, level + 1, found)


def fields(unit: Unit) -> dict[str, object]:
    """Return a unit as JSON has it."""
    return {"unit": unit.unit, "under": unit.under, "name": unit.name, "state": word(unit.state),
            "domain": unit.domain or None, "root_key": unit.root_key.hex() or None}  # fmt: skip


def show(units: list[Unit]) -> None:
    """Print units as a table."""
    rows = [(unit.unit, unit.under, unit.name, word(unit.state), unit.domain, unit.root_key.hex()) for unit in units]
    table(("UNIT", "UNDER", "NAME", "STATE", "DOMAIN", "ROOT KEY"), rows)


# --- changes ----------------------------------------------------------------------------------
def called(text: str) -> str:
    """Return the name of a unit; an ArgumentTypeError for one that would be read as a number or a path."""
    name = text.strip()
    if "/" in name:
        raise ArgumentTypeError(f"{text!r} cannot be a unit's name: / separates units")
    if name in {"", "."} or (name.isascii() and name.isdigit()):
        raise ArgumentTypeError(f"{text!r} cannot be a unit's name: it needs a letter, and . is your own unit")
    return text


def _add_add(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"the unit above: {UNIT_HELP}")
    parser.add_argument("name", metavar="NAME", type=called, help="what the new unit is called")
    desk.adds(parser)


def _make(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        change = CreateUnit(await at.unit(arguments.unit), arguments.name)
        await at.do(change, lambda acted: f"Unit {acted.value} is made: {terminal.harmless(arguments.name)}.")

    desk.run(arguments, work)
    return 0


def _add_rename(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    parser.add_argument("name", metavar="NAME", type=called, help="what it is called from now on")
    desk.adds(parser)


def _rename(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        await at.do(RenameUnit(unit, arguments.name), f"Unit {unit} is called {terminal.harmless(arguments.name)} now.")

    desk.run(arguments, work)
    return 0


def _add_move(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    parser.add_argument("under", metavar="UNDER", help="the unit that will be above it")
    desk.adds(parser, asks=True)


def _move(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit, under = await at.unit(arguments.unit), await at.unit(arguments.under)
        await at.do(
            MoveUnit(unit, under), f"Unit {unit} is below unit {under} now.",
            dangerous=f"Roles, policies and documents of unit {under} and above will hold for unit {unit} and all"
            " below it, and those of its place until now no longer.",
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


def _add_close(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    desk.adds(parser, asks=True)


def _close(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        await at.do(
            CloseUnit(unit),
            f"Unit {unit} is closed.",
            dangerous=f"Unit {unit} is closed for good: it cannot be opened.",
        )

    desk.run(arguments, work)
    return 0


# --- people -----------------------------------------------------------------------------------
def _add_invite(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    parser.add_argument("address", metavar="ADDRESS", help="an address of the organisation's mail domain")
    parser.add_argument(
        "--as", dest="standing", choices=[word(each) for each in _INVITED_AS], default="invited",
        help="what the account will be (default: invited, to be verified with relay unit place)",
    )  # fmt: skip
    parser.add_argument("--days", type=_days, metavar="N", default=7, help="how long it is good, 1 to 90 (default: 7)")
    desk.adds(parser)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _DAYS_MAX):
        raise ArgumentTypeError(f"{text!r} is not a number of days: an invitation is good for 1 to {_DAYS_MAX} days")
    return int(text)


def _invite(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit, address = await at.unit(arguments.unit), Address(arguments.address.strip().lower())
        change = InviteMember(unit, address, meant(Standing, arguments.standing), arguments.days * _DAY_S)
        acted = await at.act(change)
        _hand_out(at, acted, address)

    desk.run(arguments, work)
    return 0


def _hand_out(at: Desk, acted: Acted, address: Address) -> None:
    """Print the invitation's link alone on standard output, so that it can be passed on."""
    if not acted.ticket:
        at.told(acted, "", InviteMember.KIND)
        return
    link = to_link(at.device.administration.invitation(address, acted.ticket))
    if at.arguments.json:
        at.told(acted, "", InviteMember.KIND, address=address, link=link)
    else:
        terminal.say(link)
        terminal.note(
            f"Good once, for {address} (audit record {acted.record}). Until it is used it is as good as a password."
        )


def _add_place(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)
    parser.add_argument("--standing", choices=[each for each in words(Standing) if each != "verified"],
                        default="invited", help="what the account is from now on (default: invited; relay member attest"
                        " verifies); public takes it out")  # fmt: skip
    desk.adds(parser, asks=True)


def _place(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit, account = await at.unit(arguments.unit), await at.account(arguments.account)
        standing, who = meant(Standing, arguments.standing), terminal.harmless(arguments.account)
        if standing is Standing.PUBLIC:
            done = f"{who} belongs to the organisation no longer."
            dangerous = f"{who} leaves the organisation, and loses all roles and offices there."
        else:
            done, dangerous = f"{who} belongs to unit {unit} now, as {word(standing)}.", ""
        await at.do(PlaceMember(unit, account, standing), done, dangerous=dangerous)

    desk.run(arguments, work)
    return 0


VERBS: Final = (
    Verb("list", "show the units below one, as a tree", _add_list, _list),
    Verb("add", "make a unit below another", _add_add, _make),
    Verb("rename", "give a unit another name", _add_rename, _rename),
    Verb("move", "put a unit, with all below it, under another", _add_move, _move),
    Verb("close", "close an empty unit for good", _add_close, _close),
    Verb("invite", "invite somebody into a unit, and print the invitation link", _add_invite, _invite),
    Verb("place", "put an account into a unit, verify it, or take it out", _add_place, _place),
)
