CREATE TABLE exporters (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    acknowledged INTEGER,
    failing TEXT,
    failing_since INTEGER
) STRICT;
-- Runs whose root span the gate made and has not exported yet.
CREATE TABLE roots (
    exporter TEXT NOT NULL,
    run BLOB NOT NULL,
    PRIMARY KEY (exporter, run)
) STRICT, WITHOUT ROWID;
