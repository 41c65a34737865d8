//! What may be kept of what others say. The gate implements this; what stores or sends traces uses it.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Removes secrets from text.
pub trait Redactor: Send + Sync {
    /// The text without secrets; borrowed where there is none in it.
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str>;
}

/// What may be kept of attributes of spans, resources and log records.
pub trait AttributeFilter: Redactor {
    /// What the configuration keeps of these, without secrets in names and values.
    fn attributes(&self, attributes: Map<String, Value>) -> Map<String, Value>;

    /// The same for one attribute; nothing if it is left out.
    fn attribute(&self, name: &str, value: Value) -> Option<Value>;
}
