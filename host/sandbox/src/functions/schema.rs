//! Shapes as JSON Schema 2020-12.
//!
//! Every type has a form of its own, so that policies and models can distinguish them: see
//! `docs/adapters.md`, "Any component".

use serde_json::{Map, Value, json};
use tollgate_model::canonical;

use super::shape::{Integer, Shape};

/// The largest integer that every JSON reader preserves (RFC 8259, section 6).
pub(crate) const MAX_SAFE: i128 = canonical::MAX_INTEGER as i128;

/// The direction of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the component: optional members may be left out.
    In,
    /// From the component: a float may exceed the numbers that all JSON readers preserve.
    Out,
}

/// An object with a member for each field.
pub(crate) fn object(fields: &[(String, Shape)], direction: Direction) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, shape) in fields {
        properties.insert(name.clone(), schema(shape, direction));
        if direction == Direction::Out || !matches!(shape, Shape::Option(_)) {
            required.push(Value::from(name.as_str()));
        }
    }
    closed(properties, required)
}

fn closed(properties: Map<String, Value>, required: Vec<Value>) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn single(name: &str, value: Value) -> Value {
    closed(
        Map::from_iter([(name.to_owned(), value)]),
        vec![name.into()],
    )
}

/// The schema of a shape.
pub(crate) fn schema(shape: &Shape, direction: Direction) -> Value {
    let below = |shape: &Shape| schema(shape, direction);
    let maybe = |shape: &Option<Box<Shape>>| {
        shape
            .as_ref()
            .map_or_else(|| json!({ "type": "null" }), |shape| below(shape))
    };
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer(integer) => self::integer(*integer),
        Shape::Float32 | Shape::Float64 => match direction {
            Direction::In => json!({ "type": "number" }),
            Direction::Out => json!({ "anyOf": [
                { "type": "number" },
                { "type": "string", "pattern": "^(NaN|-?Infinity|-?[0-9](\\.[0-9]+)?e[0-9]+)$" },
            ] }),
        },
        Shape::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Shape::Text => json!({ "type": "string" }),
        Shape::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Shape::List(element) => json!({ "type": "array", "items": below(element) }),
        Shape::Tuple(types) => json!({
            "type": "array",
            "prefixItems": types.iter().map(below).collect::<Vec<_>>(),
            "items": false,
            "minItems": types.len(),
            "maxItems": types.len(),
        }),
        Shape::Record(fields) => object(fields, direction),
        Shape::Variant(cases) => {
            let case = |(name, shape): &(String, Option<Shape>)| {
                let tag = json!({ "type": "string", "const": name });
                let mut properties = Map::from_iter([("tag".to_owned(), tag)]);
                let mut required = vec![Value::from("tag")];
                if let Some(shape) = shape {
                    properties.insert("value".into(), below(shape));
                    required.push("value".into());
                }
                closed(properties, required)
            };
            json!({ "oneOf": cases.iter().map(case).collect::<Vec<_>>() })
        }
        Shape::Enum(names) => json!({ "type": "string", "enum": names }),
        Shape::Flags(names) => json!({
            "type": "array",
            "items": { "type": "string", "enum": names },
            "uniqueItems": true,
        }),
        Shape::Option(inner) => {
            let some = if inner.has_null() {
                single("some", below(inner))
            } else {
                below(inner)
            };
            json!({ "anyOf": [some, { "type": "null" }] })
        }
        Shape::Result(ok, error) => json!({
            "oneOf": [single("ok", maybe(ok)), single("error", maybe(error))],
        }),
    }
}

fn integer(integer: Integer) -> Value {
    let (min, max) = integer.range();
    let (least, most) = (min.max(-MAX_SAFE) as i64, max.min(MAX_SAFE) as i64);
    let number = json!({ "type": "integer", "minimum": least, "maximum": most });
    if !integer.is_wide() {
        return number;
    }
    // The conversion checks the range, and refuses strings for numbers within it.
    let pattern = if min == 0 {
        "^[1-9][0-9]{15,19}$"
    } else {
        "^-?[1-9][0-9]{15,18}$"
    };
    json!({ "anyOf": [number, { "type": "string", "pattern": pattern }] })
}
