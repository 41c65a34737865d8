//! What components keep, as acts: read what is there, have it decided, and only then open or change it.
//!
//! A write is one transaction with the record of its decision. Values are sealed before they leave this
//! file and opened only after a recorded allow; a value that was moved to another key does not open.

use std::{collections::BTreeSet, time::Instant};

use serde_json::{Value, json};
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    ids::RunId,
    request::{Action, ActionContext, Request},
};
use unicode_normalization::is_nfc;

use super::{Act, CallContext, Capabilities, Capability, Refusal, midcall::shown};
use crate::tool::Tool;
use tollgate_ledger::{Change, Changed, Kept, LedgerError, Place};

/// Bytes of a key.
const MAX_KEY: usize = 256;
/// Bytes of a value.
pub const MAX_VALUE: usize = 64 << 10;
/// Keys of a component in one scope.
const MAX_KEYS: u64 = 1_000;
/// Bytes that a component keeps in a run, and for itself.
const MAX_RUN_BYTES: u64 = 1 << 20;
const MAX_ADAPTER_BYTES: u64 = 16 << 20;

/// Who shares what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The component's calls within the run.
    Run,
    /// All calls of the component.
    Adapter,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Adapter => "adapter",
        }
    }

    fn limits(self) -> (u64, u64) {
        match self {
            Self::Run => (MAX_KEYS, MAX_RUN_BYTES),
            Self::Adapter => (MAX_KEYS, MAX_ADAPTER_BYTES),
        }
    }
}

/// Why something is not kept, or not read.
#[derive(Debug, Clone, PartialEq)]
pub enum StateFault {
    /// The key breaks a rule.
    InvalidKey(&'static str),
    /// The value is too large.
    TooLarge,
    /// The component would keep more than it may.
    Full,
    /// It is refused.
    Refused(Box<Refusal>),
    /// The store cannot be read.
    Failed,
}

impl From<Refusal> for StateFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<LedgerError> for StateFault {
    fn from(_: LedgerError) -> Self {
        Self::Failed
    }
}

/// A component's request for what it keeps.
#[derive(Debug)]
pub struct StateAct {
    action: Action,
    tool: String,
    component: String,
    scope: Scope,
    /// Empty for the list of keys.
    key: String,
    size: u64,
    /// What is to be kept; nothing to remove it.
    value: Option<Vec<u8>>,
    /// Labels of what is there.
    labels: BTreeSet<String>,
    /// What is to change.
    change: Option<Change>,
    changed: Option<Changed>,
}

impl StateAct {
    fn id_of(&self, key: &str) -> String {
        format!("{}/{}:{key}", self.component, self.scope.as_str())
    }
}

impl Act for StateAct {
    fn request(&self, cx: &CallContext) -> Request {
        Request {
            principal: Uid::new(Kind::Component, &self.component),
            action: self.action.clone(),
            resource: Uid::new(Kind::State, self.id_of(&self.key)),
            context: ActionContext::Capability {
                on_behalf_of: cx.on_behalf_of.clone(),
                agent: cx.agent.clone(),
                tool: Uid::new(Kind::Tool, &self.tool),
                size: self.size,
            },
        }
    }

    fn entities(&self) -> Vec<Entity> {
        let scope = Uid::new(Kind::State, self.id_of(""));
        let component = Uid::new(Kind::Component, &self.component);
        let labels = || self.labels.iter().map(|l| Uid::new(Kind::Label, l));
        if self.key.is_empty() {
            return vec![Entity::new(scope, [component].into_iter().chain(labels()))];
        }
        let key = Uid::new(Kind::State, self.id_of(&self.key));
        let parents: Vec<Uid> = [scope.clone()].into_iter().chain(labels()).collect();
        vec![Entity::new(scope, [component]), Entity::new(key, parents)]
    }

    fn changes_the_world(&self) -> bool {
        matches!(self.action, Action::WriteState)
    }
}

impl Capability for StateAct {
    fn target(&self) -> String {
        format!("{}:{}", self.scope.as_str(), self.key)
    }

