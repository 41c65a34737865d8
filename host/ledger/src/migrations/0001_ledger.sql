-- The ledger, version 1.
--
-- `records`, `payloads`, `bundles`, `digest_keys`, `day_keys`, `store` and `tokens` are the truth.
-- Everything else is a read model: a pure function of the records, written in the same transaction,
-- and recreated from them by `rebuild`. Constraints reject inconsistent rows even if the code above them
-- is wrong. Digests, keys and ids are the raw bytes.

-- One row: which store this is, and a value that only the right wrapping key opens.
CREATE TABLE store (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    name      BLOB NOT NULL CHECK (length(name) = 16),
    key_check BLOB NOT NULL CHECK (length(key_check) > 0)
) STRICT;

CREATE TABLE records (
    -- From 0, without gaps; the index is part of what the log promises.
    idx  INTEGER PRIMARY KEY CHECK (idx >= 0),
    -- An entry of a C2SP log has at most 65,535 bytes.
    leaf BLOB NOT NULL CHECK (length(leaf) BETWEEN 2 AND 65535),
    -- RFC 6962: SHA-256 of a zero byte and the leaf.
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    -- The first 16 bytes of SHA-256 of the chain of the record before and this hash: binds a record to
    -- its index, so that verification names the first one that was moved.
    chain BLOB NOT NULL CHECK (length(chain) = 16),
    -- The record before it of the same run (read model): a run's records are a list that costs no
    -- index. Absent for a run's first record and for records of no run.
    prev INTEGER CHECK (prev >= 0 AND prev < idx)
) STRICT;

