//! Repairs common mistakes in the schemas of servers.

use serde_json::{Map, Value, json};

use super::reference::{SCHEMA_MAPS, SCHEMAS};

/// Keywords for which null is meaningful.
const NULLABLE: &[&str] = &["const", "default", "example"];

/// The same schema without two common mistakes: `null` for an absent keyword, and `[]`, which some
/// languages write for an empty object, where only an object is valid. An absent schema describes no
/// arguments.
#[must_use]
pub fn mend(schema: &Value) -> Value {
    match schema {
        Value::Null | Value::Bool(true) => json!({ "type": "object" }),
        Value::Array(items) if items.is_empty() => json!({ "type": "object" }),
        schema => mended(schema),
    }
}

fn mended(schema: &Value) -> Value {
    let Value::Object(members) = schema else {
        return schema.clone();
    };
    let mut out = Map::new();
    for (keyword, value) in members {
        let name = keyword.as_str();
        let value = match value {
            Value::Null if !NULLABLE.contains(&name) => continue,
            Value::Array(items) if items.is_empty() && SCHEMA_MAPS.contains(&name) => {
                Value::Object(Map::new())
            }
            Value::Object(schemas) if SCHEMA_MAPS.contains(&name) => Value::Object(
                schemas
                    .iter()
                    .map(|(name, schema)| (name.clone(), member(schema)))
                    .collect(),
            ),
            Value::Array(schemas) if SCHEMAS.contains(&name) => {
                Value::Array(schemas.iter().map(mended).collect())
            }
            value if SCHEMAS.contains(&name) => mended(value),
            value => value.clone(),
        };
        out.insert(keyword.clone(), value);
    }
    Value::Object(out)
}

/// A schema in a map of schemas, where `[]` can only mean the empty schema. `dependencies` also has lists
/// of names, which are kept.
fn member(schema: &Value) -> Value {
    match schema {
        Value::Array(items) if items.is_empty() => json!({}),
        Value::Null => json!({}),
        schema => mended(schema),
    }
}
