"""relay member: who the people of an organisation are, attested by it."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final, NamedTuple

from relayclient import spreadsheet
from relayclient.cli import badge, desk, directory, online, statements, terminal
from relayclient.cli.columns import meant, word
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.entropy import system_entropy
from relayclient.errors import AddressChanged, AddressUnknown, Denied
from relayclient.officer_errors import LinesFaulty, WarrantUnfit
from relayclient.spreadsheet import Fault, Line, presentable
from relayproto.attestation import Attestation
from relayproto.commands import GetDevices
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import ATTESTATION_LIFETIME_MS_MAX, SERIAL_BYTES, SHOWN_CHARS_MAX
from relayproto.primitives import blake2b_256
from relayproto.standing import Field, Standing
from relayproto.verification import Attest, RevokeAttestation

NAME: Final = "member"
HELP: Final = "who people are: list them, attest it, and take it back"
DESCRIPTION: Final = """\
An organisation attests who its people are: each device then shows a badge, and checks it itself. An attestation is good
for 90 days at most and is renewed by the same verb; name, title and unit may change, the account stays. Needs the role
of a verifier or admin over the unit, and a warrant for this device (relay warrant).
"""
EPILOG: Final = """\
examples:
  relay member attest North bob@works.example --name 'Bob Roy' --title Registrar
  relay member import North officers.csv --preview              what is wrong with which line; asks nobody
  relay member import North officers.csv --reason 'quarterly'   attests all of them, or renews it
  relay member show bob@works.example
  relay member list North                                       who is there, as far as you are shown it
  relay member search . roy                                     in your own unit and below it
  relay member revoke North bob@works.example --reason 'left on 3 March'
