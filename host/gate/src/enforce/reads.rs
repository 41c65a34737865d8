//! What runs have read: an index for each scope of memory, from which calls get their provenance.
//!
//! An index lives as long as the process, within a limit for all of them. What is lost, by a restart or by
//! the limit, is restored from what the ledger has of it (`restore`). What is not found again may be anything: calls of
//! its scope are then not known (`context.provenance.known`), and what no one vouches for is untrusted.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use tollgate_model::{
    entity::{Kind, Uid},
    ids::RunId,
    provenance::{CallArguments, CallValues, IndexKey, ProvenanceFacts, ReadIndex},
};

mod result;

pub(super) use self::result::ResultReading;
use self::result::size;
use super::{CallContext, ToolCall, Verdict, memory::RunScope};
use crate::{
    config::{AgentMemory, UNLABELLED, UNTRUSTED},
    ids::Ids,
    tool::{SourceKind, Tool},
};

/// The most bytes of all indexes together; those used longest ago go first.
const MAX_BYTES: usize = 256 << 20;
/// The most runs whose scopes are held.
const MAX_RUNS: usize = 100_000;
/// The size of content from which it is read on a thread of its own.
const LARGE: usize = 256 << 10;

/// The runs that share what they have read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ReadScope {
    principal: Uid,
    on_behalf_of: Option<Uid>,
    conversation: Option<String>,
    run: Option<RunId>,
}

impl ReadScope {
    /// The scope of a run, by the memory of its agent.
    pub(crate) fn of(memory: AgentMemory, run: &RunScope) -> Self {
        let on_behalf_of = Some(run.on_behalf_of.clone()).filter(|_| memory != AgentMemory::Agent);
        let conversation = run
            .conversation
            .clone()
            .filter(|_| memory == AgentMemory::Conversation);
        // A run whose conversation is not known shares with none.
        let alone = memory == AgentMemory::Run
            || (memory == AgentMemory::Conversation && conversation.is_none());
        Self {
            principal: run.principal.clone(),
            on_behalf_of,
            conversation,
            run: alone.then_some(run.run),
        }
    }

    /// Whether no two runs share it.
    pub(super) fn is_of_one_run(&self) -> bool {
        self.run.is_some()
    }
}

/// Indexes of what was read.
#[derive(Debug, Default)]
pub(crate) struct ReadIndexes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    scopes: HashMap<ReadScope, ScopeIndex>,
    runs: HashMap<RunId, RunEntry>,
    /// Counts uses, to find those of longest ago.
    uses: u64,
}

/// An index that calls share.
#[derive(Debug)]
pub(crate) struct SharedIndex {
    index: Mutex<ReadIndex>,
    /// Held while much is read into it, so that calls wait for that without a thread.
    large: tokio::sync::Mutex<()>,
    /// Whether what was read before it began has been read into it.
    restored: watch::Sender<bool>,
}

impl SharedIndex {
    fn new(index: ReadIndex) -> Self {
        Self {
            index: Mutex::new(index),
            large: tokio::sync::Mutex::new(()),
            restored: watch::Sender::new(false),
        }
    }

    /// Waits until what was read before it began has been read into it.
    pub(super) async fn restored(&self) {
        // It has the sender, so it cannot end without one.
        drop(self.restored.subscribe().wait_for(|is| *is).await);
    }

    pub(super) fn note_restored(&self) {
        self.restored.send_replace(true);
    }
}

#[derive(Debug)]
struct RunEntry {
    scope: ReadScope,
    used: u64,
}

#[derive(Debug)]
struct ScopeIndex {
    index: Arc<SharedIndex>,
    values: Vec<String>,
    bytes: usize,
    used: u64,
}

/// A call that has started, for the reading of its result.
#[derive(Debug, Clone)]
pub(crate) struct StartedReading {
    tool: Arc<Tool>,
    /// Where its result goes; absent if its run is not held any more.
    into: Option<(ReadScope, Arc<SharedIndex>)>,
    values: Arc<CallValues>,
}

impl StartedReading {
    /// The tool that is called.
    pub(super) fn tool(&self) -> Arc<Tool> {
        Arc::clone(&self.tool)
    }

    /// A call that started before its index began.
    pub(super) fn before(tool: Arc<Tool>, values: CallValues) -> Self {
        Self {
            tool,
            into: None,
            values: Arc::new(values),
        }
    }

    /// Whether its caller executes it, and so has its content before it is decided, and strangers may have
    /// written that.
    pub(super) fn is_ahead(&self) -> bool {
        self.tool.source.kind == SourceKind::External && is_strangers(&self.tool.content_labels())
    }
}

