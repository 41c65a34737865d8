//! Which values of a call an approver has changed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::canonical::{escape_segment, to_canonical};

/// JSON pointers of the values that differ between `before` and `after`, were added, or are missing. Members of
/// objects and items of arrays are compared one by one.
#[must_use]
pub fn changes(before: &Value, after: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    compare(Some(before), Some(after), "", &mut found);
    found
}

fn compare(
    before: Option<&Value>,
    after: Option<&Value>,
    pointer: &str,
    found: &mut BTreeSet<String>,
) {
    match (before, after) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let below = format!("{pointer}/{}", escape_segment(name));
                compare(a.get(name), b.get(name), &below, found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                compare(a.get(at), b.get(at), &format!("{pointer}/{at}"), found);
            }
        }
        (Some(a), Some(b)) if is_same(a, b) => {}
        _ => drop(found.insert(pointer.to_owned())),
    }
}

fn is_same(a: &Value, b: &Value) -> bool {
    matches!((to_canonical(a), to_canonical(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests;
