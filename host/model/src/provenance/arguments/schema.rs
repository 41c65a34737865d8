//! The properties of a tool's input schema.

use serde_json::Value;

use crate::{
    canonical::escape_segment,
    provenance::{PointerPattern, Role},
};

/// The most levels of a schema that are read.
const MAX_DEPTH: usize = 6;
/// The most properties of a schema that are read.
const MAX_PROPERTIES: usize = 1024;

/// Takes a property with the pattern of its pointer and its name.
pub(super) type TakeProperty<'p> = dyn FnMut(PointerPattern, &str, &Property<'_>) + 'p;

/// Gives every property of a schema to `take`, also behind references, and in lists and maps.
pub(super) fn each_property(schema: &Value, take: &mut TakeProperty<'_>) {
    SchemaReader::new(schema, take).properties(schema, 0);
}

/// Reads the properties of a schema.
struct SchemaReader<'a, 'p> {
    root: &'a Value,
    take: &'p mut TakeProperty<'p>,
    path: Vec<String>,
    left: usize,
}

/// A property of a schema.
#[derive(Clone, Copy)]
pub(super) struct Property<'a> {
    root: &'a Value,
    schema: &'a Value,
    depth: usize,
}

impl<'a, 'p> SchemaReader<'a, 'p> {
    fn new(root: &'a Value, take: &'p mut TakeProperty<'p>) -> Self {
        Self {
            root,
            take,
            path: Vec::new(),
            left: MAX_PROPERTIES,
        }
    }

    fn properties(&mut self, schema: &'a Value, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let schema = resolved(self.root, schema);
        let named = schema.get("properties").and_then(Value::as_object);
        for (name, property) in named.into_iter().flatten() {
            self.property(name, name, property, depth);
        }
        // Members of other names, as in a map, are values of the property around them.
        for others in ["additionalProperties", "patternProperties"] {
            for other in others_of(schema, others) {
                let name = self.path.last().cloned().unwrap_or_default();
                self.property("*", &name, other, depth);
            }
        }
        for branch in branches(schema) {
            self.properties(branch, depth + 1);
        }
        if !self.path.is_empty() {
            for items in items(schema) {
                self.path.push("*".into());
                self.properties(items, depth + 1);
                self.path.pop();
            }
        }
    }

    fn property(&mut self, segment: &str, name: &str, schema: &'a Value, depth: usize) {
        let Some(left) = self.left.checked_sub(1) else {
            return;
        };
        self.left = left;
        self.path.push(match segment {
            "*" => segment.to_owned(),
            name => escape_segment(name),
        });
        if let Ok(pattern) = PointerPattern::parse(&format!("/{}", self.path.join("/"))) {
            let property = Property {
                root: self.root,
                schema,
                depth: 0,
            };
            (self.take)(pattern, name, &property);
        }
        self.properties(schema, depth + 1);
        self.path.pop();
    }
}

/// The schema that a reference within the same document names; a schema without one is itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..MAX_DEPTH {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
        match pointer.and_then(|pointer| root.pointer(pointer)) {
            Some(named) => schema = named,
            None => return schema,
        }
    }
    schema
}

/// The schemas of members whose names the schema does not list.
fn others_of<'a>(schema: &'a Value, keyword: &str) -> Vec<&'a Value> {
    match (keyword, schema.get(keyword)) {
        ("patternProperties", Some(Value::Object(patterns))) => patterns.values().collect(),
        ("additionalProperties", Some(other @ (Value::Object(_) | Value::Bool(true)))) => {
            vec![other]
        }
        _ => Vec::new(),
    }
}

/// The schemas of the items of a list.
fn items(schema: &Value) -> impl Iterator<Item = &Value> {
    let listed = ["items", "prefixItems"].into_iter();
    listed
        .filter_map(|name| schema.get(name))
        .flat_map(|items| match items {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        })
}

fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|name| schema.get(name).and_then(Value::as_array))
        .flatten()
}

impl<'a> Property<'a> {
    /// Its items and its branches, unless they are too deep.
    fn parts(self) -> impl Iterator<Item = Self> {
        let schema = resolved(self.root, self.schema);
        let part = move |schema: &'a Value| Self {
            schema,
            depth: self.depth + 1,
            ..self
        };
        let parts = items(schema).chain(branches(schema));
        parts.filter(move |_| self.depth < MAX_DEPTH).map(part)
    }

    /// Whether the schema says anything of it.
    pub(super) fn is_described(self) -> bool {
        let schema = self.schema.as_object();
        schema.is_some_and(|schema| !schema.is_empty())
    }

    pub(super) fn format_role(self) -> Option<Role> {
        let format = resolved(self.root, self.schema).get("format");
        let role = match format.and_then(Value::as_str).unwrap_or_default() {
            "email" | "idn-email" => Some(Role::Recipient),
            "uri" | "iri" | "uri-reference" | "url" => Some(Role::Url),
            "hostname" | "idn-hostname" | "ipv4" | "ipv6" => Some(Role::Host),
            "uuid" => Some(Role::Identifier),
            _ => None,
        };
        role.or_else(|| self.parts().find_map(Self::format_role))
    }

    /// Whether it can be a text or a number: not if it is a switch or a fixed choice.
    pub(super) fn may_hold_text(self) -> bool {
        self.may_be(|kind, _| kind != "boolean")
    }

    /// Whether it can be a text that names something: not if it is a number, a date or a time. The members of
    /// an object are properties of their own.
    pub(super) fn may_name(self) -> bool {
        self.may_be(|kind, schema| {
            let format = schema.get("format").and_then(Value::as_str);
            !matches!(kind, "boolean" | "number" | "integer" | "object")
                && !matches!(format, Some("date" | "date-time" | "time" | "duration"))
        })
    }

    /// Whether it can be an object of any members.
    pub(super) fn is_open(self) -> bool {
        let schema = resolved(self.root, self.schema);
        let is_object = match schema.get("type") {
            Some(Value::String(kind)) => kind == "object",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            _ => false,
        };
        let lists = [
            "properties",
            "additionalProperties",
            "patternProperties",
            "allOf",
            "anyOf",
            "oneOf",
        ];
        is_object && !lists.iter().any(|keyword| schema.get(keyword).is_some())
            || self.parts().any(Self::is_open)
    }

    fn may_be(self, fits: fn(&str, &Value) -> bool) -> bool {
        let schema = resolved(self.root, self.schema);
        if schema.get("enum").is_some() || schema.get("const").is_some() {
            return false;
        }
        let mut parts = self.parts().peekable();
        let is_whole = parts.peek().is_none();
        let mut any = || is_whole || parts.any(|part| part.may_be(fits));
        match schema.get("type") {
            Some(Value::String(kind)) if kind == "array" => any(),
            Some(Value::String(kind)) => kind != "null" && fits(kind, schema),
            Some(Value::Array(kinds)) => {
                kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .any(|kind| match kind {
                        "null" => false,
                        "array" => any(),
                        kind => fits(kind, schema),
                    })
            }
            _ => fits("", schema) && any(),
        }
    }
}
