-- The store's first schema. What every column is for and how long it stays is written beside it (docs: the data map).
-- "Sealed" means: ChaCha20-Poly1305 under the key of the row's expiry day, which lies in the file day-keys, not here.

CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    account BLOB NOT NULL UNIQUE,        -- hash of the identity key, 32 bytes; for as long as the account exists
    address TEXT NOT NULL UNIQUE,        -- what people type; the only place where an account's stands
    look TEXT NOT NULL,                  -- what its address looks like: no other account's looks the same
    list_version INTEGER NOT NULL,       -- of the newest device list
    highest_device INTEGER NOT NULL,     -- the highest number that a device ever had, so that none is given twice
    devices BLOB NOT NULL,               -- the newest device list, as its account signed it
    signature BLOB NOT NULL,
    standing INTEGER NOT NULL DEFAULT 0, -- public, invited, verified, application, office
    unit INTEGER NOT NULL DEFAULT 0,     -- of table unit, where it belongs; 0: to nobody
    policy BLOB,                         -- what it has tightened itself, 30 permissions; NULL: nothing
    act INTEGER NOT NULL DEFAULT 0,      -- the number of its newest act: an older one is a replay
    suspended INTEGER NOT NULL DEFAULT 0, -- by the relay's operator: it may fetch, and is not there for others
    about TEXT NOT NULL DEFAULT '',      -- a line of its own, shown to whom it lets
    hidden BLOB,                         -- what it hides of itself, 25 visibilities; NULL: nothing
    chosen TEXT                          -- what the domain looks like under which it chose its name itself; NULL: it did not
);
CREATE UNIQUE INDEX account_by_look ON account (look);
-- Who belongs to a unit, by account and without touching their rows: pages of people go on after an account.
CREATE INDEX account_of_unit ON account (unit, account) WHERE unit <> 0;
CREATE INDEX account_by_chosen ON account (chosen) WHERE chosen IS NOT NULL;

-- AUTOINCREMENT: the number names a mailbox, and a removed one's must never name another.
CREATE TABLE device (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    device INTEGER NOT NULL,             -- its number within the account
    dh_key BLOB NOT NULL,                -- X25519 public key: who connects must have its private key
    sign_key BLOB NOT NULL,              -- Ed25519 public key: signs the device's prekeys
    one_time_high INTEGER NOT NULL DEFAULT 0,  -- the highest one-time prekey ever deposited: none is taken in twice
    kem_high INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, device)
);

CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY,              -- the device's
    epoch INTEGER NOT NULL,
    floor_normal INTEGER NOT NULL,
    next_normal INTEGER NOT NULL,
    floor_urgent INTEGER NOT NULL,
    next_urgent INTEGER NOT NULL,
    floor_outcome INTEGER NOT NULL,
    next_outcome INTEGER NOT NULL,
    messages INTEGER NOT NULL,           -- counters of what is queued; a recount gives the same
    octets INTEGER NOT NULL,
    receipts INTEGER NOT NULL,
    outcomes INTEGER NOT NULL,
    over INTEGER NOT NULL,               -- was full and has not come down to the reopening share
    refused INTEGER NOT NULL DEFAULT 0   -- envelopes refused for want of room since the device last acknowledged
);

CREATE TABLE ledger (
    device INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,         -- rises with every login; works of an older one are dropped at commit
    epoch INTEGER NOT NULL,
    floor INTEGER NOT NULL               -- up to here every submission has a recorded outcome
);

-- Submissions of the last 256 of a device that were not stored for every target: codes only, never targets.
CREATE TABLE refusal (
    device INTEGER NOT NULL,
    submission INTEGER NOT NULL,
    codes BLOB NOT NULL,                 -- two bytes a target, by position
    PRIMARY KEY (device, submission)
) WITHOUT ROWID;

-- Everything that is queued, in the order in which it was committed. A row goes when it is acknowledged, when it
-- expires, or when its mailbox is purged.
CREATE TABLE envelope (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,               -- mailbox * 4 + lane
    sequence INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    class INTEGER NOT NULL,              -- 0 for an outcome
    octets INTEGER NOT NULL,             -- of body and wrap: the quota's and the credit's measure
    body INTEGER,                        -- of table body, where more than one row shares it
    fan INTEGER,                         -- NULL: no outcome is asked for; 0: the target has this one device; else of table fan
    sealed BLOB NOT NULL                 -- nonce and sealed: sender, submission, commitment, stamp, wrap, body; or an outcome
);
CREATE UNIQUE INDEX envelope_by_lane ON envelope (lane, sequence);
CREATE INDEX envelope_by_expiry ON envelope (expires_ms);

CREATE TABLE body (
    id INTEGER PRIMARY KEY,
    refs INTEGER NOT NULL,               -- rows of envelope that name it; it goes with the last one
    sealed BLOB NOT NULL
);

