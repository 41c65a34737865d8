//! What the keywords of one schema say.

use serde_json::{Map, Value};

/// Whether values of the schema can be objects: its `type` is not another one.
pub(super) fn may_be_object(schema: &Value) -> bool {
    match schema.get("type") {
        None => schema.is_object(),
        Some(Value::Array(types)) => types.iter().any(|ty| ty == "object"),
        Some(ty) => ty == "object",
    }
}

pub(super) fn has_null_type(object: &Map<String, Value>) -> bool {
    let types = object.get("type").and_then(Value::as_array);
    types.is_some_and(|types| types.iter().any(|ty| ty == "null"))
}

/// Whether an object's schema names members anywhere.
pub(super) fn has_members(object: &Map<String, Value>) -> bool {
    ["properties", "if", "then", "else", "dependentSchemas"]
        .iter()
        .any(|keyword| object.contains_key(*keyword))
}

/// Whether the schema explicitly allows members that it does not name.
pub(super) fn opens(object: &Map<String, Value>) -> bool {
    let allows = |keyword: &str| match object.get(keyword) {
        None | Some(Value::Bool(false)) => false,
        Some(_) => true,
    };
    let patterns = object.get("patternProperties").and_then(Value::as_object);
    allows("additionalProperties")
        || allows("unevaluatedProperties")
        || patterns.is_some_and(|patterns| !patterns.is_empty())
}

/// The variants, if this is an enumeration of strings, and whether null is one of them.
pub(super) fn string_variants(object: &Map<String, Value>) -> Option<(Vec<String>, bool)> {
    let values = match (object.get("enum"), object.get("const")) {
        (Some(Value::Array(values)), _) => values.clone(),
        (_, Some(value)) => vec![value.clone()],
        _ => return None,
    };
    let nullable = values.contains(&Value::Null);
    let mut variants: Vec<String> = values
        .iter()
        .filter(|value| !value.is_null())
        .map(|v| v.as_str().map(str::to_owned))
        .collect::<Option<_>>()?;
    variants.sort();
    variants.dedup();
    (!variants.is_empty()).then_some((variants, nullable))
}
