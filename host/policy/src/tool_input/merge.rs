//! Types of members that several schemas declare.

use std::collections::BTreeMap;

use super::{
    cedar_type,
    types::{Field, InputType, Record},
};

/// The attribute that holds members which the schema allows and does not name.
const REST: &str = "additionalProperties";

/// The name of that attribute among these: none of theirs.
pub(super) fn rest_attribute(fields: &BTreeMap<String, Field>) -> String {
    let mut rest = REST.to_owned();
    while fields.contains_key(&rest) {
        rest.insert(0, '_');
    }
    rest
}

/// The type of a member that two schemas declare. JSON text where they do not agree.
pub(super) fn merge(a: InputType, b: InputType) -> InputType {
    match (a, b) {
        (InputType::Enumeration(mut a), InputType::Enumeration(b))
            if a.namespace == b.namespace && a.name == b.name =>
        {
            a.variants.extend(b.variants);
            a.variants.sort();
            a.variants.dedup();
            InputType::Enumeration(a)
        }
        (InputType::String, InputType::Enumeration(_))
        | (InputType::Enumeration(_), InputType::String) => InputType::String,
        (InputType::Record(a), InputType::Record(b)) => InputType::Record(merge_records(a, b)),
        (a, b) if !a.has_union() && !b.has_union() && cedar_type::of(&a) == cedar_type::of(&b) => a,
        _ => InputType::Json,
    }
}

/// The members of both. One that only one of them declares may be absent.
fn merge_records(mut a: Record, b: Record) -> Record {
    for (name, field) in &mut a.fields {
        field.required &= b.fields.contains_key(name);
    }
    for (name, field) in b.fields {
        let merged = match a.fields.remove(&name) {
            None => Field {
                required: false,
                default: None,
                ..field
            },
            Some(before) => Field {
                required: before.required && field.required,
                nullable: before.nullable || field.nullable,
                default: before
                    .default
                    .filter(|default| field.default.as_ref() == Some(default)),
                ty: merge(before.ty, field.ty),
            },
        };
        a.fields.insert(name, merged);
    }
    if a.rest.is_some() || b.rest.is_some() {
        a.rest = Some(rest_attribute(&a.fields));
    }
    a
}
