//! Defaults of the schema.

use serde_json::{Map, Value};

use super::{
    closed_world,
    types::{InputType, Record},
};

/// Fills in the defaults of `record` at every level.
pub(super) fn apply(record: &Record, members: &mut Map<String, Value>) {
    for (name, field) in &record.fields {
        if let (Some(default), false) = (&field.default, members.contains_key(name)) {
            members.insert(name.clone(), default.clone());
        }
        if let Some(value) = members.get_mut(name) {
            fill(&field.ty, value);
        }
    }
}

/// Fills in the defaults of a value of this type. For a union, those of the alternative that accepts the
/// value are used, if exactly one does.
pub(super) fn fill(ty: &InputType, value: &mut Value) {
    match (ty, value) {
        (InputType::Record(record), Value::Object(members)) => apply(record, members),
        (InputType::Set(element), Value::Array(items)) => {
            items.iter_mut().for_each(|item| fill(element, item));
        }
        (InputType::Union(choices), value) => {
            let mut accepted = closed_world::accepted(choices, value);
            if accepted.len() == 1
                && let Some((_, _, filled)) = accepted.pop()
            {
                *value = filled;
            }
        }
        _ => {}
    }
}
