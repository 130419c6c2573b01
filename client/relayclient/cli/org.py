"""relay org: organisations of a relay, and their root keys."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final

from relayclient import rootfile
from relayclient.cli import desk, statements, terminal
from relayclient.cli.columns import fingerprint
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.cli.role import adds_end, end_of
from relayclient.cli.unit import fields, show
from relayclient.entropy import system_entropy
from relayclient.errors import NothingToSign
from relayproto.administration import (
    CreateOrganisation,
    HandOver,
    MergeOrganisation,
    RotateKey,
    SuspendOrganisation,
)
from relayproto.ids import UnitId
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.standing import PLATFORM

DESCRIPTION: Final = """\
Let organisations in, suspend and merge them: two platform operators, one who proposes and one who approves (relay
proposal). An organisation's root key is made on its own machine, with relay org key, and never leaves it.
"""
EPILOG: Final = """\
on the organisation's own machine, which needs no relay:
  relay org key new works.key                              makes the root key, prints what to put into the DNS zone
  relay org key sign works.key --relay HEX --domain works.example > works.json
  relay org form-hash form.pdf
HEX is the fingerprint of the root of the relay that it is for; an operator has it from relay whoami.

as a platform operator:
  relay org create 'Public Works' --statement works.json --form form.pdf --admin head@works.example \\
        --reason 'form 17/2027'
  relay org list
  relay org suspend 3 --reason 'asked for by letter of 3 March'
