//! Signatures of requests that count once.

use rusqlite::{Connection, params};
use tollgate_model::{canonical::Sha256Digest, time::Timestamp};

use crate::{CommitError, Ledger, LedgerError, LedgerReader};

/// The most signatures that are remembered. Only their owner can make them, and each is remembered for minutes.
const MAX_SIGNATURES: i64 = 10_000;

/// A signature that is used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedSignature {
    /// SHA-256 of the signature.
    pub digest: Sha256Digest,
    /// The time of its use.
    pub now: Timestamp,
    /// From when on its request is refused as too old anyway.
    pub expires: Timestamp,
}

/// Whether a signature may count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureUse {
    /// It was not used before, and is remembered now.
    First,
    /// It was used before.
    Repeated,
    /// Too many are remembered, so it cannot be.
    Exhausted,
}

impl Ledger {
    /// Remembers that a signature is used, unless it was used before. Durable when it returns.
    ///
    /// # Errors
    /// [`CommitError`]; then it must not count.
    pub async fn use_signature(&self, used: UsedSignature) -> Result<SignatureUse, CommitError> {
        self.write_for(move |conn| remember(conn, used)).await
    }
}

impl LedgerReader {
    /// Whether a signature was used. Only [`Ledger::use_signature`] decides; this costs no write.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn is_used_signature(&self, digest: Sha256Digest) -> Result<bool, LedgerError> {
        self.with(|conn| {
            let used = "SELECT EXISTS (SELECT 1 FROM used_signatures WHERE digest = ?1)";
            let mut select = conn.prepare_cached(used)?;
            Ok(select.query_row([digest.as_bytes()], |row| row.get(0))?)
        })
    }
}

fn remember(conn: &Connection, used: UsedSignature) -> rusqlite::Result<SignatureUse> {
    let tx = conn.unchecked_transaction()?;
    tx.prepare_cached("DELETE FROM used_signatures WHERE expires <= ?1")?
        .execute([used.now.0])?;
    let held: i64 = tx
        .prepare_cached("SELECT count(*) FROM used_signatures")?
        .query_row([], |row| row.get(0))?;
    let digest = used.digest.as_bytes();
    let outcome = match held >= MAX_SIGNATURES {
        true => SignatureUse::Exhausted,
        false => {
            let insert = "INSERT INTO used_signatures (digest, expires) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            match tx
                .prepare_cached(insert)?
                .execute(params![digest, used.expires.0])?
            {
                0 => SignatureUse::Repeated,
                _ => SignatureUse::First,
            }
        }
    };
    tx.commit()?;
    Ok(outcome)
}
