//! Reading an entry: authorize, look it up, report.
//!
//! It runs in a task of its own: the decision point measures how much stack is left, which says nothing on a
//! guest's.

use std::{collections::BTreeMap, time::Instant};

use super::ConfigAct;
use crate::{
    bindings::config::{Error, Value},
    call::{Call, Host},
    capability::denial,
    port::{Authorize, EffectReport},
    resources::{ConfigEntry, ConfigValue, is_key},
};

/// A read as a guest asks for it: nothing of it is checked yet.
pub(super) struct ConfigRead<P: ?Sized> {
    host: Option<Host<P>>,
    key: String,
    /// Whether the guest may ask for one more operation.
    counted: bool,
}

impl<P: Authorize<ConfigAct> + ?Sized> ConfigRead<P> {
    pub(super) fn new(call: &mut Call<P>, key: String) -> Self {
        Self {
            counted: call.take_operation(),
            host: call.host().cloned(),
            key,
        }
    }

    pub(super) async fn answer(self) -> Result<Option<Value>, Error> {
        let failed = |how: &str| Error::Failed(how.to_owned());
        let Some(host) = self.host else {
            return Err(failed("there is no configuration while tools are listed"));
        };
        if !self.counted {
            return Err(failed("this call has asked for too much of its host"));
        }
        if !is_key(&self.key) {
            let rule = "a key has 1 to 64 ASCII letters, digits, `-` and `_`";
            return Err(Error::InvalidKey(rule.to_owned()));
        }
        let runtime = host.runtime.clone();
        // A task that panicked did not allow anything.
        runtime
            .spawn(read(host, self.key))
            .await
            .map_err(|_| failed("the host could not do it"))?
    }
}

async fn read<P: Authorize<ConfigAct> + ?Sized>(
    host: Host<P>,
    key: String,
) -> Result<Option<Value>, Error> {
    let begun = Instant::now();
    let (entries, policy) = (&host.resources.config, &host.policy);
    let entry = entries.get(&key);
    let permit = policy
        .authorize(act(entries, key))
        .await
        .map_err(|reason| Error::Denied(denial(reason)))?;
    let size = entry.map_or(0, |entry| entry.value.size() as u64);
    policy.complete(permit, EffectReport::new(begun, Ok(size)));
    Ok(entry.map(|entry| value(&entry.value)))
}

/// What is asked of the port. That an entry does not exist tells something about the configuration, so its
/// absence has the labels of all entries.
pub(super) fn act(entries: &BTreeMap<String, ConfigEntry>, key: String) -> ConfigAct {
    let labels = match entries.get(&key) {
        Some(entry) => entry.labels.clone(),
        None => entries
            .values()
            .flat_map(|entry| entry.labels.iter().cloned())
            .collect(),
    };
    ConfigAct { key, labels }
}

fn value(value: &ConfigValue) -> Value {
    match value {
        ConfigValue::Text(text) => Value::Text(text.clone()),
        ConfigValue::Integer(integer) => Value::Integer(*integer),
        ConfigValue::Float(float) => Value::Float(*float),
        ConfigValue::Boolean(boolean) => Value::Boolean(*boolean),
        ConfigValue::Texts(texts) => Value::Texts(texts.clone()),
    }
}
