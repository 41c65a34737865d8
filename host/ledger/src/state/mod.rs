//! What each record does to the read models, and what it must not do.
//!
//! The writer calls it for every new record, `rebuild` for every old one: what is live is what the
//! records say.

pub(crate) mod calls;

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, ErrorCode, params};
use sha2::{Digest as _, Sha256};
use tollgate_model::{
    decision::Outcome,
    entity::Kind,
    ids::{RunId, SpanId},
    life::{ApprovalEvent, CallEvent, CallState},
    record::{DecisionRecord, Event, Halt, Record, RunEnded, RunStarted, Start},
    request::Action,
    run::RunDelta,
    time::Timestamp,
};

use super::{
    CommitError,
    batch::Ready,
    cached_run::{self, Held, Identity, call_key, int},
    component_state,
    read::ReadError,
    usage_window::{self, Hour},
};

use self::calls::{call_state, change_call, new_call};

/// `principal_labels.last` is rounded up to this many microseconds, so that a busy run writes it rarely.
const LABEL_STEP: i64 = 60_000_000;

/// Why a batch does not go in.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It may not; nothing is wrong with the store.
    No(CommitError),
    /// The store failed.
    Store(rusqlite::Error),
}

impl From<CommitError> for Refused {
    fn from(error: CommitError) -> Self {
        Self::No(error)
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // The tables' own rules hold where the code above believes otherwise.
            Some(ErrorCode::ConstraintViolation) => {
                illegal("this would break a rule of the ledger's tables")
            }
            _ => Self::Store(error),
        }
    }
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Sqlite(error) => error.into(),
            other => Self::No(CommitError::Store(other.to_string())),
        }
    }
}

pub(crate) fn illegal(reason: &'static str) -> Refused {
    Refused::No(CommitError::Illegal(reason))
}

/// What binds a record to its place; zeros before the first.
pub(crate) type Chain = [u8; 16];

/// The chain of a record, from that of the one before it.
pub(crate) fn chained(before: &Chain, hash: &[u8; 32]) -> Chain {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(before)
        .chain_update(hash)
        .finalize()
        .into();
    let mut chain = Chain::default();
    chain.iter_mut().zip(digest).for_each(|(c, d)| *c = d);
    chain
}

/// The state that records are applied to: what is in the open transaction, and what of it is in memory.
#[derive(Debug, Default)]
pub(crate) struct Working {
    /// The next index.
    pub(crate) next: u64,
    /// Halts in force.
    pub(crate) halts: Vec<Halt>,
    /// What binds the last record to its place.
    pub(crate) chain: Chain,
    /// Hashes of the records in the open transaction.
    pub(crate) hashes: Vec<[u8; 32]>,
    /// Runs that the open transaction touches.
    pub(crate) runs: HashMap<RunId, Held>,
    /// Whether it marks any file.
    pub(crate) marks: bool,
    /// Hours of principals that it counts calls in, in order.
    pub(crate) hours: Vec<(Arc<Identity>, Hour)>,
    /// How to get back to before this batch: runs as they were, or absent where untouched.
    undo: Vec<(RunId, Option<Held>)>,
    /// Calls that this batch decided to allow, and their state before.
    allowed: HashMap<SpanId, Option<CallState>>,
    halts_before: Option<Vec<Halt>>,
    next_before: u64,
    hashes_before: usize,
    hours_before: usize,
    chain_before: Chain,
}

impl Working {
    /// After `size` records, the last of them bound by `chain`, with these halts in force.
    pub(crate) fn at(size: u64, chain: Chain, halts: Vec<Halt>) -> Self {
        Self {
            next: size,
            chain,
            halts,
            ..Self::default()
        }
    }

    /// Begin a batch.
    pub(crate) fn begin(&mut self) {
        self.undo.clear();
        self.allowed.clear();
        self.halts_before = None;
        self.next_before = self.next;
        self.hashes_before = self.hashes.len();
        self.hours_before = self.hours.len();
        self.chain_before = self.chain;
    }

    /// Undo the batch that began last; its rows go with its savepoint.
    pub(crate) fn undo(&mut self) {
        self.hashes.truncate(self.hashes_before);
        self.hours.truncate(self.hours_before);
        self.chain = self.chain_before;
        self.next = self.next_before;
        for (run, before) in self.undo.drain(..).rev() {
            match before {
                Some(held) => drop(self.runs.insert(run, held)),
                None => drop(self.runs.remove(&run)),
            }
        }
        if let Some(halts) = self.halts_before.take() {
            self.halts = halts;
        }
    }

