//! Stores reports.
//!
//! | file | contents |
//! |---|---|
//! | `trace` | the entry of a trace, and the totals of its reporters |
//! | `sums` | tokens and cost |

mod sums;
mod trace;

use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;
use tollgate_model::{ids::SpanId, time::Timestamp};

use super::{
    Counts, NewLog, NewSpan, Report, SpanOrigin, Store, StoreError, Usage,
    entries::{ReporterTotals, SourceId, TraceEntry},
    int, key, nat,
    writer::Writer,
};
use sums::{UsageSums, count};
pub(crate) use trace::RunSummary;

/// The result of storing a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IngestReport {
    /// Stored spans.
    pub spans: u64,
    /// Stored logs.
    pub logs: u64,
    /// Rejected spans, by reason.
    pub refused_spans: Counts,
    /// Rejected logs, by reason.
    pub refused_logs: Counts,
}

const OWN: &str = "this is the gate's own span";
const TOO_MANY: &str = "this reporter has stored as many of this trace as it may";
const TOO_MUCH: &str = "this reporter has stored as many bytes of this trace as it may";

/// The stored version of a reported span, with what is needed to replace it.
struct StoredVersion {
    model: Option<String>,
    /// Its part of the sums.
    counted: Option<Usage>,
    bytes: u64,
}

impl Store {
    /// Stores a report for `tenant`. An `Ok` means that it is durable.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was stored.
    pub async fn report(
        &self,
        tenant: &str,
        reports: Vec<Report>,
        now: Timestamp,
    ) -> Result<IngestReport, StoreError> {
        let tenant = tenant.to_owned();
        self.write(move |writer| {
            writer.room()?;
            writer
                .report(&tenant, &reports, now)
                .map_err(|e| writer.failed(&e))
        })
        .await
    }
}

impl Writer {
    fn report(
        &mut self,
        tenant: &str,
        reports: &[Report],
        now: Timestamp,
    ) -> rusqlite::Result<IngestReport> {
        let mut put = IngestReport::default();
        for report in reports {
            let source = self.source(&report.source)?;
            for spans in report.spans.chunk_by(|a, b| a.trace == b.trace) {
                self.store_spans(
                    tenant,
                    source,
                    report.source.reporter(),
                    spans,
                    now,
                    &mut put,
                )?;
            }
            for logs in report.logs.chunk_by(|a, b| a.trace == b.trace) {
                self.store_logs(tenant, source, logs, now, &mut put)?;
            }
        }
        Ok(put)
    }

    /// Store spans of one trace.
    fn store_spans(
        &mut self,
        tenant: &str,
        source: SourceId,
        reporter: &str,
        spans: &[NewSpan],
        now: Timestamp,
        put: &mut IngestReport,
    ) -> rusqlite::Result<()> {
        let Some(first) = spans.first() else {
            return Ok(());
        };
        let mut open = self.opened(tenant, first.trace, first.start, now)?;
        let mut totals = self.totals(open.id, source.reporter)?;
        let mut sums = UsageSums::new();
        let before = put.spans;
        for span in spans {
            match self.store_span(&mut open, &mut totals, &mut sums, source, span)? {
                None => {
                    put.spans += 1;
                    self.describe(&mut open, &mut totals, span, now)?;
                }
                Some(why) => *put.refused_spans.entry(why.into()).or_default() += 1,
            }
        }
        if put.spans > before {
            self.add_source(open.id, source)?;
        }
        self.add_up(open.id, reporter, &sums)?;
        self.keep_totals(open.id, source.reporter, totals);
        self.keep(tenant, first.trace, open);
        Ok(())
    }

