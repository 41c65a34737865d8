//! What is stored beside the records, and rebuilding what follows from them.

use rusqlite::{Connection, TransactionBehavior, params};
use tollgate_model::{
    canonical::Sha256Digest,
    ids::TokenId,
    record::{Event, Record},
};

use super::{
    CommitError, Ledger, LedgerError, Token,
    batch::Ready,
    cached_run::{int, nat},
    read::ReadError,
    schema::READ_MODELS,
    state::{Refused, Working},
    writer::Writer,
};

/// Records are read again this many at a time.
const PAGE: i64 = 1024;

impl Ledger {
    /// Store a bundle, so that every decision that names it can be explained.
    ///
    /// # Errors
    /// [`CommitError`]; then it is not stored.
    pub async fn store_bundle(
        &self,
        digest: Sha256Digest,
        bytes: &[u8],
    ) -> Result<(), CommitError> {
        let bytes = bytes.to_vec();
        self.write(move |conn| {
            conn.execute(
                "INSERT OR IGNORE INTO bundles VALUES (?1, ?2)",
                params![digest.as_bytes(), bytes],
            )
        })
        .await
    }

    /// Store a token. With `instead`, it takes the place of the principal's tokens of the same name.
    ///
    /// # Errors
    /// [`CommitError`]; then it is not stored.
    pub async fn store_token(&self, token: Token, instead: bool) -> Result<(), CommitError> {
        self.write(move |conn| {
            let Token {
                id,
                principal,
                on_behalf_of,
                name,
                hash,
                created,
                expires,
            } = token;
            let tx = conn.unchecked_transaction()?;
            if instead {
                tx.execute(
                    "DELETE FROM tokens WHERE principal_type = ?1 AND principal_id = ?2 AND name = ?3",
                    params![principal.kind.name(), principal.id, name],
                )?;
            }
            let stored = tx.execute(
                "INSERT INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    id.as_bytes(),
                    principal.kind.name(),
                    principal.id,
                    on_behalf_of,
                    name,
                    hash.as_bytes(),
                    created.0,
                    expires.map(|at| at.0)
                ],
            )?;
            tx.commit()?;
            Ok(stored)
        })
        .await
    }

    /// Remove a token.
    ///
    /// # Errors
    /// [`CommitError`]; then it is still there.
    pub async fn remove_token(&self, id: TokenId) -> Result<(), CommitError> {
        self.write(move |conn| conn.execute("DELETE FROM tokens WHERE id = ?1", [id.as_bytes()]))
            .await
    }

    /// Say how far somebody outside has been told what the records say.
    ///
    /// # Errors
    /// [`CommitError`]; then it is as it was.
    pub async fn set_cursor(&self, name: &str, next: u64) -> Result<(), CommitError> {
        let name = name.to_owned();
        self.write(move |conn| {
            conn.execute(
                "INSERT INTO cursors VALUES (?1, ?2) ON CONFLICT DO UPDATE SET next = excluded.next",
                params![name, int(next)],
            )
        })
        .await
    }

    async fn write(
        &self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<(), CommitError> {
        self.task(move |writer| writer.write(statement)).await?
    }

    /// Recreate the read models from the records.
    ///
    /// # Errors
    /// [`LedgerError`]; then they are as they were.
    pub async fn rebuild(&self) -> Result<(), LedgerError> {
        let shown = self.options().path.display().to_string();
        let rebuilt = self.task(|writer| {
            let working = rebuild(&mut writer.conn)?;
            writer.after_rebuild(working);
            Ok::<(), ReadError>(())
        });
        rebuilt.await?.map_err(|e| e.at(&shown))
    }
}

fn rebuild(conn: &mut Connection) -> Result<Working, ReadError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for table in READ_MODELS {
        tx.execute(&format!("DELETE FROM {table}"), [])?;
    }
    let mut working = Working::default();
    loop {
        let page: Vec<(i64, Vec<u8>)> = tx
            .prepare_cached("SELECT idx, leaf FROM records WHERE idx >= ?1 ORDER BY idx LIMIT ?2")?
            .query_map(params![int(working.next), PAGE], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        if page.is_empty() {
            break;
        }
        for (index, leaf) in page {
            let damaged = |reason: &str| ReadError::Damaged(format!("record {index}: {reason}"));
            if nat(index) != working.next {
                return Err(damaged("the one before it is missing"));
            }
            let record: Record =
                serde_json::from_slice(&leaf).map_err(|_| damaged("it cannot be read"))?;
            let ready = Ready::stored(record, leaf);
            working.again(&tx, &ready).map_err(|e| match e {
                Refused::Store(e) => e.into(),
                Refused::No(e) => damaged(&e.to_string()),
            })?;
        }
        // Runs are read again when they are needed: memory stays bounded.
        working.runs.clear();
        working.hours.clear();
    }
    tx.commit()?;
    Ok(working)
}

impl Working {
    /// Do again what a stored record did.
    fn again(&mut self, conn: &Connection, ready: &Ready) -> Result<(), Refused> {
        self.begin();
        let mut prev = None;
        if let Some(run) = ready.record.run {
            let held = self.run(conn, run, || None)?;
            prev = held
                .filter(|_| !matches!(ready.record.event, Event::RunStarted(_)))
                .map(|held| held.head);
        }
        conn.prepare_cached("UPDATE records SET prev = ?2 WHERE idx = ?1 AND prev IS NOT ?2")?
            .execute(params![int(self.next), prev.map(int)])?;
        self.apply(conn, ready)?;
        self.finish(conn)
    }
}

impl Writer {
    /// One statement outside any batch.
    fn write(
        &mut self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> Result<(), CommitError> {
        self.guard()?;
        statement(&self.conn).map(drop).map_err(|e| self.judged(&e))
    }
}
