-- What a device keeps. Columns named sealed_* hold contents and secrets under the store key (store/vault.py); the rest
-- (accounts, addresses, times, states) is in clear in a file that only its owner may read.

CREATE TABLE setting (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Descriptors of the relay's keys that its root signed.
CREATE TABLE relay_key (key_id INTEGER PRIMARY KEY, descriptor BLOB NOT NULL, not_after_ms INTEGER NOT NULL);

-- Accounts and the newest device list that is believed of each, the own account's included. `block_due`: the relay is to
-- be told of `blocked`; `block_code`: what it refused that with. `pass`: what the relay gave with the newest
-- envelope of one that may only be answered. `proof`: what it shows as attested of the account; `proof_due_ms`:
-- when it is to be asked for a newer one. `about`: what the person says of himself.
CREATE TABLE contact (
    account BLOB PRIMARY KEY,
    conversation BLOB NOT NULL,
    listed BLOB,
    signature BLOB,
    version INTEGER NOT NULL DEFAULT 0,
    stale INTEGER NOT NULL DEFAULT 0,
    verified INTEGER NOT NULL DEFAULT 0,
    last_number INTEGER NOT NULL DEFAULT 0,
    blocked INTEGER NOT NULL DEFAULT 0,
    block_due INTEGER NOT NULL DEFAULT 0,
    block_code INTEGER,
    pass BLOB,
    proof BLOB,
    proof_due_ms INTEGER,
    about TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX contact_proof ON contact (proof_due_ms) WHERE proof_due_ms IS NOT NULL;
CREATE INDEX contact_conversation ON contact (conversation);

-- Public records of organisations, as the relay signed them. `wanted`: it is to be asked for.
CREATE TABLE organisation (unit INTEGER PRIMARY KEY, record BLOB, wanted INTEGER NOT NULL);

-- Serials of warrants and attestations that were taken back, until they would have ended anyway.
CREATE TABLE revocation (serial BLOB PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID;

-- An address is pinned to the first account that it named; another one is offered, never taken over in silence.
CREATE TABLE address (address TEXT PRIMARY KEY, account BLOB NOT NULL, offered BLOB) WITHOUT ROWID;
CREATE INDEX address_account ON address (account);

-- Hashes of device lists by version: a first message may have been sealed under an older one, or name one.
CREATE TABLE list_seen (
    account BLOB NOT NULL, version INTEGER NOT NULL, hash BLOB NOT NULL, held_ms INTEGER NOT NULL,
    PRIMARY KEY (account, version)
) WITHOUT ROWID;

-- End-to-end sessions. `renew`: the next message needs new prekeys of the peer's. asked/heard: the last retry request
-- to and from that device.
CREATE TABLE session (
    account BLOB NOT NULL,
    device INTEGER NOT NULL,
    sealed_state BLOB,
    renew INTEGER NOT NULL DEFAULT 0,
    asked_ms INTEGER NOT NULL DEFAULT 0,
    heard_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, device)
) WITHOUT ROWID;

-- Commitments of envelopes that no session opened, until a retry request names them.
CREATE TABLE lost (
    account BLOB NOT NULL, device INTEGER NOT NULL, commitment BLOB NOT NULL, lost_ms INTEGER NOT NULL,
    PRIMARY KEY (account, device, commitment)
) WITHOUT ROWID;

CREATE TABLE prekey (
    kind INTEGER NOT NULL,
    id INTEGER NOT NULL,
    sealed_private BLOB NOT NULL,
    made_ms INTEGER NOT NULL,
    deposited INTEGER NOT NULL DEFAULT 0,
    replaced_ms INTEGER,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- First messages that could be replayed because they used no one-time prekey, for the signed prekey's life.
CREATE TABLE first_message (mark BLOB PRIMARY KEY, signed_id INTEGER NOT NULL) WITHOUT ROWID;

-- What was sent from here. `is_text` is 1 for a text of the user's, 0 for receipts and retry requests. `named_ms`: when
-- a retry request last named it.
CREATE TABLE message (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    account BLOB,
    address TEXT,
    is_text INTEGER NOT NULL,
    class INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    code INTEGER,
    sealed_content BLOB NOT NULL,
    sealed_envelope BLOB,
    commitment BLOB,
    named_ms INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX message_account ON message (account, queued_ms);
CREATE INDEX message_commitment ON message (commitment) WHERE commitment IS NOT NULL;

-- When a message reached each of its states.
CREATE TABLE message_state (
    message INTEGER NOT NULL REFERENCES message (row) ON DELETE CASCADE, state TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (message, state)
) WITHOUT ROWID;

-- A message on its way to one account: the recipient's (own = 0) or the user's other devices (own = 1).
-- state: 0 waiting, 1 submitted, 2 accepted, 3 ended. `again`: wait once more when the answer has come.
CREATE TABLE parcel (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    message INTEGER NOT NULL REFERENCES message (row) ON DELETE CASCADE,
    own INTEGER NOT NULL,
    account BLOB,
    address TEXT,
    state INTEGER NOT NULL DEFAULT 0,
    not_before_ms INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    again INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX parcel_message ON parcel (message);
CREATE INDEX parcel_waiting ON parcel (row) WHERE state = 0;

-- The outbox: numbered submissions. `sealed_frame` is there until the relay has answered.
CREATE TABLE submission (
    epoch INTEGER NOT NULL,
    number INTEGER NOT NULL,
    sealed_ms INTEGER NOT NULL,
    sealed_frame BLOB,
    PRIMARY KEY (epoch, number)
) WITHOUT ROWID;
CREATE INDEX submission_open ON submission (epoch, number) WHERE sealed_frame IS NOT NULL;

CREATE TABLE submission_target (
    epoch INTEGER NOT NULL,
    number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    parcel INTEGER NOT NULL REFERENCES parcel (row) ON DELETE CASCADE,
    PRIMARY KEY (epoch, number, position)
) WITHOUT ROWID;
CREATE INDEX submission_target_parcel ON submission_target (parcel);

-- What came. `told`: 0 unread, 1 read and its sender to be told, 2 done. `sealed_evidence` is what a report needs.
CREATE TABLE inbox (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    sender BLOB NOT NULL,
    device INTEGER NOT NULL,
    peer BLOB,
    class INTEGER NOT NULL,
    sent_ms INTEGER NOT NULL,
    number INTEGER NOT NULL,
    forwarded INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    read_ms INTEGER,
    sealed_text BLOB NOT NULL,
    sealed_evidence BLOB NOT NULL,
    UNIQUE (sender, device, id)
);
CREATE INDEX inbox_told ON inbox (told) WHERE told < 2;

-- Commitments (33 bytes) and message ids (16) that were taken in, so that none is taken in twice.
CREATE TABLE seen (
    sender BLOB NOT NULL,
    device INTEGER NOT NULL,
    mark BLOB NOT NULL,
    seen_ms INTEGER NOT NULL,
    PRIMARY KEY (sender, device, mark)
) WITHOUT ROWID;
CREATE INDEX seen_age ON seen (seen_ms);

-- Envelopes that were begun to be opened and not finished: how often this program died of each.
CREATE TABLE attempt (
    sender BLOB NOT NULL,
    device INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    tries INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (sender, device, commitment)
) WITHOUT ROWID;

-- Reports of the user's. `boxed`: sealed to the moderators, until the relay has answered; `code`: its refusal.
CREATE TABLE report (
    row INTEGER PRIMARY KEY AUTOINCREMENT, message BLOB NOT NULL, boxed BLOB, code INTEGER, made_ms INTEGER NOT NULL
);

-- How far each lane of the mailbox is, in the mailbox's epoch (setting mailbox_epoch).
CREATE TABLE lane (lane INTEGER PRIMARY KEY, floor INTEGER NOT NULL);
INSERT INTO lane (lane, floor) VALUES (0, 0), (1, 0), (2, 0);
CREATE TABLE lane_range (
    lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (lane, first)
) WITHOUT ROWID;

-- Sequences whose envelope could not be opened, until an acknowledgement has said so.
CREATE TABLE unopened (lane INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (lane, sequence)) WITHOUT ROWID;
