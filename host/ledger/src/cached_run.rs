//! What the writer keeps in memory of runs that were active lately.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};
use sha2::{Digest as _, Sha256};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::{RunId, SpanId},
    record::KeyedDigest,
    run::RunState,
    time::Timestamp,
};

use super::{Run, read::ReadError};
use tollgate_model::two_generation_cache::TwoGenerationCache;

/// Calls whose repeats are counted in memory for one run; beyond that they are looked up.
const COUNTED: usize = 128;

/// How a call is counted in `run_repeats`.
pub(crate) type CallKey = [u8; 16];

/// The key of a call's count. Keyed digests are long text; half a SHA-256 of it names a call as well.
pub(crate) fn call_key(digest: &KeyedDigest) -> CallKey {
    let hash: [u8; 32] = Sha256::digest(digest.as_str().as_bytes()).into();
    let mut key = [0; 16];
    key.iter_mut().zip(hash).for_each(|(k, h)| *k = h);
    key
}

/// What does not change while a run lasts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
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
pub(crate) struct Held {
    pub(crate) identity: Arc<Identity>,
    pub(crate) state: RunState,
    pub(crate) repeats: Option<HashMap<CallKey, u64>>,
    pub(crate) head: u64,
    pub(crate) last: Timestamp,
    pub(crate) ended: bool,
    /// Whether it begins with the commit that is under way.
    begins: bool,
    /// Until when `principal_labels` says that this run holds its labels.
    pub(crate) labels_until: i64,
}

impl Held {
    /// A run that begins with the record at `opened`.
    pub(crate) fn new(identity: Identity, started: Timestamp) -> Self {
        Self {
            head: identity.opened,
            identity: Arc::new(identity),
            state: RunState::new(started),
            repeats: Some(HashMap::new()),
            last: started,
            ended: false,
            begins: true,
            labels_until: i64::MIN,
        }
    }

    /// Count one more call; gives up counting in memory where there are too many.
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
        let Identity {
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
            last: self.last,
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
pub(crate) fn load(conn: &Connection, run: RunId) -> Result<Option<Held>, ReadError> {
    let mut row = conn.prepare_cached(
        "SELECT opened, tenant, principal_type, principal_id, behalf_type, behalf_id, key, root, started, last, \
         head, version, calls, denials, errors, ended FROM runs WHERE id = ?1",
    )?;
    let held = row
        .query_row([run.as_bytes()], |row| {
            let started = Timestamp(row.get(8)?);
            let identity = Identity {
                id: run,
                opened: nat(row.get(0)?),
                tenant: row.get(1)?,
                principal: uid(row, 2)?,
                on_behalf_of: uid(row, 4)?,
                key: row.get(6)?,
                root: SpanId::from_bytes(row.get(7)?),
            };
            let mut held = Held::new(identity, started);
            held.begins = false;
            held.last = Timestamp(row.get(9)?);
            held.head = nat(row.get(10)?);
            held.state.version = nat(row.get(11)?);
            held.state.calls = nat(row.get(12)?);
            held.state.denials = nat(row.get(13)?);
            held.state.errors = nat(row.get(14)?);
            held.ended = row.get::<_, Option<i64>>(15)?.is_some();
            Ok(held)
        })
        .optional()?;
    let Some(mut held) = held else {
        return Ok(None);
    };
    let opened = held.identity.opened;
    held.state.labels = texts(conn, "SELECT label FROM run_labels WHERE run = ?1", opened)?;
    held.state.tools = texts(conn, "SELECT tool FROM run_tools WHERE run = ?1", opened)?;
    let mut repeats =
        conn.prepare_cached("SELECT call, n FROM run_repeats WHERE run = ?1 LIMIT ?2")?;
    let counted: HashMap<CallKey, u64> = repeats
        .query_map(params![int(opened), int(COUNTED as u64 + 1)], |row| {
            Ok((row.get(0)?, nat(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    held.repeats = (counted.len() <= COUNTED).then_some(counted);
    Ok(Some(held))
}

/// How often a call was made, from the store.
pub(crate) fn stored_repeats(conn: &Connection, run: u64, call: &CallKey) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT n FROM run_repeats WHERE run = ?1 AND call = ?2")?
        .query_row(params![int(run), call], |row| row.get(0).map(nat))
        .optional()
        .map(Option::unwrap_or_default)
}

/// A column's integer as the index or count that it is; the table's constraints keep it above zero.
pub(crate) fn nat(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// An index or count as a column's integer.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// One column of text of a run.
pub(crate) fn texts(conn: &Connection, sql: &str, run: u64) -> rusqlite::Result<BTreeSet<String>> {
    conn.prepare_cached(sql)?
        .query_map([int(run)], |row| row.get(0))?
        .collect()
}

/// An entity from two columns: its type at `first`, and its id.
pub(crate) fn uid(row: &Row<'_>, first: usize) -> rusqlite::Result<Uid> {
    let name = row.get_ref(first)?.as_str()?;
    let kind = Kind::ALL
        .iter()
        .copied()
        .find(|k| k.name() == name)
        .ok_or_else(|| {
            rusqlite::Error::FromSqlConversionFailure(first, Type::Text, "no entity type".into())
        })?;
    Ok(Uid::new(kind, row.get::<_, String>(first + 1)?))
}

/// By what a caller names its runs.
type Name = (String, Uid, Uid, Option<String>);

/// Runs that were active lately.
#[derive(Debug)]
pub(crate) struct Cache {
    runs: usize,
    held: TwoGenerationCache<RunId, Arc<Held>>,
    /// The latest open run of each name, of those that are here.
    names: HashMap<Name, (u64, RunId)>,
}

impl Cache {
    pub(crate) fn new(runs: usize) -> Self {
        Self {
            runs,
            held: TwoGenerationCache::new(runs),
            names: HashMap::new(),
        }
    }

    /// A run, if it is here.
    pub(crate) fn get(&mut self, run: &RunId) -> Option<Arc<Held>> {
        let held = Arc::clone(self.held.peek(run)?);
        self.keep(*run, Arc::clone(&held));
        Some(held)
    }

    /// The open run that a caller names so, if it is here.
    pub(crate) fn named(
        &mut self,
        tenant: &str,
        principal: &Uid,
        on_behalf_of: &Uid,
        key: Option<&str>,
    ) -> Option<Arc<Held>> {
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

    /// Put a run here, as it is after a commit. Only the writer does, so nothing older replaces it.
    pub(crate) fn put(&mut self, mut held: Held) {
        let Identity {
            id,
            tenant,
            principal,
            on_behalf_of,
            key,
            opened,
            ..
        } = &*held.identity;
        let (run, opened) = (*id, *opened);
        // One that began earlier may not be the latest without a name, and who knows which is.
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

    fn keep(&mut self, run: RunId, held: Arc<Held>) {
        if self.held.insert(run, held) {
            let held = &self.held;
            self.names
                .retain(|_, (_, named)| held.peek(named).is_some());
        }
    }

    /// Forget everything: what is here may not be what the store holds.
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