    fn detail(&self) -> Value {
        match (&self.value, self.changes_the_world()) {
            (Some(value), _) => json!({ "operation": "set", "value": shown(value) }),
            (None, true) => json!({ "operation": "delete" }),
            (None, false) => Value::Null,
        }
    }

    fn labels(&self) -> BTreeSet<String> {
        if self.changes_the_world() {
            return BTreeSet::new();
        }
        self.labels.clone()
    }

    fn writes(&self) -> bool {
        self.changes_the_world()
    }

    fn change(&mut self, marks: &BTreeSet<String>) -> Option<Change> {
        let mut change = self.change.take()?;
        if let Some((_, labels, _)) = &mut change.value {
            labels.clone_from(marks);
        }
        Some(change)
    }

    fn changed(&mut self, changed: Changed) {
        self.changed = Some(changed);
    }
}

impl Capabilities {
    fn place(&self, scope: Scope) -> Place {
        Place {
            tenant: self.cx.ruleset.config.gate.tenant.clone(),
            component: self.tool.source.name.clone(),
            run: (scope == Scope::Run).then_some(self.cx.run),
        }
    }

    fn state_act(&self, action: Action, scope: Scope, key: &str) -> StateAct {
        let tool: &Tool = &self.tool;
        StateAct {
            action,
            tool: tool.name.clone(),
            component: tool.source.name.clone(),
            scope,
            key: key.into(),
            size: 0,
            value: None,
            labels: BTreeSet::new(),
            change: None,
            changed: None,
        }
    }

    /// The value of a key, and what was read of it.
    async fn read_state(
        &self,
        scope: Scope,
        key: &str,
    ) -> Result<(Option<Vec<u8>>, Option<Kept>), StateFault> {
        checked(key)?;
        let begun = Instant::now();
        let place = self.place(scope);
        let kept = self.pep.ledger.reader().kept(&place, key)?;
        let mut act = self.state_act(Action::ReadState, scope, key);
        act.labels = kept.as_ref().map(|k| k.labels.clone()).unwrap_or_default();
        let permitted = self.enforce(act).await?;
        let value = match &kept {
            Some(kept) => {
                let keys = self.pep.ledger.keys();
                match keys.open(&kept.value, &sealed_as(&place, key)) {
                    Ok(plain) => Some(plain.to_vec()),
                    // Its retention has ended: it is as if it were not there.
                    Err(LedgerError::Sealed { .. }) => None,
                    Err(_) => {
                        self.done(permitted, begun, Err("it does not open"));
                        return Err(StateFault::Failed);
                    }
                }
            }
            None => None,
        };
        let size = value.as_ref().map_or(0, |value| value.len() as u64);
        self.done(permitted, begun, Ok(size));
        Ok((value, kept))
    }

