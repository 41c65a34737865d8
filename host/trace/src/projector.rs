//! The gate's own spans, made from the ledger's records.
//!
//! A cursor over the ledger. It follows the decisions and never delays one. Its output can be rebuilt: if the file is
//! deleted, everything is read again from the first record.

use std::{ops::ControlFlow, sync::LazyLock, time::Duration};

use rusqlite::{OptionalExtension as _, params};
use tollgate_ledger::{LedgerError, LedgerReader, Order, RecordFilter};
use tollgate_model::{
    ids::{RunId, SpanId},
    record::{Event, Record},
    span::{self, SpanChange, SpanKind},
    time::Timestamp,
};

use crate::{
    low_priority::BackgroundThread,
    session::callers_trace,
    store::{
        Attributes, Body, Facet, NewSpan, Source, SpanOrigin, Store, StoreError, entries::SourceId,
        ingest::RunSummary, int, key, nat, writer::Writer,
    },
};

/// Records per transaction.
const PAGE: usize = 1_000;
/// The cursor's name.
const CURSOR: &str = "ledger";
/// The interval of polling for new records.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a projection failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The trace store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Projects all new records of the ledger. Returns their number.
///
/// # Errors
/// [`ProjectError`]; what was projected before stays.
pub async fn catch_up(store: &Store, ledger: &LedgerReader) -> Result<u64, ProjectError> {
    caught_up(store, ledger, None).await
}

async fn caught_up(
    store: &Store,
    ledger: &LedgerReader,
    aside: Option<&BackgroundThread>,
) -> Result<u64, ProjectError> {
    let mut done = 0;
    loop {
        let (reader, ledger) = (store.reader().clone(), ledger.clone());
        let read = move || {
            let from = reader.cursor(CURSOR)?;
            Ok::<_, ProjectError>((from, page(&ledger, from)?))
        };
        let read = match aside {
            Some(aside) => aside.run(read).await,
            None => tokio::task::spawn_blocking(read).await.ok(),
        };
        let (from, records) = read.unwrap_or(Err(StoreError::Closed.into()))?;
        let (count, full) = (records.len() as u64, records.len() == PAGE);
        if count > 0 {
            store
                .write(move |writer| {
                    let applied = apply(writer, from, &records);
                    applied.map_err(|e| writer.failed(&e))
                })
                .await?;
        }
        done += count;
        if !full {
            return Ok(done);
        }
    }
}

