//! The states of calls and approvals: every change asks core's transition tables first.

use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use tollgate_model::{
    decision::Severity,
    ids::{ApprovalId, SpanId},
    life::{ApprovalEvent, ApprovalState, CallEvent, CallState},
    record::{
        ApprovalAnswered, ApprovalRequested, ApprovalResolved, OutcomeRecord, Record, Status,
    },
    time::Timestamp,
};

use super::{Refused, illegal};
use crate::{
    Binding, CommitError,
    cached_run::{int, nat},
};

fn state_name(state: CallState) -> &'static str {
    match state {
        CallState::Invalid => "invalid",
        CallState::Denied => "denied",
        CallState::Pending => "pending",
        CallState::Started => "started",
        CallState::Suspended => "suspended",
        CallState::Closed => "closed",
        CallState::Indeterminate => "indeterminate",
    }
}

pub(crate) fn call_state(
    conn: &Connection,
    run: u64,
    call: SpanId,
) -> Result<Option<CallState>, Refused> {
    let mut select = conn.prepare_cached("SELECT state FROM calls WHERE run = ?1 AND call = ?2")?;
    let found = select
        .query_row(params![int(run), call.as_bytes()], |row| {
            let name = row.get_ref(0)?.as_str()?;
            Ok(CallState::ALL
                .iter()
                .copied()
                .flatten()
                .find(|s| state_name(*s) == name))
        })
        .optional()?;
    Ok(found.flatten())
}

const NO_SUCH_STEP: &str = "this cannot happen to a call in the state that it is in";

/// A call's first event. That it is the first, the table's key sees to.
pub(crate) fn new_call(
    conn: &Connection,
    run: u64,
    call: SpanId,
    event: CallEvent,
    start: Option<u64>,
) -> Result<(), Refused> {
    let state = CallState::after(None, event).ok_or_else(|| illegal(NO_SUCH_STEP))?;
    let inserted = conn
        .prepare_cached("INSERT OR IGNORE INTO calls VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            int(run),
            call.as_bytes(),
            state_name(state),
            start.map(int)
        ])?;
    if inserted == 1 {
        Ok(())
    } else {
        Err(illegal("there is a call with this id already"))
    }
}

/// Another event of a call whose state is known to have been `before`; the statement makes sure.
pub(crate) fn change_call(
    conn: &Connection,
    run: u64,
    call: SpanId,
    before: Option<CallState>,
    event: CallEvent,
    start: Option<u64>,
) -> Result<(), Refused> {
    let step = before.zip(CallState::after(before, event));
    let (before, state) = step.ok_or_else(|| illegal(NO_SUCH_STEP))?;
    let changed = conn
        .prepare_cached(
            "UPDATE calls SET state = ?3, start = coalesce(?5, start) WHERE run = ?1 AND call = ?2 AND state = ?4",
        )?
        .execute(params![int(run), call.as_bytes(), state_name(state), state_name(before), start.map(int)])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(illegal(NO_SUCH_STEP))
    }
}

pub(crate) fn close(conn: &Connection, run: u64, outcome: &OutcomeRecord) -> Result<(), Refused> {
    let event = match outcome.status {
        Status::Indeterminate => CallEvent::Recover,
        Status::Pending => CallEvent::Suspend,
        _ => CallEvent::Close,
    };
    change_call(
        conn,
        run,
        outcome.call,
        Some(CallState::Started),
        event,
        None,
    )
}

/// SHA-256 of what identifies a call for approvals.
pub(crate) fn binding_digest(binding: &Binding) -> [u8; 32] {
    let Binding {
        tenant,
        run,
        principal,
        tool,
        component,
        arguments,
        via,
    } = binding;
    let parts: [&[u8]; 7] = [
        tenant.as_bytes(),
        run.as_bytes(),
        principal.kind.name().as_bytes(),
        principal.id.as_bytes(),
        tool.as_bytes(),
        component.as_bytes(),
        arguments.as_str().as_bytes(),
    ];
    let mut hash = Sha256::new();
    for part in parts.into_iter().chain(via.iter().map(String::as_bytes)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// What the writer needs to know of an approval.
#[derive(Debug)]
pub(crate) struct Approval {
    pub(crate) run: u64,
    pub(crate) call: SpanId,
    pub(crate) state: ApprovalState,
    pub(crate) version: u64,
    pub(crate) expires: Timestamp,
}

/// An approval's row.
pub(crate) fn approval(conn: &Connection, id: ApprovalId) -> Result<Approval, Refused> {
    let row = conn
        .prepare_cached("SELECT run, call, state, version, expires FROM approvals WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| {
            let (run, call) = (nat(row.get(0)?), SpanId::from_bytes(row.get(1)?));
            let (version, expires) = (nat(row.get(3)?), Timestamp(row.get(4)?));
            let state = ApprovalState::from_name(row.get_ref(2)?.as_str()?);
            Ok(state.map(|state| Approval {
                run,
                call,
                state,
                version,
                expires,
            }))
        })
        .optional()?;
    row.flatten()
        .ok_or_else(|| illegal("there is no approval with this id"))
}

/// Move an approval on; the statement makes sure that nobody did before.
pub(crate) fn change_approval(
    conn: &Connection,
    id: ApprovalId,
    before: ApprovalState,
    event: ApprovalEvent,
) -> Result<(), Refused> {
    let state = before
        .after(event)
        .ok_or_else(|| illegal("this cannot happen to an approval in the state that it is in"))?;
    let changed = conn
        .prepare_cached(
            "UPDATE approvals SET state = ?2, version = version + 1 WHERE id = ?1 AND state = ?3",
        )?
        .execute(params![id.as_bytes(), state.as_str(), before.as_str()])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(CommitError::ApprovalChanged.into())
    }
}

