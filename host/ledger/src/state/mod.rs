//! The effect of each record on the read models, and the transitions that are not allowed.
//!
//! The writer applies every new record, `admin::rebuild` and `read::verify` apply every old one: the read
//! models are a function of the records.

mod approval_links;
pub(crate) mod approvals;
mod calls;
mod halts;
mod history;
mod labels;
mod runs;
mod standing;

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, params};
use tollgate_model::{
    decision::Outcome,
    ids::{RunId, SpanId},
    life::{CallEvent, CallState},
    record::{DecisionRecord, Event, Halt, Record},
};

use self::{
    calls::{CallChange, new_call},
    history::CallRecord,
};
use crate::{
    batch::EncodedRecord,
    cached_run::{self, CachedRun, RunIdentity},
    chain::{Chain, next_chain},
    error::{ApplyError, rejected},
    series::SeriesChange,
    sqlite::to_sql_i64,
    usage_window::{self, UsageHour},
};

/// The state that records are applied to: the rows of the open transaction, and the caches.
#[derive(Debug, Default)]
pub(crate) struct PendingState {
    /// The next index.
    pub(crate) next: u64,
    /// Halts in force.
    pub(crate) halts: Vec<Halt>,
    /// The chain of the last record.
    pub(crate) chain: Chain,
    /// Hashes of the records in the open transaction.
    pub(crate) hashes: Vec<[u8; 32]>,
    /// Runs that the open transaction changes.
    pub(crate) runs: HashMap<RunId, CachedRun>,
    /// Whether it labels any file.
    pub(crate) labels_files: bool,
    /// Hours of principals in which it counts calls, in order.
    pub(crate) hours: Vec<(Arc<RunIdentity>, UsageHour)>,
    /// What it changes in series of facts, in order.
    pub(crate) series: Vec<SeriesChange>,
    before: BeforeBatch,
    /// Calls that this batch decided to allow, and their state before.
    allowed: HashMap<SpanId, Option<CallState>>,
}

/// How to undo a batch.
#[derive(Debug, Default)]
struct BeforeBatch {
    /// Runs as they were; `None` for those that were not in memory.
    runs: Vec<(RunId, Option<CachedRun>)>,
    /// `None` if it has not changed any halt.
    halts: Option<Vec<Halt>>,
    next: u64,
    hashes: usize,
    hours: usize,
    series: usize,
    chain: Chain,
}

impl PendingState {
    /// The state after `size` records, the last of them with `chain`, and these halts in force.
    pub(crate) fn at(size: u64, chain: Chain, halts: Vec<Halt>) -> Self {
        Self {
            next: size,
            chain,
            halts,
            ..Self::default()
        }
    }

    /// Begins a batch.
    pub(crate) fn begin(&mut self) {
        self.allowed.clear();
        self.before = BeforeBatch {
            runs: Vec::new(),
            halts: None,
            next: self.next,
            hashes: self.hashes.len(),
            hours: self.hours.len(),
            series: self.series.len(),
            chain: self.chain,
        };
    }

    /// Undoes the last batch. Its rows are undone by the savepoint.
    pub(crate) fn undo(&mut self) {
        let before = std::mem::take(&mut self.before);
        self.hashes.truncate(before.hashes);
        self.hours.truncate(before.hours);
        self.series.truncate(before.series);
        self.chain = before.chain;
        self.next = before.next;
        for (run, before) in before.runs.into_iter().rev() {
            match before {
                Some(held) => drop(self.runs.insert(run, held)),
                None => drop(self.runs.remove(&run)),
            }
        }
        if let Some(halts) = before.halts {
            self.halts = halts;
        }
    }

    /// Drops the runs in memory, so that replaying many records stays bounded. They are read again when
    /// needed.
    pub(crate) fn forget_runs(&mut self) {
        self.runs.clear();
        self.hours.clear();
        self.series.clear();
    }

    /// A run that this batch may change. `cached` is tried before the store.
    pub(crate) fn run(
        &mut self,
        conn: &Connection,
        run: RunId,
        cached: impl FnOnce() -> Option<CachedRun>,
    ) -> Result<Option<&mut CachedRun>, ApplyError> {
        if !self.before.runs.iter().any(|(known, _)| *known == run) {
            let before = self.runs.get(&run).cloned();
            if before.is_none() {
                let held = match cached() {
                    Some(held) => Some(held),
                    None => cached_run::load(conn, run)?,
                };
                let Some(held) = held else { return Ok(None) };
                self.runs.insert(run, held);
            }
            self.before.runs.push((run, before));
        }
        Ok(self.runs.get_mut(&run))
    }

