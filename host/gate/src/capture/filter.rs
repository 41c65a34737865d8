//! Capture as what stores or sends traces sees it.

use std::borrow::Cow;

use serde_json::{Map, Value};
use tollgate_model::capture::{AttributeFilter, Redactor};

use super::{Capture, CaptureSession};

impl Redactor for Capture {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.text(text)
    }
}

impl Redactor for CaptureSession {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.text(text)
    }
}

impl AttributeFilter for CaptureSession {
    fn attributes(&self, attributes: Map<String, Value>) -> Map<String, Value> {
        Self::attributes(self, attributes)
    }

    fn attribute(&self, name: &str, value: Value) -> Option<Value> {
        Self::attribute(self, name, value)
    }
}
