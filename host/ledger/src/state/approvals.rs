//! Approvals: every change of state checks the transition table of `tollgate_model::life` first.

use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use tollgate_model::{
    decision::{Outcome, Severity},
    ids::{ApprovalId, SpanId},
    life::{ApprovalEvent, ApprovalState},
    record::{ApprovalAnswered, ApprovalRequested, ApprovalResolved, DecisionRecord, Record},
    time::Timestamp,
};

use crate::{
    Binding, CommitError,
    error::{ApplyError, rejected},
    sqlite::{from_sql_u64, to_sql_i64},
};

/// SHA-256 of the call's identity for approvals.
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

/// The columns of an approval that the writer needs.
#[derive(Debug)]
pub(crate) struct Approval {
    pub(crate) run: u64,
    pub(crate) call: SpanId,
    pub(crate) state: ApprovalState,
    pub(crate) version: u64,
    pub(crate) expires: Timestamp,
}

/// An approval's row.
pub(crate) fn find(conn: &Connection, id: ApprovalId) -> Result<Approval, ApplyError> {
    let row = conn
        .prepare_cached("SELECT run, call, state, version, expires FROM approvals WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| {
            let Some(state) = ApprovalState::from_name(row.get_ref("state")?.as_str()?) else {
                return Ok(None);
            };
            Ok(Some(Approval {
                run: from_sql_u64(row.get("run")?),
                call: SpanId::from_bytes(row.get("call")?),
                state,
                version: from_sql_u64(row.get("version")?),
                expires: Timestamp(row.get("expires")?),
            }))
        })
        .optional()?;
    row.flatten()
        .ok_or_else(|| rejected("there is no approval with this id"))
}

/// Changes an approval's state; the statement fails if another commit did so before.
pub(super) fn change(
    conn: &Connection,
    id: ApprovalId,
    before: ApprovalState,
    event: ApprovalEvent,
) -> Result<(), ApplyError> {
    let state = before
        .after(event)
        .ok_or_else(|| rejected("the approval is not in a state in which this can happen"))?;
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

/// The order of severities in lists.
fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Low => 0,
        Severity::Medium => 1,
        Severity::High => 2,
        Severity::Critical => 3,
    }
}

pub(super) fn request(
    conn: &Connection,
    index: u64,
    run: u64,
    record: &Record,
    request: &ApprovalRequested,
) -> Result<(), ApplyError> {
    let Some(id) = record.run else {
        return Err(rejected("an approval belongs to a run"));
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
        "INSERT INTO approvals (id, opened, tenant, run, call, binding, severity, state, version, requested, expires) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', 0, ?8, ?9)",
    )?
    .execute(params![
        request.id.as_bytes(),
        to_sql_i64(index),
        record.tenant,
        to_sql_i64(run),
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
        conn.prepare_cached("INSERT OR IGNORE INTO suspended_calls (approval, binding, run, call) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                request.id.as_bytes(),
                binding,
                to_sql_i64(run),
                waiting.call.as_bytes()
            ])?;
    }
    Ok(())
}

/// An effective answer changes the version, so that of two approvers who saw the same state one is refused.
/// An answer that came too late changes nothing.
pub(super) fn answer(
    conn: &Connection,
    index: u64,
    answer: &ApprovalAnswered,
) -> Result<(), ApplyError> {
    let row = find(conn, answer.id)?;
    if answer.took_effect {
        let event = if answer.approve {
            ApprovalEvent::Vote
        } else {
            ApprovalEvent::Reject
        };
        if row.state.after(event).is_none() {
            return Err(rejected("an approval in this state takes no more answers"));
        }
        conn.prepare_cached("UPDATE approvals SET version = version + 1 WHERE id = ?1")?
            .execute([answer.id.as_bytes()])?;
    }
    conn.prepare_cached(
        "INSERT INTO approval_answers (idx, approval, took_effect) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![
        to_sql_i64(index),
        answer.id.as_bytes(),
        answer.took_effect
    ])?;
    Ok(())
}

/// More roles may answer: once for each approval, and only while it is pending.
pub(super) fn escalate(conn: &Connection, index: u64, id: ApprovalId) -> Result<(), ApplyError> {
    if find(conn, id)?.state != ApprovalState::Pending {
        return Err(rejected("only a pending approval can be escalated"));
    }
    conn.prepare_cached("INSERT INTO approval_escalations (approval, idx) VALUES (?1, ?2)")?
        .execute(params![id.as_bytes(), to_sql_i64(index)])?;
    conn.prepare_cached("UPDATE approvals SET version = version + 1 WHERE id = ?1")?
        .execute([id.as_bytes()])?;
    Ok(())
}

pub(super) fn resolve(conn: &Connection, resolved: &ApprovalResolved) -> Result<(), ApplyError> {
    let event = match resolved.state {
        ApprovalState::Approved => ApprovalEvent::Approve,
        ApprovalState::Rejected => ApprovalEvent::Reject,
        ApprovalState::Expired => ApprovalEvent::Expire,
        ApprovalState::Cancelled => ApprovalEvent::Cancel,
        // Only the start of its call consumes an approval, in the same transaction.
        ApprovalState::Consumed | ApprovalState::Pending => {
            return Err(rejected("an approval is not resolved to this state"));
        }
    };
    let row = find(conn, resolved.id)?;
    change(conn, resolved.id, row.state, event)
}

/// Consumes the approval that allowed an effect inside a call.
pub(super) fn consume_by_effect(
    conn: &Connection,
    run: Option<u64>,
    decision: &DecisionRecord,
    at: Timestamp,
) -> Result<(), ApplyError> {
    let (Outcome::Allow, Some(id), Some(_), true) = (
        decision.outcome,
        decision.approval,
        decision.call,
        decision.action.is_capability(),
    ) else {
        return Ok(());
    };
    let row = find(conn, id)?;
    if Some(row.run) != run || row.expires <= at {
        return Err(rejected("the approval is not for this, or has expired"));
    }
    change(conn, id, row.state, ApprovalEvent::Consume)
}