    /// A run that this batch may change. `cached` is tried before the store.
    pub(crate) fn run(
        &mut self,
        conn: &Connection,
        run: RunId,
        cached: impl FnOnce() -> Option<Held>,
    ) -> Result<Option<&mut Held>, Refused> {
        if !self.undo.iter().any(|(known, _)| *known == run) {
            let before = self.runs.get(&run).cloned();
            if before.is_none() {
                let held = match cached() {
                    Some(held) => Some(held),
                    None => cached_run::load(conn, run)?,
                };
                let Some(held) = held else { return Ok(None) };
                self.runs.insert(run, held);
            }
            self.undo.push((run, before));
        }
        Ok(self.runs.get_mut(&run))
    }

    /// Write a record and what it does. Its run must have been fetched by [`Working::run`].
    pub(crate) fn append(&mut self, conn: &Connection, ready: &Ready) -> Result<(), Refused> {
        let prev = match ready.record.run {
            Some(run) => self.runs.get(&run).map(|held| held.head),
            None => None,
        };
        self.chain = chained(&self.chain, &ready.hash);
        self.hashes.push(ready.hash);
        conn.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                int(self.next),
                ready.leaf,
                ready.hash,
                self.chain,
                prev.map(int)
            ])?;
        self.apply(conn, ready)
    }

    /// Do to the read models what a stored record does, and count it.
    pub(crate) fn apply(&mut self, conn: &Connection, ready: &Ready) -> Result<(), Refused> {
        let (record, index) = (&ready.record, self.next);
        if let (Event::RunStarted(started), Some(run)) = (&record.event, record.run) {
            self.start_run(conn, index, run, record, started)?;
        }
        let opened = match record.run {
            Some(run) => {
                let Some(held) = self.runs.get_mut(&run) else {
                    return Err(illegal("the run is not known"));
                };
                held.head = index;
                held.last = held.last.max(record.time);
                count(conn, held, &ready.delta)?;
                hold_labels(conn, held, record.time)?;
                // What is denied uses nothing up, or who keeps trying would never be let in again.
                if ready.delta.calls > 0 && ready.delta.denials == 0 {
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

    /// Write the counts of the runs that the batch touched.
    pub(crate) fn finish(&self, conn: &Connection) -> Result<(), Refused> {
        let mut update = conn.prepare_cached(
            "UPDATE runs SET last = ?2, head = ?3, version = ?4, calls = ?5, denials = ?6, errors = ?7 \
             WHERE opened = ?1",
        )?;
        for (run, _) in &self.undo {
            let Some(held) = self.runs.get(run) else {
                continue;
            };
            let state = &held.state;
            update.execute(params![
                int(held.identity.opened),
                held.last.0,
                int(held.head),
                int(state.version),
                int(state.calls),
                int(state.denials),
                int(state.errors)
            ])?;
        }
        Ok(())
    }

    fn start_run(
        &mut self,
        conn: &Connection,
        index: u64,
        run: RunId,
        record: &Record,
        started: &RunStarted,
    ) -> Result<(), Refused> {
        if let Some(held) = self.runs.get(&run) {
            return Err(if held.ended {
                CommitError::RunEnded
            } else {
                CommitError::RunChanged
            }
            .into());
        }
        let insert = conn
            .prepare_cached(
                "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?1, 0, 0, 0, 0, NULL, NULL, NULL)",
            )?
            .execute(params![
                int(index),
                run.as_bytes(),
                record.tenant,
                started.principal.kind.name(),
                started.principal.id,
                started.on_behalf_of.kind.name(),
                started.on_behalf_of.id,
                started.key,
                started.span.as_bytes(),
                record.time.0
            ]);
        match insert {
            // Somebody else began a run by this name meanwhile: the caller looks again, and finds it.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Err(CommitError::RunChanged.into());
            }
            other => other?,
        };
        let identity = Identity {
            id: run,
            opened: index,
            tenant: record.tenant.clone(),
            principal: started.principal.clone(),
            on_behalf_of: started.on_behalf_of.clone(),
            key: started.key.clone(),
            root: started.span,
        };
        self.runs.insert(run, Held::new(identity, record.time));
        self.undo.push((run, None));
        Ok(())
    }

    fn event(
        &mut self,
        conn: &Connection,
        index: u64,
        run: Option<u64>,
        record: &Record,
    ) -> Result<(), Refused> {
        match &record.event {
            Event::RunEnded(ended) => self.end_run(conn, record, ended),
            Event::CallInvalid(invalid) => {
                new_call(conn, of_run(run)?, invalid.call, CallEvent::Refuse, None)
            }
            Event::Decision(decision) => self.decide(conn, run, decision, record.time),
            Event::Start(start) => self.start(conn, index, of_run(run)?, start, record.time),
            Event::Outcome(outcome) => calls::close(conn, of_run(run)?, outcome),
            Event::ApprovalRequested(request) => {
                calls::ask(conn, index, of_run(run)?, record, request)
            }
            Event::ApprovalAnswered(answer) => calls::answered(conn, index, answer),
            Event::ApprovalResolved(resolved) => calls::resolve(conn, resolved),
            Event::ApprovalEscalated(escalated) => calls::asked_too(conn, index, escalated.id),
            Event::Halted(halt) => self.halt(conn, index, halt),
            Event::Resumed(halt) => self.resume(conn, halt),
            Event::BundleActivated(_) => {
                conn.prepare_cached("INSERT INTO activations VALUES (?1)")?
                    .execute([int(index)])?;
                Ok(())
            }
            Event::RunStarted(_)
            | Event::Effect(_)
            | Event::AdapterLog(_)
            | Event::LabelsJoined(_)
            | Event::Administered(_) => Ok(()),
        }
    }

    fn end_run(
        &mut self,
        conn: &Connection,
        record: &Record,
        ended: &RunEnded,
    ) -> Result<(), Refused> {
        let held = record.run.and_then(|run| self.runs.get_mut(&run));
        let held = held.ok_or_else(|| illegal("only a run can end"))?;
        if std::mem::replace(&mut held.ended, true) {
            return Err(CommitError::RunEnded.into());
        }
        conn.prepare_cached(
            "UPDATE runs SET ended = ?2, outcome = ?3, stop_reason = ?4 WHERE opened = ?1",
        )?
        .execute(params![
            int(held.identity.opened),
            record.time.0,
            ended.outcome.as_str(),
            ended.stop_reason
        ])?;
        component_state::forget(conn, held.identity.id)
    }

    fn decide(
        &mut self,
        conn: &Connection,
        run: Option<u64>,
        decision: &DecisionRecord,
        at: Timestamp,
    ) -> Result<(), Refused> {
        // What is kept for components has its labels beside it.
        if decision.outcome == Outcome::Allow && decision.resource.kind != Kind::State {
            let marked = decision.marked.as_ref().unwrap_or(&decision.resource.id);
            for label in &decision.marks {
                conn.prepare_cached("INSERT OR IGNORE INTO file_labels VALUES (?1, ?2)")?
                    .execute([marked, label])?;
                self.marks = true;
            }
        }
        // What a component asked for in mid-call uses up the approval that it needed.
        if let (Outcome::Allow, Some(id), Some(_), true) = (
            decision.outcome,
            decision.approval,
            decision.call,
            decision.action.is_capability(),
        ) {
            let row = calls::approval(conn, id)?;
            if Some(row.run) != run || row.expires <= at {
                return Err(illegal("the approval is not for this, or has expired"));
            }
            calls::change_approval(conn, id, row.state, ApprovalEvent::Consume)?;
        }
        let (Action::Call(_), Some(call), false) =
            (&decision.action, decision.call, decision.beside)
        else {
            return Ok(());
        };
        let run = of_run(run)?;
        let before = if decision.resumption {
            call_state(conn, run, call)?
        } else {
            None
        };
        let waits = matches!(before, Some(CallState::Pending | CallState::Suspended));
        if decision.resumption && !waits {
            return Err(illegal(
                "only a call that waits for an approval can be resumed",
            ));
        }
        let event = match decision.outcome {
            Outcome::Allow => {
                self.allowed.insert(call, before);
                return Ok(());
            }
            Outcome::Escalate => CallEvent::Escalate,
            Outcome::Deny | Outcome::Error => CallEvent::Deny,
        };
        match before {
            None => new_call(conn, run, call, event, None),
            Some(_) => change_call(conn, run, call, before, event, None),
        }
    }

    fn start(
        &mut self,
        conn: &Connection,
        index: u64,
        run: u64,
        start: &Start,
        at: Timestamp,
    ) -> Result<(), Refused> {
        if let Some(id) = start.approval {
            let row = calls::approval(conn, id)?;
            if (row.run, row.call) != (run, start.call) {
                return Err(illegal("the approval was asked for by another call"));
            }
            if row.expires <= at {
                return Err(illegal("the approval has expired"));
            }
            calls::change_approval(conn, id, row.state, ApprovalEvent::Consume)?;
        }
        let before = match self.allowed.get(&start.call) {
            Some(before) => *before,
            None => call_state(conn, run, start.call)?,
        };
        match before {
            None => new_call(conn, run, start.call, CallEvent::Start, Some(index)),
            Some(_) => change_call(conn, run, start.call, before, CallEvent::Start, Some(index)),
        }
    }

    fn halt(&mut self, conn: &Connection, index: u64, halt: &Halt) -> Result<(), Refused> {
        conn.prepare_cached(
            "INSERT INTO halts VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO UPDATE SET by = excluded.by, reason = excluded.reason, since = excluded.since",
        )?
        .execute(params![halt.scope.as_str(), halt.name, halt.by, halt.reason, int(index)])?;
        self.halts_before.get_or_insert_with(|| self.halts.clone());
        self.halts
            .retain(|h| (h.scope, &h.name) != (halt.scope, &halt.name));
        self.halts.push(halt.clone());
        Ok(())
    }

    fn resume(&mut self, conn: &Connection, halt: &Halt) -> Result<(), Refused> {
        conn.prepare_cached("DELETE FROM halts WHERE scope = ?1 AND name = ?2")?
            .execute([halt.scope.as_str(), &halt.name])?;
        self.halts_before.get_or_insert_with(|| self.halts.clone());
        self.halts
            .retain(|h| (h.scope, &h.name) != (halt.scope, &halt.name));
        Ok(())
    }
}

fn of_run(run: Option<u64>) -> Result<u64, Refused> {
    run.ok_or_else(|| illegal("calls and approvals belong to a run"))
}

/// Add what a record counts to its run.
fn count(conn: &Connection, held: &mut Held, delta: &RunDelta) -> Result<(), Refused> {
    if delta.is_empty() {
        return Ok(());
    }
    let run = int(held.identity.opened);
    for label in delta.labels.difference(&held.state.labels) {
        conn.prepare_cached("INSERT INTO run_labels VALUES (?1, ?2)")?
            .execute(params![run, label])?;
        // What joins is written to the principal at once.
        held.labels_until = i64::MIN;
    }
    if let Some(tool) = delta
        .tool
        .as_ref()
        .filter(|tool| !held.state.tools.contains(*tool))
    {
        conn.prepare_cached("INSERT INTO run_tools VALUES (?1, ?2)")?
            .execute(params![run, tool])?;
    }
    if let Some(arguments) = &delta.arguments {
        let call = call_key(arguments);
        conn.prepare_cached(
            "INSERT INTO run_repeats VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET n = n + 1",
        )?
        .execute(params![run, call])?;
        held.count(call);
    }
    held.state.apply(delta);
    // Repeats are counted above; a map of every call would grow without end.
    held.state.repeats.clear();
    Ok(())
}

/// Say for the run's principal that it holds the run's labels now.
fn hold_labels(conn: &Connection, held: &mut Held, at: Timestamp) -> Result<(), Refused> {
    if held.state.labels.is_empty() || at.0 < held.labels_until {
        return Ok(());
    }
    let until =
        at.0.div_euclid(LABEL_STEP)
            .saturating_add(1)
            .saturating_mul(LABEL_STEP);
    let mut insert = conn.prepare_cached(
        "INSERT INTO principal_labels VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT DO UPDATE SET last = excluded.last WHERE last < excluded.last",
    )?;
    let Identity {
        tenant, principal, ..
    } = &*held.identity;
    for label in &held.state.labels {
        insert.execute(params![
            tenant,
            principal.kind.name(),
            principal.id,
            label,
            until
        ])?;
    }
    held.labels_until = until;
    Ok(())
}
