"""relay policy: the documents of organisations and units, and what others may do to you."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any, Final, NamedTuple

from relayclient import rootfile
from relayclient.cli import desk, statements, terminal
from relayclient.cli.columns import table, word, words
from relayclient.cli.desk import UNIT_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.errors import BadDocument
from relayproto import document, schema
from relayproto import policy as tables
from relayproto.administration import GetDocument, PutDocument
from relayproto.administration_replies import Document
from relayproto.commands import PutPolicy
from relayproto.errors import CryptoFailure, Malformed
from relayproto.ids import UnitId
from relayproto.primitives import ed25519_public
from relayproto.rootkeys import check_document, sign_document
from relayproto.standing import PLATFORM, Action, Permission, Standing

DESCRIPTION: Final = """\
A document says how a unit and all below it are run: who may do what to whom, lifetimes, limits, names, notices. It can
tighten what stands above it, never loosen. The organisation's root key signs each version; a version that the relay
refuses leaves the old one in force.
"""
EPILOG: Final = """\
examples:
  relay policy show . > document.json                the document in force, to be changed
  relay policy check document.json                   is it well formed? works offline
  relay policy diff . document.json                  what would change, a line each
  relay policy put . document.json --key works.key --dry-run
  relay policy rollback . 3 --key works.key

where the root key is on another machine:
  relay policy draft . document.json --out draft.json            here
  relay org key sign works.key --relay HEX --document draft.json > sig.json  there
  relay policy put . draft.json --statement sig.json             here

for yourself, everybody:
  relay policy mine public:first-contact=deny public:lookup=request
"""
_HEAD: Final = ("schema", "unit", "version", "previous", "issued_ms")
_CELL: Final = "STANDING:ACTION=allow|request|deny"


class Version(NamedTuple):
    """A version of a document as the relay gives it; ``said`` is None where the unit has none."""

    number: int
    octets: bytes
    said: schema.Document | None
    signature: bytes = b""


async def in_force(at: Desk, unit: UnitId, version: int | None = None) -> Version:
    """Return a version of a unit's document, the one in force where none is named. Raises BadDocument."""
    answer = await at.answer(GetDocument(unit, version))
    if not isinstance(answer, Document) or not answer.version:
        if version is not None:
            raise BadDocument(f"unit {unit} has no version {version}")
        return Version(0, b"", None)
    try:
        return Version(answer.version, answer.document, document.read(answer.document), answer.signature)
    except Malformed as error:
        raise BadDocument(f"the relay's: {error}") from None


def _content(path: Path) -> dict[str, Any]:
    """Return what a file says beside the head, which is filled in for it. Raises BadDocument, FileUnusable."""
    try:
        fields = json.loads(terminal.read_file(path))
    except (ValueError, RecursionError):
        raise BadDocument(f"{path}: not JSON") from None
    if not isinstance(fields, dict):
        raise BadDocument(f"{path}: not an object")
    return fields


def _headed(fields: dict[str, Any], unit: UnitId, before: Version, now_ms: int) -> schema.Document:
    """Return the document that follows another and says this. Raises BadDocument."""
    if fields.get("unit", unit) != unit:
        raise BadDocument(f"it is of unit {fields['unit']}, not of {unit}")
    previous = document.digest(before.octets) if before.number else document.FIRST_PREVIOUS
    head = dict(zip(_HEAD, (1, unit, before.number + 1, previous, now_ms), strict=True))
    return _parsed({**fields, **head})


def _parsed(fields: dict[str, Any]) -> schema.Document:
    try:
        return document.read(document.write(document.parse(json.dumps(fields, ensure_ascii=False).encode())))
    except Malformed as error:
        raise BadDocument(str(error)) from None


async def changed_by(at: Desk, change: PutDocument) -> list[str]:
    """Return what a version that is proposed would change, a line each. Raises BadDocument."""
    try:
        return document.difference((await in_force(at, change.unit)).said, document.read(change.document))
    except Malformed as error:
        raise BadDocument(str(error)) from None


