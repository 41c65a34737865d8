-- The ledger, version 2: what components keep.
--
-- `state` is the truth, like `payloads`: no record holds a value. A row changes only in the transaction
-- of the record that decided it. Rebuilding leaves it alone; a backup carries it.
CREATE TABLE state (
    id         INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    component  TEXT NOT NULL,
    -- The run whose state it is; empty for that of the component itself.
    run        BLOB NOT NULL CHECK (length(run) IN (0, 16)),
    key        TEXT NOT NULL CHECK (length(key) > 0),
    -- Bytes of key and value: what counts towards the limits.
    size       INTEGER NOT NULL CHECK (size > 0),
    -- Index of the first record of the batch that wrote it: changes with every write.
    written    INTEGER NOT NULL CHECK (written >= 0),
    -- Labels of the run when it was written: a JSON array.
    labels     TEXT NOT NULL,
    -- Which key seals it. When that key goes, the value is gone.
    day        INTEGER NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;

CREATE INDEX state_sizes ON state (tenant, component, run, size);
CREATE UNIQUE INDEX state_key ON state (tenant, component, run, key);
-- What goes when a run ends.
CREATE INDEX state_of_run ON state (run) WHERE run <> x'';

-- A call that was ended in the middle, because something that it asked for waits for a human, has a state
-- of its own. A check cannot be changed, so the table is made anew.
CREATE TABLE calls_2 (
    run   INTEGER NOT NULL,
    call  BLOB NOT NULL CHECK (length(call) = 8),
    state TEXT NOT NULL,
    -- Index of the record of its last start.
    start INTEGER,
    PRIMARY KEY (run, call),
    CHECK (CASE WHEN start IS NULL
        THEN state = 'invalid' OR state = 'denied' OR state = 'pending'
        ELSE state = 'started' OR state = 'suspended' OR state = 'closed' OR state = 'indeterminate' END)
) STRICT, WITHOUT ROWID;
INSERT INTO calls_2 SELECT run, call, state, start FROM calls;
DROP TABLE calls;
ALTER TABLE calls_2 RENAME TO calls;
CREATE INDEX calls_started ON calls (start) WHERE state = 'started';

-- Which calls wait for an approval that was asked for while they ran.
CREATE TABLE approval_waits (
    approval BLOB NOT NULL CHECK (length(approval) = 8),
    -- As `approvals.binding`, of the waiting call.
    binding  BLOB NOT NULL CHECK (length(binding) = 32),
    run      INTEGER NOT NULL,
    call     BLOB NOT NULL CHECK (length(call) = 8),
    PRIMARY KEY (binding, approval)
) STRICT, WITHOUT ROWID;
