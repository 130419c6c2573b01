"""The command line: what officers' verbs share - a connection for several questions, acts with a reason, names.

Parsed arguments enter; acts, pages and names leave. The rules of this file: what is dangerous is shown and asked for;
a rehearsal never asks; what came of an act is told in words, and by the record of the audit log.
"""

import asyncio
import contextlib
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from relayclient.administration import Page, Paged, denial, is_named
from relayclient.cli import home, online, terminal, wording
from relayclient.cli.columns import word
from relayclient.client import Client
from relayclient.device import Device
from relayclient.errors import (
    AddressChanged,
    AddressUnknown,
    ClientError,
    Denied,
    NotAgreed,
    RelayAway,
    UnitUnknown,
    UnknownContact,
)
from relayclient.events import Connected, Disconnected
from relayclient.officer_errors import NoUnit
from relayproto.administration import Change, GetUnits, Question
from relayproto.administration_replies import Acted, AdministrationReply, Unit, Units
from relayproto.codes import Code, Kind
from relayproto.commands import DeviceCommand, Lookup
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import PAGE_ROWS_MAX
from relayproto.replies import Refused, Reply
from relayproto.rosters import Claim, PutRoster
from relayproto.rules import RULES
from relayproto.standing import PLATFORM, ActState, UnitState

T = TypeVar("T")
UNIT_HELP: Final = "a unit: its number, or names from your own unit down (North/Depot 4; . is your own)"
WHO_HELP: Final = "an address, or the 64 digits of an account"
_YES_CHARS: Final = 16
_ASKED_MAX: Final = 50
"""Accounts whose addresses one verb asks for: what fits a screen."""
_STATES: Final = {ActState.DONE: "done", ActState.PROPOSED: "proposed", ActState.REHEARSED: "rehearsed"}


class Desk:
    """One connection of an officer, for as many questions and acts as a verb needs."""

    def __init__(self, client: Client, device: Device, arguments: Namespace) -> None:
        self.client = client
        self.device = device
        self.arguments = arguments

    # --- what is asked ------------------------------------------------------------------------
    async def answer(self, question: Question | PutRoster | Claim) -> AdministrationReply:
        """Ask one question. Raises Denied in words."""
        return await _told(self.client.answer(question))

    async def pages(self, question: Paged) -> AsyncGenerator[Page, None]:
        """Ask page by page. Raises Denied in words."""
        try:
            async for page in self.client.pages(question):
                yield page
        except Denied as denied:
            raise _in_words(denied) from None

    async def ask(self, command: DeviceCommand) -> Reply:
        """Ask what is no question of officers. Raises Denied in words."""
        reply = await self.client.ask(command)
        if isinstance(reply, Refused):
            raise _in_words(denial(reply.code, reply.retry_after_ms))
        return reply

    async def units(self, unit: UnitId) -> list[Unit]:
        """Return the units right below one."""
        pages = [page async for page in self.pages(GetUnits(unit, UnitId(0), PAGE_ROWS_MAX))]
        return [each for page in pages if isinstance(page, Units) for each in page.units]

    async def unit(self, named: str) -> UnitId:
        """Return the unit that a number or a path of names means. Raises UnitUnknown."""
        named = named.strip()
        if named.isascii() and named.isdigit():
            return UnitId(int(named))
        at = self.device.administration.unit
        for name in [part.strip() for part in named.split("/") if part.strip() not in {"", "."}]:
            found = [
                each.unit
                for each in await self.units(at)
                if each.name.casefold() == name.casefold() and each.state is not UnitState.CLOSED
            ]  # a name that a closed unit had may be used again
            if len(found) != 1:
                raise UnitUnknown(f"{name} below unit {at}")
            at = found[0]
        return at

    async def within(self, named: str) -> UnitId:
        """Return the unit of an organisation that a text means. Raises UnitUnknown; NoUnit for the platform."""
        unit = await self.unit(named)
        if unit == PLATFORM:
            raise NoUnit
        return unit

    async def account(self, who: str) -> AccountId:
        """Return the account that an address or 64 digits mean. Raises AddressUnknown, AddressChanged."""
        named = is_named(who)
        if named is not None:
            return named
        address = Address(who.strip().lower())
        if address == self.device.identity.address:
            return self.device.identity.account
        with contextlib.suppress(UnknownContact):
            return self._known(address)
        reply = await self.client.ask(Lookup(address))
        if isinstance(reply, Refused) and reply.code not in {Code.NOT_AVAILABLE, Code.BAD_ADDRESS}:
            raise _in_words(denial(reply.code, reply.retry_after_ms))
        try:
            return self._known(address)
        except UnknownContact:
            raise AddressUnknown(f"{address}; or give the account's 64 digits") from None

    def _known(self, address: Address) -> AccountId:
        contact = self.device.contact(address)
        if contact.offered is not None:
            raise AddressChanged(address)
        return contact.account

    async def know(self, accounts: Iterable[bytes]) -> None:
        """Ask for the addresses of accounts that this device does not know, as far as the relay tells; a few only."""
        for account in list(dict.fromkeys(each for each in accounts if each and not self._is_known(each)))[:_ASKED_MAX]:
            await self.client.ask(self.device.administration.devices_question(AccountId(account)))

    def _is_known(self, account: bytes) -> bool:
        with contextlib.suppress(UnknownContact):
            return self.device.contact(AccountId(account)).address is not None
        return account == self.device.identity.account

    def name(self, account: bytes) -> str:
        """Return how an account is called here: its address where this device knows it, else its first digits."""
        if not account:
            return "the relay's operator"
        if account == self.device.identity.account:
            return f"{self.device.identity.address} (you)"
        with contextlib.suppress(UnknownContact):
            address = self.device.contact(AccountId(account)).address
            if address is not None:
                return address
        return f"account {account.hex()[:16]}"

    def full_name(self, account: bytes) -> str:
        """Return the address with the account's first digits, where somebody decides by it."""
        named = self.name(account)
        return named if account.hex()[:16] in named or not account else f"{named}, account {account.hex()[:16]}"

    # --- what is done -------------------------------------------------------------------------
    async def act(self, change: Change, *, dangerous: str = "") -> Acted:
        """Do a change as the arguments say: with their reason, rehearsed or not.

        ``dangerous`` says what would happen: it is shown and asked for. Raises Denied in words, NotAgreed.
        """
        arguments = self.arguments
        if dangerous and not arguments.dry_run:
            await asyncio.to_thread(agree, dangerous, arguments)
        return await _told(self.client.act(change, reason=arguments.reason, rehearsal=arguments.dry_run), change)

    async def do(
        self, change: Change, done: str | Callable[[Acted], str], *, dangerous: str = "", **more: object
    ) -> Acted:
        """Do a change and say what came of it; ``done`` is the sentence, ``more`` is for JSON."""
        acted = await self.act(change, dangerous=dangerous)
        self.told(acted, done(acted) if callable(done) else done, change.KIND, **more)
        return acted

    def told(self, acted: Acted, done: str, kind: Kind, **more: object) -> None:
        """Say what came of an act, whose change is of ``kind``."""
        if self.arguments.json:
            terminal.say_json(
                {"state": _STATES[acted.state], "record": acted.record, "value": acted.value, **more}
            )  # fmt: skip
            return
        match acted.state:
            case ActState.DONE:
                terminal.say(f"{done} (audit record {acted.record})")
            case ActState.PROPOSED:
                terminal.say(
                    f"Proposal {acted.value} waits for a second person, for 7 days (audit record {acted.record})."
                )
                terminal.note(f"They look at it and approve it: relay proposal approve {acted.value}")
                roles = " or ".join(word(role) for role in sorted(RULES[kind].approvers))
                terminal.note(f"That takes another person, with the role {roles}.")
            case ActState.REHEARSED:
                terminal.say("Nothing speaks against it, and nothing has changed.")
                terminal.note("Where a second person is needed it would be proposed to them.")


