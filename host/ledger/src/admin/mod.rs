//! Data that is stored in addition to the records, and rebuilding the read models.

mod bundles;
mod cursors;
mod rebuild;
mod signatures;
mod tokens;

pub use signatures::{SignatureUse, UsedSignature};
pub use tokens::SameName;

use rusqlite::Connection;

use crate::{CommitError, Ledger, writer::Writer};

impl Ledger {
    async fn write(
        &self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<(), CommitError> {
        self.write_for(statement).await.map(drop)
    }

    /// As [`Ledger::write`], with what the statement returns.
    async fn write_for<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CommitError> {
        self.task(move |writer| writer.write(statement)).await?
    }
}

impl Writer {
    /// Run a statement outside any batch.
    fn write<T>(
        &mut self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, CommitError> {
        self.ensure_healthy()?;
        statement(&self.conn).map_err(|e| self.classify_error(&e))
    }
}
