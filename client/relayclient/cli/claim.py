"""relay claim: who says that he is an officer, and who decides it; relay member attest-all."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from relayclient.cli import desk, terminal, vouching
from relayclient.cli.columns import table, word
from relayclient.cli.desk import UNIT_HELP, WHO_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.cli.statements import Warranted
from relayclient.cli.vouching import Who
from relayclient.errors import AddressChanged, Denied, DeniedForNow, RelayUntrusted
from relayclient.officer_errors import ClaimUnknown, SomeUnattested
from relayproto.ids import Address, UnitId
from relayproto.limits import PAGE_ROWS_MAX
from relayproto.rosters import Claim, Claimant, Claimed, Claims, GetClaim, GetClaims, RefuseClaim
from relayproto.standing import ActState, ClaimState

DESCRIPTION: Final = """\
Whoever has an address of an organisation may claim to be its officer; whom a roster names claims it by itself. A claim
gives nothing: a verifier looks at it, and attests or refuses it. One claim a person, for 30 days.
"""
EPILOG: Final = """\
examples:
  relay claim make --name 'Bob Roy' --title Registrar
  relay claim status
  relay claim list North                                        who waits there, for verifiers
  relay claim approve North bob@works.example                   attests what he claims
  relay claim refuse North bob@works.example --reason 'nobody knows him'
  relay member attest-all North                                 attests all whom a roster names
