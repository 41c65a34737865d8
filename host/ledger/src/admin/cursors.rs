//! Cursors of subscribers.

use rusqlite::params;

use crate::{CommitError, Ledger, sqlite::to_sql_i64};

impl Ledger {
    /// Store how far a subscriber has read: the index of the next record.
    ///
    /// # Errors
    /// [`CommitError`]; then the cursor is unchanged.
    pub async fn set_cursor(&self, name: &str, next: u64) -> Result<(), CommitError> {
        let name = name.to_owned();
        self.write(move |conn| {
            conn.execute(
                "INSERT INTO cursors (name, next) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET next = excluded.next",
                params![name, to_sql_i64(next)],
            )
        })
        .await
    }
}
