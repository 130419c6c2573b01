"""The contract, low room: who people are to the organisations of a relay and what they may do, as enums.

The rule of this file is that of ``codes``: ``proto/registry.json`` has the same numbers, and none is reused.
"""

from enum import IntEnum
from typing import Final

from relayproto.ids import UnitId

PLATFORM: Final = UnitId(0)
"""The unit above all organisations: the relay itself."""


class Role(IntEnum):
    """What an account may do over a unit and all units below it (spec 70 §4). No role reads content."""

    PLATFORM_OPERATOR = 1
    ORGANISATION_ADMIN = 2
    UNIT_ADMIN = 3
    VERIFIER = 4
    BROADCASTER = 5
    GROUP_ADMIN = 6
    APPLICATION_OWNER = 7
    STATISTICS_VIEWER = 8
    AUDITOR = 9
    ABUSE_OFFICER = 10
    KEY_HOLDER = 11


class Standing(IntEnum):
    """Which of the classes of people an account belongs to (spec 70 §6)."""

    PUBLIC = 0
    INVITED = 1
    VERIFIED = 2
    APPLICATION = 3
    OFFICE = 4


PEOPLE: Final = frozenset({Standing.PUBLIC, Standing.INVITED, Standing.VERIFIED})
"""Standings of who is neither an office nor an application: who holds roles and answers for offices."""


class Action(IntEnum):
    """What somebody may do to somebody (spec 70 §6)."""

    FIRST_CONTACT = 0
    TEXT = 1
    FILE = 2
    CALL = 3
    ADD_TO_GROUP = 4
    LOOKUP = 5


class Permission(IntEnum):
    """What a cell of a policy says; a higher number is stricter, so that the strictest of several is their maximum."""

    ALLOW = 0
    REQUEST = 1
    DENY = 2


class Field(IntEnum):
    """What can be shown of somebody (spec 88 §1): all but the last is what an organisation attests."""

    NAME = 0
    TITLE = 1
    UNIT = 2
    ADDRESS = 3
    ABOUT = 4


class Viewer(IntEnum):
    """Who looks at somebody, by where he stands to him (spec 88 §2)."""

    SAME_UNIT = 0
    SAME_ORGANISATION = 1
    OFFICERS = 2
    APPLICATION = 3
    PUBLIC = 4


class Visibility(IntEnum):
    """What a cell of a table of visibilities says; of several the maximum counts, as of permissions."""

    SHOW = 0
    HIDE = 1


class UnitState(IntEnum):
    """Whether a unit works (spec 70 §1). What is suspended or closed refuses, and so does everything below it."""

    ACTIVE = 1
    SUSPENDED = 2
    CLOSED = 3


class ActState(IntEnum):
    """What became of an act (spec 70 §3)."""

    DONE = 1
    PROPOSED = 2
    REHEARSED = 3


class ProposalState(IntEnum):
    """How far a proposal has come (spec 70 §3)."""

    WAITING = 1
    APPROVED = 2
    WITHDRAWN = 3
    EXPIRED = 4


class ClaimState(IntEnum):
    """How far a claim has come (spec 86 §4); one that was attested is gone."""

    NONE = 0
    WAITING = 1
    REFUSED = 2


class Second(IntEnum):
    """When a change needs a second person (spec 70 §3)."""

    NEVER = 0
    AT_ROOT = 1
    ALWAYS = 2
    OF_AUDITOR = 3
    IN_BULK = 4


class Where(IntEnum):
    """Over what a command needs a right, hence how its rule is checked (spec 70 §4)."""

    LOCAL = 0
    OWN = 1
    ANYBODY = 2
    PLATFORM = 3
    UNIT = 4
    MEMBER = 5
    PROPOSAL = 6
    OFFICER = 7
