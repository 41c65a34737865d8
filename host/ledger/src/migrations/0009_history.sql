-- The ledger, version 9: what calls have added to history facts (read model).

CREATE TABLE fact_entries (
    -- The fact, and the group of calls that it counts together.
    series BLOB NOT NULL,
    -- The record that added the entry.
    idx    INTEGER NOT NULL,
    -- The record that opened the call's run.
    run    INTEGER NOT NULL,
    call   BLOB NOT NULL,
    -- When the entry was added, and when it leaves the window; without one, it stays until its run ends.
    time   INTEGER NOT NULL,
    until  INTEGER,
    -- Why it counts: see `CountedCalls`.
    counts TEXT NOT NULL,
    -- Whether the series ends with the run.
    of_run INTEGER NOT NULL CHECK (of_run IN (0, 1)),
    -- What it adds to a sum, masked with a keyed digest.
    amount INTEGER,
    -- Digests of 16 bytes each.
    digests BLOB NOT NULL,
    -- More values than are told apart.
    further INTEGER NOT NULL,
    PRIMARY KEY (series, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX fact_entries_of_call ON fact_entries (run, call);
CREATE INDEX fact_entries_by_end ON fact_entries (until, series, idx) WHERE until IS NOT NULL;