/// Whether strangers may have written content with these labels.
pub(super) fn is_strangers(labels: &BTreeSet<String>) -> bool {
    labels.contains(UNTRUSTED) || labels.contains(UNLABELLED)
}

impl State {
    fn of(&mut self, run: RunId) -> Option<(&ReadScope, &mut ScopeIndex)> {
        self.uses += 1;
        let entry = self.runs.get_mut(&run)?;
        entry.used = self.uses;
        let scope = self.scopes.get_mut(&entry.scope)?;
        scope.used = self.uses;
        Some((&entry.scope, scope))
    }

    /// Forgets the half of the runs that was used longest ago. Runs that go on enter again with their next call.
    fn limit_runs(&mut self) {
        let mut uses: Vec<u64> = self.runs.values().map(|entry| entry.used).collect();
        let middle = uses.len() / 2;
        let (_, newest, _) = uses.select_nth_unstable(middle);
        let newest = *newest;
        self.runs.retain(|_, entry| entry.used >= newest);
    }

    /// Drops indexes while they are too large together: of the principal that has most of them those used longest
    /// ago, so that no one drops those of others by reading much.
    fn limit(&mut self) {
        let mut bytes: usize = self.scopes.values().map(|scope| scope.bytes).sum();
        while bytes > MAX_BYTES {
            let mut shares: HashMap<&Uid, usize> = HashMap::new();
            for (scope, held) in &self.scopes {
                *shares.entry(&scope.principal).or_default() += held.bytes;
            }
            let largest = shares.into_iter().max_by_key(|(_, bytes)| *bytes);
            let own = self
                .scopes
                .iter()
                .filter(|(scope, _)| Some(&scope.principal) == largest.map(|(of, _)| of));
            let oldest = own.min_by_key(|(_, held)| held.used);
            let Some(oldest) = oldest.map(|(scope, _)| scope.clone()) else {
                return;
            };
            let removed = self.scopes.remove(&oldest);
            bytes = bytes.saturating_sub(removed.map_or(0, |scope| scope.bytes));
        }
    }
}

impl ReadIndexes {
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn index(&self, run: RunId) -> Option<Arc<SharedIndex>> {
        self.with(|state| state.of(run).map(|(_, scope)| Arc::clone(&scope.index)))
    }

    /// Puts a run into its scope. `values` are those that the operator lists for its agent, `labels` those that the run
    /// holds. Returns the index of the scope, and whether it is new, so that its earlier content is to be restored.
    pub(crate) async fn enter(
        &self,
        ids: &Ids,
        run: RunId,
        scope: ReadScope,
        values: &[String],
        labels: &BTreeSet<String>,
    ) -> (Arc<SharedIndex>, bool) {
        let mut is_new = false;
        let (index, has_left, has_values) = self.with(|state| {
            state.uses += 1;
            if state.runs.len() >= MAX_RUNS && !state.runs.contains_key(&run) {
                state.limit_runs();
            }
            let entered = RunEntry {
                scope: scope.clone(),
                used: state.uses,
            };
            let before = state.runs.insert(run, entered);
            let has_left = before.is_some_and(|before| before.scope != scope);
            let shares_requests = scope.conversation.is_some();
            let entry = state.scopes.entry(scope).or_insert_with(|| {
                let mut index = ReadIndex::new(IndexKey::new(ids.secret()));
                index.begin_restoring();
                if shares_requests {
                    index.share_requests();
                }
                is_new = true;
                ScopeIndex {
                    index: Arc::new(SharedIndex::new(index)),
                    values: Vec::new(),
                    bytes: 0,
                    used: 0,
                }
            });
            entry.used = state.uses;
            let has_values = entry.values == values;
            values.clone_into(&mut entry.values);
            (Arc::clone(&entry.index), has_left, has_values)
        });
        // A large result may be read into it meanwhile.
        drop(index.large.lock().await);
        let mut held = lock(&index);
        if has_left {
            // What the run has read and passed on is in the other scope.
            held.lose();
        }
        if is_strangers(labels) {
            held.expose();
        }
        if !has_values {
            held.replace_operator(values);
        }
        drop(held);
        (index, is_new)
    }

    /// Notes how large the index of a run has become.
    pub(super) fn note_size(&self, run: RunId) {
        let Some(index) = self.index(run) else { return };
        let bytes = lock(&index).bytes();
        self.with(|state| {
            if let Some((_, scope)) = state.of(run) {
                scope.bytes = bytes;
            }
            state.limit();
        });
    }

    /// Adds what the user asks for in a run.
    pub(crate) fn read_request(&self, run: RunId, text: &str) {
        if let Some(index) = self.index(run) {
            lock(&index).read_request(run, text);
        }
    }

