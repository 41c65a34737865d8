//! Arguments as Cedar values.
//!
//! If Cedar's type is narrower than JSON Schema's (a time without a zone, a number with more than four
//! decimal places), the value is passed as its text, and its attribute is listed as untyped. A policy that
//! depends on the type then fails, which denies; other policies are not affected. A value of another JSON
//! type is an error.

use std::str::FromStr as _;

use cedar_policy_core::ast::{Eid, EntityType, EntityUID, Value as CedarValue};
use serde_json::{Map, Value};
use tollgate_model::{
    canonical::{self, escape_segment},
    entity::NAMESPACE,
};

use super::{
    ArgumentProblem, NumberMapping, TypedArguments, closed_world, number,
    types::{InputType, Record},
};
use crate::cedar_value;

/// The attribute of the context that holds the arguments.
const INPUT: &str = "input";

/// # Errors
/// The first value whose JSON type differs from the schema's.
pub(super) fn typed(root: &Record, arguments: &Value) -> Result<TypedArguments, ArgumentProblem> {
    let Some(members) = arguments.as_object() else {
        return Err(ArgumentProblem::new("", "is not an object"));
    };
    let mut writer = Writer {
        path: vec![INPUT.to_owned()],
        pointer: String::new(),
        untyped: Vec::new(),
        mismatch: None,
    };
    let value = writer.record(root, members);
    match writer.mismatch {
        Some(mismatch) => Err(mismatch),
        None => Ok(TypedArguments {
            value,
            untyped: writer.untyped,
        }),
    }
}

struct Writer {
    /// The attribute that is being written.
    path: Vec<String>,
    /// JSON pointer to its value in the arguments.
    pointer: String,
    untyped: Vec<Vec<String>>,
    mismatch: Option<ArgumentProblem>,
}

impl Writer {
    fn record(&mut self, record: &Record, members: &Map<String, Value>) -> CedarValue {
        let mut pairs: Vec<(&str, CedarValue)> = Vec::with_capacity(record.fields.len());
        for (name, field) in &record.fields {
            let value = match members.get(name) {
                // A nullable member is an optional member.
                Some(Value::Null) if field.nullable => continue,
                Some(value) => value,
                None => match &field.default {
                    Some(default) => default,
                    None => continue,
                },
            };
            let token = escape_segment(name);
            let value = self.at(&token, |writer| {
                writer.within(name, |writer| writer.value(&field.ty, value))
            });
            pairs.push((name, value));
        }
        if let Some(rest) = &record.rest {
            let others = members
                .iter()
                .filter(|(name, _)| !record.fields.contains_key(*name));
            let others: Map<String, Value> = others
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            pairs.push((rest, text(&Value::Object(others)).into()));
        }
        cedar_value::record(pairs)
    }

    fn within<T>(&mut self, name: &str, write: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_owned());
        let written = write(self);
        self.path.pop();
        written
    }

    fn at<T>(&mut self, token: &str, write: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(token);
        let written = write(self);
        self.pointer.truncate(length);
        written
    }

    fn value(&mut self, ty: &InputType, value: &Value) -> CedarValue {
        match (ty, value) {
            (InputType::Set(element), Value::Array(items)) => {
                let items: Vec<CedarValue> = (0..)
                    .zip(items)
                    .map(|(i, item): (usize, _)| {
                        self.at(&i.to_string(), |writer| writer.value(element, item))
                    })
                    .collect();
                CedarValue::set(items, None)
            }
            (InputType::Record(record), Value::Object(members)) => self.record(record, members),
            (InputType::Union(choices), value) => {
                let chosen = closed_world::accepted(choices, value);
                let mut pairs = Vec::with_capacity(chosen.len());
                for (i, ty, filled) in chosen {
                    let name = format!("typeChoice{i}");
                    let value = self.within(&name, |writer| writer.value(ty, &filled));
                    pairs.push((name, value));
                }
                if pairs.is_empty() {
                    self.expect("a value of any of its types");
                    return self.as_text(value);
                }
                cedar_value::record(
                    pairs
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.clone())),
                )
            }
            (InputType::Json, value) => text(value).into(),
            (ty, value) => scalar(ty, value).unwrap_or_else(|| {
                if let Some(expected) = other_json_type(ty, value) {
                    self.expect(expected);
                }
                self.as_text(value)
            }),
        }
    }

    /// Records that the value here is not what its schema describes.
    fn expect(&mut self, expected: &str) {
        self.mismatch.get_or_insert_with(|| {
            ArgumentProblem::new(&self.pointer, format!("is not {expected}"))
        });
    }

    /// The value as text, in place of a value of the attribute's type.
    fn as_text(&mut self, value: &Value) -> CedarValue {
        if !self.untyped.contains(&self.path) {
            self.untyped.push(self.path.clone());
        }
        match value {
            Value::String(text) => text.as_str().into(),
            value => text(value).into(),
        }
    }
}

