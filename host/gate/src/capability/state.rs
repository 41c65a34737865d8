//! Component state as acts: read the sealed value, decide, and only then open or change it.
//!
//! A write is one transaction with the record of its decision. Values are sealed before they leave this
//! file and opened only after a recorded allow. A value that was moved to another key does not open.

use std::{collections::BTreeSet, time::Instant};

use serde_json::{Value, json};
use tollgate_ledger::{
    LedgerError, NewState, Precondition, StateEntry, StateLimits, StateNamespace, StateUpdate,
    StateUpdateResult,
};
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    ids::RunId,
    request::{Action, ActionContext, Request},
};
use tollgate_sandbox::{
    capability::state::{
        MAX_VALUE, StateError, StateOperation, StateReply, StateRequest, StateScope,
    },
    port::EffectReport,
};
use unicode_normalization::is_nfc;

use super::{Capabilities, EffectAction, EffectCaller, approver_view, denial};
use crate::enforce::Refusal;

/// The most bytes of a key.
const MAX_KEY: usize = 256;
/// The most keys of a component in one scope.
const MAX_KEYS: u64 = 1_000;
/// The most bytes of a component in a run, and in its own scope.
const MAX_RUN_BYTES: u64 = 1 << 20;
const MAX_ADAPTER_BYTES: u64 = 16 << 20;

fn scope_name(scope: StateScope) -> &'static str {
    match scope {
        StateScope::Run => "run",
        StateScope::Adapter => "adapter",
    }
}

/// The most keys and bytes of a component in a scope.
fn limits(scope: StateScope) -> StateLimits {
    let bytes = match scope {
        StateScope::Run => MAX_RUN_BYTES,
        StateScope::Adapter => MAX_ADAPTER_BYTES,
    };
    StateLimits {
        keys: MAX_KEYS,
        bytes,
    }
}

fn refused(refusal: Refusal) -> StateError {
    StateError::Denied(denial(refusal))
}

fn unreadable(_: LedgerError) -> StateError {
    StateError::Failed
}

/// A component's request for one key of its state, or for the list of keys.
#[derive(Debug)]
struct StateAct {
    action: Action,
    scope: StateScope,
    /// Empty for the list of keys.
    key: String,
    /// Bytes to be written; 0 if none are.
    size: u64,
    /// The new value; absent to delete the key.
    value: Option<Vec<u8>>,
    /// Labels of the current value.
    labels: BTreeSet<String>,
    /// The store update.
    update: Option<StateUpdate>,
    result: Option<StateUpdateResult>,
}

impl StateAct {
    fn read(scope: StateScope, key: &str, labels: BTreeSet<String>) -> Self {
        Self {
            action: Action::ReadState,
            scope,
            key: key.into(),
            size: 0,
            value: None,
            labels,
            update: None,
            result: None,
        }
    }

    fn id(&self, caller: &EffectCaller, key: &str) -> String {
        format!("{}/{}:{key}", caller.component, scope_name(self.scope))
    }
}

impl EffectAction for StateAct {
    fn request(&self, caller: &EffectCaller) -> Request {
        Request {
            principal: Uid::new(Kind::Component, &caller.component),
            action: self.action.clone(),
            resource: Uid::new(Kind::State, self.id(caller, &self.key)),
            context: ActionContext::Capability {
                guest: caller.guest(),
                size: self.size,
            },
        }
    }

    fn entities(&self, caller: &EffectCaller) -> Vec<Entity> {
        let scope = Uid::new(Kind::State, self.id(caller, ""));
        let component = Uid::new(Kind::Component, &caller.component);
        let labels = || self.labels.iter().map(|l| Uid::new(Kind::Label, l));
        if self.key.is_empty() {
            return vec![Entity::new(scope, [component].into_iter().chain(labels()))];
        }
        let key = Uid::new(Kind::State, self.id(caller, &self.key));
        let parents: Vec<Uid> = [scope.clone()].into_iter().chain(labels()).collect();
        vec![Entity::new(scope, [component]), Entity::new(key, parents)]
    }

    fn changes_the_world(&self) -> bool {
        matches!(self.action, Action::WriteState)
    }

    fn target(&self) -> String {
        format!("{}:{}", scope_name(self.scope), self.key)
    }

    fn approval_detail(&self) -> Value {
        match (&self.value, self.changes_the_world()) {
            (Some(value), _) => json!({ "operation": "set", "value": approver_view(value) }),
            (None, true) => json!({ "operation": "delete" }),
            (None, false) => Value::Null,
        }
    }

    fn result_labels(&self) -> BTreeSet<String> {
        if self.changes_the_world() {
            return BTreeSet::new();
        }
        self.labels.clone()
    }

    fn propagates_labels(&self) -> bool {
        self.changes_the_world()
    }

