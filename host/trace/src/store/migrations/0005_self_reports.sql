-- What an agent reports about its own run is a self-report.
ALTER TABLE told RENAME TO self_reports;
DROP INDEX told_of_run;
CREATE INDEX self_reports_of_run ON self_reports (tenant, run);

-- Tokens that were written to a cache, of those read.
ALTER TABLE spans ADD COLUMN cache_write INTEGER;
ALTER TABLE usage ADD COLUMN cache_write INTEGER NOT NULL DEFAULT 0;

-- How much each reporter has stored of a trace: limits apply to each reporter by itself.
CREATE TABLE trace_reporters (
    trace    INTEGER NOT NULL,
    -- 0: self-reports.
    reporter INTEGER NOT NULL,
    spans    INTEGER NOT NULL,
    logs     INTEGER NOT NULL,
    -- Bytes of the bodies of those.
    bytes    INTEGER NOT NULL,
    -- Values by which the trace is found because of this reporter.
    facets   INTEGER NOT NULL,
    PRIMARY KEY (trace, reporter)
) STRICT, WITHOUT ROWID;
INSERT INTO trace_reporters (trace, reporter, spans, logs, bytes, facets)
SELECT trace, reporter, sum(spans), sum(logs), sum(bytes), 0
FROM (
    SELECT trace, reporter, 1 AS spans, 0 AS logs, octet_length(body) AS bytes FROM spans WHERE origin = 1
    UNION ALL
    SELECT l.trace, p.id, 0, 1, octet_length(l.body)
    FROM logs l JOIN sources s ON s.id = l.source JOIN reporters p ON p.name = s.reporter
)
GROUP BY trace, reporter;
