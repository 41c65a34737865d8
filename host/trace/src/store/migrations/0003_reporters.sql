-- Spans with the same id are stored separately for each reporter, so that no reporter can replace another's.

CREATE TABLE reporters (
    -- From 1 on: 0 stands for the gate itself.
    id   INTEGER PRIMARY KEY CHECK (id > 0),
    -- Whose credentials brought spans, such as `Agent::"support"`.
    name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO reporters (name) SELECT DISTINCT reporter FROM sources ORDER BY reporter;

CREATE TABLE spans_by_reporter (
    id       INTEGER PRIMARY KEY,
    trace    INTEGER NOT NULL,
    -- 0: the gate's own. 1: reported.
    origin   INTEGER NOT NULL CHECK (origin IN (0, 1)),
    -- Ids are eight bytes, kept as one integer.
    span     INTEGER NOT NULL,
    parent   INTEGER,
    source   INTEGER NOT NULL,
    -- 0: the gate.
    reporter INTEGER NOT NULL,
    name     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    start    INTEGER NOT NULL,
    end      INTEGER,
    -- `error.type`, or `_OTHER` for an error without one.
    error    TEXT,
    model    TEXT,
    input    INTEGER,
    output   INTEGER,
    cached   INTEGER,
    -- Billionths of the currency.
    cost     INTEGER,
    -- Whether tokens and cost are in `usage`.
    counts   INTEGER NOT NULL CHECK (counts IN (0, 1)),
    -- {"attributes": {..}, "events": [..], "links": [..], ..}
    body     TEXT NOT NULL,
    UNIQUE (trace, origin, span, reporter)
) STRICT;
INSERT INTO spans_by_reporter
SELECT s.id, s.trace, s.origin, s.span, s.parent, s.source,
       CASE s.origin WHEN 0 THEN 0 ELSE coalesce((SELECT p.id FROM sources r JOIN reporters p ON p.name = r.reporter
                                                  WHERE r.id = s.source), 0) END,
       s.name, s.kind, s.start, s.end, s.error, s.model, s.input, s.output, s.cached, s.cost, s.counts, s.body
FROM spans s;
DROP TABLE spans;
ALTER TABLE spans_by_reporter RENAME TO spans;

-- Bytes of what was reported of a trace.
ALTER TABLE traces ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE traces SET bytes =
    (SELECT coalesce(sum(octet_length(s.body)), 0) FROM spans s WHERE s.trace = traces.id AND s.origin = 1)
    + (SELECT coalesce(sum(octet_length(l.body)), 0) FROM logs l WHERE l.trace = traces.id);

-- From where a trace has something: a source of no trace is forgotten.
CREATE TABLE trace_sources (
    trace  INTEGER NOT NULL,
    source INTEGER NOT NULL,
    PRIMARY KEY (trace, source)
) STRICT, WITHOUT ROWID;
INSERT INTO trace_sources SELECT trace, source FROM spans UNION SELECT trace, source FROM logs;
CREATE INDEX trace_sources_by_source ON trace_sources (source);

-- What is deleted is not only marked so.
INSERT INTO text_parts (text_parts, rank) VALUES ('secure-delete', 1);
