"""The command line: what a change does, in plain words.

A change enters and a sentence leaves. The rule of this file: whoever approves reads everything that will be done, in
words that leave no number to be looked up but that of a unit.
"""

from collections.abc import Callable
from typing import assert_never

from relayclient.cli import terminal
from relayclient.cli.columns import word
from relayproto.administration import (
    Approve,
    AssignOffice,
    Change,
    CloseUnit,
    CreateOrganisation,
    CreateUnit,
    GrantRole,
    HandOver,
    InviteMember,
    MergeOrganisation,
    MoveUnit,
    PlaceMember,
    PutDocument,
    RenameUnit,
    RevokeRole,
    RotateKey,
    SuspendOrganisation,
    Withdraw,
)
from relayproto.rosters import ImportRoster, RefuseClaim, StrikeLine
from relayproto.standing import PLATFORM, Field, Standing
from relayproto.verification import Attest, PutWarrant, RevokeAttestation, RevokeWarrant

Name = Callable[[bytes], str]


def place(unit: int) -> str:
    """Return how a unit is called in a sentence."""
    return "the platform" if unit == PLATFORM else f"unit {unit}"


def of(change: Change, name: Name) -> str:
    """Return what a change does; ``name`` says how an account is called."""
    said = (
        _organisation(change, name)
        or _unit(change)
        or _people(change, name)
        or _verification(change, name)
        or _rosters(change, name)
    )
    return terminal.harmless(said or _rest(change))


def accounts(change: Change) -> list[bytes]:
    """Return the accounts that a change names."""
    return [getattr(change, name) for name in ("account", "admin", "to", "office") if hasattr(change, name)]


def _organisation(change: Change, name: Name) -> str:
    match change:
        case CreateOrganisation(called, domain, root_key, _, form_hash, admin, until_ms):
            return (
                f'let the organisation "{called}" in, with the mail domain {domain}, the root key {root_key.hex()} and'
                f" the form with hash {form_hash.hex()}; {name(admin)} is its admin until {terminal.when(until_ms)}"
            )
        case SuspendOrganisation(unit, suspended):
            return f"suspend the organisation {unit}" if suspended else f"let the organisation {unit} work again"
        case MergeOrganisation(unit, into):
            return f"make the organisation {unit}, with all below it, a unit of {place(into)}"
        case HandOver(unit, account, to):
            return f"give all that {name(account)} holds over {place(unit)} and below to {name(to)}"
        case RotateKey(unit, root_key):
            return f"replace the root key of the organisation {unit} by {root_key.hex()}"
        case _:
            return ""


def _unit(change: Change) -> str:
    match change:
        case CreateUnit(unit, called):
            return f'make a unit "{called}" below {place(unit)}'
        case RenameUnit(unit, called):
            return f'call {place(unit)} "{called}"'
        case MoveUnit(unit, under):
            return f"put {place(unit)}, with all below it, under {place(under)}"
        case CloseUnit(unit):
            return f"close {place(unit)} for good"
        case PutDocument(unit, document):
            return f"put a document of {len(document)} bytes in force for {place(unit)}"
        case _:
            return ""


def _people(change: Change, name: Name) -> str:
    match change:
        case GrantRole(unit, account, role, until_ms):
            return f"let {name(account)} act as {word(role)} over {place(unit)} until {terminal.when(until_ms)}"
        case RevokeRole(unit, account, role):
            return f"take the role {word(role)} over {place(unit)} from {name(account)}"
        case InviteMember(unit, address, standing, ttl_s):
            return f"invite {address} into {place(unit)} as {word(standing)}, for {ttl_s // 3600} hours"
        case PlaceMember(unit, account, standing):
            if standing is Standing.PUBLIC:
                said = f"take {name(account)} out of {place(unit)} and the organisation, with all roles and offices"
            else:
                said = f"put {name(account)} into {place(unit)} as {word(standing)}"
            return said
        case AssignOffice(unit, office, account, answers):
            verb = "answer" if answers else "no longer answer"
            return f"let {name(account)} {verb} for the office {name(office)} of {place(unit)}"
        case _:
            return ""


def _verification(change: Change, name: Name) -> str:
    match change:
        case PutWarrant(unit, account):
            return f"let a device of {name(account)} attest for {place(unit)} and below, by the root key's warrant"
        case RevokeWarrant(unit, serial):
            return f"take back the warrant {serial.hex()} of {place(unit)} and all that was attested under it"
        case Attest(unit, account, _, _, stated):
            shown = ", ".join(each.text for each in stated if each.field is not Field.UNIT)
            return f"attest that {name(account)} belongs to {place(unit)}" + (f": {shown}" if shown else "")
        case RevokeAttestation(unit, account):
            return f"take back what is attested of {name(account)} in {place(unit)}, with all roles and offices"
        case _:
            return ""


def _rosters(change: Change, name: Name) -> str:
    match change:
        case ImportRoster(unit, roster, lines, digest):
            return (
                f"expect the {lines:,} people of the roster {roster.hex()}, whose lines have the hash {digest.hex()},"
                f" in {place(unit)}"
            )
        case StrikeLine(unit, address):
            return f"expect {address} no longer in {place(unit)}"
        case RefuseClaim(unit, account):
            return f"refuse the claim of {name(account)} to be of {place(unit)}"
        case _:
            return ""


def _rest(change: Change) -> str:
    match change:
        case Approve(proposal):
            return f"approve proposal {proposal}"
        case Withdraw(proposal):
            return f"withdraw proposal {proposal}"
        case (
            CreateOrganisation() | SuspendOrganisation() | MergeOrganisation() | HandOver() | RotateKey() | CreateUnit()
            | RenameUnit() | MoveUnit() | CloseUnit() | PutDocument() | GrantRole() | RevokeRole() | InviteMember()
            | PlaceMember() | AssignOffice() | PutWarrant() | RevokeWarrant() | Attest() | RevokeAttestation()
            | ImportRoster() | StrikeLine() | RefuseClaim()
        ):  # fmt: skip
            raise AssertionError(change)
        case _ as never:
            assert_never(never)
