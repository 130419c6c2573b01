"""The contract, lowest room: every bound of the protocol, with the reason for its value.

Bounds that an operator may set are in ``relayd.config``; these are the wire's own.
"""

from typing import Final

from relayproto.codes import Class, Lane

# --- records (spec 10) -----------------------------------------------------------------------
TAG_BYTES: Final = 16
"""What AES-256-GCM adds to each record."""
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
"""The first 16 bytes need one way over the network only; who sends none holds a connection open for nothing."""
HANDSHAKE_TIMEOUT_S: Final = 10.0
"""Three messages over a bad mobile network take under 3 s; more is somebody who holds connections open."""
WELCOME_TIMEOUT_S: Final = 30.0
"""A login is one commit of the relay's, under a second; a network that died meanwhile is noticed in half a minute."""
ENROL_TIMEOUT_S: Final = 30.0
"""A few commands and their answers; nobody without an identity keeps a connection, least of all to read his mail."""
ENROL_COMMANDS_MAX: Final = 8
"""On one enrolment connection: a code, five tries, and a repeat or two; nobody guesses faster by asking all at once."""
REKEY_RECORDS: Final = 65_536
"""Far below what AES-GCM allows under one key, so that the number is never near a limit of the cipher."""
REKEY_BYTES: Final = 1 << 30
"""The same in bytes."""
REKEY_AFTER_S: Final = 600.0
"""Cheap (2 us), so often: what a later break-in can read of a connection is bounded by ten minutes."""
PING_AFTER_S: Final = 240.0
"""Below the five minutes after which many address translators forget an idle connection."""
PONG_TIMEOUT_S: Final = 60.0
"""A mobile network may be silent for half a minute while it changes cells; after twice that the peer is gone."""
WINDOW_PING_S: Final = 60.0
"""A full window that nobody acknowledges: either the device is busy or it is gone; a PING tells which."""
WINDOW_STALLED_S: Final = 120.0
"""After this a device that answers but acknowledges nothing is sent away, so that another connection can try."""
CONNECTION_LIFETIME_S: Final = 86_400.0
"""A new handshake every 24 h heals what an intruder may have learned."""

# --- frames (spec 30) ------------------------------------------------------------------------
FRAME_BYTES_MAX: Final = RECORD_BUCKETS[-1] - 2
"""A frame never spans records; two bytes are its length."""
REQUEST_MAX: Final = (1 << 32) - 1
"""A connection lives a day; 49,000 requests a second would use them up."""
UINT_MAX: Final = (1 << 63) - 1
"""63 bits: what SQLite's integers hold without a sign."""
TIME_MS_MAX: Final = (1 << 47) - 1
"""The year 6429: every calendar can show it, and a lifetime added to it is still a number of the wire."""

