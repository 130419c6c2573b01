"""The command line: what verbs share that attest - the terms, the warrant, and the change itself.

Who somebody is enters; a signed change leaves. The rule of this file: what the relay would refuse because of this
device's warrant is told before anything is sent.
"""

import contextlib
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final, NamedTuple

from relayclient.cli import desk, statements, terminal
from relayclient.cli.desk import Desk
from relayclient.cli.statements import Warranted
from relayclient.entropy import system_entropy
from relayclient.errors import AddressChanged, UnknownContact
from relayclient.officer_errors import WarrantUnfit
from relayproto.attestation import Attestation
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import ATTESTATION_LIFETIME_MS_MAX, SERIAL_BYTES, SHOWN_CHARS_MAX
from relayproto.primitives import blake2b_256
from relayproto.standing import Field, Standing
from relayproto.texts import presentable
from relayproto.verification import Attest

DAY_MS: Final = 86_400_000
DAYS_MAX: Final = ATTESTATION_LIFETIME_MS_MAX // DAY_MS
_WARRANT: Final = "warrant.json"


class Who(NamedTuple):
    """Of whom something is to be attested; an empty text is one that is not said."""

    account: AccountId
    address: Address
    name: str = ""
    title: str = ""
    standing: Standing = Standing.VERIFIED


def text(said: str) -> str:
    """Return a name or title as it is given on the command line."""
    said = said.strip()
    if not presentable(said):
        raise ArgumentTypeError(f"a name or title is one line of at most {SHOWN_CHARS_MAX} characters")
    return said


def days(said: str) -> int:
    """Return a number of days as it is given on the command line."""
    if not said.isascii() or not said.isdigit() or len(said) > len(str(DAYS_MAX)) or not 1 <= int(said) <= DAYS_MAX:
        raise ArgumentTypeError(f"{said!r} is not 1 to {DAYS_MAX} days")
    return int(said)


def adds_terms(parser: ArgumentParser) -> None:
    """Say what every verb that attests takes."""
    parser.add_argument("--days", metavar="N", type=days, default=DAYS_MAX,
                        help="for how long, 1 to 90 (default: 90, or until the warrant ends)")  # fmt: skip
    parser.add_argument("--warrant", metavar="FILE", type=Path,
                        help=f"what relay warrant sign printed (default: {_WARRANT} in the home)")  # fmt: skip
    desk.adds(parser)


def warrant_of(arguments: Namespace) -> Warranted:
    """Return the warrant that the arguments name. Raises WarrantUnfit without one; StatementBad, FileUnusable."""
    usual: Path = arguments.home / _WARRANT
    if arguments.warrant is None and not usual.exists():
        raise WarrantUnfit(f"there is none in {usual}")
    return statements.read_warrant(arguments.warrant or usual)


def change(at: Desk, under: Warranted, unit: UnitId, who: Who) -> tuple[Attest, int]:
    """Return the change that attests, and until when it does.

    Raises WarrantUnfit; AddressChanged where this device knows the address as another account's.
    """
    administration, arguments, now_ms = at.device.administration, at.arguments, at.client.now_ms()
    if under.said.key != administration.sign_key():
        raise WarrantUnfit("it is for another device's key")
    if under.said.expires_ms <= now_ms:
        raise WarrantUnfit(f"it ended on {terminal.when(under.said.expires_ms)}")
    with contextlib.suppress(UnknownContact):
        known = at.device.contact(who.address)
        if known.account != who.account or known.offered is not None:
            raise AddressChanged(who.address)
    until_ms = min(now_ms + arguments.days * DAY_MS, under.said.expires_ms)
    said = Attestation(
        system_entropy(SERIAL_BYTES), under.said.serial, blake2b_256(under.root_key), under.said.organisation,
        who.account, who.standing, now_ms, until_ms,
    )  # fmt: skip
    texts = {Field.ADDRESS: who.address, Field.NAME: who.name, Field.TITLE: who.title}
    return administration.attest(said, unit, {each: text for each, text in texts.items() if text}), until_ms
