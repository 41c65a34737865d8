//! Labels of principals and files.

use rusqlite::{Connection, params};
use tollgate_model::{decision::Outcome, entity::Kind, record::DecisionRecord, time::Timestamp};

use crate::{
    cached_run::{CachedRun, RunIdentity},
    error::ApplyError,
};

/// `principal_labels.held_until` is rounded up to a multiple of this, in microseconds, so that a busy run
/// writes it once a minute.
const LABEL_STEP: i64 = 60_000_000;

/// Records that the run's principal holds the run's labels at `at`.
pub(super) fn hold(
    conn: &Connection,
    held: &mut CachedRun,
    at: Timestamp,
) -> Result<(), ApplyError> {
    if held.state.labels.is_empty() || at.0 < held.labels_held_until {
        return Ok(());
    }
    let steps = at.0.div_euclid(LABEL_STEP).saturating_add(1);
    let until = steps.saturating_mul(LABEL_STEP);
    let mut insert = conn.prepare_cached(
        "INSERT INTO principal_labels (tenant, principal_type, principal_id, label, held_until) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET held_until = excluded.held_until \
         WHERE held_until < excluded.held_until",
    )?;
    let RunIdentity {
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
    held.labels_held_until = until;
    Ok(())
}

/// Labels the file that an allowed decision writes. Returns whether it labelled any.
pub(super) fn label_file(conn: &Connection, decision: &DecisionRecord) -> Result<bool, ApplyError> {
    // Component state stores its labels with its values.
    if decision.outcome != Outcome::Allow || decision.resource.kind == Kind::State {
        return Ok(false);
    }
    let file = decision
        .label_target
        .as_ref()
        .unwrap_or(&decision.resource.id);
    for label in &decision.propagated_labels {
        conn.prepare_cached("INSERT OR IGNORE INTO file_labels (file, label) VALUES (?1, ?2)")?
            .execute([file, label])?;
    }
    Ok(!decision.propagated_labels.is_empty())
}
