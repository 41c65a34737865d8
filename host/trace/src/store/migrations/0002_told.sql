-- What agents tell about their own runs; untrusted.
CREATE TABLE told (
    id     INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    run    BLOB NOT NULL CHECK (length(run) = 16),
    -- The call that it is about; absent where it is about the run.
    call   INTEGER,
    topic  TEXT NOT NULL,
    text   TEXT NOT NULL,
    time   INTEGER NOT NULL
) STRICT;
CREATE INDEX told_of_run ON told (tenant, run);
