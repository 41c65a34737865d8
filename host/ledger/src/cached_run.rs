//! Recently active runs in memory.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use tollgate_model::{
    entity::Uid,
    ids::{RunId, SpanId},
    record::KeyedDigest,
    run::RunState,
    time::Timestamp,
    two_generation_cache::TwoGenerationCache,
};

use crate::{
    Run,
    columns::{texts_of_run, uid},
    error::ReadError,
    sqlite::{from_sql_u64, to_sql_i64},
};

/// Calls whose repeats are counted in memory for one run; beyond that they are looked up.
const COUNTED: usize = 128;

/// How a call is counted in `run_repeats`.
pub(crate) type CallKey = [u8; 16];

/// The key of a call's count. Keyed digests are long; half a SHA-256 of one identifies a call as well.
pub(crate) fn call_key(digest: &KeyedDigest) -> CallKey {
    let hash: [u8; 32] = Sha256::digest(digest.as_str().as_bytes()).into();
    let mut key = [0; 16];
    key.iter_mut().zip(hash).for_each(|(k, h)| *k = h);
    key
}

/// The immutable part of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RunIdentity {
    pub(crate) id: RunId,
    /// Index of the record that began it.
    pub(crate) opened: u64,
    pub(crate) tenant: String,
    pub(crate) principal: Uid,
    pub(crate) on_behalf_of: Uid,
    pub(crate) key: Option<String>,
    pub(crate) root: SpanId,
}

/// A run in memory. Its `state` has no repeats: those are in `repeats`, or in the store.
#[derive(Debug, Clone)]
pub(crate) struct CachedRun {
    pub(crate) identity: Arc<RunIdentity>,
    pub(crate) state: RunState,
    pub(crate) repeats: Option<HashMap<CallKey, u64>>,
    pub(crate) last_record: u64,
    pub(crate) last_active: Timestamp,
    pub(crate) ended: bool,
    /// Whether the commit in flight begins it.
    begins: bool,
    /// `held_until` of the run's labels in `principal_labels`.
    pub(crate) labels_held_until: i64,
}

impl CachedRun {
    /// A run that begins with the record at `opened`.
    pub(crate) fn new(identity: RunIdentity, started: Timestamp) -> Self {
        Self {
            last_record: identity.opened,
            identity: Arc::new(identity),
            state: RunState::new(started),
            repeats: Some(HashMap::new()),
            last_active: started,
            ended: false,
            begins: true,
            labels_held_until: i64::MIN,
        }
    }

    /// Counts a call. Beyond a limit of different calls, only the table counts.
    pub(crate) fn count(&mut self, call: CallKey) {
        if let Some(repeats) = &mut self.repeats {
            *repeats.entry(call).or_default() += 1;
            if repeats.len() > COUNTED {
                self.repeats = None;
            }
        }
    }

    /// The run as the gate sees it, with the repeats of one call.
    pub(crate) fn view(&self, arguments: Option<(&KeyedDigest, u64)>) -> Run {
        let mut state = self.state.clone();
        if let Some((digest, n)) = arguments.filter(|(_, n)| *n > 0) {
            state.repeats.insert(digest.clone(), n);
        }
        let RunIdentity {
            id,
            tenant,
            principal,
            on_behalf_of,
            root,
            ..
        } = &*self.identity;
        Run {
            id: *id,
            tenant: tenant.clone(),
            principal: principal.clone(),
            on_behalf_of: on_behalf_of.clone(),
            root: *root,
            last: self.last_active,
            ended: self.ended,
            state,
        }
    }

    /// How often a call was made, if that is in memory.
    pub(crate) fn repeats_of(&self, call: &CallKey) -> Option<u64> {
        self.repeats
            .as_ref()
            .map(|repeats| repeats.get(call).copied().unwrap_or(0))
    }
}

