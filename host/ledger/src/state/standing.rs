//! Standing approvals: every change of state checks the transition table of `tollgate_model::life` first.

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{
    decision::Outcome,
    ids::StandingId,
    life::{StandingEvent, StandingState},
    record::{DecisionRecord, Record, StandingEnded, StandingGranted},
    time::Timestamp,
};

use crate::{
    CommitError,
    error::{ApplyError, rejected},
    sqlite::{from_sql_u64, to_sql_i64},
};

/// The columns that the writer needs.
struct StandingApproval {
    tenant: String,
    tool: String,
    state: StandingState,
    uses: u64,
    max_uses: u64,
    expires: Timestamp,
}

fn find(conn: &Connection, id: StandingId) -> Result<StandingApproval, ApplyError> {
    let row = conn
        .prepare_cached(
            "SELECT tenant, tool, state, uses, max_uses, expires FROM standing_approvals WHERE id = ?1",
        )?
        .query_row([id.as_bytes()], |row| {
            let Some(state) = StandingState::from_name(row.get_ref("state")?.as_str()?) else {
                return Ok(None);
            };
            Ok(Some(StandingApproval {
                tenant: row.get("tenant")?,
                tool: row.get("tool")?,
                state,
                uses: from_sql_u64(row.get("uses")?),
                max_uses: from_sql_u64(row.get("max_uses")?),
                expires: Timestamp(row.get("expires")?),
            }))
        })
        .optional()?;
    row.flatten()
        .ok_or_else(|| rejected("there is no standing approval with this id"))
}

pub(super) fn grant(
    conn: &Connection,
    index: u64,
    record: &Record,
    granted: &StandingGranted,
) -> Result<(), ApplyError> {
    if record.run.is_none() {
        return Err(rejected("a standing approval is granted in a run"));
    }
    conn.prepare_cached(
        "INSERT INTO standing_approvals \
         (id, opened, tenant, principal_type, principal_id, tool, state, uses, max_uses, expires) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9)",
    )?
    .execute(params![
        granted.id.as_bytes(),
        to_sql_i64(index),
        record.tenant,
        granted.principal.kind.name(),
        granted.principal.id,
        granted.tool,
        StandingState::Active.as_str(),
        to_sql_i64(granted.max_uses),
        granted.expires.0
    ])?;
    Ok(())
}

/// Counts a use of each standing approval that a decision about a call names. One that is used up, ended or
/// expired by now refuses the batch: the call must be decided again.
pub(super) fn count_uses(
    conn: &Connection,
    index: u64,
    record: &Record,
    decision: &DecisionRecord,
) -> Result<(), ApplyError> {
    let Some(tool) = decision.called() else {
        return Ok(());
    };
    if decision.outcome != Outcome::Allow || decision.is_secondary {
        return Ok(());
    }
    for id in &decision.standing {
        let standing = find(conn, *id)?;
        if standing.tenant != record.tenant || standing.tool != tool {
            return Err(rejected("the standing approval is for other calls"));
        }
        let event = match standing.uses + 1 >= standing.max_uses {
            true => StandingEvent::UseLast,
            false => StandingEvent::Use,
        };
        let state = standing.state.after(event);
        let state = state.filter(|_| standing.expires > record.time);
        let state = state.ok_or(CommitError::ApprovalChanged)?;
        conn.prepare_cached(
            "UPDATE standing_approvals SET uses = uses + 1, state = ?2 WHERE id = ?1",
        )?
        .execute(params![id.as_bytes(), state.as_str()])?;
        conn.prepare_cached("INSERT INTO standing_uses (standing, idx) VALUES (?1, ?2)")?
            .execute(params![id.as_bytes(), to_sql_i64(index)])?;
    }
    Ok(())
}

pub(super) fn end(
    conn: &Connection,
    index: u64,
    record: &Record,
    ended: &StandingEnded,
) -> Result<(), ApplyError> {
    let event = match ended.state {
        StandingState::Expired => StandingEvent::Expire,
        StandingState::Revoked => StandingEvent::Revoke,
        StandingState::Voided => StandingEvent::Void,
        // Only its last use exhausts it, in the transaction of the call's start.
        StandingState::Active | StandingState::Exhausted => {
            return Err(rejected("a standing approval does not end in this state"));
        }
    };
    let standing = find(conn, ended.id)?;
    if standing.tenant != record.tenant {
        return Err(rejected("the standing approval is of another tenant"));
    }
    let state = standing.state.after(event);
    let state = state.ok_or(CommitError::ApprovalChanged)?;
    conn.prepare_cached("UPDATE standing_approvals SET state = ?2, ended = ?3 WHERE id = ?1")?
        .execute(params![
            ended.id.as_bytes(),
            state.as_str(),
            to_sql_i64(index)
        ])?;
    Ok(())
}