    fn state_update(&mut self, run_labels: &BTreeSet<String>) -> Option<StateUpdate> {
        let mut update = self.update.take()?;
        update.labels.clone_from(run_labels);
        Some(update)
    }

    fn set_update_result(&mut self, result: StateUpdateResult) {
        self.result = Some(result);
    }
}

/// A value that was read, and its version.
struct ReadValue {
    value: Option<Vec<u8>>,
    version: Option<u64>,
}

/// The result of a write whose precondition held.
struct WriteOutcome {
    /// Whether the key was there before.
    existed: bool,
}

impl Capabilities {
    /// Performs a component's state operation.
    pub(super) async fn perform_state(
        &self,
        request: StateRequest,
    ) -> Result<StateReply, StateError> {
        let StateRequest {
            scope,
            key,
            operation,
        } = request;
        match operation {
            StateOperation::Get => {
                let read = self.read_state(scope, &key).await?;
                Ok(StateReply::Value(read.value))
            }
            StateOperation::Set(value) => {
                self.write_state(scope, &key, Some(&value), Precondition::None)
                    .await?;
                Ok(StateReply::Nothing)
            }
            StateOperation::Delete => self.delete_state(scope, &key).await.map(StateReply::Flag),
            StateOperation::List => self.list_state(scope, &key).await.map(StateReply::Keys),
            StateOperation::CompareAndSet { expected, value } => {
                let set = self.replace_state(scope, &key, expected.as_deref(), &value);
                set.await.map(StateReply::Flag)
            }
        }
    }

    fn namespace(&self, scope: StateScope) -> StateNamespace {
        StateNamespace {
            tenant: self.cx.ruleset.config.gate.tenant.clone(),
            component: self.caller.component.clone(),
            run: (scope == StateScope::Run).then_some(self.cx.run),
        }
    }

    /// Labels of a key or, if it is absent, of all keys and of those that were deleted: the absence of a key
    /// reveals something about what others wrote or deleted.
    fn labels_of(
        &self,
        namespace: &StateNamespace,
        entry: Option<&StateEntry>,
    ) -> Result<BTreeSet<String>, StateError> {
        if let Some(entry) = entry {
            return Ok(entry.labels.clone());
        }
        let keys = self.pep.ledger.reader().state_keys(namespace);
        self.labels_of_all(namespace, &keys.map_err(unreadable)?)
    }

    /// Labels of all keys, and of those that were deleted: what a list of keys reveals.
    fn labels_of_all(
        &self,
        namespace: &StateNamespace,
        keys: &[(String, BTreeSet<String>)],
    ) -> Result<BTreeSet<String>, StateError> {
        let deleted = self.pep.ledger.reader().state_absence_labels(namespace);
        let mut labels = deleted.map_err(unreadable)?;
        labels.extend(keys.iter().flat_map(|(_, labels)| labels.iter().cloned()));
        Ok(labels)
    }

    async fn read_state(&self, scope: StateScope, key: &str) -> Result<ReadValue, StateError> {
        check_key(key)?;
        let begun = Instant::now();
        let namespace = self.namespace(scope);
        let entry = self.pep.ledger.reader().state_entry(&namespace, key);
        let entry = entry.map_err(unreadable)?;
        let act = StateAct::read(scope, key, self.labels_of(&namespace, entry.as_ref())?);
        let permit = self.authorize_effect(act).await.map_err(refused)?;
        let value = match &entry {
            Some(entry) => {
                let keys = self.pep.ledger.keys();
                match keys.open(&entry.value, &sealed_as(&namespace, key)) {
                    Ok(plain) => Some(plain.to_vec()),
                    // Its retention has ended: it counts as absent.
                    Err(LedgerError::Sealed { .. }) => None,
                    Err(_) => {
                        let failed = Err("it does not open".to_owned());
                        self.complete_effect(permit, EffectReport::new(begun, failed));
                        return Err(StateError::Failed);
                    }
                }
            }
            None => None,
        };
        let size = value.as_ref().map_or(0, |value| value.len() as u64);
        self.complete_effect(permit, EffectReport::new(begun, Ok(size)));
        Ok(ReadValue {
            value,
            version: entry.map(|entry| entry.version),
        })
    }

