-- Devices that a message was sealed to; `again`: how often it was sent again because that device asked.
CREATE TABLE sealed_to (
    message INTEGER NOT NULL REFERENCES message (row) ON DELETE CASCADE,
    account BLOB NOT NULL,
    device INTEGER NOT NULL,
    again INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message, account, device)
) WITHOUT ROWID;

-- `stored`: the relay has stored this parcel once; from then on it goes to devices of sealed_to alone.
ALTER TABLE parcel ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;

-- `unready_until_ms`: until then the device gets unsealed wraps, since the relay had no prekeys of it.
ALTER TABLE session ADD COLUMN unready_until_ms INTEGER NOT NULL DEFAULT 0;

-- `anew_ms`: when that device last began a session beside one that was in use.
ALTER TABLE session ADD COLUMN anew_ms INTEGER;