"""
_HASH_BYTES: Final = 32
_DIGITS: Final = 64


# --- on the organisation's own machine --------------------------------------------------------
def _add_key(parser: ArgumentParser) -> None:
    parser.add_argument("what", metavar="new|show|sign", choices=("new", "show", "sign"),
                        help="make a key, show its public half, or sign with it")  # fmt: skip
    parser.add_argument("file", metavar="FILE", type=Path, help="where the key is")
    parser.add_argument("--relay", metavar="HEX", type=fingerprint,
                        help="sign: the fingerprint of the root of the relay that it is for")  # fmt: skip
    about = parser.add_mutually_exclusive_group()
    about.add_argument("--domain", metavar="DOMAIN", help="sign: that the key speaks for this mail domain")
    about.add_argument("--document", metavar="FILE", type=Path, help="sign: a document as relay policy draft wrote it")
    about.add_argument("--successor", metavar="FILE", type=Path, help="sign: that the key in FILE is the next one")
    parser.add_argument("--unit", metavar="NUMBER", type=int, help="with --successor: the organisation's number")


def _key(arguments: Namespace) -> int:
    if arguments.what == "sign":
        terminal.say_json(_statement(arguments, rootfile.read(arguments.file)))
        return 0
    if arguments.what == "new":
        key = rootfile.make(arguments.file, system_entropy)
    else:
        key = ed25519_public(rootfile.read(arguments.file))
    if arguments.json:
        terminal.say_json({"root_key": key.hex(), "record": f"relayd-key={key.hex()}"})
        return 0
    terminal.say(key.hex())
    if arguments.what == "new":
        terminal.note(f"The key is in {arguments.file}; keep a copy in a safe, and let nobody send it anywhere.")
    terminal.note(f'Into the zone of your mail domain: _relayd TXT "relayd-key={key.hex()}"')
    return 0


def _statement(arguments: Namespace, seed: bytes) -> dict[str, object]:
    relay = arguments.relay
    if relay is None:
        raise NothingToSign("it counts at one relay only: name its root with --relay")
    if arguments.domain is not None:
        return statements.own(seed, relay, arguments.domain.strip().lower())
    if arguments.document is not None:
        return statements.document(seed, relay, terminal.read_file(arguments.document))
    if arguments.successor is not None and arguments.unit is not None:
        return statements.succeed(seed, relay, rootfile.read(arguments.successor), UnitId(arguments.unit))
    raise NothingToSign


def _add_form_hash(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the form that was signed, as it was scanned")


def _form_hash(arguments: Namespace) -> int:
    hashed = blake2b_256(terminal.read_file(arguments.file)).hex()
    if arguments.json:
        terminal.say_json({"form_hash": hashed})
    else:
        terminal.say(hashed)
    return 0


# --- as a platform operator -------------------------------------------------------------------
def _hash(text: str) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) != _HASH_BYTES:
        raise ArgumentTypeError(f"{text!r} is no hash of {_DIGITS} hexadecimal digits: relay org form-hash FILE")
    return octets


def _add_create(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what the organisation is called")
    parser.add_argument("--statement", metavar="FILE", type=Path, required=True,
                        help="what relay org key sign --domain printed: the domain and the root key")  # fmt: skip
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument(
        "--form", metavar="FILE", type=Path, help="the signed form; its hash is kept, the form is not sent"
    )
    form.add_argument("--form-hash", metavar="HEX", type=_hash, help="the hash of the signed form")
    parser.add_argument("--admin", metavar="WHO", required=True, help=f"its first admin: {WHO_HELP}")
    adds_end(parser)
    desk.adds(parser)


def _create(arguments: Namespace) -> int:
    said = statements.read_owned(arguments.statement)
    form = arguments.form_hash or blake2b_256(terminal.read_file(arguments.form))

    async def work(at: Desk) -> None:
        statements.require(said.relay, at.device.administration.root())
        admin, until_ms = await at.account(arguments.admin), end_of(at)
        change = CreateOrganisation(arguments.name, said.domain, said.root_key, said.owned, form, admin, until_ms)
        await at.do(change, lambda acted: f"The organisation {acted.value} is let in until {terminal.when(until_ms)}.")

    desk.run(arguments, work)
    return 0


def _add_suspend(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="ORGANISATION", help=UNIT_HELP)
    desk.adds(parser, asks=True)


def _add_resume(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="ORGANISATION", help=UNIT_HELP)
    desk.adds(parser)


def _suspend(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        await at.do(
            SuspendOrganisation(unit, True), f"Organisation {unit} is suspended.",
            dangerous=f"All people and offices of organisation {unit} will answer like unknown ones, and all its roles"
            " count for nothing, until it is let work again.",
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


def _resume(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        await at.do(SuspendOrganisation(unit, False), f"Organisation {unit} works again.")

    desk.run(arguments, work)
    return 0


def _add_merge(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="ORGANISATION", help=UNIT_HELP)
    parser.add_argument("into", metavar="INTO", help="the unit that will be above it")
    desk.adds(parser, asks=True)


def _merge(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit, into = await at.unit(arguments.unit), await at.unit(arguments.into)
        await at.do(
            MergeOrganisation(unit, into), f"Organisation {unit} is a unit below unit {into} now.",
            dangerous=f"Organisation {unit} ends as one of its own: its domain, units, people and grants go to the"
            f" organisation of unit {into}. There is no way back.",
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


def _add_hand_over(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    parser.add_argument("account", metavar="FROM", help=f"who gives all he holds there: {WHO_HELP}")
    parser.add_argument("to", metavar="TO", help=f"who gets it: {WHO_HELP}")
    desk.adds(parser, asks=True)


def _hand_over(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        account, to = await at.account(arguments.account), await at.account(arguments.to)
        giver, taker = terminal.harmless(arguments.account), terminal.harmless(arguments.to)
        await at.do(
            HandOver(unit, account, to), f"{taker} holds what {giver} held over unit {unit} and below.",
            dangerous=f"{giver} loses all roles and offices over unit {unit} and below to {taker}.",
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


def _add_rotate_key(parser: ArgumentParser) -> None:
    parser.add_argument("--statement", metavar="FILE", type=Path, required=True,
                        help="what relay org key sign OLD --successor NEW --unit NUMBER printed")  # fmt: skip
    desk.adds(parser, asks=True)


def _rotate_key(arguments: Namespace) -> int:
    said = statements.read_succeeded(arguments.statement)

    async def work(at: Desk) -> None:
        statements.require(said.relay, at.device.administration.root())
        await at.do(
            RotateKey(said.unit, said.root_key, said.by_old, said.by_new),
            f"The root key of organisation {said.unit} is {said.root_key.hex()} now.",
            dangerous=f"The root key of organisation {said.unit} becomes {said.root_key.hex()}; documents need its"
            " signature from then on.",
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


def _add_list(parser: ArgumentParser) -> None:
    del parser


def _list(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        found = await at.units(PLATFORM)
        if arguments.json:
            for unit in found:
                terminal.say_json(fields(unit))
        else:
            show(found)

    desk.run(arguments, work)
    return 0


VERBS: Final = (
    Verb("key", "make, show and use a root key, on the organisation's own machine", _add_key, _key),
    Verb("form-hash", "the hash of the signed form, for relay org create", _add_form_hash, _form_hash),
    Verb("list", "the organisations of this relay", _add_list, _list),
    Verb("create", "let an organisation in (two operators)", _add_create, _create),
    Verb("suspend", "suspend an organisation (two operators)", _add_suspend, _suspend),
    Verb("resume", "let a suspended organisation work again (two operators)", _add_resume, _resume),
    Verb("merge", "make an organisation a unit of another (two operators)", _add_merge, _merge),
    Verb("hand-over", "give all that somebody holds to another (a second person)", _add_hand_over, _hand_over),
    Verb("rotate-key", "replace an organisation's root key (a second person)", _add_rotate_key, _rotate_key),
)