    /// Sets or deletes a key. Returns `None` if the precondition did not hold.
    async fn write_state(
        &self,
        scope: StateScope,
        key: &str,
        value: Option<&[u8]>,
        precondition: Precondition,
    ) -> Result<Option<WriteOutcome>, StateError> {
        check_key(key)?;
        let size = value.map_or(0, <[u8]>::len);
        if size > MAX_VALUE {
            return Err(StateError::TooLarge);
        }
        let begun = Instant::now();
        let act = self.write_act(scope, key, value, precondition)?;
        let permit = self.authorize_effect(act).await.map_err(refused)?;
        let failed = |how: &str| EffectReport::new(begun, Err(how.to_owned()));
        match permit.act().result {
            Some(StateUpdateResult::Done { existed }) => {
                self.complete_effect(permit, EffectReport::new(begun, Ok(size as u64)));
                Ok(Some(WriteOutcome { existed }))
            }
            Some(StateUpdateResult::PreconditionFailed) => {
                self.complete_effect(permit, failed("it was changed meanwhile"));
                Ok(None)
            }
            Some(StateUpdateResult::LimitReached) => {
                self.complete_effect(permit, failed("there is no room"));
                // That reveals how much others wrote, as the list of keys does.
                self.list_state(scope, "").await?;
                Err(StateError::Full)
            }
            None => Err(StateError::Failed),
        }
    }

    fn write_act(
        &self,
        scope: StateScope,
        key: &str,
        value: Option<&[u8]>,
        precondition: Precondition,
    ) -> Result<StateAct, StateError> {
        let namespace = self.namespace(scope);
        let sealed = match value {
            Some(value) => {
                let (kind, now) = (sealed_as(&namespace, key), self.pep.now());
                let sealed = self.pep.ledger.seal(&namespace.tenant, now, value, &kind);
                let counts = (key.len() + value.len()) as u64;
                Some(NewState {
                    value: sealed.map_err(unreadable)?,
                    size: counts,
                })
            }
            None => None,
        };
        let entry = self.pep.ledger.reader().state_entry(&namespace, key);
        let labels = entry.map_err(unreadable)?.map(|entry| entry.labels);
        Ok(StateAct {
            action: Action::WriteState,
            scope,
            key: key.into(),
            size: value.map_or(0, <[u8]>::len) as u64,
            value: value.map(<[u8]>::to_vec),
            labels: labels.unwrap_or_default(),
            update: Some(StateUpdate {
                namespace,
                key: key.into(),
                value: sealed,
                labels: BTreeSet::new(),
                precondition,
                limits: limits(scope),
            }),
            result: None,
        })
    }

    /// Deletes a key, and returns whether it existed. That reveals what others wrote, so a read is decided
    /// first.
    async fn delete_state(&self, scope: StateScope, key: &str) -> Result<bool, StateError> {
        self.read_state(scope, key).await?;
        let written = self
            .write_state(scope, key, None, Precondition::None)
            .await?;
        Ok(written.is_some_and(|written| written.existed))
    }

    /// Sets a key if its value equals the expected one, and returns whether it was set. That reveals
    /// something about the value, so a read is decided first.
    async fn replace_state(
        &self,
        scope: StateScope,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, StateError> {
        let read = self.read_state(scope, key).await?;
        if read.value.as_deref() != expected {
            return Ok(false);
        }
        let precondition = read
            .version
            .map_or(Precondition::Absent, Precondition::Version);
        let written = self
            .write_state(scope, key, Some(value), precondition)
            .await?;
        Ok(written.is_some())
    }

    /// The keys that begin with `prefix`.
    async fn list_state(&self, scope: StateScope, prefix: &str) -> Result<Vec<String>, StateError> {
        let begun = Instant::now();
        let namespace = self.namespace(scope);
        let keys = self.pep.ledger.reader().state_keys(&namespace);
        let mut keys = keys.map_err(unreadable)?;
        let act = StateAct::read(scope, "", self.labels_of_all(&namespace, &keys)?);
        keys.retain(|(key, _)| key.starts_with(prefix));
        let permit = self.authorize_effect(act).await.map_err(refused)?;
        let size = keys.iter().map(|(key, _)| key.len() as u64).sum();
        self.complete_effect(permit, EffectReport::new(begun, Ok(size)));
        Ok(keys.into_iter().map(|(key, _)| key).collect())
    }
}

/// The associated data of a value, which binds it to its key.
fn sealed_as(namespace: &StateNamespace, key: &str) -> String {
    let run = namespace.run.as_ref().map(RunId::to_string);
    // Names of components contain no `/`, and ids of runs no `:`.
    format!(
        "state {}/{}:{key}",
        namespace.component,
        run.as_deref().unwrap_or("adapter")
    )
}

fn check_key(key: &str) -> Result<(), StateError> {
    let rule = if key.is_empty() {
        "a key has at least one character"
    } else if key.len() > MAX_KEY {
        "a key has at most 256 bytes"
    } else if key.chars().any(char::is_control) {
        "a key has no control characters"
    } else if !is_nfc(key) {
        "a key is in Unicode's normal form C"
    } else {
        return Ok(());
    };
    Err(StateError::InvalidKey(rule))
}

#[cfg(test)]
mod tests;