    /// Change a key, if it still has the version that is wanted, should one be. Says whether the key was
    /// there, or nothing if it had another version.
    async fn write_state(
        &self,
        scope: Scope,
        key: &str,
        value: Option<&[u8]>,
        only_if: Option<Option<u64>>,
    ) -> Result<Option<bool>, StateFault> {
        checked(key)?;
        let size = value.map_or(0, <[u8]>::len);
        if size > MAX_VALUE {
            return Err(StateFault::TooLarge);
        }
        let begun = Instant::now();
        let place = self.place(scope);
        let sealed = match value {
            Some(value) => {
                let kind = sealed_as(&place, key);
                let now = self.pep.now();
                let sealed = self.pep.ledger.seal(&place.tenant, now, value, &kind)?;
                let counts = (key.len() + value.len()) as u64;
                Some((sealed, BTreeSet::new(), counts))
            }
            None => None,
        };
        let mut act = self.state_act(Action::WriteState, scope, key);
        act.size = size as u64;
        act.value = value.map(<[u8]>::to_vec);
        act.labels = match self.pep.ledger.reader().kept(&place, key)? {
            Some(kept) => kept.labels,
            None => BTreeSet::new(),
        };
        act.change = Some(Change {
            place,
            key: key.into(),
            value: sealed,
            only_if,
            limits: scope.limits(),
        });
        let permitted = self.enforce(act).await?;
        let changed = permitted.act().changed;
        match changed {
            Some(Changed::Done(was)) => {
                self.done(permitted, begun, Ok(size as u64));
                Ok(Some(was))
            }
            Some(Changed::Otherwise) => {
                self.done(permitted, begun, Err("it was changed meanwhile"));
                Ok(None)
            }
            Some(Changed::Full) => {
                self.done(permitted, begun, Err("there is no room"));
                Err(StateFault::Full)
            }
            None => Err(StateFault::Failed),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StateFault`].
    pub async fn get_state(&self, scope: Scope, key: &str) -> Result<Option<Vec<u8>>, StateFault> {
        Ok(self.read_state(scope, key).await?.0)
    }

    /// Set the value of a key.
    ///
    /// # Errors
    /// [`StateFault`].
    pub async fn set_state(&self, scope: Scope, key: &str, value: &[u8]) -> Result<(), StateFault> {
        self.write_state(scope, key, Some(value), None).await?;
        Ok(())
    }

    /// Remove a key, and say whether it was there.
    ///
    /// # Errors
    /// [`StateFault`].
    pub async fn delete_state(&self, scope: Scope, key: &str) -> Result<bool, StateFault> {
        let was = self.write_state(scope, key, None, None).await?;
        Ok(was.unwrap_or(false))
    }

    /// Set the value of a key if it is what is expected, and say whether it was set. That tells what the
    /// value is not, so it is decided as reading first.
    ///
    /// # Errors
    /// [`StateFault`].
    pub async fn replace_state(
        &self,
        scope: Scope,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, StateFault> {
        let (current, kept) = self.read_state(scope, key).await?;
        if current.as_deref() != expected {
            return Ok(false);
        }
        let version = kept.map(|kept| kept.version);
        let written = self
            .write_state(scope, key, Some(value), Some(version))
            .await?;
        Ok(written.is_some())
    }

    /// The keys that begin with `prefix`.
    ///
    /// # Errors
    /// [`StateFault`].
    pub async fn list_state(&self, scope: Scope, prefix: &str) -> Result<Vec<String>, StateFault> {
        let begun = Instant::now();
        let mut keys = self.pep.ledger.reader().kept_keys(&self.place(scope))?;
        keys.retain(|(key, _)| key.starts_with(prefix));
        let mut act = self.state_act(Action::ReadState, scope, "");
        act.labels = keys.iter().flat_map(|(_, l)| l.iter().cloned()).collect();
        let permitted = self.enforce(act).await?;
        let size = keys.iter().map(|(key, _)| key.len() as u64).sum();
        self.done(permitted, begun, Ok(size));
        Ok(keys.into_iter().map(|(key, _)| key).collect())
    }
}

/// What a value is sealed as: bound to its place.
fn sealed_as(place: &Place, key: &str) -> String {
    let run = place.run.as_ref().map(RunId::to_string);
    // Names of components hold no `/`, and ids of runs no `:`.
    format!(
        "state {}/{}:{key}",
        place.component,
        run.as_deref().unwrap_or("adapter")
    )
}

fn checked(key: &str) -> Result<(), StateFault> {
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
    Err(StateFault::InvalidKey(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain_names() {
        for key in ["a", "zwölf/2:x y", &"k".repeat(256)] {
            assert_eq!(checked(key), Ok(()), "{key}");
        }
        for key in ["", "a\nb", "a\0", "zwo\u{308}lf", &"k".repeat(257)] {
            assert!(
                matches!(checked(key), Err(StateFault::InvalidKey(_))),
                "{key:?}"
            );
        }
    }

    #[test]
    fn a_value_is_sealed_for_its_place_alone() {
        let place = |run| Place {
            tenant: "t".into(),
            component: "c".into(),
            run,
        };
        let run = RunId::from_bytes([7; 16]);
        assert_ne!(
            sealed_as(&place(None), "k"),
            sealed_as(&place(Some(run)), "k")
        );
        assert_ne!(sealed_as(&place(None), "k"), sealed_as(&place(None), "l"));
    }
}
