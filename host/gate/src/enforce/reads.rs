//! What runs have read: an index for each scope of memory, from which calls get their provenance.
//!
//! An index lives as long as the process, within a limit for all of them. What is lost, by a restart or by
//! the limit, is a gap: calls of its scope are then not known (`context.provenance.known`), until the labels
//! of what was read have run out.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tollgate_model::{
    entity::Uid,
    ids::RunId,
    provenance::{CallArguments, IndexKey, ProvenanceFacts, ReadIndex, ResultSource},
};

use super::{CallContext, ToolCall, Verdict, memory::RunScope};
use crate::{
    config::AgentMemory,
    ids::Ids,
    tool::{Content, ResourceBody, Tool},
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
}

/// Indexes of what was read.
#[derive(Debug, Default)]
pub(crate) struct ReadIndexes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    scopes: HashMap<ReadScope, ScopeIndex>,
    runs: HashMap<RunId, ReadScope>,
    /// Counts uses, to find those of longest ago.
    uses: u64,
}

#[derive(Debug)]
struct ScopeIndex {
    index: Arc<Mutex<ReadIndex>>,
    values: Vec<String>,
    bytes: usize,
    used: u64,
}

impl State {
    fn of(&mut self, run: RunId) -> Option<&mut ScopeIndex> {
        self.uses += 1;
        let scope = self.scopes.get_mut(self.runs.get(&run)?)?;
        scope.used = self.uses;
        Some(scope)
    }

    fn limit(&mut self) {
        let mut bytes: usize = self.scopes.values().map(|scope| scope.bytes).sum();
        while bytes > MAX_BYTES && self.scopes.len() > 1 {
            let oldest = self.scopes.iter().min_by_key(|(_, scope)| scope.used);
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

    fn index(&self, run: RunId) -> Option<Arc<Mutex<ReadIndex>>> {
        self.with(|state| state.of(run).map(|scope| Arc::clone(&scope.index)))
    }

    /// Puts a run into its scope. `values` are those that the operator lists for its agent; `has_read` says
    /// whether the run holds labels, and so has read what a new index does not have.
    pub(crate) fn enter(
        &self,
        ids: &Ids,
        run: RunId,
        scope: ReadScope,
        values: &[String],
        has_read: bool,
    ) {
        self.with(|state| {
            state.uses += 1;
            if state.runs.len() >= MAX_RUNS && !state.runs.contains_key(&run) {
                // Runs that go on enter again with their next call.
                state.runs.clear();
            }
            state.runs.insert(run, scope.clone());
            let entry = state.scopes.entry(scope).or_insert_with(|| {
                let mut index = ReadIndex::new(IndexKey::new(ids.secret()));
                if has_read {
                    index.mark_gap();
                }
                ScopeIndex {
                    index: Arc::new(Mutex::new(index)),
                    values: Vec::new(),
                    bytes: 0,
                    used: 0,
                }
            });
            entry.used = state.uses;
            if entry.values != values {
                values.clone_into(&mut entry.values);
                lock(&entry.index).replace_operator(values);
            }
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
            let differ = state.runs.get(&from) != state.runs.get(&into);
            let into = state.of(into).map(|scope| Arc::clone(&scope.index));
            into.filter(|_| differ)
        });
        if let Some(index) = indexes {
            lock(&index).mark_gap();
        }
    }

    /// Where the values of a call come from.
    pub(crate) fn provenance(&self, cx: &CallContext, call: &ToolCall) -> ProvenanceFacts {
        let edited = cx.edit.as_ref().map(|edit| &edit.pointers);
        self.provenance_in(cx.run, call, edited.unwrap_or(&BTreeSet::new()))
    }

    /// The same for a call in `run`, of which an approver set the values at these pointers.
    pub(crate) fn provenance_in(
        &self,
        run: RunId,
        call: &ToolCall,
        edited: &BTreeSet<String>,
    ) -> ProvenanceFacts {
        let Some(index) = self.index(run) else {
            return ProvenanceFacts::default();
        };
        let tool = call.tool();
        let arguments = CallArguments {
            arguments: call.arguments(),
            asked_by: &tool.provenance.asked_by,
            edited,
            roles: &tool.provenance.roles,
            run,
        };
        arguments.provenance(&lock(&index))
    }

    /// Reads what the caller is about to get.
    pub(crate) async fn read(&self, cx: &CallContext, tool: &Arc<Tool>, verdict: &Verdict) {
        let content = match verdict {
            Verdict::Released { content, .. } => content.clone(),
            Verdict::ToolError(failure) => vec![Content::Text {
                text: failure.message.clone(),
            }],
            Verdict::Withheld { .. } | Verdict::Refused(_) | Verdict::Ended { .. } => return,
        };
        let Some(index) = self.index(cx.run) else {
            return;
        };
        let (run, call, tool) = (cx.run, cx.call, Arc::clone(tool));
        let read = move || {
            let source = ResultSource {
                call,
                run,
                tool: &tool.name,
                trust: &tool.provenance.trust,
            };
            let mut index = lock(&index);
            for part in &content {
                read_part(&mut index, &source, part);
            }
            index.bytes()
        };
        let bytes = match size(verdict) > LARGE {
            // Without its reading, the index has a gap.
            true => tokio::task::spawn_blocking(read).await.ok(),
            false => Some(read()),
        };
        self.with(|state| {
            if let Some(scope) = state.of(run) {
                match bytes {
                    Some(bytes) => scope.bytes = bytes,
                    None => lock(&scope.index).mark_gap(),
                }
            }
            state.limit();
        });
    }
}

fn lock(index: &Mutex<ReadIndex>) -> std::sync::MutexGuard<'_, ReadIndex> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

fn size(verdict: &Verdict) -> usize {
    let Verdict::Released { content, .. } = verdict else {
        return 0;
    };
    let of = |part: &Content| match part {
        Content::Text { text } => text.len(),
        Content::Resource { resource } => match &resource.body {
            ResourceBody::Text(text) => text.len(),
            ResourceBody::Blob(_) => 0,
        },
        Content::Image { .. } => 0,
        // Its size is not known without writing it.
        Content::Structured(_) => LARGE,
    };
    content.iter().map(of).sum()
}

fn read_part(index: &mut ReadIndex, source: &ResultSource<'_>, part: &Content) {
    match part {
        Content::Text { text } => index.read_text(source, text),
        Content::Structured(value) => index.read_value(source, value),
        Content::Resource { resource } => {
            if let ResourceBody::Text(text) = &resource.body {
                index.read_text(source, text);
            } else {
                index.mark_gap();
            }
            index.read_text(source, &resource.uri);
        }
        // A picture may show text, which is not read here.
        Content::Image { .. } => index.mark_gap(),
    }
}
