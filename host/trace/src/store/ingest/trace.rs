//! Entries of `traces`, and the totals of reporters.

use rusqlite::{OptionalExtension as _, params};
use tollgate_model::{ids::RunId, time::Timestamp};

use crate::store::{
    entries::{ReporterTotals, TraceEntry},
    int, nat,
    writer::Writer,
};

/// A run, from the projection of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct RunSummary {
    pub(crate) trace: RunId,
    pub(crate) caller: Option<RunId>,
    pub(crate) principal: String,
    pub(crate) conversation: Option<String>,
    pub(crate) started: Timestamp,
}

impl Writer {
    /// The entry of a trace, from the cache or the store. A new trace begins at `start` and was last seen `now`.
    pub(crate) fn opened(
        &mut self,
        tenant: &str,
        trace: RunId,
        start: Timestamp,
        now: Timestamp,
    ) -> rusqlite::Result<TraceEntry> {
        if let Some(open) = self.open.get(&(tenant.to_owned(), *trace.as_bytes())) {
            return Ok(open.clone());
        }
        let known = self
            .conn
            .prepare_cached(
                "SELECT id, run, caller, principal, conversation, started, last, seen, reported, logs, \
                 bytes FROM traces WHERE tenant = ?1 AND trace = ?2",
            )?
            .query_row(params![tenant, trace.as_bytes()], |row| {
                Ok(TraceEntry {
                    id: row.get("id")?,
                    run: row.get("run")?,
                    caller: row.get("caller")?,
                    principal: row.get("principal")?,
                    conversation: row.get("conversation")?,
                    started: row.get("started")?,
                    last: row.get("last")?,
                    seen: row.get("seen")?,
                    reported: nat(row.get("reported")?),
                    logs: nat(row.get("logs")?),
                    bytes: nat(row.get("bytes")?),
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
        Ok(TraceEntry {
            id: self.conn.last_insert_rowid(),
            started: start.0,
            last: start.0,
            seen: now.0,
            ..TraceEntry::default()
        })
    }

    /// Caches a changed entry, which is written at the end of this piece of work.
    pub(crate) fn keep(&mut self, tenant: &str, trace: RunId, open: TraceEntry) {
        self.open
            .insert((tenant.to_owned(), *trace.as_bytes()), open);
    }

    /// Notes that a run began.
    pub(crate) fn run_begins(
        &mut self,
        tenant: &str,
        run: &RunSummary,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let mut open = self.opened(tenant, run.trace, run.started, now)?;
        // The times of the gate replace those of earlier reports.
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
        open.mark_seen(now);
        self.keep(tenant, run.trace, open);
        Ok(())
    }

    /// Notes a record of a run.
    pub(crate) fn run_goes_on(
        &mut self,
        tenant: &str,
        run: RunId,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let mut open = self.opened(tenant, run, at, at)?;
        open.last = open.last.max(at.0);
        open.mark_seen(at);
        self.keep(tenant, run, open);
        Ok(())
    }

    /// Writes changed entries, at the end of a piece of work.
    pub(in crate::store) fn write_back(&mut self) -> rusqlite::Result<()> {
        let mut update = self.conn.prepare_cached(
            "UPDATE traces SET run = ?2, caller = ?3, principal = ?4, conversation = ?5, started = ?6, last = ?7, \
             seen = ?8, reported = ?9, logs = ?10, bytes = ?11 WHERE id = ?1",
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
                int(open.bytes),
            ])?;
        }
        drop(update);
        self.open.clear();
        self.write_totals()
    }

    /// The totals of a reporter in a trace.
    pub(crate) fn totals(&self, trace: i64, reporter: i64) -> rusqlite::Result<ReporterTotals> {
        if let Some(totals) = self.totals.get(&(trace, reporter)) {
            return Ok(*totals);
        }
        let totals = self
            .conn
            .prepare_cached(
                "SELECT spans, logs, bytes, facets FROM trace_reporters WHERE trace = ?1 AND reporter = ?2",
            )?
            .query_row([trace, reporter], |row| {
                Ok(ReporterTotals {
                    spans: nat(row.get(0)?),
                    logs: nat(row.get(1)?),
                    bytes: nat(row.get(2)?),
                    facets: nat(row.get(3)?),
                })
            })
            .optional()?;
        Ok(totals.unwrap_or_default())
    }

    /// Caches changed totals; [`Self::write_back`] writes them.
    pub(crate) fn keep_totals(&mut self, trace: i64, reporter: i64, totals: ReporterTotals) {
        self.totals.insert((trace, reporter), totals);
    }

    fn write_totals(&mut self) -> rusqlite::Result<()> {
        let mut write = self.conn.prepare_cached(
            "INSERT INTO trace_reporters (trace, reporter, spans, logs, bytes, facets) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (trace, reporter) DO UPDATE SET \
             spans = excluded.spans, logs = excluded.logs, bytes = excluded.bytes, facets = excluded.facets",
        )?;
        for ((trace, reporter), totals) in &self.totals {
            write.execute(params![
                trace,
                reporter,
                int(totals.spans),
                int(totals.logs),
                int(totals.bytes),
                int(totals.facets),
            ])?;
        }
        drop(write);
        self.totals.clear();
        Ok(())
    }
}
