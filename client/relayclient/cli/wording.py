"""The command line: what the relay's codes mean to a person.

A code enters; words leave that say what to expect. The rule of this file: every code of the contract has words, and one
of a newer relay still has its range's.
"""

from typing import Final

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
from relayproto.codes import Code, CodeRange, range_of
from relayproto.rosters import ImportRoster, RefuseClaim, StrikeLine
from relayproto.rules import RULES
from relayproto.standing import Second
from relayproto.verification import Attest, PutWarrant, RevokeAttestation, RevokeWarrant

_WORDS: Final = {
    Code.BUSY: "the relay has too much to do; it goes when there is room",
    Code.RATE: "too many messages in a short time; it goes a little later",
    Code.DISK: "the relay's disk is full; it goes when the operator has made room",
    Code.UNAVAILABLE: "the relay cannot write at the moment; it goes later",
    Code.OVER_QUOTA: "the recipient's mailbox is full; it goes when there is room again",
    Code.GO_BACK: "another message must go first",
    Code.UNSUPPORTED: "the relay does not offer that",
    Code.NOT_AVAILABLE: "no such address takes messages from you",
    Code.MISMATCHED_DEVICES: "the recipient's devices keep changing",
    Code.TOO_LARGE: "it is too large",
    Code.BAD_LIFETIME: "the relay does not keep a message of this class for so long",
    Code.TOO_OLD: "the relay no longer knows what became of it",
    Code.NO_BODY: "its body was lost on the way",
    Code.STALE_LIST: "a newer list of devices exists",
    Code.BAD_TICKET: "the invitation was used already or is too old",
    Code.BAD_SIGNATURE: "the relay finds a signature wrong",
    Code.LIMIT: "the relay takes no more of these for now",
    Code.BAD_ADDRESS: "that is no address",
    Code.ADDRESS_TAKEN: "the address belongs to another account",
    Code.NOT_PERMITTED: "you have no right to that, or there is no such thing",
    Code.REPLAYED: "a newer act of yours has come before it",
    Code.EXPIRED: "its time is over, or a clock is wrong",
    Code.CONFLICT: "it does not fit what is there; look again at how things are",
    Code.LOCKED: "a document above does not allow that to be loosened",
    Code.BAD_DOCUMENT: "the document is not as it has to be",
    Code.NOT_PROVEN: "the mail domain could not be proven: no record, another key, or nobody could look it up; the"
    " relay's journal says which",
    Code.AUTHENTICATION: "the relay does not let this device do that",
    Code.INTERNAL: "the relay made a mistake; its operator finds it in the log",
}
_OF_ACTS: Final = {
    Code.RATE: "too many acts and questions in a short time",
    Code.BAD_LIFETIME: "it ends in the past or too late",
    Code.BAD_ADDRESS: "that is no address",
    Code.NOT_AVAILABLE: "there is no such account, or you may not look it up",
    Code.LIMIT: "there are as many of these as there can be",
}
"""Where officers are told something else than who sends a message."""
_STOPPED: Final = "a unit or its organisation is closed or suspended"
_NAMED: Final = "the name is none, or another unit there has it"
_ROLE_ENDS: Final = "a role ends in the future and within 366 days"
_OF_CHANGES: Final[dict[type[Change], dict[Code, str]]] = {
    CreateOrganisation: {
        Code.CONFLICT: "the name, the mail domain or the root key is an organisation's already, the name is none, the"
        " admin belongs to an organisation or is an auditor, or people have chosen names under the domain themselves:"
        " `relayd chosen DOMAIN` on the relay's machine lists them, and none comes while one of them is not suspended",
        Code.BAD_LIFETIME: _ROLE_ENDS,
        Code.BAD_ADDRESS: "that is no mail domain",
    },
    SuspendOrganisation: {Code.CONFLICT: "that is no organisation, or it is so already"},
    MergeOrganisation: {
        Code.CONFLICT: "that is no organisation, one of the two is closed or suspended, a unit there has its name, or"
        " the tree would be too large or a circle",
    },
    HandOver: {Code.CONFLICT: "there is nothing to hand over, or an auditor would hold another role"},
    RotateKey: {Code.CONFLICT: f"that is no organisation, the key is an organisation's already, or {_STOPPED}"},
    CreateUnit: {Code.CONFLICT: f"{_NAMED}, {_STOPPED}, or there are too many units or levels"},
    RenameUnit: {Code.CONFLICT: f"{_NAMED}, or {_STOPPED}"},
    MoveUnit: {
        Code.CONFLICT: "it is there already, the unit above it has one of that name, is below it or in another"
        f" organisation, there are too many levels, or {_STOPPED}",
    },
    CloseUnit: {
        Code.CONFLICT: "the unit is not empty: people, offices or units are in it, or somebody is its auditor; or"
        f" {_STOPPED} already",
    },
    GrantRole: {
        Code.CONFLICT: "an auditor can hold no other role, an auditor's role cannot be made shorter, or"
        f" {_STOPPED}",
        Code.BAD_LIFETIME: _ROLE_ENDS,
    },
    RevokeRole: {Code.CONFLICT: "it is not held there any more"},
    InviteMember: {
        Code.CONFLICT: _STOPPED,
        Code.BAD_LIFETIME: "an invitation is good for 1 to 90 days",
        Code.BAD_ADDRESS: "not an address of your organisation's domain",
    },
    PlaceMember: {
        Code.NOT_PERMITTED: "you have no right to that, or there is no such account; who is to be verified is attested"
        " instead (relay member attest)",
        Code.CONFLICT: "the account is there already, belongs to no organisation, is an office or application that"
        f" cannot become a person or the other way round, is an auditor, or {_STOPPED}",
    },
    AssignOffice: {Code.CONFLICT: f"it is so already, or {_STOPPED}"},
    PutDocument: {
        Code.CONFLICT: f"another version has come in between: make it anew from relay policy show; or {_STOPPED}",
    },
    PutWarrant: {
        Code.CONFLICT: f"a warrant with that serial is or was there already, or {_STOPPED}",
        Code.BAD_LIFETIME: "the warrant begins later: the clock of the machine that signed it may be wrong",
        Code.BAD_SIGNATURE: "it is not signed by the present root key, or for another relay, unit or organisation",
    },
    RevokeWarrant: {Code.CONFLICT: "the warrant is not there any more"},
    Attest: {
        Code.CONFLICT: "the account is an office or application and this says a person, or the other way round, or"
        f" {_STOPPED}",
        Code.BAD_LIFETIME: "it begins later than the relay's clock says, or does not lie within its warrant",
        Code.BAD_ADDRESS: "not the account's address, or not one of your organisation's domain",
        Code.BAD_SIGNATURE: "it does not fit its account, unit or organisation, whose root key may have been replaced",
        Code.NOT_PERMITTED: "this device has no warrant for that unit that still counts, or you may not place them",
    },
    ImportRoster: {
        Code.CONFLICT: "what is staged is another roster, or none any more: import the file again; or " + _STOPPED,
        Code.LIMIT: "so many lines of your organisation cannot be in force",
    },
    StrikeLine: {Code.CONFLICT: "no line in force has that address any more"},
    RefuseClaim: {Code.CONFLICT: "it was refused already"},
    RevokeAttestation: {Code.CONFLICT: "nothing is attested of that account"},
    Approve: {
        Code.CONFLICT: "it was approved or withdrawn already, or what it would do does not fit any more; look at relay"
        " proposal list --all",
    },
    Withdraw: {Code.CONFLICT: "it was approved or withdrawn already: look at relay proposal list --all"},
}  # fmt: skip
"""What a code means for one change; where others may mean it too, all of them are named."""
_OF_LINES: Final = {
    Code.BAD_ADDRESS: "that is no address of your organisation's domain",
    Code.LIMIT: "its name or title has signs that cannot be seen",
    Code.ADDRESS_TAKEN: "it looks like another address",
    Code.NOT_PERMITTED: "another unit expects that address",
    Code.CONFLICT: "the same address stands in an earlier line",
}
_TWICE: Final = "; or you have proposed the same already"
_OF_RANGE: Final = {
    CodeRange.SUCCESS: "it was done",
    CodeRange.RETRY_LATER: "not now; it is tried again",
    CodeRange.PERMANENT: "the relay refuses it",
    CodeRange.AUTHENTICATION: "the relay does not let this device do that",
    CodeRange.INTERNAL: "the relay made a mistake",
}


def of_act(code: int, change: Change | None = None) -> str:
    """Return what a code means to an officer, for an act's change or a question."""
    said = {} if change is None else _OF_CHANGES[type(change)]
    if code in said:
        twice = _TWICE if code == Code.CONFLICT and _may_wait(change) else ""
        return f"{said[Code(code)]}{twice}, {Code(code).name}"
    return f"{_OF_ACTS[Code(code)]}, {Code(code).name}" if code in _OF_ACTS else of(code)


def of_line(code: int) -> str:
    """Return why the relay has not kept a line of a roster."""
    return f"{_OF_LINES[Code(code)]}, {Code(code).name}" if code in _OF_LINES else of(code)


def _may_wait(change: Change | None) -> bool:
    return change is not None and RULES[change.KIND].second is not Second.NEVER


def of(code: int) -> str:
    """Return what a code means, with the code's name or number for who looks it up."""
    if code in _WORDS:
        return f"{_WORDS[Code(code)]}, {Code(code).name}"
    return f"{_OF_RANGE[range_of(code)]}, code {code}"
