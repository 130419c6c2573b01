"""The command line: what the relay's codes mean to a person.

A code enters; words leave that say what to expect. The rule of this file: every code of the contract has words, and one
of a newer relay still has its range's.
"""

from typing import Final

from relayproto.codes import Code, CodeRange, range_of

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
    Code.NOT_PROVEN: "the mail domain does not name that key",
    Code.AUTHENTICATION: "the relay does not let this device do that",
    Code.INTERNAL: "the relay made a mistake; its operator finds it in the log",
}
_OF_ACTS: Final = {
    Code.RATE: "too many acts and questions in a short time",
    Code.BAD_LIFETIME: "it would end too late, or has ended already: a role lasts at most 366 days, an invitation 90",
    Code.BAD_ADDRESS: "that is no address, or none of the organisation's mail domain",
    Code.NOT_AVAILABLE: "there is no such account, or you may not look it up",
    Code.LIMIT: "there are as many of these as there can be",
}
"""Where officers are told something else than who sends a message."""
_OF_RANGE: Final = {
    CodeRange.SUCCESS: "it was done",
    CodeRange.RETRY_LATER: "not now; it is tried again",
    CodeRange.PERMANENT: "the relay refuses it",
    CodeRange.AUTHENTICATION: "the relay does not let this device do that",
    CodeRange.INTERNAL: "the relay made a mistake",
}


def of_act(code: int) -> str:
    """Return what a code means to an officer, for an act or a question."""
    return f"{_OF_ACTS[Code(code)]}, {Code(code).name}" if code in _OF_ACTS else of(code)


def of(code: int) -> str:
    """Return what a code means, with the code's name or number for who looks it up."""
    if code in _WORDS:
        return f"{_WORDS[Code(code)]}, {Code(code).name}"
    return f"{_OF_RANGE[range_of(code)]}, code {code}"