# --- envelopes (spec 50) ---------------------------------------------------------------------
BODY_BYTES_MAX: Final = 13_312
"""What is left of a frame beside the largest wrap, the largest stamp and the fields of DELIVER."""
WRAP_BYTES_MAX: Final = 1_536
"""A first message with its ML-KEM ciphertext and ratchet message is 1,422 bytes."""
STAMP_BYTES_MAX: Final = 600
"""150 bytes and 32 for each level of its tree; 1,024 messages under one signature make ten levels: 470."""
COMMITMENT_BYTES: Final = 33
"""A version byte and BLAKE2b-256."""
TARGETS_MAX: Final = 512
"""Bounds the work of one submission; a frame's size bounds it further where there are wraps."""
DEVICES_MAX: Final = 8
"""Phone, desktop, browser and what is being replaced, twice; the bundles of eight fit one frame."""
UNANSWERED_MAX: Final = 256
"""Submissions without an answer; also how far back the ledger remembers refusals."""
BODY_HANDLES_MAX: Final = 16
"""Bodies parked on a connection: 208 KiB at most."""
ACK_RANGES_MAX: Final = 32
"""More holes than this and the device acknowledges again when some have closed."""
UNDECRYPTABLE_MAX: Final = 64
"""As many envelopes as a device is given at a time."""
HEAD_ATTEMPTS_MAX: Final = 5
"""Logins at which the same envelope was the first of its lane; from the next on it is offered alone. Below it a bad
network looks the same as a device that dies of it."""
OUTCOME_LIFETIME_S: Final = 7 * 86_400
"""A sender that stays away for longer than a week learns from the recipient's own receipts, or never."""
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
"""How long an envelope of a class may wait at all: a call rings for a minute, a code is worth nothing after a quarter
of an hour, and what people write to each other waits for a month's leave."""
LIFETIME_S_DEFAULT: Final = {
    Class.CALL: 60,
    Class.OTP: 300,
    Class.ALERT: 86_400,
    Class.CHAT: 30 * 86_400,
    Class.RECEIPT: 7 * 86_400,
    Class.NOTICE: 30 * 86_400,
    Class.BROADCAST: 30 * 86_400,
}
"""How long a device asks for where nobody says otherwise."""
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
"""A program's name and version."""
TICKET_BYTES: Final = 16
"""128 random bits can't be guessed."""
CODE_CHARS_MAX: Final = 16
"""A code has 8 digits; people put spaces and hyphens between them."""
CODE_DIGITS: Final = 8
"""One in twenty million with five tries; more digits than that are not copied without a mistake."""
CODE_LIFETIME_S: Final = 600
"""A mail takes a minute or two, a greylisting server five; what lies in a mailbox any longer is worth nothing."""
CODE_TRIES_MAX: Final = 5
"""With three codes a day that is fifteen guesses at a hundred million, and still room for somebody's bad typing."""
CODES_A_DAY_MAX: Final = 3
"""For one contact: a first, one that was lost, one that was too late. Nobody's mailbox is filled through us."""
CONTACT_KEPT_S: Final = 30 * 86_400
"""One account a contact in this time; so long its keyed hash is kept, and no longer."""
DEVICE_LIST_BYTES_MAX: Final = 2048
"""Eight devices with two keys each come to under 1,000; the rest is for fields to come."""
DESCRIPTOR_BYTES_MAX: Final = 512
"""Keys, dates and two moderators are 300; it must fit beside the reason of a closed door."""
KEM_PUBLIC_BYTES: Final = 1184
"""ML-KEM-768 (FIPS 203)."""
KEM_CIPHERTEXT_BYTES: Final = 1088
"""ML-KEM-768 (FIPS 203)."""
PREKEYS_PER_FRAME_MAX: Final = 64
"""One-time prekeys at 110 bytes; of ML-KEM's a dozen fill a frame before this does."""
ONE_TIME_PREKEYS_MAX: Final = 200
"""New correspondents between two visits of a device; more would only lie there."""
KEM_PREKEYS_MAX: Final = 40
"""At 1.2 KB each a device keeps at most 50 KB of them at the relay."""
PREKEYS_LOW: Final = 10
"""Fewer left than this and the device is told: enough for ten new correspondents until it comes back."""
RELAY_KEYS_MAX: Final = 8
"""Descriptors that are good at once: two while keys overlap, and room for what an emergency adds."""
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
"""Keys of messages that have not come yet, 64 bytes each: two full jumps."""
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

