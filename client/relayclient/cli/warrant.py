"""relay warrant: whose device may attest who an organisation's people are."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final

from relayclient import rootfile
from relayclient.cli import desk, home, statements, terminal
from relayclient.cli.desk import UNIT_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.clock import RelayClock
from relayclient.entropy import system_entropy
from relayproto import attestation
from relayproto.attestation import Warrant
from relayproto.ids import UnitId
from relayproto.limits import SERIAL_BYTES
from relayproto.verification import PutWarrant, RevokeWarrant

DESCRIPTION: Final = """\
An organisation's root key stays on its own machine. There it signs warrants: this verifier's device may attest who
people of this unit are, until that day. A verifier asks for one with relay warrant ask, an admin of the organisation
puts it into force, and the verifier attests with relay member attest.
"""
EPILOG: Final = """\
on the verifier's device:
  relay warrant ask > vera.json

on the organisation's own machine, which needs no relay:
  relay warrant sign works.key --verifier vera.json --organisation 3 --unit 7 > warrant.json

as an admin of the organisation or a key holder:
  relay warrant put warrant.json --reason 'vera verifies in North from now on'
  relay warrant revoke 7 5f0c... --reason 'her laptop was stolen'     with all that was attested under it
"""
_DAY_MS: Final = 86_400_000
_DAYS_MAX: Final = 366


def _serial(text: str) -> bytes:
    try:
        serial = bytes.fromhex(text)
    except ValueError:
        serial = b""
    if len(serial) != SERIAL_BYTES:
        raise ArgumentTypeError(f"{text!r} is no serial of {2 * SERIAL_BYTES} hexadecimal digits")
    return serial


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_DAYS_MAX)) or not 1 <= int(text) <= _DAYS_MAX:
        raise ArgumentTypeError(f"{text!r} is not 1 to {_DAYS_MAX} days")
    return int(text)


def _add_ask(parser: ArgumentParser) -> None:
    del parser


def _ask(arguments: Namespace) -> int:
    with home.open_device(arguments) as device:
        said = statements.verifier(
            device.administration.root(), device.identity.account, device.administration.sign_key()
        )
    terminal.say_json(said)
    terminal.note("Bring it to whoever keeps the root key in a way that leaves no doubt whose it is.")
    return 0


def _add_sign(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="KEYFILE", type=Path, help="where the root key is")
    parser.add_argument("--verifier", metavar="FILE", type=Path, required=True, help="what relay warrant ask printed")
    parser.add_argument("--organisation", metavar="NUMBER", type=int, required=True, help="the organisation's number")
    parser.add_argument("--unit", metavar="NUMBER", type=int, help="the unit and all below it (default: all of it)")
    parser.add_argument("--days", metavar="N", type=_days, default=_DAYS_MAX - 1,
                        help="for how long, 1 to 366 (default: 365)")  # fmt: skip


def _sign(arguments: Namespace) -> int:
    seed, who, now_ms = (
        rootfile.read(arguments.file),
        statements.read_verifier(arguments.verifier),
        RelayClock().now_ms(),
    )
    organisation = UnitId(arguments.organisation)
    unit = organisation if arguments.unit is None else UnitId(arguments.unit)
    said = Warrant(
        system_entropy(SERIAL_BYTES), organisation, unit, who.account, who.key, now_ms,
        now_ms + arguments.days * _DAY_MS,
    )  # fmt: skip
    terminal.say_json(statements.warrant(seed, who.relay, attestation.encode_warrant(said)))
    terminal.note(f"Warrant {said.serial.hex()}, for unit {unit} and below, until {terminal.when(said.expires_ms)}.")
    return 0


def _add_put(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="what relay warrant sign printed")
    desk.adds(parser)


def _put(arguments: Namespace) -> int:
    made = statements.read_warrant(arguments.file)
    said = made.said

    async def work(at: Desk) -> None:
        await at.know([said.account])
        await at.do(
            PutWarrant(said.unit, said.account, made.warrant, made.signature),
            f"{at.name(said.account)} may attest for unit {said.unit} and below, until"
            f" {terminal.when(said.expires_ms)}.",
            serial=said.serial.hex(),
        )

    desk.run(arguments, work)
    return 0


def _add_revoke(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"what the warrant is for: {UNIT_HELP}")
    parser.add_argument("serial", metavar="SERIAL", type=_serial, help="the warrant's serial, 32 hexadecimal digits")
    desk.adds(parser, asks=True)


def _revoke(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        await at.do(
            RevokeWarrant(unit, arguments.serial), f"Warrant {arguments.serial.hex()} is taken back.",
            dangerous="Everybody who was attested under it loses badge, roles and offices at once. Where somebody only"
            " verifies no longer, take the role instead: relay role revoke.",
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


VERBS: Final = (
    Verb("ask", "say which key this device would attest with, for the organisation's machine", _add_ask, _ask),
    Verb("sign", "warrant a verifier's device, on the organisation's own machine", _add_sign, _sign),
    Verb("put", "put a warrant into force", _add_put, _put),
    Verb("revoke", "take a warrant back, with all that was attested under it", _add_revoke, _revoke),
)
