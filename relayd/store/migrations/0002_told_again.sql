-- When an account said what it says of itself, in relay time: what a device tells again after a restore replaces nothing
-- newer. 0: before there was this column.
ALTER TABLE account ADD COLUMN policy_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN profile_ms INTEGER NOT NULL DEFAULT 0;