"""


GOOD: Final = {"attested": "were attested", "proposed": "wait for a second person", "rehearsed": "were only rehearsed"}
"""What came of an attestation that was not refused, and how many of them are told of."""


# --- one's own --------------------------------------------------------------------------------
def _add_make(parser: ArgumentParser) -> None:
    parser.add_argument("--name", metavar="TEXT", type=vouching.text, required=True, help="what you are called")
    parser.add_argument("--title", metavar="TEXT", type=vouching.text, help="what you are: the post")


def _add_nothing(parser: ArgumentParser) -> None:
    """Take no arguments."""


def _own(arguments: Namespace, asked: Claim | GetClaim) -> int:
    async def work(at: Desk) -> Claimed:
        answer = await at.answer(asked)
        if not isinstance(answer, Claimed):
            raise RelayUntrusted
        return answer

    claimed = desk.run(arguments, work)
    if arguments.json:
        terminal.say_json({"state": word(claimed.state), "name": claimed.name, "title": claimed.title,
                           "until_ms": claimed.until_ms})  # fmt: skip
    else:
        terminal.say(_said(claimed))
    return 0


def _said(claimed: Claimed) -> str:
    said = terminal.harmless(", ".join(text for text in (claimed.name, claimed.title) if text))
    match claimed.state:
        case ClaimState.NONE:
            return "You claim nothing."
        case ClaimState.WAITING:
            return f"Your claim waits until {terminal.when(claimed.until_ms)}: {said}"
        case ClaimState.REFUSED:
            return f"Your claim was refused; you can make another on {terminal.when(claimed.until_ms)}: {said}"


def _make(arguments: Namespace) -> int:
    return _own(arguments, Claim(arguments.name, arguments.title or ""))


def _status(arguments: Namespace) -> int:
    return _own(arguments, GetClaim())


def _withdraw(arguments: Namespace) -> int:
    return _own(arguments, Claim("", ""))


# --- others' ----------------------------------------------------------------------------------
async def _waiting(at: Desk, unit: UnitId) -> AsyncIterator[Claimant]:
    async for page in at.pages(GetClaims(unit, 0, PAGE_ROWS_MAX)):
        for claim in page.claims if isinstance(page, Claims) else ():
            yield claim


def _add_unit(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="?", default=".", help=UNIT_HELP)


def _list(arguments: Namespace) -> int:
    async def work(at: Desk) -> list[Claimant]:
        return [claim async for claim in _waiting(at, await at.within(arguments.unit))]

    found = desk.run(arguments, work)
    if arguments.json:
        for each in found:
            terminal.say_json({"unit": each.unit, "account": each.account.hex(), "address": each.address,
                               "name": each.name, "title": each.title, "rostered": each.rostered,
                               "at_ms": each.at_ms})  # fmt: skip
        return 0
    rows = [
        (each.unit, each.address, each.name, each.title, "a roster" if each.rostered else "himself",
         terminal.when(each.at_ms)) for each in found
    ]  # fmt: skip
    table(("UNIT", "ADDRESS", "NAME", "TITLE", "SAID BY", "SINCE"), rows)
    return 0


def _add_one(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=f"their unit, or one above it: {UNIT_HELP}")
    parser.add_argument("account", metavar="WHO", help=WHO_HELP)


def _add_approve(parser: ArgumentParser) -> None:
    _add_one(parser)
    vouching.adds_terms(parser)


def _approve(arguments: Namespace) -> int:
    under = vouching.warrant_of(arguments)

    async def work(at: Desk) -> None:
        unit, account = await at.within(arguments.unit), await at.account(arguments.account)
        async for claim in _waiting(at, unit):
            if claim.account == account:
                change, until_ms = vouching.change(at, under, claim.unit, _who(claim))
                said = ", ".join(text for text in (claim.address, claim.name, claim.title) if text)
                done = f"{said}, is attested as of unit {claim.unit} until {terminal.when(until_ms)}."
                await at.do(change, terminal.harmless(done), expires_ms=until_ms)
                return
        raise ClaimUnknown(arguments.account)

    desk.run(arguments, work)
    return 0


def _who(claim: Claimant) -> Who:
    return Who(claim.account, Address(claim.address), claim.name, claim.title)


def _add_refuse(parser: ArgumentParser) -> None:
    _add_one(parser)
    desk.adds(parser)


def _refuse(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        unit, account = await at.within(arguments.unit), await at.account(arguments.account)
        await at.do(RefuseClaim(unit, account), f"The claim of {terminal.harmless(arguments.account)} is refused.")

    desk.run(arguments, work)
    return 0


# --- relay member attest-all ------------------------------------------------------------------
def _add_all(parser: ArgumentParser) -> None:
    _add_unit(parser)
    vouching.adds_terms(parser)


def _attest_all(arguments: Namespace) -> int:
    under = vouching.warrant_of(arguments)
    failed: list[str] = []
    came_to: Counter[str] = Counter()

    async def work(at: Desk) -> None:
        found = [claim async for claim in _waiting(at, await at.within(arguments.unit)) if claim.rostered]
        for done, claim in enumerate(found, 1):
            came = await attest(at, under, claim.unit, _who(claim))
            came_to[came] += 1
            if came not in GOOD:
                failed.append(claim.address)
            if arguments.json or came not in GOOD:
                tell(arguments, claim.address, came)
            terminal.progress(f"{done:,} of {len(found):,}", end="\r")

    desk.run(arguments, work)
    terminal.note(counted(came_to, len(failed)))
    if failed:
        raise SomeUnattested(", ".join(failed[:PAGE_ROWS_MAX]))
    return 0


async def attest(at: Desk, under: Warranted, unit: UnitId, who: Who) -> str:
    """Attest one of many; return what came of it. What concerns all of them is raised."""
    try:
        change, _ = vouching.change(at, under, unit, who)
        acted = await at.act(change)
    except DeniedForNow:
        raise
    except (AddressChanged, Denied) as no:
        return str(no)
    return "attested" if acted.state is ActState.DONE else word(acted.state)


def counted(came_to: Counter[str], failed: int, *, done: str = GOOD["attested"]) -> str:
    """Say how many came to what: what only waits, or was only tried, is not told of as done."""
    words = GOOD | {"attested": done}
    said = [f"{came_to[came]:,} {told}" for came, told in words.items() if came_to[came] or came == "attested"]
    return ", ".join([*said, f"{failed:,} were not."])


def tell(arguments: Namespace, address: str, came: str) -> None:
    """Say what became of one of many."""
    if arguments.json:
        terminal.say_json({"address": address, "came": came})
    else:
        terminal.say(terminal.harmless(f"{address}: {came}"))


VERBS: Final = (
    Verb("make", "claim to be an officer of your address's organisation", _add_make, _make),
    Verb("status", "how far your claim has come", _add_nothing, _status),
    Verb("withdraw", "take your claim back", _add_nothing, _withdraw),
    Verb("list", "who claims to be of a unit", _add_unit, _list),
    Verb("approve", "attest what somebody claims", _add_approve, _approve),
    Verb("refuse", "refuse somebody's claim", _add_refuse, _refuse),
)
ATTEST_ALL: Final = Verb("attest-all", "attest everybody whom a roster names", _add_all, _attest_all)
