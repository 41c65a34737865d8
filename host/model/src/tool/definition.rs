//! A tool's definition by its author, within limits: title, description, schemas, hints.

use serde_json::Value;

use crate::canonical;

/// The most bytes of a tool's own name.
pub const MAX_TOOL_NAME: usize = 64;
/// The most bytes of a tool's title.
const MAX_TITLE: usize = 256;
/// The most bytes of a tool's description.
const MAX_DESCRIPTION: usize = 16 << 10;
/// The most bytes of a schema. Its depth is limited by [`canonical::MAX_DEPTH`].
const MAX_SCHEMA: usize = 256 << 10;

/// What a tool's author says about its behaviour. No decision is based on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: bool,
    /// It may overwrite or delete something.
    pub destructive: bool,
    /// Calling it twice has the effect of calling it once.
    pub idempotent: bool,
    /// It reaches beyond what the operator controls.
    pub open_world: bool,
}

/// A tool as its provider describes it: untrusted, but within limits.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    /// Its own name: `[A-Za-z0-9_-]{1,64}`, unique in its provider.
    pub name: String,
    /// A name for people.
    pub title: Option<String>,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments: a JSON object.
    pub input_schema: Value,
    /// JSON Schema of structured content: a JSON object.
    pub output_schema: Option<Value>,
    /// Hints.
    pub annotations: Annotations,
}

impl ToolDefinition {
    /// A definition from its texts, schemas as JSON.
    ///
    /// # Errors
    /// A message for its author, if one of them exceeds its limits.
    pub fn new(
        name: String,
        title: Option<String>,
        description: String,
        schemas: SchemaTexts<'_>,
        annotations: Annotations,
    ) -> Result<Self, String> {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !(1..=MAX_TOOL_NAME).contains(&name.len()) || !name.bytes().all(letter) {
            return Err("a name has 1 to 64 letters (a to z), digits, `_` and `-`".into());
        }
        check_texts(title.as_deref(), &description)?;
        let output = schemas
            .output
            .map(|text| parse_schema("output schema", text));
        Ok(Self {
            input_schema: parse_schema("input schema", schemas.input)?,
            output_schema: output.transpose()?,
            name,
            title,
            description,
            annotations,
        })
    }

    /// Returns the definition if title, description and schemas are within the limits for components.
    ///
    /// # Errors
    /// A message for its author, if one of them is not.
    pub fn within_bounds(self) -> Result<Self, String> {
        check_texts(self.title.as_deref(), &self.description)?;
        let check = |what: &str, value: &Value| parse_schema(what, &value.to_string());
        let output = self.output_schema.as_ref();
        Ok(Self {
            input_schema: check("input schema", &self.input_schema)?,
            output_schema: output
                .map(|value| check("output schema", value))
                .transpose()?,
            ..self
        })
    }
}

/// The JSON texts of a tool's schemas.
#[derive(Debug, Clone, Copy)]
pub struct SchemaTexts<'a> {
    /// Of the arguments.
    pub input: &'a str,
    /// Of structured content.
    pub output: Option<&'a str>,
}

fn check_texts(title: Option<&str>, description: &str) -> Result<(), String> {
    check_length("title", title.unwrap_or_default(), MAX_TITLE)?;
    check_length("description", description, MAX_DESCRIPTION)
}

fn check_length(what: &str, text: &str, max: usize) -> Result<(), String> {
    if text.len() > max {
        let size = text.len();
        return Err(format!("the {what} has {size} bytes, more than {max}"));
    }
    Ok(())
}

fn parse_schema(what: &str, text: &str) -> Result<Value, String> {
    check_length(what, text, MAX_SCHEMA)?;
    match canonical::parse_with_rounded_numbers(text) {
        Ok(schema @ Value::Object(_)) => Ok(schema),
        Ok(_) => Err(format!("the {what} is not a JSON object")),
        Err(e) => Err(format!("the {what} is refused: {e}")),
    }
}
