//! State of components.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};
use tollgate_model::canonical::Sha256Digest;

use super::LedgerReader;
use crate::{
    LedgerError, Payload, StateEntry, StateNamespace, error::ReadError, sqlite::from_sql_u64,
};

fn labels(text: &str) -> Result<BTreeSet<String>, ReadError> {
    serde_json::from_str(text)
        .map_err(|_| ReadError::Damaged("the labels of a component's value cannot be read".into()))
}

impl LedgerReader {
    /// The value of a key.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn state_entry(
        &self,
        namespace: &StateNamespace,
        key: &str,
    ) -> Result<Option<StateEntry>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT version, labels, day, ciphertext FROM component_state \
                 WHERE tenant = ?1 AND component = ?2 AND run = ?3 AND key = ?4",
            )?;
            let row = select
                .query_row(
                    params![namespace.tenant, namespace.component, namespace.run(), key],
                    |row| {
                        let ciphertext: Vec<u8> = row.get(3)?;
                        let value = Payload {
                            day: row.get(2)?,
                            digest: Sha256Digest::of(&ciphertext),
                            ciphertext,
                            tenant: namespace.tenant.clone(),
                        };
                        Ok((from_sql_u64(row.get(0)?), row.get::<_, String>(1)?, value))
                    },
                )
                .optional()?;
            row.map(|(version, text, value)| {
                Ok(StateEntry {
                    value,
                    labels: labels(&text)?,
                    version,
                })
            })
            .transpose()
        })
    }

    /// The keys of a namespace, sorted by their bytes, with the labels of their values.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn state_keys(
        &self,
        namespace: &StateNamespace,
    ) -> Result<Vec<(String, BTreeSet<String>)>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT key, labels FROM component_state \
                 WHERE tenant = ?1 AND component = ?2 AND run = ?3 ORDER BY key",
            )?;
            let rows = select.query_map(
                params![namespace.tenant, namespace.component, namespace.run()],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
            )?;
            let mut keys = Vec::new();
            for row in rows {
                let (key, text) = row?;
                keys.push((key, labels(&text)?));
            }
            Ok(keys)
        })
    }

    /// Labels of the runs that deleted keys of the component's own state. The keys of a run have none: only
    /// that run sees them.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn state_absence_labels(
        &self,
        namespace: &StateNamespace,
    ) -> Result<BTreeSet<String>, LedgerError> {
        if namespace.run.is_some() {
            return Ok(BTreeSet::new());
        }
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT label FROM component_state_absence WHERE tenant = ?1 AND component = ?2",
            )?;
            let rows = select.query_map(params![namespace.tenant, namespace.component], |row| {
                row.get(0)
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}
