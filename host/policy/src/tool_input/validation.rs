//! Validators of a schema and of the alternatives within it.

use std::{fmt, sync::Arc};

use jsonschema::{
    PatternOptions, Registry, Resource, ValidationError, ValidationOptions, Validator,
    error::ValidationErrorKind,
};
use serde_json::{Map, Value, json};

use super::{
    ArgumentProblem, InputError,
    alternatives::Alternatives,
    reference::{SCHEMA_MAPS, SCHEMAS},
};

/// The most backtracking steps of a pattern for one value (ECMA 262 patterns can backtrack).
const BACKTRACK_LIMIT: usize = 100_000;
/// The most bytes of one compiled pattern.
const PATTERN_SIZE: usize = 1 << 20;
/// The most variants of an enumeration that a message names.
const MAX_VARIANTS: usize = 40;
/// The deepest union within unions of which a message speaks.
const MAX_UNIONS: usize = 3;
/// The URI of the document, for compiling alternatives within it.
const DOCUMENT: &str = "urn:tollgate:input";

fn options<'i>() -> ValidationOptions<'i> {
    jsonschema::options().with_pattern_options(
        PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACK_LIMIT)
            .size_limit(PATTERN_SIZE),
    )
}

/// A compiled schema.
#[derive(Clone)]
pub(super) struct SchemaValidator {
    validator: Arc<Validator>,
    schema: Arc<Value>,
}

impl fmt::Debug for SchemaValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaValidator").finish_non_exhaustive()
    }
}

impl SchemaValidator {
    /// Compiles `schema`, which has no external references.
    pub(super) fn new(schema: &Value) -> Result<Self, InputError> {
        let validator = options().build(schema).map_err(|e| InputError::Schema {
            pointer: match e.instance_path().to_string() {
                pointer if pointer.is_empty() => "/".into(),
                pointer => pointer,
            },
            reason: e.masked().to_string().chars().take(300).collect(),
        })?;
        Ok(Self {
            validator: Arc::new(validator),
            schema: Arc::new(schema.clone()),
        })
    }

    /// The first `limit` violations of the schema by `arguments`; with members that it does not allow, or without.
    pub(super) fn problems(
        &self,
        arguments: &Value,
        limit: usize,
        with_unknown: bool,
    ) -> Vec<ArgumentProblem> {
        let is_unknown = |kind: &ValidationErrorKind| {
            matches!(kind, ValidationErrorKind::AdditionalProperties { .. })
        };
        let errors = self.validator.iter_errors(arguments);
        errors
            .filter(|error| with_unknown || !is_unknown(error.kind()))
            .take(limit)
            .flat_map(|error| self.said(&error, MAX_UNIONS))
            .take(limit)
            .map(|(pointer, problem)| ArgumentProblem::new(&pointer, problem))
            .collect()
    }

    /// What an error says, and where. Of a union it says what its alternatives do, unless `unions` are within each other.
    fn said(&self, error: &ValidationError<'_>, unions: usize) -> Vec<(String, String)> {
        let within = Alternatives::of(error, &self.schema).filter(|_| unions > 0);
        let within = within.and_then(|union| union.problems(|error| self.said(error, unions - 1)));
        if let Some(within) = within.filter(|within| !within.is_empty()) {
            return within;
        }
        let problem = match error.kind() {
            ValidationErrorKind::Enum { options } => one_of(options),
            _ => None,
        };
        let problem = problem.unwrap_or_else(|| error.masked().to_string());
        vec![(error.instance_path().to_string(), problem)]
    }

    /// A compiler for schemas within this one.
    pub(super) fn branches(&self) -> Option<BranchCompiler> {
        let document = Resource::from_contents(Value::clone(&self.schema));
        let registry = Registry::new().add(DOCUMENT, document).ok()?.prepare();
        Some(BranchCompiler {
            registry: registry.ok()?,
        })
    }
}

/// All variants of an enumeration, so that a model can correct itself.
fn one_of(options: &Value) -> Option<String> {
    let options = options.as_array()?;
    let names: Vec<String> = options.iter().map(ToString::to_string).collect();
    (names.len() <= MAX_VARIANTS).then(|| format!("it has to be one of {}", names.join(", ")))
}

/// Compiles schemas by their position in a document.
pub(super) struct BranchCompiler {
    registry: Registry<'static>,
}

impl BranchCompiler {
    /// The validator of the schema at a JSON pointer. `None` if the schema cannot be used by itself.
    pub(super) fn compile(&self, location: &str) -> Option<Arc<BranchValidator>> {
        let fragment = percent_encoded(location);
        let schema = json!({ "$ref": format!("{DOCUMENT}#{fragment}") });
        let validator = options().with_registry(&self.registry).build(&schema);
        Some(Arc::new(BranchValidator::Schema(Box::new(validator.ok()?))))
    }
}

/// A test whether a value belongs to one alternative of a union.
pub(super) enum BranchValidator {
    /// The value validates against this schema.
    Schema(Box<Validator>),
    /// The value has this type of JSON Schema.
    Type(String),
}

impl fmt::Debug for BranchValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(_) => f.write_str("Schema"),
            Self::Type(name) => f.debug_tuple("Type").field(name).finish(),
        }
    }
}

impl BranchValidator {
    pub(super) fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Schema(validator) => validator.is_valid(value),
            Self::Type(name) => match name.as_str() {
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                _ => false,
            },
        }
    }
}

/// Escapes characters that a URI's fragment must not contain (RFC 3986, section 3.5).
fn percent_encoded(pointer: &str) -> String {
    let mut out = String::with_capacity(pointer.len());
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/$".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The schema without the patterns that cannot be compiled. They no longer restrict values; each is noted.
pub(super) fn without_unusable_patterns(mut schema: Value, notes: &mut Vec<String>) -> Value {
    remove_patterns(&mut schema, "", notes);
    schema
}

fn is_usable(pattern: &str) -> bool {
    options().build(&json!({ "pattern": pattern })).is_ok()
}

fn remove_patterns(schema: &mut Value, location: &str, notes: &mut Vec<String>) {
    let Value::Object(members) = schema else {
        return;
    };
    let bad = |pattern: &str| !is_usable(pattern);
    if members
        .get("pattern")
        .and_then(Value::as_str)
        .is_some_and(bad)
    {
        members.remove("pattern");
        notes.push(format!(
            "`{location}/pattern` is ignored: it is not a usable regular expression"
        ));
    }
    if let Some(Value::Object(patterns)) = members.get_mut("patternProperties") {
        let before = patterns.len();
        patterns.retain(|pattern, _| is_usable(pattern));
        if patterns.len() < before {
            notes.push(format!(
                "`{location}/patternProperties` is ignored in part: a name in it is not a usable regular expression"
            ));
            // The object stays open to other members.
            members
                .entry("additionalProperties")
                .or_insert(Value::Bool(true));
        }
    }
    for (keyword, value) in members.iter_mut() {
        let location = format!("{location}/{keyword}");
        if SCHEMA_MAPS.contains(&keyword.as_str()) {
            let below: &mut Map<String, Value> = match value {
                Value::Object(below) => below,
                _ => continue,
            };
            for (name, schema) in below.iter_mut() {
                remove_patterns(schema, &format!("{location}/{name}"), notes);
            }
        } else if SCHEMAS.contains(&keyword.as_str()) {
            match value {
                Value::Array(items) => {
                    for (i, schema) in items.iter_mut().enumerate() {
                        remove_patterns(schema, &format!("{location}/{i}"), notes);
                    }
                }
                schema => remove_patterns(schema, &location, notes),
            }
        }
    }
}