def adds(parser: ArgumentParser, *, asks: bool = False) -> None:
    """Say what every verb that changes something takes; ``asks``: it wants a yes."""
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the audit log")
    parser.add_argument("--dry-run", action="store_true", help="check it in full and change nothing")
    if asks:
        parser.add_argument("--yes", action="store_true", help="do not ask")


def agree(what: str, arguments: Namespace) -> None:
    """Show what would happen and ask for a yes. Raises NotAgreed."""
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise NotAgreed
    terminal.note(what)
    if terminal.ask_line("Do it? Type yes: ", _YES_CHARS).lower() != "yes":
        raise NotAgreed


def run(arguments: Namespace, work: Callable[[Desk], Coroutine[Any, Any, T]]) -> T:
    """Open the home's device, connect, and do the work of a verb."""
    with home.open_device(arguments) as device:

        async def connected() -> T:
            async with at(device, arguments) as desk:
                return await work(desk)

        return online.run(connected())


@contextlib.asynccontextmanager
async def at(device: Device, arguments: Namespace) -> AsyncIterator[Desk]:
    """Connect, and give the desk. Raises RelayAway with its reason, and ConnectionHeld."""
    async with online.client(device, arguments.home) as client:
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watching = asyncio.create_task(_watch(client, first))
        try:
            async with asyncio.timeout(online.ANSWER_TIMEOUT_S):
                await asyncio.shield(first)
        except TimeoutError:
            watching.cancel()
            raise RelayAway("no answer in time") from None
        try:
            yield Desk(client, device, arguments)
        finally:
            watching.cancel()


async def _watch(client: Client, first: asyncio.Future[None]) -> None:
    """Take the client's events, which are in the store already, and tell how the first connection went."""
    try:
        async with contextlib.aclosing(client.events()) as events:
            async for event in events:
                if first.done():
                    continue
                if isinstance(event, Connected):
                    first.set_result(None)
                elif isinstance(event, Disconnected) and event.retry_in_s is not None:
                    first.set_exception(RelayAway(event.reason))
    except ClientError as error:
        if not first.done():
            first.set_exception(error)


async def _told(asked: Coroutine[Any, Any, T], change: Change | None = None) -> T:
    try:
        return await asked
    except Denied as denied:
        raise _in_words(denied, change) from None


def _in_words(denied: Denied, change: Change | None = None) -> Denied:
    said, wait_ms = wording.of_act(denied.code, change), denied.retry_after_ms
    again = f"; ask again in {terminal.lasting(wait_ms)}" if wait_ms else ""
    return type(denied)(denied.code, wait_ms, f"{said}{again}")