    /// Write a record and apply it. Its run must have been fetched by [`PendingState::run`].
    pub(crate) fn append(
        &mut self,
        conn: &Connection,
        encoded: &EncodedRecord,
    ) -> Result<(), ApplyError> {
        let prev = match encoded.record.run {
            Some(run) => self.runs.get(&run).map(|held| held.last_record),
            None => None,
        };
        self.chain = next_chain(&self.chain, &encoded.hash);
        self.hashes.push(encoded.hash);
        conn.prepare_cached(
            "INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            to_sql_i64(self.next),
            encoded.leaf,
            encoded.hash,
            self.chain,
            prev.map(to_sql_i64)
        ])?;
        self.apply(conn, encoded)
    }

    /// Applies a record that is already stored. Returns the index of the previous record in its run.
    pub(crate) fn replay(
        &mut self,
        conn: &Connection,
        encoded: &EncodedRecord,
    ) -> Result<Option<u64>, ApplyError> {
        self.begin();
        let mut prev = None;
        if let Some(run) = encoded.record.run {
            prev = self.run(conn, run, || None)?.map(|held| held.last_record);
        }
        self.apply(conn, encoded)?;
        self.finish(conn)?;
        Ok(prev)
    }

    /// Changes the read models according to a stored record, and counts it.
    fn apply(&mut self, conn: &Connection, encoded: &EncodedRecord) -> Result<(), ApplyError> {
        let (record, index) = (&encoded.record, self.next);
        if let (Event::RunStarted(started), Some(run)) = (&record.event, record.run) {
            self.start_run(conn, index, run, record, started)?;
        }
        let opened = match record.run {
            Some(run) => {
                let Some(held) = self.runs.get_mut(&run) else {
                    return Err(rejected("the run is not known"));
                };
                held.last_record = index;
                runs::count(conn, held, &encoded.delta)?;
                if record.event.is_activity() {
                    held.last_active = held.last_active.max(record.time);
                    labels::hold(conn, held, record.time)?;
                }
                // A denied call does not count: otherwise a principal that retries would stay locked out.
                if encoded.delta.calls > 0 && encoded.delta.denials == 0 {
                    let hour = usage_window::count(conn, &held.identity, record.time)?;
                    self.hours.push((Arc::clone(&held.identity), hour));
                }
                Some(held.identity.opened)
            }
            None => None,
        };
        self.event(conn, index, opened, record)?;
        self.next += 1;
        Ok(())
    }

    fn event(
        &mut self,
        conn: &Connection,
        index: u64,
        run: Option<u64>,
        record: &Record,
    ) -> Result<(), ApplyError> {
        match &record.event {
            Event::RunEnded(ended) => {
                self.end_run(conn, record, ended)?;
                self.end_series(conn, index, of_run(run)?)
            }
            Event::CallInvalid(invalid) => {
                let change = CallChange {
                    run: of_run(run)?,
                    call: invalid.call,
                    event: CallEvent::Refuse,
                    start: None,
                };
                new_call(conn, change)
            }
            Event::Decision(decision) => {
                standing::count_uses(conn, index, record, decision)?;
                self.decide(conn, run, decision, record.time)?;
                let Some(call) = decision.call else {
                    return Ok(());
                };
                if ends_call(decision) {
                    self.settle_entries(conn, of_call(index, of_run(run)?, call, record))?;
                }
                if decision.history.is_empty() {
                    return Ok(());
                }
                let call = of_call(index, of_run(run)?, call, record);
                self.add_entries(conn, call, &decision.history)
            }
            Event::Start(start) => self.start(conn, index, of_run(run)?, start, record.time),
            Event::Outcome(outcome) => {
                let run = of_run(run)?;
                calls::close(conn, run, outcome)?;
                self.end_call(conn, of_call(index, run, outcome.call, record), outcome)
            }
            Event::ApprovalRequested(request) => {
                approvals::request(conn, index, of_run(run)?, record, request)
            }
            Event::ApprovalAnswered(answer) => {
                approval_links::consume(conn, answer)?;
                approvals::answer(conn, index, answer)
            }
            Event::ApprovalResolved(resolved) => approvals::resolve(conn, resolved),
            Event::ApprovalEscalated(escalated) => approvals::escalate(conn, index, escalated.id),
            Event::ApprovalLinkIssued(link) => approval_links::issue(conn, index, link),
            Event::ApprovalLinkRevoked(link) => approval_links::revoke(conn, link),
            Event::StandingGranted(granted) => standing::grant(conn, index, record, granted),
            Event::StandingEnded(ended) => standing::end(conn, index, record, ended),
            Event::Halted(halt) => self.halt(conn, index, halt),
            Event::Resumed(halt) => self.resume(conn, halt),
            Event::BundleActivated(_) => {
                conn.prepare_cached("INSERT INTO activations (idx) VALUES (?1)")?
                    .execute([to_sql_i64(index)])?;
                Ok(())
            }
            Event::RunStarted(_)
            | Event::Effect(_)
            | Event::ComponentLog(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalAnswerRefused(_)
            | Event::Administered(_) => Ok(()),
        }
    }
}

fn of_run(run: Option<u64>) -> Result<u64, ApplyError> {
    run.ok_or_else(|| rejected("calls and approvals belong to a run"))
}

/// Whether a call that has waited is refused for good.
fn ends_call(decision: &DecisionRecord) -> bool {
    let refused = matches!(decision.outcome, Outcome::Deny | Outcome::Error);
    decision.action.is_call() && decision.resumption && !decision.is_secondary && refused
}

fn of_call(index: u64, run: u64, call: SpanId, record: &Record) -> CallRecord<'_> {
    CallRecord {
        index,
        run,
        call,
        tenant: &record.tenant,
        time: record.time,
    }
}