/// Read a run from the store.
pub(crate) fn load(conn: &Connection, run: RunId) -> Result<Option<CachedRun>, ReadError> {
    let mut row = conn.prepare_cached(
        "SELECT opened, tenant, principal_type, principal_id, on_behalf_of_type, on_behalf_of_id, key, root, \
         started, last_active, last_record, version, calls, denials, errors, ended FROM runs WHERE id = ?1",
    )?;
    let held = row
        .query_row([run.as_bytes()], |row| {
            let started = Timestamp(row.get("started")?);
            let identity = RunIdentity {
                id: run,
                opened: from_sql_u64(row.get("opened")?),
                tenant: row.get("tenant")?,
                principal: uid(row, "principal_type", "principal_id")?,
                on_behalf_of: uid(row, "on_behalf_of_type", "on_behalf_of_id")?,
                key: row.get("key")?,
                root: SpanId::from_bytes(row.get("root")?),
            };
            let mut held = CachedRun::new(identity, started);
            held.begins = false;
            held.last_active = Timestamp(row.get("last_active")?);
            held.last_record = from_sql_u64(row.get("last_record")?);
            held.state.version = from_sql_u64(row.get("version")?);
            held.state.calls = from_sql_u64(row.get("calls")?);
            held.state.denials = from_sql_u64(row.get("denials")?);
            held.state.errors = from_sql_u64(row.get("errors")?);
            held.ended = row.get::<_, Option<i64>>("ended")?.is_some();
            Ok(held)
        })
        .optional()?;
    let Some(mut held) = held else {
        return Ok(None);
    };
    let opened = held.identity.opened;
    held.state.labels = texts_of_run(conn, "SELECT label FROM run_labels WHERE run = ?1", opened)?;
    held.state.tools = texts_of_run(conn, "SELECT tool FROM run_tools WHERE run = ?1", opened)?;
    let mut repeats =
        conn.prepare_cached("SELECT call, calls FROM run_repeats WHERE run = ?1 LIMIT ?2")?;
    let counted: HashMap<CallKey, u64> = repeats
        .query_map(
            params![to_sql_i64(opened), to_sql_i64(COUNTED as u64 + 1)],
            |row| Ok((row.get(0)?, from_sql_u64(row.get(1)?))),
        )?
        .collect::<rusqlite::Result<_>>()?;
    held.repeats = (counted.len() <= COUNTED).then_some(counted);
    Ok(Some(held))
}

/// How often a call was made, from the store.
pub(crate) fn stored_repeats(conn: &Connection, run: u64, call: &CallKey) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT calls FROM run_repeats WHERE run = ?1 AND call = ?2")?
        .query_row(params![to_sql_i64(run), call], |row| {
            row.get(0).map(from_sql_u64)
        })
        .optional()
        .map(Option::unwrap_or_default)
}

/// The name that a caller gives to its runs.
type Name = (String, Uid, Uid, Option<String>);

/// Recently active runs.
#[derive(Debug)]
pub(crate) struct RunCache {
    runs: usize,
    held: TwoGenerationCache<RunId, Arc<CachedRun>>,
    /// The latest open run of each name, among those in memory.
    names: HashMap<Name, (u64, RunId)>,
}

impl RunCache {
    pub(crate) fn new(runs: usize) -> Self {
        Self {
            runs,
            held: TwoGenerationCache::new(runs),
            names: HashMap::new(),
        }
    }

    /// A run, if it is in memory.
    pub(crate) fn get(&mut self, run: &RunId) -> Option<Arc<CachedRun>> {
        let held = Arc::clone(self.held.peek(run)?);
        self.keep(*run, Arc::clone(&held));
        Some(held)
    }

    /// The open run with this name, if it is in memory.
    pub(crate) fn named(
        &mut self,
        tenant: &str,
        principal: &Uid,
        on_behalf_of: &Uid,
        key: Option<&str>,
    ) -> Option<Arc<CachedRun>> {
        let name = (
            tenant.to_owned(),
            principal.clone(),
            on_behalf_of.clone(),
            key.map(str::to_owned),
        );
        let (_, run) = *self.names.get(&name)?;
        let held = self.get(&run).filter(|held| !held.ended);
        if held.is_none() {
            self.names.remove(&name);
        }
        held
    }

    /// Store a run as of a commit. Only the writer calls this, so nothing older replaces it.
    pub(crate) fn put(&mut self, mut held: CachedRun) {
        let RunIdentity {
            id,
            tenant,
            principal,
            on_behalf_of,
            key,
            opened,
            ..
        } = &*held.identity;
        let (run, opened) = (*id, *opened);
        // Only a run started by this commit can be the newest of its name; an older one may be superseded.
        if std::mem::take(&mut held.begins) && !held.ended {
            let name = (
                tenant.clone(),
                principal.clone(),
                on_behalf_of.clone(),
                key.clone(),
            );
            if self
                .names
                .get(&name)
                .is_none_or(|(known, _)| *known < opened)
            {
                self.names.insert(name, (opened, run));
            }
        }
        self.keep(run, Arc::new(held));
    }

    fn keep(&mut self, run: RunId, held: Arc<CachedRun>) {
        if self.held.insert(run, held) {
            let held = &self.held;
            self.names
                .retain(|_, (_, named)| held.peek(named).is_some());
        }
    }

    /// Drops everything, because the store has changed.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.runs);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize, usize) {
        let held = || self.held.values();
        let calls = held()
            .filter_map(|held| held.repeats.as_ref().map(HashMap::len))
            .sum();
        (held().count(), self.names.len(), calls)
    }
}