"""
_DAY_MS: Final = 86_400_000
_DAYS_MAX: Final = ATTESTATION_LIFETIME_MS_MAX // _DAY_MS
_KINDS: Final = (Standing.VERIFIED, Standing.APPLICATION, Standing.OFFICE)
_WARRANT: Final = "warrant.json"
_NAMED_MAX: Final = 20
"""Numbers of lines in the last sentence."""


class _Who(NamedTuple):
    """Of whom something is to be attested."""

    account: AccountId
    address: Address
    name: str | None
    title: str | None


def _text(text: str) -> str:
    text = text.strip()
    if not presentable(text):
        raise ArgumentTypeError(f"a name or title is one line of at most {SHOWN_CHARS_MAX} characters")
    return text


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_DAYS_MAX)) or not 1 <= int(text) <= _DAYS_MAX:
        raise ArgumentTypeError(f"{text!r} is not 1 to {_DAYS_MAX} days")
    return int(text)


# --- attest -----------------------------------------------------------------------------------
def _add_attest(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"where they belong: {UNIT_HELP}")
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)
    parser.add_argument("--name", metavar="TEXT", type=_text, help="what they are called")
    parser.add_argument("--title", metavar="TEXT", type=_text, help="what they are: the post")
    _add_terms(parser)


def _add_terms(parser: ArgumentParser) -> None:
    parser.add_argument("--as", dest="standing", choices=[word(each) for each in _KINDS], default="verified",
                        help="what is attested (default: verified, a person)")  # fmt: skip
    parser.add_argument("--days", metavar="N", type=_days, default=_DAYS_MAX,
                        help="for how long, 1 to 90 (default: 90, or until the warrant ends)")  # fmt: skip
    parser.add_argument("--warrant", metavar="FILE", type=Path,
                        help=f"what relay warrant sign printed (default: {_WARRANT} in the home)")  # fmt: skip
    desk.adds(parser)


def _attest(arguments: Namespace) -> int:
    under = statements.read_warrant(arguments.warrant or arguments.home / _WARRANT)

    async def work(at: Desk) -> None:
        unit, account = await at.unit(arguments.unit), await at.account(arguments.account)
        who = _Who(account, await _address(at, account), arguments.name, arguments.title)
        change, until_ms = _change(at, under, unit, who)
        named = terminal.harmless(arguments.account)
        await at.do(
            change, f"{named} is attested as of unit {unit} until {terminal.when(until_ms)}.", expires_ms=until_ms
        )

    desk.run(arguments, work)
    return 0


async def _address(at: Desk, account: AccountId) -> Address:
    """Return the address that the attestation names, asked of the relay where only the account is known."""
    await at.ask(GetDevices(account))
    address = at.device.contact(account).address
    if address is None:
        raise AddressUnknown(account.hex())
    return address


def _change(at: Desk, under: statements.Warranted, unit: UnitId, who: _Who) -> tuple[Attest, int]:
    """Return the change that attests, and until when it does. Raises WarrantUnfit."""
    administration, arguments, now_ms = at.device.administration, at.arguments, at.client.now_ms()
    if under.said.key != administration.sign_key():
        raise WarrantUnfit("it is for another device's key")
    if under.said.expires_ms <= now_ms:
        raise WarrantUnfit(f"it ended on {terminal.when(under.said.expires_ms)}")
    until_ms = min(now_ms + arguments.days * _DAY_MS, under.said.expires_ms)
    said = Attestation(
        system_entropy(SERIAL_BYTES), under.said.serial, blake2b_256(under.root_key), under.said.organisation,
        who.account, meant(Standing, arguments.standing), now_ms, until_ms,
    )  # fmt: skip
    texts = {Field.ADDRESS: who.address, Field.NAME: who.name, Field.TITLE: who.title}
    return administration.attest(said, unit, {each: text for each, text in texts.items() if text}), until_ms


# --- import -----------------------------------------------------------------------------------
def _add_import(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"where they belong: {UNIT_HELP}")
    parser.add_argument("file", metavar="FILE", type=Path,
                        help="a CSV file whose first line names the columns address, name and title")  # fmt: skip
    parser.add_argument("--preview", action="store_true", help="say what is wrong with which line, and ask nobody")
    _add_terms(parser)


def _import(arguments: Namespace) -> int:
    lines, faults = spreadsheet.read(terminal.read_file(arguments.file))
    total = len(lines) + len(faults)
    for fault in faults:
        _tell(arguments, fault.number, fault.address, fault.why)
    if not arguments.preview:
        under = statements.read_warrant(arguments.warrant or arguments.home / _WARRANT)

        async def work(at: Desk) -> None:
            unit = await at.unit(arguments.unit)
            for done, line in enumerate(lines, 1):
                fault = await _attest_line(at, under, unit, line)
                if fault is None:
                    _tell(arguments, line.number, line.address, "attested")
                else:
                    faults.append(fault)
                    _tell(arguments, *fault)
                terminal.progress(f"{done:,} of {len(lines):,}", end="\r")

        desk.run(arguments, work)
    terminal.note(
        f"{total - len(faults):,} {'can be' if arguments.preview else 'were'} attested, {len(faults):,} were not."
    )
    if faults:
        raise LinesFaulty(", ".join(str(number) for number in sorted(fault.number for fault in faults)[:_NAMED_MAX]))
    return 0


async def _attest_line(at: Desk, under: statements.Warranted, unit: UnitId, line: Line) -> Fault | None:
    """Attest one line; return why that could not be. What concerns all lines is raised."""
    try:
        account = await at.account(line.address)
        change, _ = _change(at, under, unit, _Who(account, Address(line.address), line.name, line.title))
        await at.act(change)
    except (AddressUnknown, AddressChanged, Denied) as no:
        return Fault(line.number, line.address, str(no))
    return None


def _tell(arguments: Namespace, number: int, address: str, came: str) -> None:
    """Say what became of a line: each in JSON, for people those alone that are to be looked at."""
    if arguments.json:
        terminal.say_json({"line": number, "address": address, "came": came})
    elif came != "attested":
        terminal.say(terminal.harmless(f"line {number}: {address + ': ' if address else ''}{came}"))


# --- show, revoke -----------------------------------------------------------------------------
def _add_show(parser: ArgumentParser) -> None:
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)


def _show(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        account = await at.account(arguments.account)
        await at.ask(GetDevices(account))
        await at.client.settle(online.SETTLE_S)
        found, about = at.device.badge(account, at.client.now_ms()), at.device.contact(account).about
        if arguments.json:
            terminal.say_json({"account": account.hex(), "about": about, **badge.fields(found)})
        else:
            terminal.say(badge.line(found))
            if about:
                terminal.say(terminal.harmless(f"They say of themselves: {about}"))

    desk.run(arguments, work)
    return 0


def _add_revoke(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"their unit, or one above it: {UNIT_HELP}")
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)
    desk.adds(parser, asks=True)


def _revoke(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit, account = await at.unit(arguments.unit), await at.account(arguments.account)
        who = terminal.harmless(arguments.account)
        await at.do(
            RevokeAttestation(unit, account), f"Nothing is attested of {who} any more.",
            dangerous=f"{who} loses the badge, all roles over units and all offices, at once and everywhere.",
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


VERBS: Final = (
    Verb("attest", "attest who somebody is, or renew it", _add_attest, _attest),
    Verb("import", "attest a whole list of people, or renew it", _add_import, _import),
    Verb("show", "what is attested of somebody, as this device checks it", _add_show, _show),
    *directory.VERBS,
    Verb("revoke", "take back what is attested of somebody", _add_revoke, _revoke),
)
