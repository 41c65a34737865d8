//! State of components. Anyone with a reader can read it; only the transaction that records the decision
//! changes it.
//!
//! Values are sealed before they get here.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::ids::RunId;

use crate::{
    Payload,
    error::ApplyError,
    sqlite::{from_sql_u64, to_sql_i64},
    sync::lock,
};

/// The keys of one component: those of a run, or its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateNamespace {
    /// The tenant.
    pub tenant: String,
    /// The component.
    pub component: String,
    /// The run whose state it is; absent: the component's own.
    pub run: Option<RunId>,
}

impl StateNamespace {
    pub(crate) fn run(&self) -> &[u8] {
        self.run
            .as_ref()
            .map_or(&[], |run| run.as_bytes().as_slice())
    }
}

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The sealed value.
    pub value: Payload,
    /// Labels of the run that wrote it.
    pub labels: BTreeSet<String>,
    /// Changes with every write: the index of the first record of the batch that wrote it.
    pub version: u64,
}

/// The condition for an update of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// The key is absent.
    Absent,
    /// The key has this version.
    Version(u64),
}

impl Precondition {
    /// Whether it holds for a key with this version; `None` if the key is absent.
    fn holds(self, version: Option<u64>) -> bool {
        match self {
            Self::None => true,
            Self::Absent => version.is_none(),
            Self::Version(wanted) => version == Some(wanted),
        }
    }
}

/// A value to be stored.
#[derive(Debug, Clone)]
pub struct NewState {
    /// The sealed value.
    pub value: Payload,
    /// Bytes of key and value, which count towards the limits.
    pub size: u64,
}

/// Limits of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// An update of one key.
#[derive(Debug, Clone)]
pub struct StateUpdate {
    /// The namespace.
    pub namespace: StateNamespace,
    /// The key.
    pub key: String,
    /// The new value; `None` deletes the key.
    pub value: Option<NewState>,
    /// Labels of the run that makes it: of the value, or of the key's absence.
    pub labels: BTreeSet<String>,
    /// The condition for the update.
    pub precondition: Precondition,
    /// Limits of the namespace after the change.
    pub limits: StateLimits,
}

/// The result of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateUpdateResult {
    /// It was made.
    Done {
        /// Whether the key was there before.
        existed: bool,
    },
    /// The precondition did not hold. Nothing was changed.
    PreconditionFailed,
    /// It would exceed the namespace's limits. Nothing was changed.
    LimitReached,
}

/// An update on its way to the writer, and its result on the way back.
#[derive(Debug)]
pub(crate) struct StateUpdateRequest {
    pub(crate) update: StateUpdate,
    pub(crate) result: Arc<Mutex<Option<StateUpdateResult>>>,
}

impl StateUpdateRequest {
    /// Performs the update in the open transaction. `first` is the index of the batch's first record.
    pub(crate) fn apply(&self, conn: &Connection, first: u64) -> Result<(), ApplyError> {
        let result = self.update.apply(conn, first)?;
        *lock(&self.result) = Some(result);
        Ok(())
    }
}

/// The columns of a key's row that an update needs.
struct Row {
    id: i64,
    version: u64,
    size: u64,
}

impl StateUpdate {
    fn apply(&self, conn: &Connection, first: u64) -> Result<StateUpdateResult, ApplyError> {
        let row = self.row(conn)?;
        if !self.precondition.holds(row.as_ref().map(|row| row.version)) {
            return Ok(StateUpdateResult::PreconditionFailed);
        }
        let existed = row.is_some();
        let Some(new) = &self.value else {
            if let Some(row) = row {
                conn.prepare_cached("DELETE FROM component_state WHERE id = ?1")?
                    .execute([row.id])?;
                self.label_absence(conn)?;
            }
            return Ok(StateUpdateResult::Done { existed });
        };
        let StateNamespace {
            tenant, component, ..
        } = &self.namespace;
        let run = self.namespace.run();
        let (keys, bytes): (i64, i64) = conn
            .prepare_cached(
                "SELECT count(*), coalesce(sum(size), 0) FROM component_state \
                 WHERE tenant = ?1 AND component = ?2 AND run = ?3",
            )?
            .query_row(params![tenant, component, run], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let keys = from_sql_u64(keys) + u64::from(!existed);
        let others = from_sql_u64(bytes).saturating_sub(row.map_or(0, |row| row.size));
        if keys > self.limits.keys || others.saturating_add(new.size) > self.limits.bytes {
            return Ok(StateUpdateResult::LimitReached);
        }
        let labels = serde_json::to_string(&self.labels).unwrap_or_else(|_| "[]".into());
        conn.prepare_cached(
            "INSERT INTO component_state (tenant, component, run, key, size, version, labels, day, ciphertext) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (tenant, component, run, key) DO UPDATE SET size = excluded.size, \
             version = excluded.version, labels = excluded.labels, day = excluded.day, \
             ciphertext = excluded.ciphertext",
        )?
        .execute(params![
            tenant,
            component,
            run,
            self.key,
            to_sql_i64(new.size),
            to_sql_i64(first),
            labels,
            new.value.day,
            new.value.ciphertext
        ])?;
        Ok(StateUpdateResult::Done { existed })
    }

    /// From now on the absence of any key has these labels. Only the run itself sees the keys of a run.
    fn label_absence(&self, conn: &Connection) -> rusqlite::Result<()> {
        let StateNamespace {
            tenant,
            component,
            run: None,
        } = &self.namespace
        else {
            return Ok(());
        };
        let mut insert = conn.prepare_cached(
            "INSERT OR IGNORE INTO component_state_absence (tenant, component, label) VALUES (?1, ?2, ?3)",
        )?;
        for label in &self.labels {
            insert.execute(params![tenant, component, label])?;
        }
        Ok(())
    }

    fn row(&self, conn: &Connection) -> rusqlite::Result<Option<Row>> {
        let StateNamespace {
            tenant, component, ..
        } = &self.namespace;
        conn.prepare_cached(
            "SELECT id, version, size FROM component_state \
             WHERE tenant = ?1 AND component = ?2 AND run = ?3 AND key = ?4",
        )?
        .query_row(
            params![tenant, component, self.namespace.run(), self.key],
            |row| {
                Ok(Row {
                    id: row.get(0)?,
                    version: from_sql_u64(row.get(1)?),
                    size: from_sql_u64(row.get(2)?),
                })
            },
        )
        .optional()
    }
}

/// Delete the state of a run that has ended.
pub(crate) fn delete_of_run(conn: &Connection, run: RunId) -> Result<(), ApplyError> {
    conn.prepare_cached("DELETE FROM component_state WHERE run = ?1 AND run <> x''")?
        .execute([run.as_bytes()])?;
    Ok(())
}