-- A target with several devices whose outcome is asked for: how many can still deliver, and whether it was told.
CREATE TABLE fan (
    id INTEGER PRIMARY KEY,
    remaining INTEGER NOT NULL,
    told INTEGER NOT NULL
);

-- Numbers that expired, until the device's floor has passed them. One row may span numbers that were acknowledged,
-- never one that is still queued.
CREATE TABLE hole (
    lane INTEGER NOT NULL,               -- mailbox * 4 + lane
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (lane, first)
) WITHOUT ROWID;

CREATE TABLE prekey (
    device INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    number INTEGER NOT NULL,
    key BLOB NOT NULL,                   -- public
    signature BLOB NOT NULL
);
CREATE UNIQUE INDEX prekey_by_device ON prekey (device, kind, number);

CREATE TABLE ticket (
    hash BLOB PRIMARY KEY,               -- BLAKE2b-256: a copy of this table is no invitation
    address TEXT NOT NULL,               -- empty once there is an account
    expires_ms INTEGER NOT NULL,
    unit INTEGER NOT NULL DEFAULT 0,     -- where the account will belong, and what it will be
    standing INTEGER NOT NULL DEFAULT 0,
    inviter INTEGER NOT NULL DEFAULT 0,  -- the account whose right it stands on; 0: the relay's own operator
    account BLOB                         -- who used it, so that a repeat gets the same answer; goes with the ticket
) WITHOUT ROWID;
CREATE INDEX ticket_by_expiry ON ticket (expires_ms);
CREATE INDEX ticket_by_unit ON ticket (unit) WHERE unit <> 0;

-- Codes that were asked for (spec 89). The hashes are keyed by the master key, which is not here: a copy of this table
-- tells neither whose contacts they are nor what the codes were.
CREATE TABLE code (
    contact BLOB PRIMARY KEY,            -- of the contact, without what stands behind a plus
    hash BLOB NOT NULL,                  -- of the contact and the newest code
    expires_ms INTEGER NOT NULL,         -- of that code
    tries INTEGER NOT NULL,              -- how often REGISTER may still name the contact
    asked INTEGER NOT NULL,              -- how many codes of this contact's day there were
    until_ms INTEGER NOT NULL,           -- when that day ends; the row goes
    account BLOB                         -- who used it, so that a repeat gets the same answer
) WITHOUT ROWID;
CREATE INDEX code_by_end ON code (until_ms);

-- Contacts that have an account already: one in 30 days.
CREATE TABLE registered (
    contact BLOB PRIMARY KEY,            -- the same keyed hash
    account BLOB NOT NULL,               -- the account that was made
    until_ms INTEGER NOT NULL            -- when the row goes
) WITHOUT ROWID;
CREATE INDEX registered_by_end ON registered (until_ms);

-- Hour keys of origin stamps, sealed to two moderators together; kept until retention ends.
CREATE TABLE hour_key (
    id INTEGER PRIMARY KEY,
    key_id BLOB NOT NULL,                -- relay id and hour; a restart within an hour makes a second one
    expires_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL
);
CREATE INDEX hour_key_by_expiry ON hour_key (expires_ms);

-- Who has blocked whom. A copy of this table does not tell: the hash is keyed by the master key, which is not here.
CREATE TABLE block (
    account INTEGER NOT NULL,            -- whose block it is
    mark BLOB NOT NULL,                  -- BLAKE2b-256 of it and the other account; goes when it is taken back
    PRIMARY KEY (account, mark)
) WITHOUT ROWID;

-- What recipients have reported, sealed to two moderators together, without the reporter; kept until retention ends.
CREATE TABLE report (
    id INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,                -- since 1970, when it was handed in
    sealed BLOB NOT NULL
);
CREATE INDEX report_by_day ON report (day);

-- How many targets of submissions met which fate, by day and by the sender's organisation (0: none). Rows go by retention.
CREATE TABLE statistic (
    day INTEGER NOT NULL,                -- since 1970; nothing is finer
    organisation INTEGER NOT NULL,
    class INTEGER NOT NULL,
    size INTEGER NOT NULL,               -- small, medium, large
    fate INTEGER NOT NULL,               -- stored, refused for one of four reasons, delivered or another end
    count INTEGER NOT NULL,              -- what is below ten is told to nobody
    PRIMARY KEY (day, organisation, class, size, fate)
) WITHOUT ROWID;

-- How often in a row the same envelope was the first of its lane when its device connected: one that makes its device
-- fail is found by it. Goes when the lane is empty or another envelope is first.
CREATE TABLE attempt (
    lane INTEGER PRIMARY KEY,            -- mailbox * 4 + lane
    sequence INTEGER NOT NULL,
    count INTEGER NOT NULL
);

