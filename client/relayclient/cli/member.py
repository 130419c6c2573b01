"""relay member: who the people of an organisation are, attested by it."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final

from relayclient.cli import badge, desk, online, statements, terminal
from relayclient.cli.columns import day, meant, word
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.entropy import system_entropy
from relayclient.errors import AddressUnknown, WarrantUnfit
from relayproto import attestation
from relayproto.attestation import Attestation, Shown
from relayproto.commands import GetDevices
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import ATTESTATION_LIFETIME_MS_MAX, SALT_BYTES, SERIAL_BYTES, SHOWN_CHARS_MAX
from relayproto.primitives import blake2b_256
from relayproto.standing import Standing
from relayproto.verification import Attest, RevokeAttestation

NAME: Final = "member"
HELP: Final = "attest who people are, and take it back"
DESCRIPTION: Final = """\
An organisation attests who its people are: each device then shows a badge, and checks it itself. An attestation is good
for 90 days at most and is renewed by the same verb; name, title and unit may change, the account stays. Needs the role
of a verifier or admin over the unit, and a warrant for this device (relay warrant).
"""
EPILOG: Final = """\
examples:
  relay member attest North bob@works.example --name 'Bob Roy' --title Registrar
  relay member show bob@works.example
  relay member revoke North bob@works.example --reason 'left on 3 March'
"""
_DAY_MS: Final = 86_400_000
_DAYS_MAX: Final = ATTESTATION_LIFETIME_MS_MAX // _DAY_MS
_KINDS: Final = (Standing.VERIFIED, Standing.APPLICATION, Standing.OFFICE)
_WARRANT: Final = "warrant.json"


def _text(text: str) -> str:
    text = text.strip()
    if not text or len(text) > SHOWN_CHARS_MAX or not text.isprintable():
        raise ArgumentTypeError(f"a name or title is one line of at most {SHOWN_CHARS_MAX} characters")
    return text


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:3]) <= _DAYS_MAX:
        raise ArgumentTypeError(f"{text!r} is not 1 to {_DAYS_MAX} days")
    return int(text)


# --- attest -----------------------------------------------------------------------------------
def _add_attest(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"where they belong: {UNIT_HELP}")
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)
    parser.add_argument("--name", metavar="TEXT", type=_text, help="what they are called")
    parser.add_argument("--title", metavar="TEXT", type=_text, help="what they are: the post")
    parser.add_argument("--as", dest="standing", choices=[word(each) for each in _KINDS], default="verified",
                        help="what is attested (default: verified, a person)")  # fmt: skip
    parser.add_argument("--days", metavar="N", type=_days, default=_DAYS_MAX,
                        help="for how long, 1 to 90 (default: 90, or until the warrant ends)")  # fmt: skip
    parser.add_argument("--warrant", metavar="FILE", type=Path,
                        help=f"what relay warrant sign printed (default: {_WARRANT} in the home)")  # fmt: skip
    desk.adds(parser)


def _shown(text: str | None) -> Shown | None:
    return None if text is None else Shown(system_entropy(SALT_BYTES), text)


def _attest(arguments: Namespace) -> int:
    under = statements.read_warrant(arguments.warrant or arguments.home / _WARRANT)

    async def work(at: Desk) -> None:
        unit, account = await at.unit(arguments.unit), await at.account(arguments.account)
        change, until_ms = _change(at, under, unit, account, await _address(at, account))
        who = terminal.harmless(arguments.account)
        await at.do(change, f"{who} is attested as of unit {unit} until {day(until_ms)}.", expires_ms=until_ms)

    desk.run(arguments, work)
    return 0


async def _address(at: Desk, account: AccountId) -> Address:
    """Return the address that the attestation names, asked of the relay where only the account is known."""
    await at.ask(GetDevices(account))
    address = at.device.contact(account).address
    if address is None:
        raise AddressUnknown(account.hex())
    return address


def _change(
    at: Desk, under: statements.Warranted, unit: UnitId, account: AccountId, address: Address
) -> tuple[Attest, int]:
    """Return the change that attests, and until when it does. Raises WarrantUnfit."""
    administration, arguments, now_ms = at.device.administration, at.arguments, at.client.now_ms()
    if under.said.key != administration.sign_key():
        raise WarrantUnfit("it is for another device's key")
    if under.said.expires_ms <= now_ms:
        raise WarrantUnfit(f"it ended on {day(under.said.expires_ms)}")
    name, title = _shown(arguments.name), _shown(arguments.title)
    until_ms = min(now_ms + arguments.days * _DAY_MS, under.said.expires_ms)
    said = Attestation(
        system_entropy(SERIAL_BYTES), under.said.serial, blake2b_256(under.root_key), under.said.organisation, unit,
        account, address, meant(Standing, arguments.standing), attestation.hash_of("name", name),
        attestation.hash_of("title", title), now_ms, until_ms,
    )  # fmt: skip
    return administration.attest(said, name, title), until_ms


# --- show, revoke -----------------------------------------------------------------------------
def _add_show(parser: ArgumentParser) -> None:
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)


def _show(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        account = await at.account(arguments.account)
        await at.ask(GetDevices(account))
        await at.client.settle(online.SETTLE_S)
        found = at.device.badge(account, at.client.now_ms())
        if arguments.json:
            terminal.say_json({"account": account.hex(), **badge.fields(found)})
        else:
            terminal.say(badge.line(found))

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
    Verb("show", "what is attested of somebody, as this device checks it", _add_show, _show),
    Verb("revoke", "take back what is attested of somebody", _add_revoke, _revoke),
)