    /// Store logs of one trace.
    fn store_logs(
        &mut self,
        tenant: &str,
        source: SourceId,
        logs: &[NewLog],
        now: Timestamp,
        put: &mut IngestReport,
    ) -> rusqlite::Result<()> {
        let Some(first) = logs.first() else {
            return Ok(());
        };
        let mut open = self.opened(tenant, first.trace, first.time, now)?;
        let mut totals = self.totals(open.id, source.reporter)?;
        let before = put.logs;
        for log in logs {
            match self.store_log(&mut open, &mut totals, source, log, now)? {
                None => {
                    put.logs += 1;
                    if open.conversation.is_none() {
                        open.conversation.clone_from(&log.conversation);
                    }
                }
                Some(why) => *put.refused_logs.entry(why.into()).or_default() += 1,
            }
        }
        if put.logs > before {
            self.add_source(open.id, source)?;
        }
        self.keep_totals(open.id, source.reporter, totals);
        self.keep(tenant, first.trace, open);
        Ok(())
    }

    /// Stores a span, or returns why not.
    fn store_span(
        &mut self,
        open: &mut TraceEntry,
        totals: &mut ReporterTotals,
        sums: &mut UsageSums,
        source: SourceId,
        span: &NewSpan,
    ) -> rusqlite::Result<Option<&'static str>> {
        if open.run && self.is_own(open.id, span.span)? {
            return Ok(Some(OWN));
        }
        let bytes = span.body.len() as u64;
        let full = self.full(totals.spans, totals.bytes.saturating_add(bytes));
        if full.is_none() && self.insert(open.id, SpanOrigin::Reported, source, span)? {
            open.reported += 1;
            open.bytes += bytes;
            totals.spans += 1;
            totals.bytes += bytes;
        } else {
            // A new version of a stored span is accepted even beyond the limit.
            let Some(earlier) = self.stored_version(open.id, source, span.span)? else {
                return Ok(Some(full.unwrap_or(TOO_MANY)));
            };
            let others = totals.bytes.saturating_sub(earlier.bytes);
            if others.saturating_add(bytes) > self.options.trace_bytes {
                return Ok(Some(TOO_MUCH));
            }
            count(sums, earlier.model.as_deref(), earlier.counted, -1);
            self.delete_span(open.id, source, span.span)?;
            self.insert(open.id, SpanOrigin::Reported, source, span)?;
            open.bytes = open
                .bytes
                .saturating_sub(earlier.bytes)
                .saturating_add(bytes);
            totals.bytes = others.saturating_add(bytes);
        }
        let counted = span.usage.filter(|_| span.counts);
        count(sums, span.model.as_deref(), counted, 1);
        Ok(None)
    }

    fn delete_span(&self, trace: i64, source: SourceId, span: SpanId) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached(
                "DELETE FROM spans WHERE trace = ?1 AND origin = 1 AND span = ?2 AND reporter = ?3",
            )?
            .execute(params![trace, key(span), source.reporter])?;
        Ok(())
    }

    /// Why a reporter with `count` spans or logs of a trace may not store another one, for a total of `bytes`.
    fn full(&self, count: u64, bytes: u64) -> Option<&'static str> {
        if count >= self.options.trace_limit {
            Some(TOO_MANY)
        } else if bytes > self.options.trace_bytes {
            Some(TOO_MUCH)
        } else {
            None
        }
    }

    /// Whether the gate has a span with this id, so that a collector has sent back an exported one.
    fn is_own(&self, trace: i64, span: SpanId) -> rusqlite::Result<bool> {
        self.conn
            .prepare_cached("SELECT 1 FROM spans WHERE trace = ?1 AND origin = ?3 AND span = ?2")?
            .exists(params![trace, key(span), SpanOrigin::Gate.column()])
    }

    /// Adds the facets of a span to its trace.
    fn describe(
        &mut self,
        open: &mut TraceEntry,
        totals: &mut ReporterTotals,
        span: &NewSpan,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        open.extend_time_range(span.start, span.end.unwrap_or(span.start), now);
        if open.conversation.is_none() {
            open.conversation.clone_from(&span.conversation);
        }
        for (facet, value) in &span.facets {
            self.add_facet(open.id, totals, *facet, value)?;
        }
        Ok(())
    }

    /// Inserts a span, unless the same reporter has one with its id.
    pub(crate) fn insert(
        &self,
        trace: i64,
        origin: SpanOrigin,
        source: SourceId,
        span: &NewSpan,
    ) -> rusqlite::Result<bool> {
        let usage = span.usage;
        let tokens = |of: fn(&Usage) -> u64| usage.as_ref().map(of).map(int);
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO spans (trace, origin, span, parent, source, name, kind, start, end, error, model, input, \
             output, cached, cost, counts, body, reporter, cache_write) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
             ON CONFLICT (trace, origin, span, reporter) DO NOTHING",
        )?;
        let inserted = insert.execute(params![
            trace,
            origin.column(),
            key(span.span),
            span.parent.map(key),
            source.source,
            span.name,
            span.kind,
            span.start.0,
            span.end.map(|end| end.0),
            span.error,
            span.model,
            tokens(|u| u.input_tokens),
            tokens(|u| u.output_tokens),
            tokens(|u| u.cached_tokens),
            usage.and_then(|u| u.cost_nano).map(int),
            span.counts && usage.is_some(),
            span.body,
            match origin {
                SpanOrigin::Gate => 0,
                SpanOrigin::Reported => source.reporter,
            },
            tokens(|u| u.cache_write_tokens),
        ])?;
        Ok(inserted > 0)
    }

    fn stored_version(
        &self,
        trace: i64,
        source: SourceId,
        span: SpanId,
    ) -> rusqlite::Result<Option<StoredVersion>> {
        let mut select = self.conn.prepare_cached(
            "SELECT model, input, output, cached, cost, counts, octet_length(body) AS bytes, cache_write FROM spans \
             WHERE trace = ?1 AND origin = ?4 AND span = ?2 AND reporter = ?3",
        )?;
        let origin = SpanOrigin::Reported.column();
        select
            .query_row(params![trace, key(span), source.reporter, origin], |row| {
                let n = |column: &str| {
                    row.get::<_, Option<i64>>(column)
                        .map(|n| nat(n.unwrap_or_default()))
                };
                let usage = Usage {
                    input_tokens: n("input")?,
                    output_tokens: n("output")?,
                    cached_tokens: n("cached")?,
                    cache_write_tokens: n("cache_write")?,
                    cost_nano: row.get::<_, Option<i64>>("cost")?.map(nat),
                };
                Ok(StoredVersion {
                    model: row.get("model")?,
                    counted: row.get::<_, bool>("counts")?.then_some(usage),
                    bytes: nat(row.get("bytes")?),
                })
            })
            .optional()
    }

    /// Stores a log, or returns why not.
    fn store_log(
        &mut self,
        open: &mut TraceEntry,
        totals: &mut ReporterTotals,
        source: SourceId,
        log: &NewLog,
        now: Timestamp,
    ) -> rusqlite::Result<Option<&'static str>> {
        let bytes = log.body.len() as u64;
        let full = self.full(totals.logs, totals.bytes.saturating_add(bytes));
        if full.is_some() {
            // A log that is stored already counts as stored, even beyond the limit.
            let there = self
                .conn
                .prepare_cached("SELECT 1 FROM logs WHERE trace = ?1 AND digest = ?2")?
                .exists(params![open.id, log.digest])?;
            return Ok(full.filter(|_| !there));
        }
        let inserted = self
            .conn
            .prepare_cached(
                "INSERT INTO logs (trace, span, source, digest, time, severity, event, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (trace, digest) DO NOTHING",
            )?
            .execute(params![
                open.id,
                log.span.map(key),
                source.source,
                log.digest,
                log.time.0,
                log.severity,
                log.event,
                log.body,
            ])?;
        if inserted > 0 {
            open.logs += 1;
            open.bytes += bytes;
            totals.logs += 1;
            totals.bytes += bytes;
            open.extend_time_range(log.time, log.time, now);
        }
        Ok(None)
    }
}