# --- organisations (spec 70, 75) --------------------------------------------------------------
ACT_BYTES_MAX: Final = 14_336
"""The largest document with its signature and what an act says around it; the rest of a frame is the act's own."""
ACT_LIFETIME_MS_MAX: Final = 600_000
"""An act is signed by the machine that sends it at once; ten minutes leave room for a clock that is a little off."""
ACT_STEP_MAX: Final = 1_000_000
"""How far above the newest act's number the next may be: a thief of a device can't use all numbers up, so that its
account could never act again."""
REASON_CHARS_MAX: Final = 500
"""Why somebody did it, for the auditor: a few sentences, and no place for content."""
LOCAL_REASON_CHARS_MAX: Final = REASON_CHARS_MAX - 20
"""A reason of the local operator's: the audit record has the number of the operating system's user before it."""
GOAWAY_AFTER_MS_MAX: Final = 86_400_000
"""For how long the local operator may send a device away: by then it may lose what is urgent."""
FINDINGS_MAX: Final = 64
"""Invariants that a check while running reports on: there are some thirty."""
UNIT_NAME_CHARS_MAX: Final = 120
"""The longest name of a department that we know has 96."""
DOMAIN_CHARS_MAX: Final = 253
"""A domain name's longest form (RFC 1035)."""
UNITS_MAX: Final = 10_000
"""Units of one organisation: a state's department with an office in each of its villages has fewer."""
UNIT_DEPTH_MAX: Final = 12
"""Ministry, department, directorate, region, division, district ... seven are in use; also bounds the walk upwards."""
ROLES_HELD_MAX: Final = 64
"""Grants to one account at a time; who needs more should have fewer and higher ones."""
GRANT_LIFETIME_S_MAX: Final = 366 * 86_400
"""Grants end: a year and a day, so that a yearly review renews each of them."""
PROPOSAL_LIFETIME_MS: Final = 7 * 86_400_000
"""The second person is on leave at most for a week; after it the first one asks again."""
PROPOSALS_MAX: Final = 1_000
"""Waiting at once for one organisation: far more than anybody looks through."""
PROPOSALS_EACH_MAX: Final = 20
"""Of these by one account: more than one officer asks others for in a week, so that nobody uses up what all share."""
TICKETS_OPEN_MAX: Final = 1_000
"""Tickets into one unit that nobody has used yet: a large district's whole staff at once, and no more may lie there."""
DOCUMENT_BYTES_MAX: Final = 12_288
"""An organisation's document in several languages takes 3 to 6 KB; pictures and packs are in it by reference."""
PAGE_ROWS_MAX: Final = 100
"""Rows of one answer to a question; the frame's size bounds it further."""
AUDIT_RECORD_BYTES_MAX: Final = 2_560
"""A record holds digests, not what was changed: 400 bytes, and a reason of 500 characters in any script."""
SERIAL_BYTES: Final = 16
"""Random, so that no two warrants or attestations of any organisation are called the same."""
SHOWN_CHARS_MAX: Final = 120
"""A name or the title of a post, as long as the longest name of a department."""
ROSTER_NAME_BYTES: Final = 16
"""Half a hash: a device names a roster by what is in the file, so that the same file goes on where it was cut off."""
ROSTER_LINES_MAX: Final = 200_000
"""Twice the largest department that we know of; a larger one has units, each with a roster of its own."""
ROSTER_PART_LINES_MAX: Final = 100
"""In one command: a tenth of them waits for a commit, and a lost answer costs a hundred lines."""
ROSTER_ALONE_MAX: Final = 100
"""Lines that one person lets come in force on a day (UTC) without a second one: a new office's staff."""
ROSTER_STAGED_MS: Final = 7 * 86_400_000
"""As long as a proposal waits: until then a second person may read it."""
ROSTER_LIFETIME_MS: Final = 366 * 86_400_000
"""A year and a day: who is not on the next year's roster is not expected any more."""
CLAIM_LIFETIME_MS: Final = 30 * 86_400_000
"""A month: somebody has looked at it by then, or it is made again."""
ATTESTED_ALONE_MAX: Final = 20
"""People whom no roster names and whom one verifier attests on a day (UTC) alone: a stolen verifier's device makes no
department out of strangers."""
WARRANT_LIFETIME_MS_MAX: Final = 366 * 86_400_000
"""A year and a day: the root key comes out of its safe once a year."""
ATTESTATION_LIFETIME_MS_MAX: Final = 90 * 86_400_000
"""Who has left and was forgotten is badged for a quarter at most, also by a client that never comes online."""
ATTESTATION_SKEW_MS: Final = 300_000
"""How far ahead of one's own time a beginning may lie: the clock of the verifier's machine. An end is never late."""
SUCCESSION_OVERLAP_MS: Final = 90 * 86_400_000
"""For how long what a replaced root key stands behind still counts: until it would have been renewed anyway."""
PROOF_BYTES_MAX: Final = 2_048
"""An attestation with its warrant and four fields in any script comes to 1,900."""
ORGANISATION_BYTES_MAX: Final = 8_192
"""A record with its longest domains and all keys comes to 7,100."""
ORGANISATION_DOMAINS_MAX: Final = 16
"""The organisation's own domain and those of what was merged into it."""
ROOT_KEYS_MAX: Final = 16
"""Of the newest: with one a year a client that was away for fifteen years still follows."""
SERIALS_TOGETHER_MAX: Final = 64
"""In one notice; where a commit takes more back, devices ask."""
ABOUT_CHARS_MAX: Final = 120
"""What somebody says of himself, a line as long as a title."""
SOUGHT_CHARS_MAX: Final = 60
"""Packable of a name that is looked for: longer than most whole names."""
PASS_BYTES: Final = 19
"""Version, day and 16 bytes of a keyed hash: one guess in 2^128 is right, and a guess costs a submission."""
PASS_DAYS: Final = 30
"""How long somebody may answer whom he could not have written to first."""
REQUEST_BYTES_MAX: Final = 2_304
"""The body of a request to be in contact: 500 characters in an Indian script, sealed and padded."""
BREAK_GLASS_S_MAX: Final = 86_400
"""An emergency grant ends within a day; by then a regular one can be made."""
STATISTICS_CELL_MIN: Final = 10
"""A count below this is told to nobody: so few are people whom somebody may know (spec 87 §3)."""
STATISTICS_DAYS_MAX: Final = 7
"""Days of one answer: a week; about what fits a frame where every cell is told."""
KEPT_TEXT_CHARS_MAX: Final = 300
"""Of each text in the data map: a sentence or two."""
