-- The ledger: recent usage of principals (read model).

CREATE TABLE principal_calls (
    tenant         TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    -- Hours since 1970.
    hour           INTEGER NOT NULL,
    -- Calls that were decided in that hour, counted as in a run.
    calls          INTEGER NOT NULL CHECK (calls >= 0),
    -- Microseconds between calls that followed one another within five minutes.
    active         INTEGER NOT NULL CHECK (active >= 0),
    -- When the last of them was decided.
    last           INTEGER NOT NULL,
    PRIMARY KEY (tenant, principal_type, principal_id, hour)
) STRICT, WITHOUT ROWID;
