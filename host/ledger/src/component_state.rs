//! What components keep: read by anybody, changed only in the transaction that records the decision.
//!
//! Nothing here knows a value: they come sealed, and they go sealed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{canonical::Sha256Digest, ids::RunId};

use super::{
    LedgerError, Payload,
    cached_run::{int, nat},
    read::{LedgerReader, ReadError},
    state::Refused,
};

/// Where a component keeps things: for a run, or for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The tenant.
    pub tenant: String,
    /// The component.
    pub component: String,
    /// The run whose state it is; absent for the component's own.
    pub run: Option<RunId>,
}

impl Place {
    fn run(&self) -> &[u8] {
        self.run
            .as_ref()
            .map_or(&[], |run| run.as_bytes().as_slice())
    }
}

/// A value that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Sealed.
    pub value: Payload,
    /// Labels of the run when it was written.
    pub labels: BTreeSet<String>,
    /// Changes with every write.
    pub version: u64,
}

/// A change to what is kept.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where.
    pub place: Place,
    /// Under which key.
    pub key: String,
    /// What it shall be, with the labels that it keeps and the bytes that it counts for; nothing to
    /// remove it.
    pub value: Option<(Payload, BTreeSet<String>, u64)>,
    /// Only if the key has this version; within, nothing means only if it is not there.
    pub only_if: Option<Option<u64>>,
    /// Keys, and bytes, of the place at most.
    pub limits: (u64, u64),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is as asked; and whether the key was there before.
    Done(bool),
    /// The key did not have the version that was asked for. Nothing was changed.
    Otherwise,
    /// There would be more than there may be. Nothing was changed.
    Full,
}

/// A change with a place for what became of it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) change: Change,
    pub(crate) answer: Arc<Mutex<Option<Changed>>>,
}

impl Asked {
    /// Make the change, as part of the open transaction. `first` is the index of the batch's first record.
    pub(crate) fn apply(&self, conn: &Connection, first: u64) -> Result<(), Refused> {
        let changed = self.change.apply(conn, first)?;
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(changed);
        Ok(())
    }
}

impl Change {
    fn apply(&self, conn: &Connection, first: u64) -> Result<Changed, Refused> {
        let Place {
            tenant, component, ..
        } = &self.place;
        let run = self.place.run();
        let there: Option<(i64, i64, i64)> = conn
            .prepare_cached(
                "SELECT id, written, size FROM state \
                 WHERE tenant = ?1 AND component = ?2 AND run = ?3 AND key = ?4",
            )?
            .query_row(params![tenant, component, run, self.key], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let version = there.map(|(_, written, _)| nat(written));
        if self.only_if.is_some_and(|wanted| wanted != version) {
            return Ok(Changed::Otherwise);
        }
        let Some((value, labels, size)) = &self.value else {
            if let Some((id, ..)) = there {
                conn.prepare_cached("DELETE FROM state WHERE id = ?1")?
                    .execute([id])?;
            }
            return Ok(Changed::Done(there.is_some()));
        };
        let (keys, bytes): (i64, i64) = conn
            .prepare_cached(
                "SELECT count(*), coalesce(sum(size), 0) FROM state \
                 WHERE tenant = ?1 AND component = ?2 AND run = ?3",
            )?
            .query_row(params![tenant, component, run], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let before = there.map_or(0, |(_, _, size)| nat(size));
        let (max_keys, max_bytes) = self.limits;
        let keys = nat(keys) + u64::from(there.is_none());
        if keys > max_keys || nat(bytes).saturating_sub(before) + size > max_bytes {
            return Ok(Changed::Full);
        }
        let labels = serde_json::to_string(labels).unwrap_or_else(|_| "[]".into());
        conn.prepare_cached(
            "INSERT INTO state (tenant, component, run, key, size, written, labels, day, ciphertext) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (tenant, component, run, key) DO UPDATE SET size = excluded.size, \
             written = excluded.written, labels = excluded.labels, day = excluded.day, \
             ciphertext = excluded.ciphertext",
        )?
        .execute(params![
            tenant,
            component,
            run,
            self.key,
            int(*size),
            int(first),
            labels,
            value.day,
            value.ciphertext
        ])?;
        Ok(Changed::Done(there.is_some()))
    }
}

/// Forget what was kept for a run that has ended.
pub(crate) fn forget(conn: &Connection, run: RunId) -> Result<(), Refused> {
    conn.prepare_cached("DELETE FROM state WHERE run = ?1 AND run <> x''")?
        .execute([run.as_bytes()])?;
    Ok(())
}

fn labels(text: &str) -> Result<BTreeSet<String>, ReadError> {
    serde_json::from_str(text)
        .map_err(|_| ReadError::Damaged("the labels of a kept value cannot be read".into()))
}

impl LedgerReader {
    /// What is kept under a key.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn kept(&self, place: &Place, key: &str) -> Result<Option<Kept>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT written, labels, day, ciphertext FROM state \
                 WHERE tenant = ?1 AND component = ?2 AND run = ?3 AND key = ?4",
            )?;
            let row = select
                .query_row(
                    params![place.tenant, place.component, place.run(), key],
                    |row| {
                        let ciphertext: Vec<u8> = row.get(3)?;
                        let value = Payload {
                            day: row.get(2)?,
                            digest: Sha256Digest::of(&ciphertext),
                            ciphertext,
                            tenant: place.tenant.clone(),
                        };
                        Ok((nat(row.get(0)?), row.get::<_, String>(1)?, value))
                    },
                )
                .optional()?;
            row.map(|(version, text, value)| {
                Ok(Kept {
                    value,
                    labels: labels(&text)?,
                    version,
                })
            })
            .transpose()
        })
    }

    /// The keys of a place, sorted by their bytes, with the labels of their values.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn kept_keys(&self, place: &Place) -> Result<Vec<(String, BTreeSet<String>)>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT key, labels FROM state \
                 WHERE tenant = ?1 AND component = ?2 AND run = ?3 ORDER BY key",
            )?;
            let rows = select
                .query_map(params![place.tenant, place.component, place.run()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
                })?;
            let mut keys = Vec::new();
            for row in rows {
                let (key, text) = row?;
                keys.push((key, labels(&text)?));
            }
            Ok(keys)
        })
    }
}
