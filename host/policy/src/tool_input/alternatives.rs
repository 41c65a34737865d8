//! What is wrong with a value that matches no alternative of a union: what its own alternative says, or which
//! alternatives there are.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::{Map, Value};
use tollgate_model::canonical::escape_segment;

/// The most alternatives that a message names.
const MAX_NAMED: usize = 40;
/// The most problems of one alternative that are said.
const MAX_PROBLEMS: usize = 4;

/// An error of the schema with alternatives, and what each says.
pub(super) struct Alternatives<'a> {
    error: &'a ValidationError<'a>,
    context: &'a [Vec<ValidationError<'static>>],
    parts: Vec<&'a Value>,
}

/// How people write down which alternative they mean.
struct Tag<'a> {
    name: &'a str,
    /// Of each alternative.
    values: Vec<&'a Value>,
}

impl<'a> Alternatives<'a> {
    /// The alternatives of an error in `schema`, if it is one about them.
    pub(super) fn of(error: &'a ValidationError<'a>, schema: &'a Value) -> Option<Self> {
        let context = match error.kind() {
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => context,
            _ => return None,
        };
        let parts = schema.pointer(error.schema_path().as_str())?.as_array()?;
        let parts: Vec<&Value> = parts.iter().map(|part| resolved(part, schema)).collect();
        (parts.len() == context.len()).then_some(Self {
            error,
            context,
            parts,
        })
    }

    /// JSON pointers and what is wrong there, without values. `said` tells of an error of one alternative.
    pub(super) fn problems(
        &self,
        said: impl Fn(&ValidationError<'_>) -> Vec<(String, String)>,
    ) -> Option<Vec<(String, String)>> {
        if let Some(tag) = self.tag() {
            return Some(match self.named_by(&tag) {
                Ok(own) => own.iter().take(MAX_PROBLEMS).flat_map(said).collect(),
                Err(problem) => vec![problem],
            });
        }
        let of_type = |errors: &&Vec<ValidationError<'_>>| !errors.iter().any(|e| self.is_type(e));
        let mut fitting = self.context.iter().filter(of_type);
        match (fitting.next(), fitting.next()) {
            (Some(own), None) => Some(own.iter().take(MAX_PROBLEMS).flat_map(said).collect()),
            (None, _) => self.types().map(|problem| vec![problem]),
            (Some(_), Some(_)) => None,
        }
    }

    fn pointer(&self) -> String {
        self.error.instance_path().to_string()
    }

    /// Whether the value has not the type of an alternative.
    fn is_type(&self, error: &ValidationError<'_>) -> bool {
        matches!(error.kind(), ValidationErrorKind::Type { .. })
            && error.instance_path() == self.error.instance_path()
    }

    /// The member that has another constant in each alternative.
    fn tag(&self) -> Option<Tag<'a>> {
        let (first, others) = self.parts.split_first()?;
        let constants = |part: &'a Value| {
            let properties = part.get("properties").and_then(Value::as_object);
            properties.into_iter().flat_map(Map::iter)
        };
        constants(first).find_map(|(name, _)| {
            let value = |part: &&'a Value| constant(part.get("properties")?.get(name)?);
            let values: Option<Vec<&Value>> =
                std::iter::once(first).chain(others).map(value).collect();
            values.map(|values| Tag { name, values })
        })
    }

    /// The errors of the alternative that the value's tag names.
    ///
    /// # Errors
    /// It names none: where, and which there are.
    fn named_by(&self, tag: &Tag<'_>) -> Result<&'a [ValidationError<'static>], (String, String)> {
        let names = names(&tag.values);
        let Some(members) = self.error.instance().as_object() else {
            let problem = format!(
                "it has to be an object whose `{}` is one of {names}",
                tag.name
            );
            return Err((self.pointer(), problem));
        };
        let Some(given) = members.get(tag.name) else {
            let problem = format!("it needs `{}`, one of {names}", tag.name);
            return Err((self.pointer(), problem));
        };
        let place = tag.values.iter().position(|value| *value == given);
        place
            .and_then(|place| self.context.get(place))
            .map(Vec::as_slice)
            .ok_or_else(|| {
                let pointer = format!("{}/{}", self.pointer(), escape_segment(tag.name));
                (pointer, format!("it has to be one of {names}"))
            })
    }

    /// The types that the value may have.
    fn types(&self) -> Option<(String, String)> {
        let mut names: Vec<String> = Vec::new();
        for errors in self.context {
            let kind = errors.iter().find_map(|error| match error.kind() {
                ValidationErrorKind::Type { kind } if self.is_type(error) => Some(kind),
                _ => None,
            })?;
            match kind {
                TypeKind::Single(ty) => names.push(ty.to_string()),
                TypeKind::Multiple(types) => names.extend(types.iter().map(|ty| ty.to_string())),
            }
        }
        names.dedup();
        let problem = format!("it has to have one of the types {}", names.join(", "));
        Some((self.pointer(), problem))
    }
}

/// The only value that a schema allows.
fn constant(schema: &Value) -> Option<&Value> {
    let only = || match schema.get("enum")?.as_array()?.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    schema.get("const").or_else(only)
}

/// The schema that a reference within the document leads to.
fn resolved<'a>(part: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = part.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|reference| schema.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(part)
}

fn names(values: &[&Value]) -> String {
    let shown: Vec<String> = { values.iter().take(MAX_NAMED) }
        .map(ToString::to_string)
        .collect();
    match values.len().saturating_sub(MAX_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
