//! The schema's defaults, and arguments that policies would not see: members that the tree does not know,
//! and unmatched alternatives of unions.
//!
//! Each needs the other: the alternative of a union is the one that accepts the value with its defaults and
//! knows all its members, and the defaults of a union are those of that alternative.

use serde_json::{Map, Value};
use tollgate_model::canonical::{escape_segment, unescape_segment};

use super::{
    ArgumentProblem,
    types::{Choice, InputType, Record},
};
use crate::policy::nearest;

/// What is said of a value that no alternative accepts, where the schema says nothing more of it.
pub(super) const NO_ALTERNATIVE: &str = "it has to match one of the alternatives of the schema, without members that \
                                         the alternative does not declare";

/// Reports each member that policies would not see.
pub(super) fn unknown_members(
    record: &Record,
    members: &Map<String, Value>,
    problems: &mut Vec<ArgumentProblem>,
) {
    in_record(record, members, "", problems);
}

fn in_record(
    record: &Record,
    members: &Map<String, Value>,
    pointer: &str,
    problems: &mut Vec<ArgumentProblem>,
) {
    for (name, value) in members {
        let below = format!("{pointer}/{}", escape_segment(name));
        match record.fields.get(name) {
            // Null is the absence of such a member, of any type.
            Some(field) if field.nullable && value.is_null() => {}
            Some(field) => in_value(&field.ty, value, &below, problems),
            None if record.rest.is_some() => {}
            None => {
                let near = nearest(name, record.fields.keys().map(String::as_str));
                let problem = match near {
                    Some(near) => {
                        format!("the tool has no such argument; did you mean `{near}`?")
                    }
                    None => "the tool has no such argument".to_owned(),
                };
                problems.push(ArgumentProblem::new(&below, problem));
            }
        }
    }
}

fn in_value(ty: &InputType, value: &Value, pointer: &str, problems: &mut Vec<ArgumentProblem>) {
    match (ty, value) {
        (InputType::Record(record), Value::Object(members)) => {
            in_record(record, members, pointer, problems);
        }
        (InputType::Set(element), Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                in_value(element, item, &format!("{pointer}/{i}"), problems);
            }
        }
        (InputType::Union(choices), value) if accepted(choices, value).is_empty() => {
            problems.push(ArgumentProblem::new(pointer, NO_ALTERNATIVE));
        }
        _ => {}
    }
}

/// The alternatives that accept the value and know all its members: their positions in the union, and the
/// value with their defaults.
pub(super) fn accepted<'a>(
    choices: &'a [Choice],
    value: &Value,
) -> Vec<(usize, &'a InputType, Value)> {
    choices
        .iter()
        .enumerate()
        .filter_map(|(i, choice)| {
            let mut filled = value.clone();
            fill(&choice.ty, &mut filled);
            let mut unknown = Vec::new();
            (choice.validator.accepts(&filled) && {
                in_value(&choice.ty, value, "", &mut unknown);
                unknown.is_empty()
            })
            .then_some((i, &choice.ty, filled))
        })
        .collect()
}

