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
