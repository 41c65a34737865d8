-- The ledger: identity of callers, and cursors of notifications.

-- Tokens by which agents and users name themselves. Only a digest of a token is kept.
CREATE TABLE tokens_2 (
    id             BLOB PRIMARY KEY CHECK (length(id) = 8),
    principal_type TEXT NOT NULL CHECK (principal_type IN ('Agent', 'User')),
    principal_id   TEXT NOT NULL,
    -- The user for whom an agent acts; absent: its operator.
    on_behalf_of   TEXT CHECK (on_behalf_of IS NULL OR principal_type = 'Agent'),
    -- What it is for, in its maker's words.
    name           TEXT NOT NULL,
    hash           BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created        INTEGER NOT NULL,
    expires        INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO tokens_2 SELECT substr(hash, 1, 8), 'User', user, NULL, 'cli', hash, created, NULL FROM tokens;
DROP TABLE tokens;
ALTER TABLE tokens_2 RENAME TO tokens;
CREATE INDEX tokens_of ON tokens (principal_type, principal_id);

-- A caller's name for a run means one open run for each user that an agent acts for.
DROP INDEX runs_by_key;
CREATE UNIQUE INDEX runs_by_key ON runs (tenant, principal_type, principal_id, behalf_type, behalf_id, key)
    WHERE key IS NOT NULL AND ended IS NULL;
DROP INDEX runs_by_past_key;
CREATE INDEX runs_by_past_key ON runs (tenant, principal_type, principal_id, behalf_type, behalf_id, key, opened)
    WHERE key IS NOT NULL;
DROP INDEX runs_ambient;
CREATE INDEX runs_ambient ON runs (tenant, principal_type, principal_id, behalf_type, behalf_id, opened)
    WHERE key IS NULL AND ended IS NULL;

-- How far records were passed on to a receiver outside, by its name: the next index to read.
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL CHECK (next >= 0)
) STRICT, WITHOUT ROWID;

-- Approvals that wait for a second group (read model).
CREATE TABLE approval_groups (
    approval BLOB PRIMARY KEY CHECK (length(approval) = 8),
    -- Index of the record that says so.
    idx      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