fn text(value: &Value) -> String {
    canonical::to_canonical(value)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| value.to_string())
}

/// The name of this type for a message, if `value` has another JSON type.
fn other_json_type(ty: &InputType, value: &Value) -> Option<&'static str> {
    match ty {
        InputType::Bool => Some("a boolean"),
        InputType::String => Some("a string"),
        InputType::Null => Some("null"),
        InputType::Enumeration(_) => Some("a variant of the enumeration"),
        InputType::Set(_) => Some("an array"),
        InputType::Record(_) => Some("an object"),
        InputType::Long => (!value.is_number()).then_some("an integer"),
        InputType::Decimal | InputType::Mapped(_) => (!value.is_number()).then_some("a number"),
        InputType::Datetime | InputType::IpAddress => (!value.is_string()).then_some("a string"),
        InputType::Union(_) | InputType::Json => None,
    }
}

fn scalar(ty: &InputType, value: &Value) -> Option<CedarValue> {
    match (ty, value) {
        (InputType::Bool, Value::Bool(v)) => Some((*v).into()),
        (InputType::Long, Value::Number(n)) => n.as_i64().map(cedar_value::long),
        (InputType::String, Value::String(s)) => Some(s.as_str().into()),
        (InputType::Decimal, Value::Number(n)) => {
            number::decimal(n).and_then(|text| cedar_value::decimal(&text))
        }
        (InputType::Mapped(NumberMapping::Text), Value::Number(n)) => Some(n.to_string().into()),
        (InputType::Mapped(NumberMapping::Scaled(scale)), Value::Number(n)) => {
            number::scaled(n, *scale).map(cedar_value::long)
        }
        (InputType::Datetime, Value::String(s)) => datetime(s),
        (InputType::IpAddress, Value::String(s)) => {
            let address = std::net::IpAddr::from_str(s).ok()?;
            // `::ffff:10.0.0.1` reaches 10.0.0.1, so a policy sees that.
            cedar_value::ip(&address.to_canonical().to_string())
        }
        (InputType::Null, Value::Null) => entity(NAMESPACE, "Null", "null"),
        (InputType::Enumeration(of), Value::String(s)) if of.variants.contains(s) => {
            entity(&of.namespace, &of.name, s)
        }
        _ => None,
    }
}

fn entity(namespace: &str, name: &str, id: &str) -> Option<CedarValue> {
    let ty = EntityType::from_str(&format!("{namespace}::{name}")).ok()?;
    Some(EntityUID::from_components(ty, Eid::new(id), None).into())
}

fn datetime(text: &str) -> Option<CedarValue> {
    let time: jiff::Timestamp = text.parse().ok()?;
    if time.subsec_nanosecond() % 1_000_000 != 0 {
        return None;
    }
    let text = format!("{time:.3}");
    (text.len() == "2026-11-21T08:30:00.250Z".len())
        .then(|| cedar_value::datetime_from(&text))
        .flatten()
}
