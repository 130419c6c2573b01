"""relay proposal: what waits for a second person."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import desk, policy, roster, terminal, words
from relayclient.cli.columns import table, word
from relayclient.cli.desk import UNIT_HELP, Desk
from relayclient.cli.group import Verb
from relayclient.errors import Denied, NoProposal, NoRight
from relayproto import acts
from relayproto.acts import Instruction
from relayproto.administration import Approve, GetProposals, PutDocument, Withdraw
from relayproto.administration_replies import Proposal, Proposals
from relayproto.errors import Malformed
from relayproto.limits import PAGE_ROWS_MAX
from relayproto.rosters import ImportRoster
from relayproto.standing import ProposalState

DESCRIPTION: Final = """\
What is dangerous is done by two people: the first one's act waits as a proposal for seven days, a second one with a
right of his own reads it and approves it. Nobody approves his own. What is approved are the very bytes that were read.
"""
EPILOG: Final = """\
examples:
  relay proposal list
  relay proposal show 3
  relay proposal approve 3 --reason 'form seen, number 17/2027'
  relay proposal withdraw 3
"""


def _add_unit(parser: ArgumentParser) -> None:
    parser.add_argument("--unit", metavar="UNIT", default=".", help=f"where to look: {UNIT_HELP}")


def _add_list(parser: ArgumentParser) -> None:
    _add_unit(parser)
    parser.add_argument("--all", action="store_true", help="also those that are over")


def _list(arguments: Namespace) -> int:
    async def work(at: Desk) -> list[tuple[Proposal, str]]:
        unit = await at.unit(arguments.unit)
        pages = [page async for page in at.pages(GetProposals(unit, 0, PAGE_ROWS_MAX))]
        found = [each for page in pages if isinstance(page, Proposals) for each in page.proposals]
        chosen = [each for each in found if arguments.all or _waits(each)]
        await at.know(account for each in chosen for account in words.accounts(_read(each).change))
        return [(each, words.of(_read(each).change, at.name)) for each in chosen]

    found = desk.run(arguments, work)
    if arguments.json:
        for each, what in found:
            terminal.say_json(_fields(each, what))
        return 0
    rows = [(each.number, word(each.state), each.address, terminal.when(each.expires_ms), what) for each, what in found]
    table(("PROPOSAL", "STATE", "BY", "UNTIL", "WHAT"), rows)
    return 0


def _waits(proposal: Proposal) -> bool:
    return proposal.state is ProposalState.WAITING


def _read(proposal: Proposal) -> Instruction:
    try:
        return acts.decode(proposal.act)
    except Malformed:
        raise NoProposal(f"{proposal.number} is nothing that this program can read") from None


def _fields(proposal: Proposal, what: str) -> dict[str, object]:
    act = _read(proposal)
    return {"proposal": proposal.number, "state": word(proposal.state), "unit": proposal.unit, "by": proposal.address,
            "account": act.account.hex(), "kind": word(act.change.KIND), "what": what, "reason": act.reason,
            "issued_ms": act.issued_ms, "expires_ms": proposal.expires_ms,
            "digest": acts.digest(proposal.act).hex()}  # fmt: skip


def _add_one(parser: ArgumentParser) -> None:
    parser.add_argument("proposal", metavar="PROPOSAL", type=int, help="its number")
    _add_unit(parser)


async def _find(at: Desk) -> Proposal:
    """Return the proposal that the arguments name. Raises NoProposal."""
    number: int = at.arguments.proposal
    if number < 1:
        raise NoProposal(str(number))
    page = await at.answer(GetProposals(await at.unit(at.arguments.unit), number - 1, 1))
    found = page.proposals if isinstance(page, Proposals) else ()
    if not found or found[0].number != number:
        raise NoProposal(str(number))
    await at.know(words.accounts(_read(found[0]).change))
    return found[0]


async def _what(at: Desk, proposal: Proposal) -> str:
    """Return all that a proposal would do; of a document what it changes, of a roster how it begins."""
    change = _read(proposal).change
    said = words.of(change, at.full_name)
    lines: list[str] = []
    if isinstance(change, PutDocument):
        lines = await policy.changed_by(at, change)
    elif isinstance(change, ImportRoster):
        lines = await roster.shown(at, change)
    return "\n          ".join((said, *map(terminal.harmless, lines)))


def _text(proposal: Proposal, what: str) -> str:
    act = _read(proposal)
    return "\n".join((
        f"Proposal {proposal.number}, {word(proposal.state)}, good until {terminal.when(proposal.expires_ms)}",
        f"  by      {terminal.harmless(proposal.address)}, {terminal.when(act.issued_ms)}",
        f"  what    {what}",
        f"  reason  {terminal.indented(act.reason, '          ') or '(none was given)'}",
        f"  digest  {acts.digest(proposal.act).hex()}",
    ))  # fmt: skip


def _show(arguments: Namespace) -> int:
    async def work(at: Desk) -> tuple[Proposal, str]:
        found = await _find(at)
        return found, await _what(at, found)

    found, what = desk.run(arguments, work)
    if arguments.json:
        terminal.say_json(_fields(found, what))
    else:
        terminal.say(_text(found, what))
    return 0


def _add_approve(parser: ArgumentParser) -> None:
    _add_one(parser)
    parser.add_argument(
        "--digest", metavar="HEX", help="approve only if the proposal has this digest, as show prints it"
    )
    desk.adds(parser, asks=True)


def _approve(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        found = await _find(at)
        digest = acts.digest(found.act)
        if arguments.digest is not None and arguments.digest.strip().lower() != digest.hex():
            raise NoProposal(f"{found.number} has another digest: {digest.hex()}")
        if _read(found).account == at.device.identity.account:
            raise NoRight(detail="you proposed this yourself; another person approves it")
        if not _waits(found):
            raise Denied(detail=f"proposal {found.number} is {word(found.state)} already")
        await at.do(
            Approve(found.number, digest),
            lambda acted: f"Done: {words.of(_read(found).change, at.name)}"
            + (f". Unit {acted.value} is made" if acted.value else "") + ".",
            dangerous=_text(found, await _what(at, found)),
        )  # fmt: skip

    desk.run(arguments, work)
    return 0


def _add_withdraw(parser: ArgumentParser) -> None:
    parser.add_argument("proposal", metavar="PROPOSAL", type=int, help="its number")
    desk.adds(parser)


def _withdraw(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        await at.do(Withdraw(arguments.proposal), f"Proposal {arguments.proposal} is withdrawn.")

    desk.run(arguments, work)
    return 0


VERBS: Final = (
    Verb("list", "what waits for a second person", _add_list, _list),
    Verb("show", "what a proposal would do, in plain words", _add_one, _show),
    Verb("approve", "read a proposal and be its second person", _add_approve, _approve),
    Verb("withdraw", "take a proposal back", _add_withdraw, _withdraw),
)
