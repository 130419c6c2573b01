"""relay member: who the people of an organisation are, attested by it."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import badge, claim, desk, directory, online, renewal, roster, terminal, vouching
from relayclient.cli.columns import meant, word
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.cli.vouching import Who
from relayclient.errors import AddressUnknown
from relayproto.ids import AccountId, Address
from relayproto.standing import Standing
from relayproto.verification import RevokeAttestation

DESCRIPTION: Final = """\
An organisation attests who its people are: each device then shows a badge, and checks it itself. An attestation is good
for 90 days at most and is renewed by the same verb; name, title and unit may change, the account stays. Needs the role
of a verifier or admin over the unit, and a warrant for this device (relay warrant).
"""
EPILOG: Final = """\
examples:
  relay member attest North bob@works.example --name 'Bob Roy' --title Registrar
  relay member import North officers.csv --preview              what is wrong with which line; asks nobody
  relay member import North officers.csv --reason 'quarterly'   expects all of them there
  relay member attest-all North                                 attests those who have come
  relay member renew North --within 14                          attests anew who would end in two weeks
  relay member strike North bob@works.example                   he is expected no longer
  relay member show bob@works.example
  relay member list North                                       who is there, as far as you are shown it
  relay member search . roy                                     in your own unit and below it
  relay member revoke North bob@works.example --reason 'left on 3 March'
"""
_KINDS: Final = (Standing.VERIFIED, Standing.APPLICATION, Standing.OFFICE)


# --- attest -----------------------------------------------------------------------------------
def _add_attest(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"where they belong: {UNIT_HELP}")
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)
    parser.add_argument("--name", metavar="TEXT", type=vouching.text, help="what they are called")
    parser.add_argument("--title", metavar="TEXT", type=vouching.text, help="what they are: the post")
    parser.add_argument("--as", dest="standing", choices=[word(each) for each in _KINDS], default="verified",
                        help="what is attested (default: verified, a person)")  # fmt: skip
    vouching.adds_terms(parser)


def _attest(arguments: Namespace) -> int:
    under = vouching.warrant_of(arguments)

    async def work(at: Desk) -> None:
        unit, account = await at.within(arguments.unit), await at.account(arguments.account)
        who = Who(account, await _address(at, account), arguments.name or "", arguments.title or "",
                  meant(Standing, arguments.standing))  # fmt: skip
        change, until_ms = vouching.change(at, under, unit, who)
        named = terminal.harmless(arguments.account)
        await at.do(
            change, f"{named} is attested as of unit {unit} until {terminal.when(until_ms)}.", expires_ms=until_ms
        )

    desk.run(arguments, work)
    return 0


async def _address(at: Desk, account: AccountId) -> Address:
    """Return the address that the attestation names, asked of the relay where only the account is known."""
    await at.ask(at.device.administration.devices_question(account))
    address = at.device.contact(account).address
    if address is None:
        raise AddressUnknown(account.hex())
    return address


# --- show, revoke -----------------------------------------------------------------------------
def _add_show(parser: ArgumentParser) -> None:
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)


def _show(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        account = await at.account(arguments.account)
        await at.ask(at.device.administration.devices_question(account))
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
        unit, account = await at.within(arguments.unit), await at.account(arguments.account)
        who = terminal.harmless(arguments.account)
        await at.do(
            RevokeAttestation(unit, account), f"Nothing is attested of {who} any more.",
            dangerous=f"{who} loses the badge, all roles over units and all offices, at once and everywhere.",
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


VERBS: Final = (
    Verb("attest", "attest who somebody is, or renew it", _add_attest, _attest),
    *roster.VERBS,
    claim.ATTEST_ALL,
    renewal.VERB,
    Verb("show", "what is attested of somebody, as this device checks it", _add_show, _show),
    *directory.VERBS,
    Verb("revoke", "take back what is attested of somebody", _add_revoke, _revoke),
)
