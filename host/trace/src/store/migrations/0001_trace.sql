-- The trace store: spans that the gate's records make and spans that agents report, kept apart; what
-- people say about runs; and what all of it is found by.

-- Words that spans have in common, by which traces are found.
CREATE TABLE texts (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- Parts of those words.
CREATE VIRTUAL TABLE text_parts USING fts5 (text, content = 'texts', content_rowid = 'id', tokenize = 'trigram');

-- Who reported spans, from which resource and instrumentation.
CREATE TABLE sources (
    id       INTEGER PRIMARY KEY,
    -- SHA-256 of the rest.
    digest   BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    -- Whose credentials brought them, such as `Agent::"support"`; empty: the gate itself.
    reporter TEXT NOT NULL,
    -- {"resource": {..}, "scope": {..}}
    about    TEXT NOT NULL
) STRICT;

CREATE TABLE traces (
    id           INTEGER PRIMARY KEY,
    tenant       TEXT NOT NULL,
    trace        BLOB NOT NULL CHECK (length(trace) = 16),
    -- Whether the gate knows a run of this id.
    run          INTEGER NOT NULL DEFAULT 0 CHECK (run IN (0, 1)),
    -- The caller's own trace, where the run has another id.
    caller       BLOB CHECK (caller IS NULL OR length(caller) = 16),
    principal    TEXT,
    conversation TEXT,
    -- Microseconds since 1970: of the gate's spans where there are any, else as reported.
    started      INTEGER NOT NULL,
    last         INTEGER NOT NULL,
    -- When something last came in, by the gate's clock.
    seen         INTEGER NOT NULL,
    reported     INTEGER NOT NULL DEFAULT 0,
    logs         INTEGER NOT NULL DEFAULT 0,
    words        INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, trace)
) STRICT;
CREATE INDEX traces_by_time ON traces (tenant, started);
CREATE INDEX traces_by_start ON traces (tenant, run, started);
CREATE INDEX traces_by_caller ON traces (tenant, caller) WHERE caller IS NOT NULL;
CREATE INDEX traces_by_conversation ON traces (tenant, conversation) WHERE conversation IS NOT NULL;
CREATE INDEX traces_by_seen ON traces (seen);

CREATE TABLE spans (
    id      INTEGER PRIMARY KEY,
    trace   INTEGER NOT NULL,
    -- 0: the gate's own. 1: reported.
    origin  INTEGER NOT NULL CHECK (origin IN (0, 1)),
    -- Ids are eight bytes, kept as one integer.
    span    INTEGER NOT NULL,
    parent  INTEGER,
    source  INTEGER NOT NULL,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    start   INTEGER NOT NULL,
    end     INTEGER,
    -- `error.type`, or `_OTHER` for an error without one.
    error   TEXT,
    model   TEXT,
    input   INTEGER,
    output  INTEGER,
    cached  INTEGER,
    -- Billionths of the currency.
    cost    INTEGER,
    -- Whether tokens and cost are in `usage`.
    counts  INTEGER NOT NULL CHECK (counts IN (0, 1)),
    -- {"attributes": {..}, "events": [..], "links": [..], ..}
    body    TEXT NOT NULL,
    UNIQUE (trace, origin, span)
) STRICT;

CREATE TABLE logs (
    id       INTEGER PRIMARY KEY,
    trace    INTEGER NOT NULL,
    span     INTEGER,
    source   INTEGER NOT NULL,
    -- A log that is sent again is the same log: half a SHA-256 of it.
    digest   BLOB NOT NULL CHECK (length(digest) = 16),
    time     INTEGER NOT NULL,
    severity TEXT NOT NULL,
    event    TEXT,
    -- {"body": .., "attributes": {..}}
    body     TEXT NOT NULL,
    UNIQUE (trace, digest)
) STRICT;

-- What a trace has in it, once for each value.
CREATE TABLE facets (
    trace INTEGER NOT NULL,
    facet INTEGER NOT NULL,
    text  INTEGER NOT NULL,
    PRIMARY KEY (trace, facet, text)
) STRICT, WITHOUT ROWID;
CREATE INDEX facets_by_text ON facets (facet, text, trace);

-- Tokens and cost that were reported, by who reported them and for which model.
CREATE TABLE usage (
    trace  INTEGER NOT NULL,
    source TEXT NOT NULL,
    model  TEXT NOT NULL,
    calls  INTEGER NOT NULL,
    input  INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    cost   INTEGER NOT NULL,
    -- Calls of models without a known price.
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (trace, source, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_by_source ON usage (source);

-- What people say about a run, or about one span of it.
CREATE TABLE notes (
    id     INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    run    BLOB NOT NULL CHECK (length(run) = 16),
    span   INTEGER,
    -- Such as `goal`, `context`, `decision`, `guardrail`, `stop_reason`.
    label  TEXT NOT NULL,
    note   TEXT NOT NULL,
    by     TEXT NOT NULL,
    time   INTEGER NOT NULL
) STRICT;
CREATE INDEX notes_of_run ON notes (tenant, run);
CREATE INDEX notes_by_label ON notes (tenant, label);

-- Named collections of runs.
CREATE TABLE sets (
    id      INTEGER PRIMARY KEY,
    tenant  TEXT NOT NULL,
    name    TEXT NOT NULL,
    about   TEXT NOT NULL,
    by      TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE TABLE set_runs (
    set_id INTEGER NOT NULL REFERENCES sets (id) ON DELETE CASCADE,
    run    BLOB NOT NULL CHECK (length(run) = 16),
    by     TEXT NOT NULL,
    added  INTEGER NOT NULL,
    PRIMARY KEY (set_id, run)
) STRICT, WITHOUT ROWID;

-- What people say afterwards about how good a run was.
CREATE TABLE feedback (
    id      INTEGER PRIMARY KEY,
    tenant  TEXT NOT NULL,
    run     BLOB NOT NULL CHECK (length(run) = 16),
    span    INTEGER,
    -- Such as `correction`, `business_outcome`, `edit_distance`.
    kind    TEXT NOT NULL,
    value   REAL,
    label   TEXT,
    comment TEXT,
    by      TEXT NOT NULL,
    time    INTEGER NOT NULL
) STRICT;
CREATE INDEX feedback_of_run ON feedback (tenant, run);
CREATE INDEX feedback_by_kind ON feedback (tenant, kind, time);

-- How far a source of records was processed, by its name: the next index to read.
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL CHECK (next >= 0)
) STRICT, WITHOUT ROWID;