/// Fills in the defaults of `record` at every level.
pub(super) fn apply_defaults(record: &Record, members: &mut Map<String, Value>) {
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
fn fill(ty: &InputType, value: &mut Value) {
    match (ty, value) {
        (InputType::Record(record), Value::Object(members)) => apply_defaults(record, members),
        (InputType::Set(element), Value::Array(items)) => {
            items.iter_mut().for_each(|item| fill(element, item));
        }
        (InputType::Union(choices), value) => {
            let mut accepted = accepted(choices, value);
            if accepted.len() == 1
                && let Some((_, _, filled)) = accepted.pop()
            {
                *value = filled;
            }
        }
        _ => {}
    }
}

/// Removes the members that the schema allows but does not name. Returns whether there were any.
pub(super) fn retain_declared(record: &Record, members: &mut Map<String, Value>) -> bool {
    let before = members.len();
    members.retain(|name, _| record.fields.contains_key(name));
    let mut removed = members.len() < before;
    for (name, value) in members {
        if let Some(field) = record.fields.get(name) {
            removed |= retain_declared_in(&field.ty, value);
        }
    }
    removed
}

fn retain_declared_in(ty: &InputType, value: &mut Value) -> bool {
    match (ty, value) {
        (InputType::Record(record), Value::Object(members)) => retain_declared(record, members),
        (InputType::Set(element), Value::Array(items)) => {
            items.iter_mut().fold(false, |removed, item| {
                retain_declared_in(element, item) | removed
            })
        }
        _ => false,
    }
}

/// Attributes that hold JSON text because the schema allows members that it does not name.
pub(super) fn open_attributes(record: &Record) -> Vec<String> {
    let mut found = Vec::new();
    open_in(record, "", &mut found);
    found
}

fn open_in(record: &Record, prefix: &str, found: &mut Vec<String>) {
    found.extend(record.rest.iter().map(|rest| format!("{prefix}{rest}")));
    for (name, field) in &record.fields {
        open_below(&field.ty, &format!("{prefix}{name}."), found);
    }
}

fn open_below(ty: &InputType, prefix: &str, found: &mut Vec<String>) {
    match ty {
        InputType::Record(record) => open_in(record, prefix, found),
        InputType::Set(element) => open_below(element, prefix, found),
        InputType::Union(choices) => {
            for (i, choice) in choices.iter().enumerate() {
                open_below(&choice.ty, &format!("{prefix}typeChoice{i}."), found);
            }
        }
        _ => {}
    }
}

/// Whether the schema names the member with this path, in which `*` stands for every element of an array.
pub(super) fn declares_member(record: &Record, path: &[String]) -> bool {
    let Some((name, above)) = path.split_last() else {
        return false;
    };
    let mut at = Some(record);
    let mut above = above.iter();
    while let (Some(record), Some(name)) = (at, above.next()) {
        let mut ty = record.fields.get(name).map(|field| &field.ty);
        while let Some(InputType::Set(element)) = ty {
            ty = above.next().map(|_| &**element);
        }
        at = match ty {
            Some(InputType::Record(record)) => Some(record),
            _ => None,
        };
    }
    at.is_some_and(|record| record.fields.contains_key(name))
}

/// Whether a placeholder may stand where this pointer leads: at a text, or within one.
pub(super) fn can_be_redacted(record: &Record, pointer: &str) -> bool {
    let segments: Vec<String> = pointer.split('/').skip(1).map(unescape_segment).collect();
    let Some((first, rest)) = segments.split_first() else {
        return false;
    };
    match record.fields.get(first) {
        Some(field) => holds_text(&field.ty, rest),
        // Of members that the schema does not name nothing is known.
        None => record.rest.is_some() || first == "*",
    }
}

fn holds_text(ty: &InputType, segments: &[String]) -> bool {
    let Some((first, rest)) = segments.split_first() else {
        return takes_text(ty);
    };
    match ty {
        InputType::Set(element) => holds_text(element, rest),
        InputType::Record(record) => match record.fields.get(first) {
            Some(field) => holds_text(&field.ty, rest),
            None => record.rest.is_some() || first == "*",
        },
        InputType::Union(choices) => choices
            .iter()
            .any(|choice| holds_text(&choice.ty, segments)),
        InputType::String | InputType::Json => true,
        _ => false,
    }
}

/// Whether this position of the arguments may hold text.
pub(super) fn accepts_text(record: &Record, pointer: &str) -> bool {
    let mut segments = pointer.split('/').skip(1).map(unescape_segment);
    let Some(first) = segments.next() else {
        return false;
    };
    let Some(field) = record.fields.get(&first) else {
        return record.rest.is_some();
    };
    let mut at = &field.ty;
    for segment in segments {
        at = match at {
            InputType::Set(element) => element,
            InputType::Record(record) => match record.fields.get(&segment) {
                Some(field) => &field.ty,
                None => return record.rest.is_some(),
            },
            _ => return false,
        };
    }
    takes_text(at)
}

fn takes_text(ty: &InputType) -> bool {
    match ty {
        InputType::String | InputType::Json => true,
        InputType::Union(choices) => choices.iter().any(|choice| takes_text(&choice.ty)),
        _ => false,
    }
}
