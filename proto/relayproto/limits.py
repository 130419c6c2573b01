"""The contract, lowest room: every bound of the protocol, with the reason for its value.

Bounds that an operator may set are in ``relayd.config``; these are the wire's own.
"""

from typing import Final

from relayproto.codes import Class, Lane

# --- records (spec 10) -----------------------------------------------------------------------
TAG_BYTES: Final = 16
RECORD_BUCKETS: Final = (256, 1024, 4096, 16384)
"""Plaintext sizes: a short text costs 256 B; one 16 KiB size only would cost it eight times the work."""
BULK_BUCKET: Final = 65519
"""The largest plaintext of a Noise message (65,535 less the tag), on bulk connections only."""
HANDSHAKE_MESSAGE_BYTES_MAX: Final = 2048
"""The largest handshake message is 1,248 bytes; twice a power of two above 1,024 leaves room for one suite more."""
UNAUTHENTICATED_BYTES_MAX: Final = 4096
"""What is read from a peer before it has shown who it is: preface and messages 1 and 3 come to 1,584 bytes."""
HELLO_BYTES: Final = 256
"""HELLO is padded to this, so that message 3 tells nothing by its length."""

# --- times (spec 20) -------------------------------------------------------------------------
PREFACE_TIMEOUT_S: Final = 5.0
HANDSHAKE_TIMEOUT_S: Final = 10.0
"""Three messages over a bad mobile network take under 3 s; more is somebody who holds connections open."""
WELCOME_TIMEOUT_S: Final = 30.0
"""A login is one commit of the relay's, under a second; a network that died meanwhile is noticed in half a minute."""
ENROL_TIMEOUT_S: Final = 30.0
"""One command and its answer; nobody without an identity keeps a connection."""
REKEY_RECORDS: Final = 65_536
REKEY_BYTES: Final = 1 << 30
REKEY_AFTER_S: Final = 600.0
"""Cheap (2 us), so often: what a later break-in can read of a connection is bounded by ten minutes."""
PING_AFTER_S: Final = 240.0
"""Below the five minutes after which many address translators forget an idle connection."""
PONG_TIMEOUT_S: Final = 60.0
WINDOW_PING_S: Final = 60.0
WINDOW_STALLED_S: Final = 120.0
CONNECTION_LIFETIME_S: Final = 86_400.0
"""A new handshake every 24 h heals what an intruder may have learned."""

# --- frames (spec 30) ------------------------------------------------------------------------
FRAME_BYTES_MAX: Final = RECORD_BUCKETS[-1] - 2
FRAMES_PER_RECORD_MAX: Final = 4096
"""A 16 KiB record holds at most this many frames of the shortest kind; more can't be."""
NESTING_MAX: Final = 5
REQUEST_MAX: Final = (1 << 32) - 1
UINT_MAX: Final = (1 << 63) - 1
"""63 bits: what SQLite's integers hold without a sign."""
TIME_MS_MAX: Final = (1 << 47) - 1
"""The year 6429: every calendar can show it, and a lifetime added to it is still a number of the wire."""

# --- envelopes (spec 50) ---------------------------------------------------------------------
BODY_BYTES_MAX: Final = 13_312
WRAP_BYTES_MAX: Final = 1_536
"""A first message with its ML-KEM ciphertext and ratchet message is 1,422 bytes."""
STAMP_BYTES_MAX: Final = 600
"""150 bytes and 32 for each level of a commit's tree; 1,024 messages a commit make ten levels: 470."""
COMMITMENT_BYTES: Final = 33
TARGETS_MAX: Final = 512
"""Bounds the work of one submission; a frame's size bounds it further where there are wraps."""
DEVICES_MAX: Final = 8
"""Phone, desktop, browser and what is being replaced, twice; the bundles of eight fit one frame."""
UNANSWERED_MAX: Final = 256
"""Submissions without an answer; also how far back the ledger remembers refusals."""
BODY_HANDLES_MAX: Final = 16
"""Bodies parked on a connection: 208 KiB at most."""
ACK_RANGES_MAX: Final = 32
UNDECRYPTABLE_MAX: Final = 64
HEAD_ATTEMPTS_MAX: Final = 5
"""Logins at which the same envelope was the first of its lane; from the next on it is offered alone. Below it a bad
network looks the same as a device that dies of it."""
OUTCOME_LIFETIME_S: Final = 7 * 86_400
DEDUPE_DAYS: Final = 37
"""The longest lifetime (30 days) and the outcome's (7): after that no copy can come again."""

