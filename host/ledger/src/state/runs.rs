//! Runs: their beginning, their counts, their end.

use rusqlite::{Connection, ErrorCode, params};
use tollgate_model::{
    ids::RunId,
    record::{Record, RunEnded, RunStarted},
    run::RunDelta,
};

use super::PendingState;
use crate::{
    CommitError,
    cached_run::{CachedRun, RunIdentity, call_key},
    component_state,
    error::{ApplyError, rejected},
    sqlite::to_sql_i64,
};

impl PendingState {
    /// Write the counts of the runs that the batch changed.
    pub(crate) fn finish(&self, conn: &Connection) -> Result<(), ApplyError> {
        let mut update = conn.prepare_cached(
            "UPDATE runs SET last_active = ?2, last_record = ?3, version = ?4, calls = ?5, denials = ?6, \
             errors = ?7 WHERE opened = ?1",
        )?;
        for (run, _) in &self.before.runs {
            let Some(held) = self.runs.get(run) else {
                continue;
            };
            let state = &held.state;
            update.execute(params![
                to_sql_i64(held.identity.opened),
                held.last_active.0,
                to_sql_i64(held.last_record),
                to_sql_i64(state.version),
                to_sql_i64(state.calls),
                to_sql_i64(state.denials),
                to_sql_i64(state.errors)
            ])?;
        }
        Ok(())
    }

    pub(super) fn start_run(
        &mut self,
        conn: &Connection,
        index: u64,
        run: RunId,
        record: &Record,
        started: &RunStarted,
    ) -> Result<(), ApplyError> {
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
                "INSERT INTO runs (opened, id, tenant, principal_type, principal_id, on_behalf_of_type, \
                 on_behalf_of_id, key, root, started, last_active, last_record, version, calls, denials, errors) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?1, 0, 0, 0, 0)",
            )?
            .execute(params![
                to_sql_i64(index),
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
            // Another caller began a run with this name first: this caller looks again, and finds it.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Err(CommitError::RunChanged.into());
            }
            other => other?,
        };
        let identity = RunIdentity {
            id: run,
            opened: index,
            tenant: record.tenant.clone(),
            principal: started.principal.clone(),
            on_behalf_of: started.on_behalf_of.clone(),
            key: started.key.clone(),
            root: started.span,
        };
        self.runs.insert(run, CachedRun::new(identity, record.time));
        self.before.runs.push((run, None));
        Ok(())
    }

    pub(super) fn end_run(
        &mut self,
        conn: &Connection,
        record: &Record,
        ended: &RunEnded,
    ) -> Result<(), ApplyError> {
        let held = record.run.and_then(|run| self.runs.get_mut(&run));
        let held = held.ok_or_else(|| rejected("only a run can end"))?;
        if std::mem::replace(&mut held.ended, true) {
            return Err(CommitError::RunEnded.into());
        }
        conn.prepare_cached(
            "UPDATE runs SET ended = ?2, outcome = ?3, stop_reason = ?4 WHERE opened = ?1",
        )?
        .execute(params![
            to_sql_i64(held.identity.opened),
            record.time.0,
            ended.outcome.as_str(),
            ended.stop_reason
        ])?;
        component_state::delete_of_run(conn, held.identity.id)
    }
}

/// Add what a record counts to its run.
pub(super) fn count(
    conn: &Connection,
    held: &mut CachedRun,
    delta: &RunDelta,
) -> Result<(), ApplyError> {
    if delta.is_empty() {
        return Ok(());
    }
    let run = to_sql_i64(held.identity.opened);
    for label in delta.labels.difference(&held.state.labels) {
        conn.prepare_cached("INSERT INTO run_labels (run, label) VALUES (?1, ?2)")?
            .execute(params![run, label])?;
        // A new label is written to the principal at once.
        held.labels_held_until = i64::MIN;
    }
    let tools = &held.state.tools;
    if let Some(tool) = delta.tool.as_ref().filter(|tool| !tools.contains(*tool)) {
        conn.prepare_cached("INSERT INTO run_tools (run, tool) VALUES (?1, ?2)")?
            .execute(params![run, tool])?;
    }
    if let Some(arguments) = &delta.arguments {
        let call = call_key(arguments);
        conn.prepare_cached(
            "INSERT INTO run_repeats (run, call, calls) VALUES (?1, ?2, 1) \
             ON CONFLICT DO UPDATE SET calls = calls + 1",
        )?
        .execute(params![run, call])?;
        held.count(call);
    }
    held.state.apply(delta);
    // Repeats are counted in the table; a map of every call would grow without bound.
    held.state.repeats.clear();
    Ok(())
}