# --- looking ----------------------------------------------------------------------------------
def _add_show(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=UNIT_HELP)
    parser.add_argument("--version", metavar="N", dest="number", type=int, help="an older one")


def _show(arguments: Namespace) -> int:
    async def work(at: Desk) -> Version:
        return await in_force(at, await at.unit(arguments.unit), arguments.number)

    found = desk.run(arguments, work)
    if found.said is None:
        terminal.note("This unit has no document: what stands above it holds.")
    fields = {} if found.said is None else json.loads(found.octets)  # {} says nothing, and is a start for put
    if arguments.json:
        terminal.say_json(fields)
    else:
        terminal.say(terminal.harmless(json.dumps(fields, ensure_ascii=False, indent=2)))
    return 0


def _add_file(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the document; its head may be left out")


def _check(arguments: Namespace) -> int:
    fields = _content(arguments.file)
    head = {"schema": 1, "unit": PLATFORM, "version": 1, "previous": document.FIRST_PREVIOUS, "issued_ms": 0}
    made = _parsed({**head, **fields})
    if arguments.json:
        terminal.say_json({"file": str(arguments.file), "well_formed": True, "says": len(document.leaves(made))})
    else:
        terminal.say(f"{arguments.file} is well formed; it says {len(document.leaves(made))} things.")
    return 0


def _add_diff(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    _add_file(parser)


def _diff(arguments: Namespace) -> int:
    fields = _content(arguments.file)

    async def work(at: Desk) -> list[str]:
        unit = await at.unit(arguments.unit)
        before = await in_force(at, unit)
        return document.difference(before.said, _headed(fields, unit, before, at.client.now_ms()))

    _tell(desk.run(arguments, work), as_json=arguments.json)
    return 0


def _tell(lines: list[str], *, as_json: bool) -> None:
    if as_json:
        terminal.say_json({"difference": lines})
    elif not lines:
        terminal.say("Nothing changes.")
    for line in [] if as_json else lines:
        terminal.say(terminal.harmless(line))


# --- putting ----------------------------------------------------------------------------------
def _add_draft(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    _add_file(parser)
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="where to write the bytes to be signed")


def _draft(arguments: Namespace) -> int:
    fields = _content(arguments.file)

    async def work(at: Desk) -> tuple[bytes, list[str], bytes]:
        unit = await at.unit(arguments.unit)
        before = await in_force(at, unit)
        made = _headed(fields, unit, before, at.client.now_ms())
        return document.write(made), document.difference(before.said, made), at.device.administration.root()

    octets, lines, root = desk.run(arguments, work)
    terminal.write_file(arguments.out, octets)
    _tell(lines, as_json=arguments.json)
    terminal.note(
        f"Sign it where the root key is: relay org key sign KEY --relay {root.hex()} --document {arguments.out}"
    )
    return 0


def _add_signer(parser: ArgumentParser) -> None:
    signer = parser.add_mutually_exclusive_group(required=True)
    signer.add_argument("--key", metavar="FILE", type=Path, help="the root key, where it is on this machine")
    signer.add_argument("--statement", metavar="FILE", type=Path,
                        help="what relay org key sign --document printed for these very bytes")  # fmt: skip
    desk.adds(parser, asks=True)


def _add_put(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    _add_file(parser)
    _add_signer(parser)


def _put(arguments: Namespace) -> int:
    fields = _content(arguments.file)

    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        before, relay = await in_force(at, unit), at.device.administration.root()
        if arguments.statement is not None:
            made = _parsed(fields)
            octets = terminal.read_file(arguments.file)
            signature = statements.read_document_signature(arguments.statement, relay, octets)
        else:
            made = _headed(fields, unit, before, at.client.now_ms())
            octets = document.write(made)
            signature = sign_document(rootfile.read(arguments.key), relay, octets)
        await _in_force_now(at, unit, before, made, octets, signature)

    desk.run(arguments, work)
    return 0


async def _in_force_now(
    at: Desk, unit: UnitId, before: Version, made: schema.Document, octets: bytes, signature: bytes
) -> None:
    """Show what changes, and put a version in force where anything does. Raises Denied, NotAgreed."""
    lines = document.difference(before.said, made)
    if not lines or not at.arguments.json:
        _tell(lines, as_json=at.arguments.json)
    if not lines:
        return
    await at.do(
        PutDocument(unit, octets, signature), f"Version {made.version} of unit {unit}'s document is in force.",
        dangerous=f"This holds for unit {unit} and all below it, at once.", difference=lines,
    )  # fmt: skip


def _add_rollback(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=UNIT_HELP)
    parser.add_argument("number", metavar="VERSION", type=int, help="the version whose content comes back")
    parser.add_argument("--key", metavar="FILE", type=Path, required=True, help="the root key")
    desk.adds(parser, asks=True)


def _rollback(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit = await at.unit(arguments.unit)
        before, old = await in_force(at, unit), await in_force(at, unit, arguments.number)
        seed, relay = rootfile.read(arguments.key), at.device.administration.root()
        _require_own(seed, relay, old)
        made = _headed(json.loads(old.octets), unit, before, at.client.now_ms())
        octets = document.write(made)
        signature = sign_document(seed, relay, octets)
        await _in_force_now(at, unit, before, made, octets, signature)

    desk.run(arguments, work)
    return 0


def _require_own(seed: bytes, relay: bytes, old: Version) -> None:
    """Raise BadDocument where the root key has not signed a version: it does not sign what a relay makes up."""
    try:
        check_document(ed25519_public(seed), relay, old.octets, old.signature)
    except CryptoFailure:
        raise BadDocument(
            f"version {old.number} was not signed by this key; look at it with relay policy show, and put it as a file"
        ) from None


# --- for oneself ------------------------------------------------------------------------------
def _cell(text: str) -> tuple[int, Permission]:
    """Return the place in a row, and the permission, that a word for a cell means."""
    try:
        left, permission = text.lower().split("=")
        standing, action = left.split(":")
        place = words(Standing).index(standing) * tables.ACTIONS + words(Action).index(action)
        return place, Permission(words(Permission).index(permission))
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is not {_CELL}, with {', '.join(words(Standing))} and {', '.join(words(Action))}"
        ) from None


def _add_mine(parser: ArgumentParser) -> None:
    parser.add_argument("cells", metavar=_CELL, nargs="*", type=_cell, help="what people of a standing may do to you")
    parser.add_argument("--reset", action="store_true", help="forget all that was said before")


def _mine(arguments: Namespace) -> int:
    async def work(at: Desk) -> bytes:
        administration = at.device.administration
        row = bytearray(tables.ROW_BYTES if arguments.reset else administration.own_policy())
        for place, permission in arguments.cells:
            row[place] = permission
        if arguments.cells or arguments.reset:
            await at.ask(PutPolicy(bytes(row)))
        return bytes(row)

    row = desk.run(arguments, work)
    said = [
        (word(standing), word(action), word(Permission(row[standing * tables.ACTIONS + action])))
        for standing in Standing
        for action in Action
        if row[standing * tables.ACTIONS + action]
    ]
    if arguments.json:
        terminal.say_json({"mine": [dict(zip(("from", "action", "permission"), each, strict=True)) for each in said]})
    elif not said:
        terminal.say("You forbid nobody anything beyond what your organisation and the platform do.")
    else:
        table(("WHO", "MAY DO", "TO YOU"), said)
    sys.stdout.flush()
    return 0


VERBS: Final = (
    Verb("show", "the document of a unit", _add_show, _show),
    Verb("check", "is a document well formed? works offline", _add_file, _check),
    Verb("diff", "what a document would change, a line each", _add_diff, _diff),
    Verb("draft", "write the bytes of the next version, to be signed elsewhere", _add_draft, _draft),
    Verb("put", "put the next version of a unit's document in force", _add_put, _put),
    Verb("rollback", "bring the content of an older version back, as the next one", _add_rollback, _rollback),
    Verb("mine", "say what others may do to you; it can only be tightened", _add_mine, _mine),
)
