//! Conditions on fields of the calls that a fact counts.

use serde_json::Value;

/// What the value of a field must be for a call to count.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// One of these.
    OneOf(Vec<Value>),
    /// A number within these bounds, both included.
    Within {
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
    },
}

impl Condition {
    /// Whether a value meets it.
    #[must_use]
    pub fn is_met_by(&self, value: &Value) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|expected| same(expected, value)),
            Self::Within { min, max } => value.as_f64().is_some_and(|number| {
                min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            }),
        }
    }
}

/// Whether two scalars are the same: `5` and `5.0` are.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
        _ => one == other,
    }
}
