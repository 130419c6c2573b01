"""The command line: the table of its verbs, and where each is done.

A verb's name enters; the module that does it leaves. The rule of this file: a name and one line of help is all that is
known of a verb before it is asked for, so that a script which sends a text never waits for what officers need.
"""

from types import ModuleType
from typing import Final

VERBS: Final = {
    "join": "become a member with an invitation link",
    "register": "become a member by a code that is sent to your mail address",
    "whoami": "show this device's address, account and relay",
    "lookup": "ask the relay which account an address names",
    "send": "send a text to an address",
    "listen": "show messages as they come",
    "inbox": "read what has come, also offline",
    "status": "show what became of a message that was sent",
    "verify": "compare 60 digits with somebody, and mark them as verified",
    "block": "take nothing more from somebody",
    "unblock": "take messages from somebody again",
    "report": "give a message to the moderators, with the proof of who wrote it",
}
"""What people do, in the order of the help."""
GROUPS: Final = {
    "link": "add another device to your account, or to an office's",
    "claim": "say that you are an officer, or decide who is one",
    "org": "organisations of this relay, and their root keys",
    "warrant": "whose device may attest who an organisation's people are",
    "unit": "units of an organisation, and who belongs to them",
    "member": "who people are: list them, attest it, and take it back",
    "role": "roles over units: grant, revoke, list",
    "proposal": "what waits for a second person: list, show, approve, withdraw",
    "office": "offices: who answers for them",
    "policy": "documents and policies of units, and what others may do to you",
    "profile": "what you say of yourself, and what of you others are shown",
    "audit": "the audit log: list, search, export, verify",
    "stats": "counters of an organisation, and what the relay keeps: show, retention",
}
"""Verbs with verbs of their own; all but the first two are for officers."""


def verb(name: str) -> ModuleType:  # noqa: C901, PLR0912 - one for each
    """Import and return what does a verb: its texts, ``add`` and ``run``."""
    match name:
        case "join":
            import relayclient.cli.join
        case "register":
            import relayclient.cli.register
        case "whoami":
            import relayclient.cli.whoami
        case "lookup":
            import relayclient.cli.lookup
        case "send":
            import relayclient.cli.send
        case "listen":
            import relayclient.cli.listen
        case "inbox":
            import relayclient.cli.inbox
        case "status":
            import relayclient.cli.status
        case "verify":
            import relayclient.cli.verify
        case "block":
            import relayclient.cli.block
        case "unblock":
            import relayclient.cli.unblock
        case "report":
            import relayclient.cli.report
        case _:
            raise KeyError(name)
    found: ModuleType = vars(relayclient.cli)[name]
    return found


def group(name: str) -> ModuleType:  # noqa: C901, PLR0912 - one for each
    """Import and return what does a group's verbs: its texts and ``VERBS``."""
    match name:
        case "link":
            import relayclient.cli.link
        case "claim":
            import relayclient.cli.claim
        case "org":
            import relayclient.cli.org
        case "warrant":
            import relayclient.cli.warrant
        case "unit":
            import relayclient.cli.unit
        case "member":
            import relayclient.cli.member
        case "role":
            import relayclient.cli.role
        case "proposal":
            import relayclient.cli.proposal
        case "office":
            import relayclient.cli.office
        case "policy":
            import relayclient.cli.policy
        case "profile":
            import relayclient.cli.profile
        case "audit":
            import relayclient.cli.audit
        case "stats":
            import relayclient.cli.stats
        case _:
            raise KeyError(name)
    found: ModuleType = vars(relayclient.cli)[name]
    return found