/// How a severity sorts.
fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Low => 0,
        Severity::Medium => 1,
        Severity::High => 2,
        Severity::Critical => 3,
    }
}

pub(crate) fn ask(
    conn: &Connection,
    index: u64,
    run: u64,
    record: &Record,
    request: &ApprovalRequested,
) -> Result<(), Refused> {
    let Some(id) = record.run else {
        return Err(illegal("an approval belongs to a run"));
    };
    let binding = binding_digest(&Binding {
        tenant: record.tenant.clone(),
        run: id,
        principal: request.principal.clone(),
        tool: request.tool.clone(),
        component: request.component,
        arguments: request.arguments.clone(),
        via: request.via.clone(),
    });
    let pending: Option<i64> = conn
        .prepare_cached("SELECT 1 FROM approvals WHERE binding = ?1 AND state = 'pending'")?
        .query_row([binding], |row| row.get(0))
        .optional()?;
    if pending.is_some() {
        return Err(CommitError::ApprovalPending.into());
    }
    conn.prepare_cached(
        "INSERT INTO approvals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', 0, ?8, ?9)",
    )?
    .execute(params![
        request.id.as_bytes(),
        int(index),
        record.tenant,
        int(run),
        request.call.as_bytes(),
        binding,
        rank(request.requirement.severity),
        record.time.0,
        request.expires.0
    ])?;
    for waiting in &request.waiting {
        let binding = binding_digest(&Binding {
            tenant: record.tenant.clone(),
            run: id,
            principal: request.principal.clone(),
            tool: waiting.tool.clone(),
            component: waiting.component,
            arguments: waiting.arguments.clone(),
            via: waiting.via.clone(),
        });
        conn.prepare_cached("INSERT OR IGNORE INTO approval_waits VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                request.id.as_bytes(),
                binding,
                int(run),
                waiting.call.as_bytes()
            ])?;
    }
    Ok(())
}

/// An answer that took effect changes the version, so that two approvers who saw the same state cannot
/// both be the last; one that came too late is only kept.
pub(crate) fn answered(
    conn: &Connection,
    index: u64,
    answer: &ApprovalAnswered,
) -> Result<(), Refused> {
    let row = approval(conn, answer.id)?;
    if answer.took_effect {
        let event = if answer.approve {
            ApprovalEvent::Vote
        } else {
            ApprovalEvent::Reject
        };
        if row.state.after(event).is_none() {
            return Err(illegal("an approval in this state takes no more answers"));
        }
        conn.prepare_cached("UPDATE approvals SET version = version + 1 WHERE id = ?1")?
            .execute([answer.id.as_bytes()])?;
    }
    conn.prepare_cached("INSERT INTO approval_answers VALUES (?1, ?2, ?3)")?
        .execute(params![
            int(index),
            answer.id.as_bytes(),
            answer.took_effect
        ])?;
    Ok(())
}

/// Somebody else is asked as well: once for an approval, and only while it is pending.
pub(crate) fn asked_too(conn: &Connection, index: u64, id: ApprovalId) -> Result<(), Refused> {
    if approval(conn, id)?.state != ApprovalState::Pending {
        return Err(illegal("only a pending approval can be asked of others"));
    }
    conn.prepare_cached("INSERT INTO approval_groups VALUES (?1, ?2)")?
        .execute(params![id.as_bytes(), int(index)])?;
    conn.prepare_cached("UPDATE approvals SET version = version + 1 WHERE id = ?1")?
        .execute([id.as_bytes()])?;
    Ok(())
}

pub(crate) fn resolve(conn: &Connection, resolved: &ApprovalResolved) -> Result<(), Refused> {
    let event = match resolved.state {
        ApprovalState::Approved => ApprovalEvent::Approve,
        ApprovalState::Rejected => ApprovalEvent::Reject,
        ApprovalState::Expired => ApprovalEvent::Expire,
        ApprovalState::Cancelled => ApprovalEvent::Cancel,
        // Only the start of the call uses it up, in the same transaction.
        ApprovalState::Consumed | ApprovalState::Pending => {
            return Err(illegal("an approval is not resolved to this state"));
        }
    };
    let row = approval(conn, resolved.id)?;
    change_approval(conn, resolved.id, row.state, event)
}
