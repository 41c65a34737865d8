//! A field for text.

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value, json};

use super::count;
use crate::text::printable;

/// The most bytes of a pattern, and of its automaton.
const MAX_PATTERN: usize = 512;
const MAX_AUTOMATON: usize = 1 << 18;
/// The most bytes of a text that a person gives.
const MAX_VALUE: usize = 16 << 10;
/// The formats that MCP allows.
const FORMATS: &[&str] = &["date", "date-time", "email", "uri"];

/// What texts a field takes. Lengths are in Unicode scalar values, as in JSON Schema.
#[derive(Debug, Clone)]
pub(super) struct TextRules {
    min: u64,
    max: Option<u64>,
    format: Option<&'static str>,
    pattern: Option<String>,
    /// Checks format and pattern.
    validator: Arc<Validator>,
}

impl TextRules {
    /// Reads the members of a field.
    ///
    /// # Errors
    /// What is wrong with it, after its name.
    pub(super) fn parse(members: &Map<String, Value>) -> Result<Self, String> {
        let format = match members.get("format") {
            None => None,
            Some(given) => {
                let known = FORMATS.iter().find(|known| given == **known);
                Some(*known.ok_or("has a format that MCP does not allow")?)
            }
        };
        let wrong = "has no usable `pattern`";
        let pattern = match members.get("pattern") {
            None => None,
            Some(Value::String(pattern)) if pattern.len() <= MAX_PATTERN => Some(pattern.clone()),
            Some(_) => return Err(wrong.into()),
        };
        let mut schema = Map::new();
        schema.extend(format.map(|format| ("format".to_owned(), json!(format))));
        schema.extend(pattern.iter().map(|text| ("pattern".to_owned(), json!(text))));
        // The server writes the pattern, so its time is linear in the value.
        let engine = PatternOptions::regex().size_limit(MAX_AUTOMATON);
        let validator = jsonschema::options()
            .with_pattern_options(engine)
            .should_validate_formats(true)
            .build(&Value::Object(schema))
            .map_err(|_| wrong)?;
        Ok(Self {
            min: count(members, "minLength")?.unwrap_or(0),
            max: count(members, "maxLength")?,
            format,
            pattern,
            validator: Arc::new(validator),
        })
    }

    /// Whether the field takes the text.
    ///
    /// # Errors
    /// What is wrong with it, after the field's name.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        if text.len() > MAX_VALUE {
            return Err(format!("is longer than {MAX_VALUE} bytes"));
        }
        let length = text.chars().count() as u64;
        let fits = length >= self.min
            && self.max.is_none_or(|max| length <= max)
            && self.validator.is_valid(&text.into());
        match fits {
            true => Ok(()),
            false => Err(format!("needs text with {}", self.limits().join(", "))),
        }
    }

    /// Its limits, for people.
    pub(super) fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        if self.min > 0 {
            limits.push(format!("at least {} characters", self.min));
        }
        limits.extend(self.max.map(|max| format!("at most {max} characters")));
        limits.extend(self.format.map(|format| format!("the format {format}")));
        let pattern = self.pattern.as_ref();
        limits.extend(pattern.map(|text| format!("the pattern {}", printable(text, MAX_PATTERN))));
        limits
    }
}
