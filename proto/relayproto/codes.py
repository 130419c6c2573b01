"""The contract, lowest room: every number on the wire, as enums.

The rule of this file: ``proto/registry.json`` holds the same numbers, and a test compares both ways.
A number is never reused for something else (spec 30 §5).
"""

from enum import IntEnum, IntFlag
from typing import Final

VERSION: Final = 1
"""The protocol's version, in the preface and in the first line of every page of the spec."""

MAGIC: Final = b"RLY1"
DESCRIPTOR_MAGIC: Final = b"RLYK"


class Purpose(IntEnum):
    """What a connection is for (spec 20 §1)."""

    DEVICE = 1
    ENROL = 2
    BULK = 3


class Suite(IntEnum):
    """Which Noise handshake protects a connection (spec 20 §2). 2 is kept free for AES-GCM."""

    HYBRID = 1
    PLAIN_XK = 3


class Transport(IntEnum):
    """What carries the records; its name is part of the prologue (spec 20 §3)."""

    TCP = 1
    WEBSOCKET = 2


class Kind(IntEnum):
    """A frame's first element: 1-31 commands, 32-63 either way, 96-127 questions, 128-159 replies, 160-191 notices.

    192-223 are further commands; 64-95 are changes of an organisation: never a frame of their own, only inside ACT
    (spec 70 §2).
    """

    HELLO = 1
    ENROL = 2
    SUBMIT = 3
    BODY = 4
    ACK = 5
    EPHEMERAL = 6
    PUT_PREKEYS = 7
    GET_BUNDLES = 8
    LOOKUP = 9
    PUT_DEVICES = 10
    GET_DEVICES = 11
    GET_RELAY_KEYS = 12
    PUT_PROFILE = 13
    INVITE = 14
    GET_STATUS = 15
    BLOCK = 16
    REPORT = 17
    CONFIRM_CLOCK = 18
    ACT = 19
    PUT_POLICY = 20
    BREAK_GLASS = 21
    PUT_ROSTER = 22
    SELF_CHECK = 23
    GET_CONNECTIONS = 24
    GET_MAILBOX = 25
    KICK = 26
    SUSPEND = 27
    PURGE = 28
    DRAIN = 29
    MOVE_LOG = 30
    SET_LOG_LEVEL = 31

    PING = 32
    PONG = 33
    REKEY = 34
    GOAWAY = 35

    CREATE_ORGANISATION = 64
    SUSPEND_ORGANISATION = 65
    MERGE_ORGANISATION = 66
    HAND_OVER = 67
    ROTATE_KEY = 68
    CREATE_UNIT = 69
    RENAME_UNIT = 70
    MOVE_UNIT = 71
    CLOSE_UNIT = 72
    GRANT_ROLE = 73
    REVOKE_ROLE = 74
    INVITE_MEMBER = 75
    PLACE_MEMBER = 76
    ASSIGN_OFFICE = 77
    PUT_DOCUMENT = 78
    APPROVE = 79
    WITHDRAW = 80
    PUT_WARRANT = 81
    REVOKE_WARRANT = 82
    IMPORT_ROSTER = 83
    STRIKE_LINE = 84
    ATTEST = 85
    REVOKE_ATTESTATION = 86
    REFUSE_CLAIM = 87

    GET_UNITS = 96
    GET_ROLES = 97
    GET_DOCUMENT = 98
    GET_PROPOSALS = 99
    GET_AUDIT = 100
    GET_CHECKPOINTS = 101
    GET_ROSTER = 102
    GET_PEOPLE = 103
    GET_CLAIMS = 104
    GET_ORGANISATION = 105
    GET_REVOCATIONS = 106
    GET_STATISTICS = 107
    GET_RETENTION = 108
    GET_CLAIM = 109

    WELCOME = 128
    ENROLLED = 129
    SUBMITTED = 130
    NOT_TAKEN = 131
    PREKEYS_LEFT = 132
    BUNDLES = 133
    ACCOUNT = 134
    DEVICES = 135
    RELAY_KEYS = 136
    DONE = 137
    REFUSED = 138
    INVITED = 139
    STATUS = 140
    ACTED = 141
    UNITS = 142
    ROLES = 143
    DOCUMENT = 144
    PROPOSALS = 145
    AUDIT = 146
    CHECKPOINTS = 147
    CONNECTIONS = 148
    MAILBOXES = 149
    CHECKED = 150
    ORGANISATION = 151
    REVOCATIONS = 152
    CLAIMED = 153
    STATISTICS = 154
    RETENTION = 155
    ROSTERED = 156
    ROSTER = 157
    PEOPLE = 158
    CLAIMS = 159

    DELIVER = 160
    GAP = 161
    DRAINED = 162
    OUTCOME = 163
    PREKEYS_LOW = 164
    ROLLED_BACK = 165
    NEW_EPOCH = 166
    PASSING = 167
    OVERFLOW = 168
    WRITABLE = 169
    REVOKED = 170

    GET_CODE = 192
    REGISTER = 193
    CLAIM = 194