CREATE TABLE relay_time (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    high_water_ms INTEGER NOT NULL       -- relay time never goes back
);
INSERT INTO relay_time (id, high_water_ms) VALUES (1, 0);

-- Organisations and their units, a tree below the platform (0). A number is never used again: audit records name it.
CREATE TABLE unit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    under INTEGER NOT NULL,              -- the unit above; 0 for an organisation
    organisation INTEGER NOT NULL,       -- the root that it belongs to; its own number for an organisation
    name TEXT NOT NULL,
    state INTEGER NOT NULL,              -- active, suspended, closed
    policy BLOB,                         -- what its document in force says, 150 permissions; NULL: nothing
    bounds BLOB,                         -- the same of lifetimes and sizes, nine times 4 bytes; NULL: nothing
    visibility BLOB                      -- the same of what is shown of its people, 25 visibilities; NULL: nothing
);
CREATE INDEX unit_by_under ON unit (under);
CREATE INDEX unit_by_organisation ON unit (organisation);

CREATE TABLE organisation (
    unit INTEGER PRIMARY KEY,
    root_key BLOB NOT NULL UNIQUE,       -- Ed25519 public key, made and kept on the organisation's own machine
    form_hash BLOB NOT NULL,             -- of the form that it signed on paper
    since_ms INTEGER NOT NULL
);

-- Root keys that were replaced, so that whoever knew one of them can follow to the present one; kept for good.
CREATE TABLE former_key (
    id INTEGER PRIMARY KEY,
    organisation INTEGER NOT NULL,       -- unit of table organisation
    root_key BLOB NOT NULL UNIQUE,
    until_ms INTEGER NOT NULL,           -- when its successor took its place
    by_old BLOB NOT NULL,                -- its signature over the successor, and the successor's own
    by_new BLOB NOT NULL
);
CREATE INDEX former_key_by_organisation ON former_key (organisation, id);

-- Keys of verifiers' devices that an organisation's root key has warranted; a row goes at its end or when taken back.
CREATE TABLE warrant (
    serial BLOB PRIMARY KEY,
    organisation INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    warrant BLOB NOT NULL,               -- spec 85: unit, account, key and dates
    signature BLOB NOT NULL              -- of the root key
) WITHOUT ROWID;
CREATE INDEX warrant_by_organisation ON warrant (organisation);
CREATE INDEX warrant_by_expiry ON warrant (expires_ms);

-- What organisations attest of accounts, for 90 days at most; a row goes at its end or when taken back.
CREATE TABLE attestation (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    serial BLOB NOT NULL UNIQUE,
    warrant BLOB NOT NULL,               -- serial of the warrant of the key that signed
    expires_ms INTEGER NOT NULL,
    proof BLOB NOT NULL                  -- spec 85: the attestation, its warrant and its statements, of which each is shown what he may see
);
CREATE INDEX attestation_by_account ON attestation (account, expires_ms);
CREATE INDEX attestation_by_warrant ON attestation (warrant);
CREATE INDEX attestation_by_expiry ON attestation (expires_ms);

-- Lists of people whom organisations expect (spec 86). The lines of a roster have the numbers from its own * 2^18 on. A row
-- goes when its time is over and its lines are gone.
CREATE TABLE roster (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    unit INTEGER NOT NULL,               -- where its people belong
    account INTEGER NOT NULL,            -- who has staged it, and alone adds to it
    name BLOB NOT NULL,                  -- how that account's device calls it
    sent INTEGER NOT NULL,               -- lines that came, those with a fault among them
    kept INTEGER NOT NULL,               -- lines that are there
    digest BLOB NOT NULL,                -- running hash over the lines that were kept
    force INTEGER NOT NULL,              -- 0: staged; else in force, newer than those with a lower number
    until_ms INTEGER NOT NULL,           -- nothing of it counts from then on; 0: it was replaced, or has no line left
    settled INTEGER,                     -- the last line whose consequences were drawn; NULL: staged, or all were
    seconded INTEGER NOT NULL DEFAULT 0  -- whether it needed a second person, who has read it
);
CREATE INDEX roster_by_account ON roster (account);
CREATE INDEX roster_by_unit ON roster (unit);
CREATE INDEX roster_by_end ON roster (until_ms);
CREATE INDEX roster_by_force ON roster (force);
CREATE INDEX roster_unsettled ON roster (force) WHERE settled IS NOT NULL;

CREATE TABLE roster_line (
    id INTEGER PRIMARY KEY,              -- its roster * 2^18 + its place there
    look TEXT NOT NULL,                  -- the skeleton of its address: what looks alike has the same
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL
);
CREATE INDEX roster_line_by_look ON roster_line (look);