    /// Content of one run is about to reach another, which may be of another scope.
    pub(crate) fn share(&self, from: RunId, into: RunId) {
        let indexes = self.with(|state| {
            let scope = |run: &RunId| state.runs.get(run).map(|entry| entry.scope.clone());
            let differ = scope(&from) != scope(&into);
            let into = state.of(into).map(|(_, scope)| Arc::clone(&scope.index));
            into.filter(|_| differ)
        });
        if let Some(index) = indexes {
            lock(&index).lose();
        }
    }

    /// A run may know what runs of other scopes have read.
    pub(super) fn lose(&self, run: RunId) {
        if let Some(index) = self.index(run) {
            lock(&index).lose();
        }
    }

    /// Where the values of a call come from.
    pub(crate) fn provenance(&self, cx: &CallContext, call: &ToolCall) -> ProvenanceFacts {
        let agent = match cx.principal.kind {
            Kind::Agent => cx.ruleset.config.agents.get(&cx.principal.id),
            _ => None,
        };
        ProvenanceFacts {
            expected: agent.is_some_and(|agent| !agent.request_from.is_empty()),
            ..self.provenance_in(cx.run, call)
        }
    }

    /// The same for a call in `run`.
    pub(crate) fn provenance_in(&self, run: RunId, call: &ToolCall) -> ProvenanceFacts {
        let tool = call.tool();
        let arguments = CallArguments {
            arguments: call.arguments(),
            asked_by: &tool.provenance.asked_by,
            roles: &tool.provenance.roles,
            run,
        };
        match self.index(run) {
            Some(index) => arguments.provenance(&lock(&index)),
            None => arguments.unseen(),
        }
    }

    /// Says that a call starts: from now on, what repeats its arguments is at most as trusted as they are.
    pub(crate) fn begin(&self, cx: &CallContext, call: &ToolCall) -> StartedReading {
        let into = self.with(|state| {
            let (scope, entry) = state.of(cx.run)?;
            Some((scope.clone(), Arc::clone(&entry.index)))
        });
        let mut started = StartedReading {
            tool: Arc::clone(call.tool()),
            into,
            values: Arc::default(),
        };
        if let Some((_, index)) = &started.into {
            let mut index = lock(index);
            if is_strangers(&cx.inherited_labels) {
                index.expose();
            }
            let roles = &call.tool().provenance.roles;
            started.values = Arc::new(index.begin_call(cx.run, roles, call.arguments()));
            if started.is_ahead() {
                index.await_content(cx.call);
            }
        }
        started
    }

    /// Reads what the caller is about to get. `labels` are those that the call took on besides its tool's.
    pub(crate) async fn read(
        &self,
        cx: &CallContext,
        started: &StartedReading,
        labels: &BTreeSet<String>,
        verdict: &Verdict,
    ) {
        let Some((scope, index)) = started.into.clone() else {
            // Its run was forgotten, and with it the scope.
            return self.mark_gaps(&cx.principal);
        };
        let (is_large, verdict) = (size(verdict) > LARGE, verdict.clone());
        let reading = ResultReading {
            call: cx.call,
            run: cx.run,
            is_tainted: is_strangers(labels) || is_strangers(&cx.inherited_labels),
            started: started.clone(),
        };
        let own = Arc::clone(&index);
        let read = move || {
            let mut index = lock(&own);
            reading.read(&mut index, &verdict);
            index.bytes()
        };
        let bytes = match is_large {
            // Without its reading, the index has a gap.
            true => {
                let _large = index.large.lock().await;
                tokio::task::spawn_blocking(read).await.ok()
            }
            false => Some(read()),
        };
        let lost = self.with(|state| {
            let lost = state.scopes.get_mut(&scope).and_then(|held| match bytes {
                Some(bytes) if Arc::ptr_eq(&held.index, &index) => {
                    held.bytes = bytes;
                    None
                }
                // It was read into an index that is not in use any more, or not at all.
                _ => Some(Arc::clone(&held.index)),
            });
            state.limit();
            lost
        });
        if let Some(index) = lost {
            lock(&index).lose();
        }
    }

    /// A result of a principal is lost.
    fn mark_gaps(&self, principal: &Uid) {
        let indexes: Vec<_> = self.with(|state| {
            let scopes = state.scopes.iter();
            let own = scopes.filter(|(scope, _)| scope.principal == *principal);
            own.map(|(_, entry)| Arc::clone(&entry.index)).collect()
        });
        for index in indexes {
            lock(&index).lose();
        }
    }
}

pub(super) fn lock(index: &SharedIndex) -> std::sync::MutexGuard<'_, ReadIndex> {
    index.index.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