class Code(IntEnum):
    """What a request or one target of a submission came to (spec 40 §2).

    An unknown code still has a meaning by its range: 100-199 retry later, 200-299 permanent,
    300-399 authentication, 900-999 the relay's own failure.
    """

    STORED = 0

    BUSY = 100
    RATE = 101
    DISK = 102
    UNAVAILABLE = 103
    OVER_QUOTA = 104
    GO_BACK = 105

    UNSUPPORTED = 200
    NOT_AVAILABLE = 201
    MISMATCHED_DEVICES = 202
    TOO_LARGE = 203
    BAD_LIFETIME = 204
    TOO_OLD = 205
    NO_BODY = 206
    STALE_LIST = 207
    BAD_TICKET = 208
    BAD_SIGNATURE = 209
    LIMIT = 210
    BAD_ADDRESS = 211
    ADDRESS_TAKEN = 212
    NOT_PERMITTED = 213
    REPLAYED = 214
    EXPIRED = 215
    CONFLICT = 216
    LOCKED = 217
    BAD_DOCUMENT = 218
    NOT_PROVEN = 219

    AUTHENTICATION = 300

    INTERNAL = 900


class CodeRange(IntEnum):
    """The hundreds of a code, so that an unknown one can still be acted upon."""

    SUCCESS = 0
    RETRY_LATER = 1
    PERMANENT = 2
    AUTHENTICATION = 3
    INTERNAL = 9


def range_of(code: int) -> CodeRange:
    """Return the range of a code, known or not; one outside all ranges counts as permanent."""
    try:
        return CodeRange(code // 100)
    except ValueError:
        return CodeRange.PERMANENT


class GoawayCode(IntEnum):
    """Why a connection ends: 1-99 orderly, 100-199 the peer's fault, 200-299 authentication, 900 ours (spec 20 §7)."""

    BYE = 1
    SUPERSEDED = 2
    STALLED = 3
    IDLE = 4
    RESTART = 5
    RENEW = 6
    BUSY = 7
    RATE = 8

    BAD_PREFACE = 100
    BAD_HANDSHAKE = 101
    BAD_RECORD = 102
    BAD_FRAME = 103
    BAD_STATE = 104
    BAD_ACK = 105
    BAD_SUBMISSION = 106
    TIMEOUT = 107

    AUTHENTICATION = 200

    INTERNAL = 900


class Class(IntEnum):
    """What an envelope is, for its lane and lifetime (spec 50 §4)."""

    CALL = 1
    OTP = 2
    ALERT = 3
    CHAT = 4
    RECEIPT = 5
    NOTICE = 6
    BROADCAST = 7


class Lane(IntEnum):
    """The lanes of a mailbox: two of envelopes, one of outcomes (spec 50 §1, decision 0006)."""

    NORMAL = 0
    URGENT = 1
    OUTCOME = 2


class GapReason(IntEnum):
    """Why a number of a lane will not be delivered (spec 50 §3)."""

    EXPIRED = 1
    PURGED = 2
    ACKNOWLEDGED = 3


class Result(IntEnum):
    """What became of one target of a submission (spec 50 §6)."""

    DELIVERED = 1
    UNDECRYPTABLE = 2
    EXPIRED = 3
    PURGED = 4


class Size(IntEnum):
    """How large an envelope was, as it is counted: body and wrap up to 1,024 bytes, up to 4,096, more (spec 87 §1)."""

    SMALL = 1
    MEDIUM = 2
    LARGE = 3


class Fate(IntEnum):
    """What became of one target of a submission, as it is counted (spec 87 §1)."""

    STORED = 1
    UNREACHABLE = 2
    FULL = 3
    MISMATCHED = 4
    REFUSED = 5
    DELIVERED = 6
    UNDECRYPTABLE = 7
    EXPIRED = 8
    PURGED = 9


class PrekeyKind(IntEnum):
    """The four kinds of prekey (spec 60 §1)."""

    SIGNED = 1
    ONE_TIME = 2
    KEM_LAST_RESORT = 3
    KEM_ONE_TIME = 4


class SubmitFlag(IntFlag):
    """Flags of SUBMIT (spec 50 §2)."""

    NONE = 0
    OUTCOME = 1
    WRITABLE = 2


class Scope(IntEnum):
    """Whom an envelope was for, inside its origin stamp (spec 65 §2)."""

    PERSON = 1
    GROUP = 2
    BROADCAST = 3


class WrapKind(IntEnum):
    """What a wrap is: a ratchet's message, one with its session's first message before it, what passes by, nothing.

    Source: spec 60 §4 and §9.
    """

    RATCHET = 1
    FIRST = 2
    PASSING = 3
    UNSEALED = 4


class PassingKind(IntEnum):
    """What devices tell each other that is worth nothing a moment later (spec 60 §9)."""

    TYPING = 1


class ContentKind(IntEnum):
    """What devices say to each other inside the encryption (spec 60 §5)."""

    TEXT = 1
    READ = 2
    RETRY = 3
    FORWARD = 4


class Feature(IntFlag):
    """Bits that HELLO and WELCOME announce (spec 30 §5). None exists yet."""

    NONE = 0
