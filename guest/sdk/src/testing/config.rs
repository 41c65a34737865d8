//! The configuration of the component under test.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::config::Value;

thread_local! {
    static CONFIG: RefCell<BTreeMap<String, Value>> = const { RefCell::new(BTreeMap::new()) };
    static REFUSAL: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Configures a value for [`config`](crate::config) on this thread: a text, an integer, a float, a boolean or
/// a list of texts.
pub fn config(key: &str, value: impl Into<Value>) {
    CONFIG.with_borrow_mut(|config| config.insert(key.to_owned(), value.into()));
}

/// Refuses every read of [`config`](crate::config) on this thread from now on, with this reason.
pub fn deny_config(reason: &str) {
    REFUSAL.set(Some(reason.to_owned()));
}

/// The function of the WIT's `config`, on what this thread configured.
pub(crate) mod host {
    use super::{CONFIG, REFUSAL};
    use crate::bindings::tollgate::adapter::config::{Error, Value};
    use crate::files::Denial;

    pub(crate) fn get(key: &str) -> Result<Option<Value>, Error> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !(1..=64).contains(&key.len()) || !key.bytes().all(legal) {
            let rule = "a key has 1 to 64 ASCII letters, digits, `-` and `_`";
            return Err(Error::InvalidKey(rule.to_owned()));
        }
        match REFUSAL.with_borrow(Clone::clone) {
            Some(reason) => Err(Error::Denied(Denial {
                decision: "test".to_owned(),
                reason,
                approval: None,
            })),
            None => Ok(CONFIG.with_borrow(|config| config.get(key).cloned())),
        }
    }
}
