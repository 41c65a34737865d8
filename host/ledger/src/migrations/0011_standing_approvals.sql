-- The ledger, version 11: approvals of the calls like one that was asked about (read models).

CREATE TABLE standing_approvals (
    id             BLOB PRIMARY KEY CHECK (length(id) = 8),
    -- Index of the record that granted it, which holds everything else about it.
    opened         INTEGER NOT NULL UNIQUE,
    tenant         TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    tool           TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('active', 'exhausted', 'expired', 'revoked', 'voided')),
    uses           INTEGER NOT NULL CHECK (uses BETWEEN 0 AND max_uses),
    max_uses       INTEGER NOT NULL CHECK (max_uses > 0),
    expires        INTEGER NOT NULL,
    -- Index of the record that ended it.
    ended          INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX standing_active ON standing_approvals (tenant, principal_type, principal_id, tool)
    WHERE state = 'active';
CREATE INDEX standing_expiring ON standing_approvals (expires) WHERE state = 'active';

-- Decisions that they allowed, by the index of their records.
CREATE TABLE standing_uses (
    standing BLOB NOT NULL CHECK (length(standing) = 8),
    idx      INTEGER NOT NULL,
    PRIMARY KEY (standing, idx)
) STRICT, WITHOUT ROWID;
