//! The labels that an agent remembers from one run to another, so that a new run name does not remove
//! labels.
//!
//! A run's key comes from the caller. So labels belong to the agent: before anything in a run is decided,
//! it takes on the labels that other runs within the same scope of memory held during the window. The
//! operator sets the scope (`[agents.NAME] memory`). Runs of other scopes do not taint it.
//!
//! This is a view of the ledger: read from it when a principal first calls, and updated by every commit.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use tollgate_ledger::{Ledger, LedgerError, RunFilter};
use tollgate_model::{entity::Uid, ids::RunId, record::Event, time::Timestamp};

use crate::config::AgentMemory;

/// The most runs whose conversations are cached.
const MAX_CONVERSATIONS: usize = 100_000;

/// The properties of a run that determine its scope of memory.
#[derive(Debug, Clone)]
pub(crate) struct RunScope {
    pub(crate) run: RunId,
    pub(crate) principal: Uid,
    pub(crate) on_behalf_of: Uid,
    /// The conversation of the run, if the surface knows it.
    pub(crate) conversation: Option<String>,
}

/// Labels of principals, by run.
#[derive(Debug, Default)]
pub(crate) struct LabelMemory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_principal: HashMap<Uid, HashMap<RunId, HeldLabels>>,
    conversations: HashMap<RunId, String>,
    /// The conversations in which runs began.
    began: HashMap<RunId, Option<String>>,
}

/// The labels of one run.
#[derive(Debug)]
struct HeldLabels {
    on_behalf_of: Uid,
    labels: BTreeSet<String>,
    /// The time of the run's latest activity.
    last: Timestamp,
}

impl LabelMemory {
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records activity in a run that holds these labels.
    pub(crate) fn note(&self, scope: RunScope, labels: BTreeSet<String>, now: Timestamp) {
        self.with(|state| {
            if let Some(conversation) = scope.conversation
                && state.conversations.len() < MAX_CONVERSATIONS
            {
                state.conversations.insert(scope.run, conversation);
            }
            // A principal that was not read yet is read completely on first use.
            let Some(runs) = state.by_principal.get_mut(&scope.principal) else {
                return;
            };
            if let Some(held) = runs.get_mut(&scope.run) {
                held.labels.extend(labels);
                held.last = held.last.max(now);
            } else if !labels.is_empty() {
                let held = HeldLabels {
                    on_behalf_of: scope.on_behalf_of,
                    labels,
                    last: now,
                };
                runs.insert(scope.run, held);
            }
        });
    }

    /// Whether a run has been in another conversation, or remembers a run that does not share with it what it has read:
    /// the conversation of one of the two is not known.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub(crate) fn has_strange<'a>(
        &self,
        ledger: &Ledger,
        scope: &RunScope,
        mut remembered: impl Iterator<Item = &'a RunId>,
    ) -> Result<bool, LedgerError> {
        let own = self.began(ledger, scope.run)?;
        if scope.conversation.is_none() {
            self.with(|state| state.began.insert(scope.run, None));
            return Ok(own.is_some() || remembered.next().is_some());
        }
        if own != scope.conversation {
            return Ok(true);
        }
        for run in remembered {
            if self.began(ledger, *run)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The conversation in which a run began; `None` if it has had calls outside one.
    fn began(&self, ledger: &Ledger, run: RunId) -> Result<Option<String>, LedgerError> {
        if let Some(known) = self.with(|state| state.began.get(&run).cloned()) {
            return Ok(known);
        }
        let reader = ledger.reader();
        let row = reader.run(&run.to_string())?;
        let began = reader.record(row.opened)?.map(|record| record.event);
        let conversation = match began {
            Some(Event::RunStarted(started)) => started.origin.conversation,
            _ => None,
        };
        self.with(|state| {
            if state.began.len() >= MAX_CONVERSATIONS {
                state.began.clear();
            }
            state.began.insert(run, conversation.clone());
        });
        Ok(conversation)
    }

    /// Labels that other runs in the scope of memory of `scope` held since `since`, by run.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub(crate) fn recall(
        &self,
        ledger: &Ledger,
        tenant: &str,
        memory: AgentMemory,
        scope: &RunScope,
        since: Timestamp,
    ) -> Result<BTreeMap<RunId, BTreeSet<String>>, LedgerError> {
        if memory == AgentMemory::Run {
            return Ok(BTreeMap::new());
        }
        self.with(|state| {
            if !state.by_principal.contains_key(&scope.principal) {
                let runs = read(ledger, tenant, &scope.principal, since)?;
                state.by_principal.insert(scope.principal.clone(), runs);
            }
            let State {
                by_principal,
                conversations,
                began,
            } = state;
            let Some(runs) = by_principal.get_mut(&scope.principal) else {
                return Ok(BTreeMap::new());
            };
            runs.retain(|run, held| {
                let stays = held.last >= since;
                if !stays {
                    conversations.remove(run);
                    began.remove(run);
                }
                stays
            });
            let remembers = |run: &RunId, held: &HeldLabels| match memory {
                AgentMemory::Run => false,
                AgentMemory::Agent => true,
                AgentMemory::User => held.on_behalf_of == scope.on_behalf_of,
                AgentMemory::Conversation => {
                    let other = conversations.get(run);
                    held.on_behalf_of == scope.on_behalf_of
                        && (other.is_none()
                            || scope.conversation.is_none()
                            || other == scope.conversation.as_ref())
                }
            };
            let known = runs
                .iter()
                .filter(|(run, held)| **run != scope.run && remembers(run, held));
            Ok(known
                .map(|(run, held)| (*run, held.labels.clone()))
                .collect())
        })
    }
}

/// The labels of the principal's runs in the ledger.
fn read(
    ledger: &Ledger,
    tenant: &str,
    principal: &Uid,
    since: Timestamp,
) -> Result<HashMap<RunId, HeldLabels>, LedgerError> {
    // Usually there are no labels, and no run needs to be read.
    if ledger.labels_held(tenant, principal, since)?.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = ledger.reader().runs(&RunFilter {
        tenant: Some(tenant.to_owned()),
        principal: Some(principal.clone()),
        ..RunFilter::default()
    })?;
    let held = rows
        .into_iter()
        .filter(|row| row.last >= since && !row.labels.is_empty())
        .map(|row| {
            let held = HeldLabels {
                on_behalf_of: row.on_behalf_of,
                labels: row.labels,
                last: row.last,
            };
            (row.id, held)
        });
    Ok(held.collect())
}