/// Follows the ledger while this is polled, with low priority. `failed` is called once for each new error.
pub async fn follow(store: Store, ledger: LedgerReader, failed: impl Fn(&ProjectError)) {
    let aside = BackgroundThread::start("projector").ok();
    let mut behind = false;
    loop {
        match caught_up(&store, &ledger, aside.as_ref()).await {
            Ok(_) => behind = false,
            Err(ProjectError::Store(StoreError::Closed)) => return,
            Err(error) => {
                if !behind {
                    failed(&error);
                }
                behind = true;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn page(ledger: &LedgerReader, from: u64) -> Result<Vec<(u64, Record)>, LedgerError> {
    let filter = RecordFilter {
        range: Some(from..u64::MAX),
        order: Order::OldestFirst,
        ..RecordFilter::default()
    };
    let mut records = Vec::new();
    ledger.records(&filter, |index, record| {
        records.push((index, record));
        match records.len() < PAGE {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })?;
    Ok(records)
}

fn apply(writer: &mut Writer, from: u64, records: &[(u64, Record)]) -> rusqlite::Result<()> {
    let known: Option<i64> = writer
        .conn
        .prepare_cached("SELECT next FROM cursors WHERE name = ?1")?
        .query_row([CURSOR], |row| row.get(0))
        .optional()?;
    if known.map_or(0, nat) != from {
        // Another process has projected this page already.
        return Ok(());
    }
    let source = writer.source(&Source::default())?;
    let mut next = from;
    for (index, record) in records {
        next = index.saturating_add(1);
        if let Some(run) = record.run {
            project(writer, source, *index, run, record)?;
        }
    }
    writer
        .conn
        .prepare_cached(
            "INSERT INTO cursors (name, next) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET next = ?2",
        )?
        .execute(params![CURSOR, int(next)])?;
    Ok(())
}

fn project(
    writer: &mut Writer,
    source: SourceId,
    index: u64,
    run: RunId,
    record: &Record,
) -> rusqlite::Result<()> {
    let tenant = record.tenant.as_str();
    if let Event::RunStarted(started) = &record.event {
        let run = RunSummary {
            trace: run,
            caller: callers_trace(tenant, started.key.as_deref(), &started.origin),
            principal: started.principal.to_string(),
            conversation: started.origin.conversation.clone(),
            started: record.time,
        };
        writer.run_begins(tenant, &run, record.time)?;
    } else {
        writer.run_goes_on(tenant, run, record.time)?;
    }
    let trace = writer.opened(tenant, run, record.time, record.time)?.id;
    writer.add_source(trace, source)?;
    let mut projection = Projection {
        writer,
        source,
        index,
        record,
        run,
        trace,
    };
    for change in span::changes(record) {
        projection.change(change)?;
    }
    projection.end_run()?;
    let kind = match matches!(record.event, Event::Decision(_)) {
        true => SpanKind::ExecuteTool,
        false => SpanKind::InvokeAgent,
    };
    for (facet, value) in facets(record, &projection.about(kind)) {
        projection.writer.add_gate_facet(trace, facet, &value)?;
    }
    Ok(())
}

/// The projection of one record.
struct Projection<'a> {
    writer: &'a mut Writer,
    source: SourceId,
    index: u64,
    record: &'a Record,
    run: RunId,
    /// The row id of the run's trace.
    trace: i64,
}

impl Projection<'_> {
    /// The attributes that the record has for a span of this kind.
    fn about(&self, kind: SpanKind) -> Attributes {
        span::attribute_map(kind, self.index, self.record)
    }

    fn change(&mut self, change: SpanChange) -> rusqlite::Result<()> {
        match change {
            SpanChange::Open {
                span,
                parent,
                kind,
                name,
                start,
                end,
                error,
            } => {
                let body = Body {
                    attributes: self.about(kind),
                    ..Body::default()
                };
                let new = NewSpan {
                    trace: self.run,
                    span,
                    parent,
                    name,
                    kind: kind.as_str(),
                    start,
                    end,
                    error: error.map(str::to_owned),
                    model: None,
                    usage: None,
                    counts: false,
                    conversation: None,
                    facets: Vec::new(),
                    body: body.to_column()?,
                };
                self.open(new, kind)?;
                self.failed(error)
            }
            SpanChange::Close {
                span,
                end,
                error,
                unless_ended,
            } => {
                if unless_ended && has_ended(self.writer, self.trace, span)? {
                    return Ok(());
                }
                let about = self.about(self.closed_kind(span));
                self.close(span, end, error, about)?;
                self.failed(error)
            }
        }
    }

    /// Adds a span. A span without a parent is under the run's root.
    fn open(&mut self, mut span: NewSpan, kind: SpanKind) -> rusqlite::Result<()> {
        if span.parent.is_none() && kind != SpanKind::InvokeAgent {
            span.parent = root(self.writer, self.trace)?;
        }
        let inserted = self
            .writer
            .insert(self.trace, SpanOrigin::Gate, self.source, &span)?;
        if inserted && kind == SpanKind::ExecuteTool {
            self.writer
                .add_gate_facet(self.trace, Facet::Name, &span.name)?;
        }
        Ok(())
    }

    /// The kind of a span that the record closes. A record that closes several has different attributes for each.
    fn closed_kind(&self, span: SpanId) -> SpanKind {
        match &self.record.event {
            Event::Outcome(outcome) if span == outcome.span => SpanKind::InvokeComponent,
            Event::ApprovalResolved(approval) if span == approval.span => SpanKind::Approval,
            Event::Outcome(_)
            | Event::ApprovalResolved(_)
            | Event::BundleActivated(_)
            | Event::RunStarted(_)
            | Event::RunEnded(_)
            | Event::CallInvalid(_)
            | Event::Decision(_)
            | Event::Start(_)
            | Event::Effect(_)
            | Event::ComponentLog(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalRequested(_)
            | Event::ApprovalAnswered(_)
            | Event::ApprovalEscalated(_)
            | Event::ApprovalLinkIssued(_)
            | Event::ApprovalLinkRevoked(_)
            | Event::ApprovalAnswerRefused(_)
            | Event::StandingGranted(_)
            | Event::StandingEnded(_)
            | Event::Halted(_)
            | Event::Resumed(_)
            | Event::Administered(_) => SpanKind::ExecuteTool,
        }
    }

    /// Adds an error as a facet of the run.
    fn failed(&mut self, error: Option<&str>) -> rusqlite::Result<()> {
        if let Some(error) = error {
            self.writer
                .add_gate_facet(self.trace, Facet::Error, error)?;
        }
        Ok(())
    }

    /// Closes the root of a run that ends.
    fn end_run(&mut self) -> rusqlite::Result<()> {
        if let Event::RunEnded(_) = &self.record.event
            && let Some(span) = root(self.writer, self.trace)?
        {
            let about = self.about(SpanKind::InvokeAgent);
            self.close(span, self.record.time, None, about)?;
        }
        Ok(())
    }

    /// Closes a span of the gate, if there is one, and adds attributes to it.
    fn close(
        &self,
        span: SpanId,
        end: Timestamp,
        error: Option<&str>,
        attributes: Attributes,
    ) -> rusqlite::Result<()> {
        let conn = &self.writer.conn;
        let origin = SpanOrigin::Gate.column();
        let body: Option<String> = conn
            .prepare_cached(
                "SELECT body FROM spans WHERE trace = ?1 AND origin = ?3 AND span = ?2",
            )?
            .query_row(params![self.trace, key(span), origin], |row| row.get(0))
            .optional()?;
        let Some(body) = body else { return Ok(()) };
        let mut body = Body::of_column(&body)?;
        body.attributes.extend(attributes);
        conn.prepare_cached(
            "UPDATE spans SET end = ?3, error = ?4, body = ?5 WHERE trace = ?1 AND origin = ?6 AND span = ?2",
        )?
        .execute(params![
            self.trace,
            key(span),
            end.0,
            error,
            body.to_column()?,
            origin
        ])?;
        Ok(())
    }
}

/// The facets that a record adds to its run.
fn facets(record: &Record, attributes: &Attributes) -> Vec<(Facet, String)> {
    let mut facets = Vec::new();
    let mut add = |facet, value: &str| facets.push((facet, value.to_owned()));
    match &record.event {
        Event::RunStarted(run) => add(Facet::Agent, &run.principal.id),
        Event::CallInvalid(call) => add(Facet::Tool, &call.tool),
        Event::Decision(decision) => {
            add(Facet::Decision, decision.outcome.as_str());
            if let Some(tool) = decision.called() {
                add(Facet::Tool, &tool);
            }
            for policy in &decision.determining {
                add(Facet::Policy, policy.policy.id.as_str());
            }
        }
        Event::RunEnded(ended) => {
            add(Facet::Outcome, ended.outcome.as_str());
            add(Facet::Text, &ended.stop_reason);
        }
        Event::ApprovalRequested(approval) => add(Facet::Tool, &approval.tool),
        Event::BundleActivated(_)
        | Event::Start(_)
        | Event::Outcome(_)
        | Event::Effect(_)
        | Event::ComponentLog(_)
        | Event::LabelsJoined(_)
        | Event::ApprovalAnswered(_)
        | Event::ApprovalResolved(_)
        | Event::ApprovalEscalated(_)
        | Event::ApprovalLinkIssued(_)
        | Event::ApprovalLinkRevoked(_)
        | Event::ApprovalAnswerRefused(_)
        | Event::StandingGranted(_)
        | Event::StandingEnded(_)
        | Event::Halted(_)
        | Event::Resumed(_)
        | Event::Administered(_) => {}
    }
    for (name, prefix) in [
        ("tollgate.prompt.version", "prompt:"),
        ("tollgate.workflow.version", "workflow:"),
        ("tollgate.tool.version", "tool:"),
        ("gen_ai.agent.version", "agent:"),
    ] {
        if let Some(version) = attributes.get(name).and_then(|v| v.as_str()) {
            facets.push((Facet::Version, format!("{prefix}{version}")));
        }
    }
    for name in ["tollgate.request", "tollgate.summary", "error.message"] {
        if let Some(text) = attributes.get(name).and_then(|v| v.as_str()) {
            facets.push((Facet::Text, text.to_owned()));
        }
    }
    facets
}

/// Uses the index of roots, because the index of all spans has thousands for a long run. SQLite knows that the index
/// fits only if the origin is not a parameter.
static ROOT: LazyLock<String> = LazyLock::new(|| {
    let origin = SpanOrigin::Gate.column();
    format!(
        "SELECT span FROM spans INDEXED BY spans_root WHERE trace = ?1 AND origin = {origin} AND kind = 'invoke_agent' \
         LIMIT 1"
    )
});

/// The run's root span.
fn root(writer: &Writer, trace: i64) -> rusqlite::Result<Option<SpanId>> {
    let root: Option<i64> = writer
        .conn
        .prepare_cached(&ROOT)?
        .query_row([trace], |row| row.get(0))
        .optional()?;
    Ok(root.map(crate::store::span_of))
}

fn has_ended(writer: &Writer, trace: i64, span: SpanId) -> rusqlite::Result<bool> {
    writer
        .conn
        .prepare_cached(
            "SELECT 1 FROM spans WHERE trace = ?1 AND origin = ?3 AND span = ?2 AND end IS NOT NULL",
        )?
        .exists(params![trace, key(span), SpanOrigin::Gate.column()])
}

#[cfg(test)]
mod tests;