LIFETIME_S_MAX: Final = {
    Class.CALL: 60,
    Class.OTP: 900,
    Class.ALERT: 7 * 86_400,
    Class.CHAT: 30 * 86_400,
    Class.RECEIPT: 7 * 86_400,
    Class.NOTICE: 30 * 86_400,
    Class.BROADCAST: 30 * 86_400,
}
LIFETIME_S_DEFAULT: Final = {
    Class.CALL: 60,
    Class.OTP: 300,
    Class.ALERT: 86_400,
    Class.CHAT: 30 * 86_400,
    Class.RECEIPT: 7 * 86_400,
    Class.NOTICE: 30 * 86_400,
    Class.BROADCAST: 30 * 86_400,
}
LANE_OF: Final = {
    Class.CALL: Lane.URGENT,
    Class.OTP: Lane.URGENT,
    Class.ALERT: Lane.URGENT,
    Class.CHAT: Lane.NORMAL,
    Class.RECEIPT: Lane.NORMAL,
    Class.NOTICE: Lane.NORMAL,
    Class.BROADCAST: Lane.NORMAL,
}

# --- accounts and prekeys (spec 50, 60) ------------------------------------------------------
ADDRESS_CHARS_MAX: Final = 254
"""The longest address that mail allows (RFC 5321, erratum 1690): people will use their mail address."""
BUILD_CHARS_MAX: Final = 64
TICKET_BYTES: Final = 16
DEVICE_LIST_BYTES_MAX: Final = 2048
DESCRIPTOR_BYTES_MAX: Final = 512
KEM_PUBLIC_BYTES: Final = 1184
KEM_CIPHERTEXT_BYTES: Final = 1088
PREKEYS_PER_FRAME_MAX: Final = 64
ONE_TIME_PREKEYS_MAX: Final = 200
KEM_PREKEYS_MAX: Final = 40
"""At 1.2 KB each a device keeps at most 50 KB of them at the relay."""
PREKEYS_LOW: Final = 10
"""Fewer left than this and the device is told: enough for ten new correspondents until it comes back."""
RELAY_KEYS_MAX: Final = 8
BLOCKED_MAX: Final = 1_000
"""Accounts that one account has blocked: far more than anybody does by hand, and 32 KB."""
INVITATION_CHARS_MAX: Final = 2048
"""A link with the longest address and host has 1,770; the rest is for what a mail program puts in between."""

# --- origin stamps (spec 65) -----------------------------------------------------------------
REPORT_BYTES: Final = 15_360
"""A sealed report; the longest content with its evidence takes 14,120. All have one length, so that the relay can't
tell by it which message was reported."""
STAMPED_TOGETHER_MAX: Final = 1024
"""Messages under one signature: ten levels of a tree, so that a stamp stays below STAMP_BYTES_MAX."""

# --- between devices (spec 60) ---------------------------------------------------------------
RATCHET_JUMP_MAX: Final = 1_000
"""Keys that one message may make us skip: 3 ms of work; more lost messages than this and a new session is due."""
RATCHET_KEPT_MAX: Final = 2_000
RATCHET_KEPT_MS: Final = 30 * 86_400_000
"""The longest lifetime: after it the message that a kept key waits for can't come any more."""
SESSIONS_MAX: Final = 6
"""With one device: the one in use and five old ones, for what is still on its way under them."""
TEXT_BYTES_MAX: Final = 11_000
"""A circular of several pages in an Indian script (10,548 bytes, the one we know) is one message, also as a forward of
a forward, whose evidence takes up to 712 each; with its context that fits a body padded (12,800)."""
READ_MAX: Final = 128
"""Messages in one read receipt; a device that was off for longer sends several."""
RETRY_MAX: Final = 32
"""Commitments in one request to send again; a device that failed to open more asks for the rest an hour later."""
PASSING_AGE_MS_MAX: Final = 30_000
"""What passes by is worth nothing after this; it also bounds how late a relay can let somebody seem to type."""
FORWARD_DEPTH_MAX: Final = 3
"""Honest clients nest once, twice where a stamp's key was not known to somebody in between."""