-- Sealed by a day's key. A row may go when that key goes; the leaf keeps its digest.
CREATE TABLE payloads (
    -- 65,536 x the index of the first record of its batch, plus its place: rows are appended in the
    -- order of the records, and found from any record of the batch without an index of random digests.
    id         INTEGER PRIMARY KEY CHECK (id >= 0),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    tenant     TEXT NOT NULL,
    day        INTEGER NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;

CREATE TABLE bundles (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    bytes  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys of keyed digests, wrapped. A new version is a new row; old ones stay, or repeats could no
-- longer be recognised.
CREATE TABLE digest_keys (
    tenant  TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    wrapped BLOB NOT NULL CHECK (length(wrapped) = 72),
    PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;

-- Keys of payloads, wrapped. A destroyed key leaves its row, so that it is never made anew.
CREATE TABLE day_keys (
    tenant  TEXT NOT NULL,
    day     INTEGER NOT NULL,
    wrapped BLOB CHECK (length(wrapped) = 72),
    PRIMARY KEY (tenant, day)
) STRICT, WITHOUT ROWID;

-- Tokens by which users name themselves, as digests.
CREATE TABLE tokens (
    user    TEXT PRIMARY KEY,
    hash    BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- From here on: read models ------------------------------------------------------------------------

CREATE TABLE runs (
    -- Index of the record that began it; also what other tables call it by.
    opened         INTEGER PRIMARY KEY CHECK (opened >= 0),
    id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    tenant         TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    behalf_type    TEXT NOT NULL,
    behalf_id      TEXT NOT NULL,
    key            TEXT,
    root           BLOB NOT NULL CHECK (length(root) = 8),
    started        INTEGER NOT NULL,
    last           INTEGER NOT NULL CHECK (last >= started),
    -- Index of its last record: where the list of its records begins.
    head           INTEGER NOT NULL CHECK (head >= opened),
    version        INTEGER NOT NULL CHECK (version >= 0),
    calls          INTEGER NOT NULL CHECK (calls >= 0),
    denials        INTEGER NOT NULL CHECK (denials >= 0),
    errors         INTEGER NOT NULL CHECK (errors >= 0),
    ended          INTEGER,
    outcome        TEXT CHECK (outcome IN
                     ('success', 'failed', 'denied', 'abandoned', 'budget_exhausted', 'cancelled')),
    stop_reason    TEXT,
    -- A run has ended with an outcome and a reason, or it has not ended.
    CHECK ((ended IS NULL) = (outcome IS NULL) AND (ended IS NULL) = (stop_reason IS NULL))
) STRICT;

-- A caller's name for a run means one open run at most.
CREATE UNIQUE INDEX runs_by_key ON runs (tenant, principal_type, principal_id, key)
    WHERE key IS NOT NULL AND ended IS NULL;
CREATE INDEX runs_by_past_key ON runs (tenant, principal_type, principal_id, key, opened)
    WHERE key IS NOT NULL;
-- Runs without a name that may still go on; also what the sweep looks through.
CREATE INDEX runs_ambient ON runs (tenant, principal_type, principal_id, opened)
    WHERE key IS NULL AND ended IS NULL;

CREATE TABLE run_labels (
    run   INTEGER NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (run, label)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_tools (
    run  INTEGER NOT NULL,
    tool TEXT NOT NULL,
    PRIMARY KEY (run, tool)
) STRICT, WITHOUT ROWID;

-- How often a call was made: by the first 16 bytes of SHA-256 of its keyed digest.
CREATE TABLE run_repeats (
    run  INTEGER NOT NULL,
    call BLOB NOT NULL CHECK (length(call) = 16),
    n    INTEGER NOT NULL CHECK (n >= 1),
    PRIMARY KEY (run, call)
) STRICT, WITHOUT ROWID;

-- One life for each call: the key makes a second start of the same call impossible.
CREATE TABLE calls (
    run   INTEGER NOT NULL,
    call  BLOB NOT NULL CHECK (length(call) = 8),
    state TEXT NOT NULL,
    -- Index of the record of its start.
    start INTEGER,
    PRIMARY KEY (run, call),
    -- What has started has a record of it, and what has none cannot have run. (Not `IN`: SQLite would
    -- make a table of the list for every call.)
    CHECK (CASE WHEN start IS NULL
        THEN state = 'invalid' OR state = 'denied' OR state = 'pending'
        ELSE state = 'started' OR state = 'closed' OR state = 'indeterminate' END)
) STRICT, WITHOUT ROWID;

-- What the next start of the gate has to close.
CREATE INDEX calls_started ON calls (start) WHERE state = 'started';

CREATE TABLE approvals (
    id        BLOB PRIMARY KEY CHECK (length(id) = 8),
    -- Index of the record that asked, which holds everything else about it.
    opened    INTEGER NOT NULL UNIQUE,
    tenant    TEXT NOT NULL,
    run       INTEGER NOT NULL,
    call      BLOB NOT NULL CHECK (length(call) = 8),
    -- SHA-256 of tenant, run, principal, tool, component and arguments.
    binding   BLOB NOT NULL CHECK (length(binding) = 32),
    -- 0 (low) to 3 (critical).
    severity  INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 3),
    state     TEXT NOT NULL CHECK (state IN
                ('pending', 'approved', 'rejected', 'expired', 'cancelled', 'consumed')),
    version   INTEGER NOT NULL CHECK (version >= 0),
    requested INTEGER NOT NULL,
    expires   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An identical call while one is pending gets the same approval.
CREATE UNIQUE INDEX approvals_pending ON approvals (binding) WHERE state = 'pending';
CREATE INDEX approvals_by_binding ON approvals (binding, opened);
CREATE INDEX approvals_open ON approvals (expires) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_open_of_run ON approvals (run) WHERE state IN ('pending', 'approved');

CREATE TABLE approval_answers (
    -- Index of the record of the answer.
    idx         INTEGER PRIMARY KEY,
    approval    BLOB NOT NULL CHECK (length(approval) = 8),
    took_effect INTEGER NOT NULL CHECK (took_effect IN (0, 1))
) STRICT;

CREATE INDEX approval_answers_of ON approval_answers (approval, idx);

CREATE TABLE halts (
    scope  TEXT NOT NULL CHECK (scope IN ('agent', 'tool', 'component', 'tenant', 'all')),
    name   TEXT NOT NULL,
    by     TEXT NOT NULL,
    reason TEXT NOT NULL,
    since  INTEGER NOT NULL,
    PRIMARY KEY (scope, name),
    -- Everything has no name.
    CHECK ((scope = 'all') = (name = ''))
) STRICT, WITHOUT ROWID;

-- Labels of a principal's runs, and the end of the minute in which a run last held them: a new run
-- inherits what is recent enough.
CREATE TABLE principal_labels (
    tenant         TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    label          TEXT NOT NULL,
    last           INTEGER NOT NULL,
    PRIMARY KEY (tenant, principal_type, principal_id, label)
) STRICT, WITHOUT ROWID;

-- What is written through the gate keeps the labels of the run that wrote it.
CREATE TABLE file_labels (
    file  TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (file, label)
) STRICT, WITHOUT ROWID;

-- Records that put a bundle into force.
CREATE TABLE activations (
    idx INTEGER PRIMARY KEY
) STRICT;
