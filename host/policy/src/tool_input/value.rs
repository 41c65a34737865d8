//! Arguments as Cedar values.
//!
//! Total: where Cedar's types are narrower than JSON Schema's (a time without a zone, a number with more
//! than four decimals) the value is its text, and its attribute is listed as untyped. A policy that asks
//! for the type then fails, which denies; others are not concerned.

use std::str::FromStr as _;

use cedar_policy_core::ast::{Eid, EntityType, EntityUID, Value as CedarValue};
use serde_json::{Map, Value};
use tollgate_model::{canonical, entity::NAMESPACE};

use super::{
    NumberMapping, TypedArguments, closed_world, number,
    types::{InputType, Record},
};
use crate::cedar_value;

/// The attribute of the context that holds the arguments.
const INPUT: &str = "input";

pub(super) fn typed(root: &Record, arguments: &Value) -> TypedArguments {
    let none = Map::new();
    let mut writer = Writer {
        path: vec![INPUT.to_owned()],
        untyped: Vec::new(),
    };
    let value = writer.record(root, arguments.as_object().unwrap_or(&none));
    TypedArguments {
        value,
        untyped: writer.untyped,
    }
}

struct Writer {
    /// The attribute that is being written.
    path: Vec<String>,
    untyped: Vec<Vec<String>>,
}

impl Writer {
    fn record(&mut self, record: &Record, members: &Map<String, Value>) -> CedarValue {
        let mut pairs: Vec<(&str, CedarValue)> = Vec::with_capacity(record.fields.len());
        for (name, field) in &record.fields {
            let value = match members.get(name) {
                // A nullable member is an optional one.
                Some(Value::Null) if field.nullable => continue,
                Some(value) => value,
                None => match &field.default {
                    Some(default) => default,
                    None => continue,
                },
            };
            pairs.push((
                name,
                self.within(name, |writer| writer.value(&field.ty, value)),
            ));
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

    fn value(&mut self, ty: &InputType, value: &Value) -> CedarValue {
        match (ty, value) {
            (InputType::Set(element), Value::Array(items)) => {
                let items: Vec<CedarValue> =
                    items.iter().map(|item| self.value(element, item)).collect();
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
                    return self.as_text(value);
                }
                cedar_value::record(
                    pairs
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.clone())),
                )
            }
            (InputType::Json, value) => text(value).into(),
            (ty, value) => scalar(ty, value).unwrap_or_else(|| self.as_text(value)),
        }
    }

    /// The value as text, in the place of one that has the attribute's type.
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
