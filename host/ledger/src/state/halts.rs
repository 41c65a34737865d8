//! Halts in force.

use rusqlite::{Connection, params};
use tollgate_model::record::Halt;

use super::PendingState;
use crate::{error::ApplyError, sqlite::to_sql_i64};

impl PendingState {
    pub(super) fn halt(
        &mut self,
        conn: &Connection,
        index: u64,
        halt: &Halt,
    ) -> Result<(), ApplyError> {
        conn.prepare_cached(
            "INSERT INTO halts (scope, name, by, reason, idx) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO UPDATE SET by = excluded.by, reason = excluded.reason, idx = excluded.idx",
        )?
        .execute(params![
            halt.scope.as_str(),
            halt.name,
            halt.by,
            halt.reason,
            to_sql_i64(index)
        ])?;
        self.lift(halt);
        self.halts.push(halt.clone());
        Ok(())
    }

    pub(super) fn resume(&mut self, conn: &Connection, halt: &Halt) -> Result<(), ApplyError> {
        conn.prepare_cached("DELETE FROM halts WHERE scope = ?1 AND name = ?2")?
            .execute([halt.scope.as_str(), &halt.name])?;
        self.lift(halt);
        Ok(())
    }

    /// Removes the halt of the same target, and remembers the state before the batch.
    fn lift(&mut self, halt: &Halt) {
        let halts = &self.halts;
        self.before.halts.get_or_insert_with(|| halts.clone());
        self.halts
            .retain(|h| (h.scope, &h.name) != (halt.scope, &halt.name));
    }
}
