//! JSON pointers that lead nowhere in a JSON Schema.

use serde_json::Value;
use tollgate_model::canonical::unescape_segment;

use crate::policy::nearest;

/// The deepest nesting of a schema that is followed.
const MAX_DEPTH: usize = 32;

/// Where a pointer leaves a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEnd {
    /// The segment that the schema has not.
    pub segment: String,
    names: Vec<String>,
}

impl DeadEnd {
    /// The member that may be meant.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        nearest(&self.segment, self.names.iter().map(String::as_str))
    }
}

/// Where `pointer`, in which `*` stands for every member or element, leads to nothing that a value of the schema can
/// have; absent if it may lead somewhere.
#[must_use]
pub fn dead_end(schema: &Value, pointer: &str) -> Option<DeadEnd> {
    let segments: Vec<String> = pointer.split('/').skip(1).map(unescape_segment).collect();
    follow(schema, schema, &segments, 0)
}

fn follow(root: &Value, schema: &Value, segments: &[String], depth: usize) -> Option<DeadEnd> {
    let (segment, rest) = segments.split_first()?;
    let object = schema.as_object()?;
    if depth > MAX_DEPTH {
        return None;
    }
    let next = |schema: &Value, segments: &[String]| follow(root, schema, segments, depth + 1);
    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
        let target = reference
            .strip_prefix('#')
            .and_then(|at| root.pointer(at))?;
        return next(target, segments);
    }
    let mut first = None;
    for choice in ["anyOf", "oneOf", "allOf"] {
        for schema in object
            .get(choice)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            first = Some(next(schema, segments)?);
        }
    }
    let types = object.get("type");
    let may_be = |name: &str| match types {
        None => false,
        Some(Value::Array(types)) => types.iter().any(|ty| ty == name),
        Some(ty) => ty == name,
    };
    // A text may be JSON.
    if may_be("string") {
        return None;
    }
    let properties = object.get("properties").and_then(Value::as_object);
    let others = object.get("additionalProperties");
    let names: Vec<String> = properties
        .into_iter()
        .flat_map(|p| p.keys().cloned())
        .collect();
    let here = DeadEnd {
        segment: segment.clone(),
        names,
    };
    if let Some(items) = object.get("items") {
        return match segment == "*" || segment.parse::<usize>().is_ok() {
            true => next(items, rest),
            false => Some(here),
        };
    }
    if let Some(properties) = properties {
        let is_open = others.is_some_and(|others| others != &Value::Bool(false));
        return match properties.get(segment) {
            Some(schema) => next(schema, rest),
            None if is_open || segment == "*" => None,
            None => Some(first.unwrap_or(here)),
        };
    }
    let is_scalar = ["integer", "number", "boolean"].iter().any(|ty| may_be(ty));
    first.or_else(|| (is_scalar && !may_be("object") && !may_be("array")).then_some(here))
}