-- Who says that he is an officer, or of whom a roster says so, until somebody decides it or its time is over.
CREATE TABLE claim (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL UNIQUE,
    unit INTEGER NOT NULL,               -- who has a right over it decides
    state INTEGER NOT NULL,              -- waiting or refused
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    rostered INTEGER NOT NULL,           -- whether a roster says it, or only he himself
    until_ms INTEGER NOT NULL
);
CREATE INDEX claim_by_unit ON claim (unit, id);
CREATE INDEX claim_by_end ON claim (until_ms);

-- How much an account has done of a kind on a day without a second person, where that has a bound; goes with the day.
CREATE TABLE alone (
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    day INTEGER NOT NULL,                -- since 1970
    amount INTEGER NOT NULL,
    PRIMARY KEY (account, kind)
) WITHOUT ROWID;

-- Warrants and attestations that were taken back, each until it would have ended anyway; names nobody.
CREATE TABLE revocation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    serial BLOB NOT NULL UNIQUE,
    until_ms INTEGER NOT NULL
);
CREATE INDEX revocation_by_end ON revocation (until_ms);

-- The table and the bounds that hold for everybody; NULL: the default.
CREATE TABLE platform (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    policy BLOB,
    bounds BLOB,
    visibility BLOB
);
INSERT INTO platform (id, policy) VALUES (1, NULL);

-- Mail domains that were proven, hence whose addresses an organisation hands out.
CREATE TABLE domain (
    name TEXT PRIMARY KEY,
    unit INTEGER NOT NULL                -- that brought it along: the organisation, or one that was merged into it
) WITHOUT ROWID;
CREATE INDEX domain_by_unit ON domain (unit);

-- Every version of a unit's document as it was signed; the newest is in force. 0 is the platform's.
CREATE TABLE document (
    unit INTEGER NOT NULL,
    version INTEGER NOT NULL,
    document BLOB NOT NULL,
    signature BLOB NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (unit, version)
) WITHOUT ROWID;

-- Who holds which role over which unit; a row goes when it ends or is revoked.
CREATE TABLE held_role (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    unit INTEGER NOT NULL,
    account INTEGER NOT NULL,
    role INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    UNIQUE (account, role, unit)
);
CREATE INDEX held_role_by_unit ON held_role (unit);
CREATE INDEX held_role_by_end ON held_role (until_ms);

-- Which accounts answer for an office.
CREATE TABLE holder (
    office INTEGER NOT NULL,
    account INTEGER NOT NULL,
    PRIMARY KEY (office, account)
) WITHOUT ROWID;
CREATE INDEX holder_by_account ON holder (account);

-- Acts that wait for a second person, and what became of them until their time is over.
CREATE TABLE proposal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    unit INTEGER NOT NULL,               -- over which the second person needs a right
    account INTEGER NOT NULL,            -- of the first person
    state INTEGER NOT NULL,
    kind INTEGER NOT NULL,               -- of change
    expires_ms INTEGER NOT NULL,
    digest BLOB NOT NULL,                -- of the act: an approval names it
    act BLOB NOT NULL
);
CREATE INDEX proposal_by_unit ON proposal (unit, id);
CREATE INDEX proposal_by_account ON proposal (account);
CREATE INDEX proposal_by_expiry ON proposal (expires_ms);

-- The audit log: who did what to whom, when, why, and what came of it; never content. Rows go by retention only, the
-- oldest first, and audit_start remembers the hash before the first that is left.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,              -- without gaps
    unit INTEGER NOT NULL,               -- whose auditors see it; 0: the platform's
    at_ms INTEGER NOT NULL,
    record BLOB NOT NULL,                -- spec 80
    hash BLOB NOT NULL                   -- of the hash before and the record
);
CREATE INDEX audit_by_unit ON audit (unit, id);

CREATE TABLE audit_start (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    records INTEGER NOT NULL,            -- how many are gone by retention
    hash BLOB NOT NULL                   -- of the last of them; 32 zero bytes where none is
);
INSERT INTO audit_start (id, records, hash) VALUES (1, 0, zeroblob(32));

-- How many denials an account has met in an hour, so that nobody fills the log with them. A row goes when its hour is
-- over, after a record has said how many denials are not in the log.
CREATE TABLE denial (
    account INTEGER PRIMARY KEY,
    hour INTEGER NOT NULL,               -- since 1970
    count INTEGER NOT NULL
);
CREATE INDEX denial_by_hour ON denial (hour);

-- The relay's signed word on the log, hourly; a unit of its own carries it outside.
CREATE TABLE checkpoint (
    records INTEGER PRIMARY KEY,
    head BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    signature BLOB NOT NULL,
    carried INTEGER NOT NULL DEFAULT 0   -- whether the unit that carries it outside has said so
);
