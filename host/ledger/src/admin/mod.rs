//! Data that is stored in addition to the records, and rebuilding the read models.

mod bundles;
mod cursors;
mod rebuild;
mod tokens;

pub use tokens::SameName;

use rusqlite::Connection;

use crate::{CommitError, Ledger, writer::Writer};

impl Ledger {
    async fn write(
        &self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<(), CommitError> {
        self.task(move |writer| writer.write(statement)).await?
    }
}

impl Writer {
    /// Run a statement outside any batch.
    fn write(
        &mut self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> Result<(), CommitError> {
        self.ensure_healthy()?;
        statement(&self.conn)
            .map(drop)
            .map_err(|e| self.classify_error(&e))
    }
}
