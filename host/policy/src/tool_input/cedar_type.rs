//! The tree in Cedar's JSON schema format.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tollgate_model::entity::NAMESPACE;

use super::{
    NumberMapping,
    types::{InputType, Record},
};

pub(super) fn record(record: &Record) -> Value {
    let mut attributes: Map<String, Value> = record
        .fields
        .iter()
        .map(|(name, field)| (name.clone(), attribute(&field.ty, field.required)))
        .collect();
    if let Some(rest) = &record.rest {
        attributes.insert(rest.clone(), attribute(&InputType::Json, true));
    }
    json!({ "type": "Record", "attributes": attributes })
}

fn attribute(ty: &InputType, required: bool) -> Value {
    let mut ty = of(ty);
    if let Value::Object(ty) = &mut ty {
        ty.insert("required".into(), required.into());
    }
    ty
}

pub(super) fn of(ty: &InputType) -> Value {
    match ty {
        InputType::Bool => json!({ "type": "Boolean" }),
        InputType::Long | InputType::Mapped(NumberMapping::Scaled(_)) => json!({ "type": "Long" }),
        InputType::String | InputType::Json | InputType::Mapped(NumberMapping::Text) => {
            json!({ "type": "String" })
        }
        InputType::Decimal => json!({ "type": "Extension", "name": "decimal" }),
        InputType::Datetime => json!({ "type": "Extension", "name": "datetime" }),
        InputType::IpAddress => json!({ "type": "Extension", "name": "ipaddr" }),
        InputType::Null => json!({ "type": "Entity", "name": format!("{NAMESPACE}::Null") }),
        InputType::Enumeration(entity) => {
            json!({ "type": "Entity", "name": format!("{}::{}", entity.namespace, entity.name) })
        }
        InputType::Set(element) => json!({ "type": "Set", "element": of(element) }),
        InputType::Record(fields) => record(fields),
        InputType::Union(choices) => {
            let attributes: Map<String, Value> = choices
                .iter()
                .enumerate()
                .map(|(i, choice)| (format!("typeChoice{i}"), attribute(&choice.ty, false)))
                .collect();
            json!({ "type": "Record", "attributes": attributes })
        }
    }
}

/// Entity types of the enumerations, by namespace.
pub(super) fn enumerations(record: &Record) -> BTreeMap<String, Map<String, Value>> {
    let mut found = BTreeMap::new();
    for field in record.fields.values() {
        collect(&field.ty, &mut found);
    }
    found
}

pub(super) fn collect(ty: &InputType, found: &mut BTreeMap<String, Map<String, Value>>) {
    match ty {
        InputType::Enumeration(of) => {
            let types = found.entry(of.namespace.clone()).or_default();
            types.insert(of.name.clone(), json!({ "enum": of.variants }));
        }
        InputType::Set(element) => collect(element, found),
        InputType::Record(record) => {
            record
                .fields
                .values()
                .for_each(|field| collect(&field.ty, found));
        }
        InputType::Union(choices) => choices.iter().for_each(|choice| collect(&choice.ty, found)),
        _ => {}
    }
}
