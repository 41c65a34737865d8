//! A form: a flat object of primitive fields, which is all that MCP allows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tollgate_model::canonical;

use super::{
    ElicitationError,
    field::{Field, FieldView},
};
use crate::text::printable;

/// The most bytes of a form's canonical schema.
const MAX_SCHEMA: usize = 32 << 10;
/// The most fields of a form.
const MAX_FIELDS: usize = 32;
/// The most bytes of a field's name.
const MAX_NAME: usize = 128;
/// The most bytes of the content that a person gives.
const MAX_CONTENT: usize = 64 << 10;
/// Members of a schema that constrain nothing here: content has no other fields in any case.
const IGNORED: &[&str] = &[
    "$id",
    "$schema",
    "additionalProperties",
    "description",
    "title",
];

/// Why content does not fit a form. The text never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", named(.field, .problem))]
pub struct InputError {
    /// The field's name, printable; absent if it is about the whole.
    pub field: Option<String>,
    /// What is wrong.
    pub problem: String,
}

fn named(field: &Option<String>, problem: &str) -> String {
    match field {
        Some(field) => format!("`{field}` {problem}"),
        None => problem.to_owned(),
    }
}

/// The fields that a person is asked for.
#[derive(Debug, Clone)]
pub struct Form {
    fields: BTreeMap<String, Field>,
    /// The schema as the server wrote it, and its canonical text.
    schema: Value,
    canonical: String,
}

impl Form {
    /// Reads a `requestedSchema`.
    ///
    /// # Errors
    /// [`ElicitationError`]: it is not of the forms of MCP, or beyond the limits.
    pub(super) fn parse(schema: &Value) -> Result<Self, ElicitationError> {
        let wrong = |problem: &str| ElicitationError(format!("its form {problem}"));
        let canonical = canonical::to_canonical(schema)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| wrong("has no canonical form"))?;
        if canonical.len() > MAX_SCHEMA {
            return Err(wrong(&format!("is larger than {MAX_SCHEMA} bytes")));
        }
        let members = schema
            .as_object()
            .filter(|members| members.get("type").is_some_and(|kind| kind == "object"))
            .ok_or_else(|| wrong("is not an object"))?;
        let is_known = |name: &str| {
            matches!(name, "type" | "properties" | "required") || IGNORED.contains(&name)
        };
        if let Some(unknown) = members.keys().find(|name| !is_known(name)) {
            let unknown = printable(unknown, MAX_NAME);
            return Err(wrong(&format!("has `{unknown}`, which MCP does not allow")));
        }
        let properties = members.get("properties").and_then(Value::as_object);
        let properties = properties.ok_or_else(|| wrong("has no properties"))?;
        if properties.len() > MAX_FIELDS {
            return Err(wrong(&format!("has more than {MAX_FIELDS} fields")));
        }
        let required = required(members).ok_or_else(|| wrong("has no usable list `required`"))?;
        let mut fields = BTreeMap::new();
        for (name, property) in properties {
            if name.is_empty() || name.len() > MAX_NAME || printable(name, MAX_NAME) != *name {
                return Err(wrong("has a field with an unusable name"));
            }
            let field = Field::parse(property, required.contains(name.as_str()))
                .map_err(|problem| wrong(&format!("has the field `{name}`, which {problem}")))?;
            fields.insert(name.clone(), field);
        }
        if required.iter().any(|name| !fields.contains_key(*name)) {
            return Err(wrong("requires a field that it does not have"));
        }
        Ok(Self {
            fields,
            schema: schema.clone(),
            canonical,
        })
    }

    /// The schema, as the server wrote it.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The schema as canonical JSON.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// How many fields it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The names of its fields.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.fields.keys()
    }

    /// The names and titles of its fields.
    pub(crate) fn names_and_titles(&self) -> impl Iterator<Item = &str> {
        let titles = self.fields.values().filter_map(Field::title);
        self.names().map(String::as_str).chain(titles)
    }

    /// Its fields as a person sees them.
    pub(super) fn view(&self) -> Vec<FieldView> {
        let fields = self.fields.iter();
        fields.map(|(name, field)| field.view(name)).collect()
    }

    /// The content that a person gives, with the form's defaults for what is left out. It is valid by the form's
    /// schema.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn check(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, InputError> {
        if let Some(unknown) = given.keys().find(|name| !self.fields.contains_key(*name)) {
            return Err(InputError {
                field: Some(printable(unknown, MAX_NAME)),
                problem: "is not a field of the form".into(),
            });
        }
        let mut content = Map::new();
        for (name, field) in &self.fields {
            let of_field = |problem: String| InputError {
                field: Some(name.clone()),
                problem,
            };
            match (given.get(name), field.default()) {
                (Some(value), _) => {
                    let value = field.check(value).map_err(of_field)?;
                    content.insert(name.clone(), value);
                }
                (None, Some(default)) => {
                    content.insert(name.clone(), default.clone());
                }
                (None, None) if field.is_required() => {
                    return Err(of_field("is required".into()));
                }
                (None, None) => {}
            }
        }
        let whole = Value::Object(content);
        let size = canonical::to_canonical(&whole).map_or(usize::MAX, |bytes| bytes.len());
        match whole {
            Value::Object(content) if size <= MAX_CONTENT => Ok(content),
            _ => Err(InputError {
                field: None,
                problem: format!("the content is larger than {MAX_CONTENT} bytes"),
            }),
        }
    }

    /// Values of fields that are given as text: several for a field in which several can be chosen.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn typed(
        &self,
        texts: &BTreeMap<String, Vec<String>>,
    ) -> Result<Map<String, Value>, InputError> {
        let mut values = Map::new();
        for (name, texts) in texts {
            let wrong = |problem: String| InputError {
                field: Some(printable(name, MAX_NAME)),
                problem,
            };
            let field = self.fields.get(name);
            let field = field.ok_or_else(|| wrong("is not a field of the form".into()))?;
            values.insert(name.clone(), field.typed(texts).map_err(wrong)?);
        }
        Ok(values)
    }
}

/// The names of required fields; `None` if the list is malformed.
fn required(members: &Map<String, Value>) -> Option<BTreeSet<&str>> {
    match members.get("required") {
        None => Some(BTreeSet::new()),
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}
