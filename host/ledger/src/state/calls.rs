//! Calls: every change of state checks the transition table of `tollgate_model::life` first.

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{
    decision::Outcome,
    ids::SpanId,
    life::{ApprovalEvent, CallEvent, CallState},
    record::{DecisionRecord, OutcomeRecord, Start, Status},
    time::Timestamp,
};

use super::{PendingState, approvals, labels, of_run};
use crate::{
    error::{ApplyError, rejected},
    sqlite::to_sql_i64,
};

impl PendingState {
    pub(super) fn decide(
        &mut self,
        conn: &Connection,
        run: Option<u64>,
        decision: &DecisionRecord,
        at: Timestamp,
    ) -> Result<(), ApplyError> {
        self.labels_files |= labels::label_file(conn, decision)?;
        approvals::consume_by_effect(conn, run, decision, at)?;
        let (true, Some(call), false) = (
            decision.action.is_call(),
            decision.call,
            decision.is_secondary,
        ) else {
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
            return Err(rejected(
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
        let change = CallChange {
            run,
            call,
            event,
            start: None,
        };
        match before {
            None => new_call(conn, change),
            Some(before) => change_call(conn, before, change),
        }
    }

    pub(super) fn start(
        &mut self,
        conn: &Connection,
        index: u64,
        run: u64,
        start: &Start,
        at: Timestamp,
    ) -> Result<(), ApplyError> {
        if let Some(id) = start.approval {
            let row = approvals::find(conn, id)?;
            if (row.run, row.call) != (run, start.call) {
                return Err(rejected("the approval was asked for by another call"));
            }
            if row.expires <= at {
                return Err(rejected("the approval has expired"));
            }
            approvals::change(conn, id, row.state, ApprovalEvent::Consume)?;
        }
        let before = match self.allowed.get(&start.call) {
            Some(before) => *before,
            None => call_state(conn, run, start.call)?,
        };
        let change = CallChange {
            run,
            call: start.call,
            event: CallEvent::Start,
            start: Some(index),
        };
        match before {
            None => new_call(conn, change),
            Some(before) => change_call(conn, before, change),
        }
    }
}

pub(super) fn call_state(
    conn: &Connection,
    run: u64,
    call: SpanId,
) -> Result<Option<CallState>, ApplyError> {
    let mut select = conn.prepare_cached("SELECT state FROM calls WHERE run = ?1 AND call = ?2")?;
    let found = select
        .query_row(params![to_sql_i64(run), call.as_bytes()], |row| {
            Ok(CallState::from_name(row.get_ref(0)?.as_str()?))
        })
        .optional()?;
    Ok(found.flatten())
}

const NO_SUCH_STEP: &str = "this cannot happen to a call in the state that it is in";

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallChange {
    /// The record that opened the call's run.
    pub(super) run: u64,
    pub(super) call: SpanId,
    pub(super) event: CallEvent,
    /// The record of its start, if this is one.
    pub(super) start: Option<u64>,
}

/// A call's first event; the table's key makes sure that it is the first.
pub(super) fn new_call(conn: &Connection, change: CallChange) -> Result<(), ApplyError> {
    let CallChange {
        run,
        call,
        event,
        start,
    } = change;
    let state = CallState::after(None, event).ok_or_else(|| rejected(NO_SUCH_STEP))?;
    let inserted = conn
        .prepare_cached(
            "INSERT OR IGNORE INTO calls (run, call, state, start) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            to_sql_i64(run),
            call.as_bytes(),
            state.as_str(),
            start.map(to_sql_i64)
        ])?;
    if inserted == 1 {
        Ok(())
    } else {
        Err(rejected("there is a call with this id already"))
    }
}

/// Another event of a call in state `before`; the statement fails if it is in another one.
fn change_call(conn: &Connection, before: CallState, change: CallChange) -> Result<(), ApplyError> {
    let CallChange {
        run,
        call,
        event,
        start,
    } = change;
    let state = CallState::after(Some(before), event).ok_or_else(|| rejected(NO_SUCH_STEP))?;
    let changed = conn
        .prepare_cached(
            "UPDATE calls SET state = ?3, start = coalesce(?5, start) WHERE run = ?1 AND call = ?2 AND state = ?4",
        )?
        .execute(params![to_sql_i64(run), call.as_bytes(), state.as_str(), before.as_str(), start.map(to_sql_i64)])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(rejected(NO_SUCH_STEP))
    }
}

pub(super) fn close(
    conn: &Connection,
    run: u64,
    outcome: &OutcomeRecord,
) -> Result<(), ApplyError> {
    let event = match outcome.status {
        Status::Indeterminate => CallEvent::Recover,
        Status::Pending => CallEvent::Suspend,
        Status::Ok
        | Status::ToolError
        | Status::Trap
        | Status::Timeout
        | Status::FuelExhausted
        | Status::MemoryExhausted
        | Status::Halted => CallEvent::Close,
    };
    let change = CallChange {
        run,
        call: outcome.call,
        event,
        start: None,
    };
    change_call(conn, CallState::Started, change)
}
