//! What spans and logs do to the tables.

use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tollgate_core::{
    ids::{RunId, SpanId, hex},
    time::Timestamp,
};

use super::{
    Counts, NewLog, NewSpan, Report, Source, SpanOrigin, Store, StoreError, Usage, int, key, nat,
    writer::Writer,
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

const ANOTHERS: &str = "another sender has reported this span";
const OWN: &str = "this is the gate's own span";
const TOO_MANY: &str = "the trace has as many as it may have";

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
    pub(super) words: u64,
    changed: bool,
}

impl Open {
    /// That it is found by more than before.
    pub(super) fn noticed(&mut self) {
        self.changed = true;
    }

    /// That something happened in it then.
    fn touch(&mut self, start: Timestamp, end: Timestamp, now: Timestamp) {
        self.started = self.started.min(start.0);
        self.last = self.last.max(end.0);
        self.seen = self.seen.max(now.0);
        self.changed = true;
    }
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
                let mut open = self.opened(tenant, first.trace, first.start)?;
                for span in spans {
                    match self.reported(&mut open, source, &report.source, span, now)? {
                        None => put.spans += 1,
                        Some(why) => *put.refused_spans.entry(why.into()).or_default() += 1,
                    }
                }
                self.keep(tenant, first.trace, open);
            }
            for log in &report.logs {
                let mut open = self.opened(tenant, log.trace, log.time)?;
                let refused = self.logged(&mut open, source, log, now)?;
                self.keep(tenant, log.trace, open);
                match refused {
                    None => put.logs += 1,
                    Some(why) => *put.refused_logs.entry(why.into()).or_default() += 1,
                }
            }
        }
        Ok(put)
    }

    fn reported(
        &mut self,
        open: &mut Open,
        source: i64,
        about: &Source,
        span: &NewSpan,
        now: Timestamp,
    ) -> rusqlite::Result<Option<&'static str>> {
        if open.run && self.is_own(open.id, span.span)? {
            return Ok(Some(OWN));
        }
        if open.reported >= self.options.trace_limit {
            // A later version of one that is there is still welcome.
            if self.of_reporter(open.id, span.span)?.is_none() {
                return Ok(Some(TOO_MANY));
            }
        } else if self.insert(open.id, SpanOrigin::Reported, source, span)? {
            open.reported += 1;
            self.count(open.id, &about.reporter, span.model.as_deref(), span, 1)?;
            self.describe(open, span, now)?;
            return Ok(None);
        }
        match self.of_reporter(open.id, span.span)? {
            Some((reporter, old)) if reporter == about.reporter => {
                let model = old.model.clone();
                self.count(open.id, &reporter, model.as_deref(), &old, -1)?;
            }
            _ => return Ok(Some(ANOTHERS)),
        }
        self.conn
            .prepare_cached("DELETE FROM spans WHERE trace = ?1 AND origin = 1 AND span = ?2")?
            .execute(params![open.id, key(span.span)])?;
        self.insert(open.id, SpanOrigin::Reported, source, span)?;
        self.count(open.id, &about.reporter, span.model.as_deref(), span, 1)?;
        self.describe(open, span, now)?;
        Ok(None)
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

    /// Insert a span, unless there is one of its id.
    pub(crate) fn insert(
        &self,
        trace: i64,
        origin: SpanOrigin,
        source: i64,
        span: &NewSpan,
    ) -> rusqlite::Result<bool> {
        let usage = span.usage;
        let tokens = |of: fn(&Usage) -> u64| usage.as_ref().map(of).map(int);
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO spans (trace, origin, span, parent, source, name, kind, start, end, error, model, input, \
             output, cached, cost, counts, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
             ON CONFLICT (trace, origin, span) DO NOTHING",
        )?;
        let inserted = insert.execute(params![
            trace,
            origin.column(),
            key(span.span),
            span.parent.map(key),
            source,
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
        ])?;
        Ok(inserted > 0)
    }

    /// The stored version of a reported span, as far as sums need it, and who reported it.
    fn of_reporter(&self, trace: i64, span: SpanId) -> rusqlite::Result<Option<(String, NewSpan)>> {
        let mut select = self.conn.prepare_cached(
            "SELECT r.reporter, s.model, s.input, s.output, s.cached, s.cost, s.counts FROM spans s \
             JOIN sources r ON r.id = s.source WHERE s.trace = ?1 AND s.origin = 1 AND s.span = ?2",
        )?;
        select
            .query_row(params![trace, key(span)], |row| {
                let input: Option<i64> = row.get(2)?;
                let n = |i| {
                    row.get::<_, Option<i64>>(i)
                        .map(|n| nat(n.unwrap_or_default()))
                };
                let usage = Usage {
                    input_tokens: n(2)?,
                    output_tokens: n(3)?,
                    cached_tokens: n(4)?,
                    cost_nano: row.get::<_, Option<i64>>(5)?.map(nat),
                };
                let old = NewSpan {
                    trace: RunId::from_bytes([0; 16]),
                    span,
                    parent: None,
                    name: String::new(),
                    kind: "",
                    start: Timestamp(0),
                    end: None,
                    error: None,
                    model: row.get(1)?,
                    usage: input.map(|_| usage),
                    counts: row.get(6)?,
                    conversation: None,
                    facets: Vec::new(),
                    body: String::new(),
                };
                Ok((row.get(0)?, old))
            })
            .optional()
    }

    /// Add a span's tokens and cost to its trace's, or take them away.
    fn count(
        &self,
        trace: i64,
        reporter: &str,
        model: Option<&str>,
        span: &NewSpan,
        sign: i64,
    ) -> rusqlite::Result<()> {
        let Some(usage) = span.usage.filter(|_| span.counts) else {
            return Ok(());
        };
        let mut add = self.conn.prepare_cached(
            "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (trace, source, model) DO UPDATE SET calls = calls + excluded.calls, \
             input = input + excluded.input, output = output + excluded.output, \
             cached = cached + excluded.cached, cost = cost + excluded.cost, \
             unpriced = unpriced + excluded.unpriced",
        )?;
        add.execute(params![
            trace,
            reporter,
            model.unwrap_or_default(),
            sign,
            sign * int(usage.input_tokens),
            sign * int(usage.output_tokens),
            sign * int(usage.cached_tokens),
            sign * int(usage.cost_nano.unwrap_or(0)),
            sign * i64::from(usage.cost_nano.is_none()),
        ])?;
        Ok(())
    }

    fn logged(
        &mut self,
        open: &mut Open,
        source: i64,
        log: &NewLog,
        now: Timestamp,
    ) -> rusqlite::Result<Option<&'static str>> {
        if open.logs >= self.options.trace_limit {
            return Ok(Some(TOO_MANY));
        }
        let mut hash = Sha256::new();
        for part in [
            log.span.map(|s| hex(s.as_bytes())).unwrap_or_default(),
            source.to_string(),
            log.time.0.to_string(),
            log.severity.clone(),
            log.event.clone().unwrap_or_default(),
            log.body.clone(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let inserted = self
            .conn
            .prepare_cached(
                "INSERT INTO logs (trace, span, source, digest, time, severity, event, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (trace, digest) DO NOTHING",
            )?
            .execute(params![
                open.id,
                log.span.map(key),
                source,
                digest.get(..16),
                log.time.0,
                log.severity,
                log.event,
                log.body,
            ])?;
        open.logs += inserted as u64;
        open.touch(log.time, log.time, now);
        Ok(None)
    }

    /// The number of a source.
    pub(crate) fn source(&mut self, source: &Source) -> rusqlite::Result<i64> {
        let about = json!({ "resource": source.resource, "scope": source.scope }).to_string();
        let mut hash = Sha256::new();
        hash.update((source.reporter.len() as u64).to_be_bytes());
        hash.update(&source.reporter);
        hash.update(&about);
        let digest: [u8; 32] = hash.finalize().into();
        if let Some(id) = self.sources.get(&digest) {
            return Ok(*id);
        }
        let insert = "INSERT INTO sources (digest, reporter, about) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.conn
            .prepare_cached(insert)?
            .execute(params![digest, source.reporter, about])?;
        let id = self
            .conn
            .prepare_cached("SELECT id FROM sources WHERE digest = ?1")?
            .query_row([digest], |row| row.get(0))?;
        self.sources.insert(digest, id);
        Ok(id)
    }

    /// Take a trace in hand; it begins where nobody has heard of it.
    pub(crate) fn opened(
        &mut self,
        tenant: &str,
        trace: RunId,
        start: Timestamp,
    ) -> rusqlite::Result<Open> {
        if let Some(open) = self.open.get(&(tenant.to_owned(), *trace.as_bytes())) {
            return Ok(open.clone());
        }
        let known = self
            .conn
            .prepare_cached(
                "SELECT id, run, caller, principal, conversation, started, last, seen, reported, logs, words \
                 FROM traces WHERE tenant = ?1 AND trace = ?2",
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
                    changed: false,
                })
            })
            .optional()?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.conn
            .prepare_cached(
                "INSERT INTO traces (tenant, trace, started, last, seen) VALUES (?1, ?2, ?3, ?3, ?3)",
            )?
            .execute(params![tenant, trace.as_bytes(), start.0])?;
        Ok(Open {
            id: self.conn.last_insert_rowid(),
            started: start.0,
            last: start.0,
            changed: true,
            ..Open::default()
        })
    }

    /// Put a trace down; it is written back at the end of the transaction.
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
        let mut open = self.opened(tenant, run.trace, run.started)?;
        open.run = true;
        open.caller = run
            .caller
            .filter(|caller| *caller != run.trace)
            .map(|caller| *caller.as_bytes());
        open.principal = Some(run.principal.clone());
        if run.conversation.is_some() {
            open.conversation.clone_from(&run.conversation);
        }
        // When a run began is what the gate says, whatever was reported before.
        open.started = run.started.0;
        open.touch(run.started, run.started, now);
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
        let mut open = self.opened(tenant, run, at)?;
        open.touch(Timestamp(open.started), at, at);
        self.keep(tenant, run, open);
        Ok(())
    }

    /// Write back what has changed of the traces in hand.
    pub(super) fn write_back(&mut self) -> rusqlite::Result<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE traces SET run = ?2, caller = ?3, principal = ?4, conversation = ?5, started = ?6, last = ?7, \
             seen = ?8, reported = ?9, logs = ?10, words = ?11 WHERE id = ?1",
        )?;
        for open in self.open.values_mut().filter(|open| open.changed) {
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
            ])?;
            open.changed = false;
        }
        drop(update);
        Ok(())
    }
}
