//! Checks values against a tool's JSON Schema: away from the async workers, and with a time limit.
//!
//! The author of a tool writes its schema, and a schema of two kilobytes can take practically without end
//! to evaluate (`allOf` of `$ref`s that double). So a schema with references or patterns is evaluated on a
//! separate thread, and a tool may use only a few of these at once. A slow schema affects only the calls of
//! its own tool.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{sync::Semaphore, task, time::timeout};

use crate::text::printable;

/// The most problems that are listed.
const MAX_PROBLEMS: usize = 8;
/// The most concurrent evaluations of one schema in threads.
const MAX_AT_ONCE: usize = 2;
/// The time limit of an evaluation, and of waiting for its turn.
const MAX_TIME: Duration = Duration::from_secs(2);
/// The most bytes of a value that is checked on the current thread. A larger one is checked in a separate
/// thread, with any schema.
const MAX_INLINE: usize = 16 << 10;
/// Keywords with which the work for a value is no longer bounded by the size of the schema and the value.
const UNBOUNDED: &[&str] = &[
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "pattern",
    "patternProperties",
    "uniqueItems",
];

/// A compiled schema.
#[derive(Clone)]
pub struct SchemaCheck {
    validator: Arc<jsonschema::Validator>,
    turns: Arc<Semaphore>,
    /// Whether the sizes of the schema and the value bound an evaluation's time.
    is_bounded: bool,
}

impl fmt::Debug for SchemaCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaCheck").finish_non_exhaustive()
    }
}

/// Why a value was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaError {
    /// It does not match: positions (JSON pointers, `/` for the whole) and reasons.
    Mismatch(Vec<(String, String)>),
    /// The schema takes too long, so the result is not known.
    TooSlow,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(problems) => {
                for (n, (pointer, problem)) in problems.iter().enumerate() {
                    let separator = if n == 0 { "" } else { "; " };
                    write!(f, "{separator}`{pointer}`: {problem}")?;
                }
                Ok(())
            }
            Self::TooSlow => f.write_str("checking it takes too long"),
        }
    }
}

impl SchemaCheck {
    /// Compiles a schema.
    ///
    /// # Errors
    /// The problem, printable.
    pub fn new(schema: &Value) -> Result<Self, String> {
        let validator = jsonschema::options()
            .build(schema)
            .map_err(|e| printable(&e.to_string(), 300))?;
        Ok(Self {
            validator: Arc::new(validator),
            turns: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            is_bounded: !uses_unbounded(schema),
        })
    }

    /// Checks a value whose JSON text has about `size` bytes.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub(crate) async fn check(&self, value: &Value, size: usize) -> Result<(), SchemaError> {
        if self.is_bounded && size <= MAX_INLINE {
            return evaluate(&self.validator, value);
        }
        let turn = timeout(MAX_TIME, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(SchemaError::TooSlow);
        };
        let (validator, value) = (Arc::clone(&self.validator), value.clone());
        let checking = task::spawn_blocking(move || {
            // The permit is held until the evaluation ends: it cannot be stopped, but it is counted.
            let _turn = turn;
            evaluate(&validator, &value)
        });
        match timeout(MAX_TIME, checking).await {
            Ok(Ok(checked)) => checked,
            Ok(Err(_)) | Err(_) => Err(SchemaError::TooSlow),
        }
    }
}

fn evaluate(validator: &jsonschema::Validator, value: &Value) -> Result<(), SchemaError> {
    let mut problems = Vec::new();
    for error in validator.iter_errors(value).take(MAX_PROBLEMS) {
        let pointer = error.instance_path().to_string();
        let pointer = if pointer.is_empty() {
            "/".to_owned()
        } else {
            printable(&pointer, 200)
        };
        problems.push((pointer, printable(&error.masked().to_string(), 300)));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(SchemaError::Mismatch(problems)),
    }
}

/// Whether a schema uses such a keyword anywhere; a property with such a name counts as well.
fn uses_unbounded(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| UNBOUNDED.contains(&name.as_str()) || uses_unbounded(value)),
        Value::Array(items) => items.iter().any(uses_unbounded),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
