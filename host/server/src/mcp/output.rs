//! Results that are less than a tool promises: policy has removed parts, or they were too large.
//!
//! Clients check structured content against the tool's output schema and show nothing where it does not fit. A call that
//! has succeeded must not look like a failure for that: it would be made again. So the schema that is listed has a
//! second form, by which a result says that it is incomplete.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

/// The member by which structured content says that it is not what the tool promised, and why.
const INCOMPLETE: &str = "dev.tollgate/incomplete";
/// Keywords by which the second form could break the schema.
const IN_THE_WAY: &[&str] = &[
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "const",
    "enum",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "propertyNames",
    "patternProperties",
];

/// The schema as it is listed. Nothing, where the second form has no place in it: then clients check nothing.
pub(super) fn listed(schema: &Value) -> Option<JsonObject> {
    let mut schema = schema.as_object()?.clone();
    let is_object = schema.get("type").is_some_and(|kind| kind == "object");
    if !is_object || IN_THE_WAY.iter().any(|key| schema.contains_key(*key)) {
        return None;
    }
    let own = json!({
        "type": "string",
        "description": "Instead of all other members: the call was made, and this is why its result is not here."
    });
    let properties = schema.entry("properties").or_insert(json!({}));
    properties.as_object_mut()?.insert(INCOMPLETE.into(), own);
    if let Some(required) = schema.remove("required") {
        let forms = json!([{ "required": required }, { "required": [INCOMPLETE] }]);
        schema.insert("anyOf".into(), forms);
    }
    Some(schema)
}

/// What stands for structured content that is not here.
pub(super) fn incomplete(why: &str) -> Value {
    json!({ INCOMPLETE: why })
}

#[cfg(test)]
mod tests;
