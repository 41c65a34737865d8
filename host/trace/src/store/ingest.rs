//! What spans and logs do to the tables.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;
use tollgate_model::{
    ids::{RunId, SpanId},
    time::Timestamp,
};

use super::{
    Counts, NewLog, NewSpan, Report, SpanOrigin, Store, StoreError, Usage, int, key, nat,
    source::Numbered, writer::Writer,
};

/// What became of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Put {
    /// Spans that are stored.
    pub spans: u64,
    /// Logs that are stored.
    pub logs: u64,
    /// Spans that are not, by why.
    pub refused_spans: Counts,
    /// Logs that are not, by why.
    pub refused_logs: Counts,
}

const OWN: &str = "this is the gate's own span";
const TOO_MANY: &str = "the trace has as many as it may have";
const TOO_MUCH: &str = "the trace has as many bytes as it may have";

/// A trace as the writer has it in hand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open {
    pub(crate) id: i64,
    run: bool,
    caller: Option<[u8; 16]>,
    principal: Option<String>,
    conversation: Option<String>,
    started: i64,
    last: i64,
    seen: i64,
    reported: u64,
    logs: u64,
    /// Bytes that were reported.
    bytes: u64,
    /// Values that it is found by because somebody else than the gate says so.
    pub(super) words: u64,
    changed: bool,
}

impl Open {
    /// That it is found by more than before.
    pub(super) fn noticed(&mut self) {
        self.changed = true;
    }

    /// That something came in now.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.seen = self.seen.max(now.0);
        self.changed = true;
    }

    /// That something is reported to have happened in it then: of a run the gate knows better.
    fn touch(&mut self, start: Timestamp, end: Timestamp, now: Timestamp) {
        if !self.run {
            self.started = self.started.min(start.0);
            self.last = self.last.max(end.0);
        }
        self.heard(now);
    }
}

/// Calls of one model, and what they have used; negative where it is taken away.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    calls: i64,
    input: i64,
    output: i64,
    cached: i64,
    cost: i64,
    unpriced: i64,
}

/// What is to be added to a trace's sums, by model.
type Sums = BTreeMap<String, Used>;

/// Add what a span counts for to the sums, or take it away.
fn count(sums: &mut Sums, model: Option<&str>, usage: Option<Usage>, sign: i64) {
    let Some(usage) = usage else { return };
    let model = model.unwrap_or_default();
    if !sums.contains_key(model) {
        sums.insert(model.to_owned(), Used::default());
    }
    let Some(sum) = sums.get_mut(model) else {
        return;
    };
    let add = |to: &mut i64, n: u64| *to = to.saturating_add(sign * int(n));
    add(&mut sum.calls, 1);
    add(&mut sum.input, usage.input_tokens);
    add(&mut sum.output, usage.output_tokens);
    add(&mut sum.cached, usage.cached_tokens);
    add(&mut sum.cost, usage.cost_nano.unwrap_or(0));
    add(&mut sum.unpriced, u64::from(usage.cost_nano.is_none()));
}

/// The stored version of a reported span, as far as it is needed to replace it.
struct Earlier {
    model: Option<String>,
    /// As it is in the sums.
    counted: Option<Usage>,
    bytes: u64,
}

/// What the projection of the ledger knows of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunOf {
    pub(crate) trace: RunId,
    pub(crate) caller: Option<RunId>,
    pub(crate) principal: String,
    pub(crate) conversation: Option<String>,
    pub(crate) started: Timestamp,
}

impl Store {
    /// Store what a sender has reported to `tenant`. What is acknowledged is on the disk.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it is stored.
    pub async fn report(
        &self,
        tenant: &str,
        reports: Vec<Report>,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
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
    ) -> rusqlite::Result<Put> {
        let mut put = Put::default();
        for report in reports {
            let source = self.source(&report.source)?;
            for spans in report.spans.chunk_by(|a, b| a.trace == b.trace) {
                let Some(first) = spans.first() else { continue };
                let mut open = self.opened(tenant, first.trace, first.start, now)?;
                let mut sums = Sums::new();
                let before = put.spans;
                for span in spans {
                    match self.reported(&mut open, &mut sums, source, span, now)? {
                        None => put.spans += 1,
                        Some(why) => *put.refused_spans.entry(why.into()).or_default() += 1,
                    }
                }
                if put.spans > before {
                    self.comes_from(open.id, source)?;
                }
                self.add_up(open.id, report.source.reporter(), &sums)?;
                self.keep(tenant, first.trace, open);
            }
            for logs in report.logs.chunk_by(|a, b| a.trace == b.trace) {
                let Some(first) = logs.first() else { continue };
                let mut open = self.opened(tenant, first.trace, first.time, now)?;
                let before = put.logs;
                for log in logs {
                    match self.logged(&mut open, source, log, now)? {
                        None => put.logs += 1,
                        Some(why) => *put.refused_logs.entry(why.into()).or_default() += 1,
                    }
                }
                if put.logs > before {
                    self.comes_from(open.id, source)?;
                }
                self.keep(tenant, first.trace, open);
            }
        }
        Ok(put)
    }

