"""relay member renew: who would soon not be attested any more is attested anew."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import Final

from relayclient.cli import claim, desk, online, terminal, vouching
from relayclient.cli.desk import UNIT_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.cli.vouching import Who
from relayclient.officer_errors import SomeUnattested
from relayproto.attestation import Attested
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import PAGE_ROWS_MAX
from relayproto.people import GetPeople, People, Person

_NAMED_MAX: Final = 20
"""Addresses in the last sentence."""
_WITHIN_DAYS: Final = 14


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=UNIT_HELP)
    parser.add_argument("--within", metavar="DAYS", type=vouching.days, default=_WITHIN_DAYS,
                        help=f"who ends within so many days (default: {_WITHIN_DAYS})")  # fmt: skip
    vouching.adds_terms(parser)


def _renew(arguments: Namespace) -> int:
    under = vouching.warrant_of(arguments)
    failed: list[str] = []
    came_to: Counter[str] = Counter()

    async def work(at: Desk) -> None:
        found = await _ending(at, await at.within(arguments.unit))
        for done, (unit, who) in enumerate(found, 1):
            came = await claim.attest(at, under, unit, who)
            came_to[came] += 1
            if came not in claim.GOOD:
                failed.append(who.address)
            if arguments.json or came not in claim.GOOD:
                claim.tell(arguments, who.address, came)
            terminal.progress(f"{done:,} of {len(found):,}", end="\r")

    desk.run(arguments, work)
    terminal.note(claim.counted(came_to, len(failed), done="were renewed"))
    if failed:
        raise SomeUnattested(", ".join(failed[:_NAMED_MAX]))
    return 0


async def _ending(at: Desk, unit: UnitId) -> list[tuple[UnitId, Who]]:
    """Return who ends soon, as this device checks it, with the unit that is attested; oneself is others' to renew."""
    pages = [page async for page in at.pages(GetPeople(unit, "", b"", PAGE_ROWS_MAX))]
    found = [person for page in pages if isinstance(page, People) for person in page.people]
    _attested(at, found)  # Asks for the records of organisations that this device has not seen yet.
    await at.client.settle(online.SETTLE_S)
    until_ms = at.client.now_ms() + at.arguments.within * vouching.DAY_MS
    return [
        (each.unit, Who(AccountId(each.said.account), Address(each.address), each.name or "", each.title or "",
                        each.said.standing))
        for each in _attested(at, found)
        if each.unit is not None and each.address is not None and each.said.expires_ms <= until_ms
        and each.said.account != at.device.identity.account
    ]  # fmt: skip


def _attested(at: Desk, found: list[Person]) -> list[Attested]:
    now_ms = at.client.now_ms()
    judged = [at.device.administration.judge(person.account, person.proof, now_ms) for person in found]
    return [each for each in judged if isinstance(each, Attested)]


VERB: Final = Verb("renew", "attest everybody anew who would soon not be attested any more", _add, _renew)