    fn reported(
        &mut self,
        open: &mut Open,
        sums: &mut Sums,
        source: Numbered,
        span: &NewSpan,
        now: Timestamp,
    ) -> rusqlite::Result<Option<&'static str>> {
        if open.run && self.is_own(open.id, span.span)? {
            return Ok(Some(OWN));
        }
        let bytes = span.body.len() as u64;
        let full = self.full(open.reported, open.bytes.saturating_add(bytes));
        if full.is_none() && self.insert(open.id, SpanOrigin::Reported, source, span)? {
            open.reported += 1;
            open.bytes += bytes;
        } else {
            // A later version of one that is there is still welcome.
            let Some(earlier) = self.earlier(open.id, source, span.span)? else {
                return Ok(Some(full.unwrap_or(TOO_MANY)));
            };
            let others = open.bytes.saturating_sub(earlier.bytes);
            if others.saturating_add(bytes) > self.options.trace_bytes {
                return Ok(Some(TOO_MUCH));
            }
            count(sums, earlier.model.as_deref(), earlier.counted, -1);
            self.conn
                .prepare_cached(
                    "DELETE FROM spans WHERE trace = ?1 AND origin = 1 AND span = ?2 AND reporter = ?3",
                )?
                .execute(params![open.id, key(span.span), source.reporter])?;
            self.insert(open.id, SpanOrigin::Reported, source, span)?;
            open.bytes = others.saturating_add(bytes);
        }
        let counted = span.usage.filter(|_| span.counts);
        count(sums, span.model.as_deref(), counted, 1);
        self.describe(open, span, now)?;
        Ok(None)
    }

    /// Why a trace that has `count` spans, or logs, takes no more, if one more makes it have so many bytes.
    fn full(&self, count: u64, bytes: u64) -> Option<&'static str> {
        if count >= self.options.trace_limit {
            Some(TOO_MANY)
        } else if bytes > self.options.trace_bytes {
            Some(TOO_MUCH)
        } else {
            None
        }
    }

    /// Whether the gate has made a span of this id, which comes back from where it was exported to.
    fn is_own(&self, trace: i64, span: SpanId) -> rusqlite::Result<bool> {
        self.conn
            .prepare_cached("SELECT 1 FROM spans WHERE trace = ?1 AND origin = 0 AND span = ?2")?
            .exists(params![trace, key(span)])
    }

    fn describe(
        &mut self,
        open: &mut Open,
        span: &NewSpan,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        open.touch(span.start, span.end.unwrap_or(span.start), now);
        if open.conversation.is_none() {
            open.conversation.clone_from(&span.conversation);
        }
        for (facet, value) in &span.facets {
            self.word(open, *facet, value)?;
        }
        Ok(())
    }

    /// Insert a span, unless there is one of its id from whoever reports it.
    pub(crate) fn insert(
        &self,
        trace: i64,
        origin: SpanOrigin,
        source: Numbered,
        span: &NewSpan,
    ) -> rusqlite::Result<bool> {
        let usage = span.usage;
        let tokens = |of: fn(&Usage) -> u64| usage.as_ref().map(of).map(int);
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO spans (trace, origin, span, parent, source, name, kind, start, end, error, model, input, \
             output, cached, cost, counts, body, reporter) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
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
        ])?;
        Ok(inserted > 0)
    }

    fn earlier(
        &self,
        trace: i64,
        source: Numbered,
        span: SpanId,
    ) -> rusqlite::Result<Option<Earlier>> {
        let mut select = self.conn.prepare_cached(
            "SELECT model, input, output, cached, cost, counts, octet_length(body) FROM spans \
             WHERE trace = ?1 AND origin = 1 AND span = ?2 AND reporter = ?3",
        )?;
        select
            .query_row(params![trace, key(span), source.reporter], |row| {
                let n = |i| {
                    row.get::<_, Option<i64>>(i)
                        .map(|n| nat(n.unwrap_or_default()))
                };
                let usage = Usage {
                    input_tokens: n(1)?,
                    output_tokens: n(2)?,
                    cached_tokens: n(3)?,
                    cost_nano: row.get::<_, Option<i64>>(4)?.map(nat),
                };
                Ok(Earlier {
                    model: row.get(0)?,
                    counted: row.get::<_, bool>(5)?.then_some(usage),
                    bytes: nat(row.get(6)?),
                })
            })
            .optional()
    }

    /// Add to a trace's sums.
    fn add_up(&self, trace: i64, reporter: &str, sums: &Sums) -> rusqlite::Result<()> {
        if sums.is_empty() {
            return Ok(());
        }
        let mut add = self.conn.prepare_cached(
            "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (trace, source, model) DO UPDATE SET calls = calls + excluded.calls, \
             input = input + excluded.input, output = output + excluded.output, \
             cached = cached + excluded.cached, cost = cost + excluded.cost, \
             unpriced = unpriced + excluded.unpriced",
        )?;
        for (model, sum) in sums {
            add.execute(params![
                trace,
                reporter,
                model,
                sum.calls,
                sum.input,
                sum.output,
                sum.cached,
                sum.cost,
                sum.unpriced,
            ])?;
        }
        Ok(())
    }

    fn logged(
        &mut self,
        open: &mut Open,
        source: Numbered,
        log: &NewLog,
        now: Timestamp,
    ) -> rusqlite::Result<Option<&'static str>> {
        let bytes = log.body.len() as u64;
        let full = self.full(open.logs, open.bytes.saturating_add(bytes));
        if full.is_some() {
            // One that is there is stored, however full it is.
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
            open.touch(log.time, log.time, now);
        }
        Ok(None)
    }

    /// Take a trace in hand; where nobody has heard of it, it begins at `start`, and was heard of `now`.
    pub(crate) fn opened(
        &mut self,
        tenant: &str,
        trace: RunId,
        start: Timestamp,
        now: Timestamp,
    ) -> rusqlite::Result<Open> {
        if let Some(open) = self.open.get(&(tenant.to_owned(), *trace.as_bytes())) {
            return Ok(open.clone());
        }
        let known = self
            .conn
            .prepare_cached(
                "SELECT id, run, caller, principal, conversation, started, last, seen, reported, logs, words, \
                 bytes FROM traces WHERE tenant = ?1 AND trace = ?2",
            )?
            .query_row(params![tenant, trace.as_bytes()], |row| {
                Ok(Open {
                    id: row.get(0)?,
                    run: row.get(1)?,
                    caller: row.get(2)?,
                    principal: row.get(3)?,
                    conversation: row.get(4)?,
                    started: row.get(5)?,
                    last: row.get(6)?,
                    seen: row.get(7)?,
                    reported: nat(row.get(8)?),
                    logs: nat(row.get(9)?),
                    words: nat(row.get(10)?),
                    bytes: nat(row.get(11)?),
                    changed: false,
                })
            })
            .optional()?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.conn
            .prepare_cached(
                "INSERT INTO traces (tenant, trace, started, last, seen) VALUES (?1, ?2, ?3, ?3, ?4)",
            )?
            .execute(params![tenant, trace.as_bytes(), start.0, now.0])?;
        Ok(Open {
            id: self.conn.last_insert_rowid(),
            started: start.0,
            last: start.0,
            seen: now.0,
            ..Open::default()
        })
    }

    /// Put a trace down; it is written back at the end of this piece of work.
    pub(crate) fn keep(&mut self, tenant: &str, trace: RunId, open: Open) {
        self.open
            .insert((tenant.to_owned(), *trace.as_bytes()), open);
    }

    /// That the gate knows a run of this trace.
    pub(crate) fn run_begins(
        &mut self,
        tenant: &str,
        run: &RunOf,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let mut open = self.opened(tenant, run.trace, run.started, now)?;
        // When a run began and what happened last is what the gate says, whatever was reported before.
        open.started = run.started.0;
        open.last = match open.run {
            true => open.last.max(run.started.0),
            false => run.started.0,
        };
        open.run = true;
        open.caller = run
            .caller
            .filter(|caller| *caller != run.trace)
            .map(|caller| *caller.as_bytes());
        open.principal = Some(run.principal.clone());
        if run.conversation.is_some() {
            open.conversation.clone_from(&run.conversation);
        }
        open.heard(now);
        self.keep(tenant, run.trace, open);
        Ok(())
    }

    /// That something happened in a run.
    pub(crate) fn run_goes_on(
        &mut self,
        tenant: &str,
        run: RunId,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let mut open = self.opened(tenant, run, at, at)?;
        open.last = open.last.max(at.0);
        open.heard(at);
        self.keep(tenant, run, open);
        Ok(())
    }

    /// Write back what has changed of the traces in hand, and put them all down.
    pub(super) fn write_back(&mut self) -> rusqlite::Result<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE traces SET run = ?2, caller = ?3, principal = ?4, conversation = ?5, started = ?6, last = ?7, \
             seen = ?8, reported = ?9, logs = ?10, words = ?11, bytes = ?12 WHERE id = ?1",
        )?;
        for open in self.open.values().filter(|open| open.changed) {
            update.execute(params![
                open.id,
                open.run,
                open.caller,
                open.principal,
                open.conversation,
                open.started,
                open.last,
                open.seen,
                int(open.reported),
                int(open.logs),
                int(open.words),
                int(open.bytes),
            ])?;
        }
        drop(update);
        self.open.clear();
        Ok(())
    }
}
