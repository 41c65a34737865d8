//! Converts values of OTLP to JSON, within limits.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use serde_json::{Number, Value};
use tollgate_model::capture::AttributeFilter;

use crate::{capture, store::Attributes};

/// The most attributes of one span, event, link, resource or log.
const MAX_ATTRIBUTES: usize = 128;
/// The longest name of an attribute, in bytes.
const MAX_NAME: usize = 256;
/// The longest text, in bytes.
const MAX_TEXT: usize = 32 << 10;
/// The most bytes of all values of one span or log.
const MAX_ALL: usize = 256 << 10;
/// The most bytes of all values of a resource or scope, which many spans share.
const MAX_SHARED: usize = 16 << 10;
/// Bytes beyond a cut that are searched for secrets as well, so that a secret across the cut is found.
const LOOKED_BEYOND: usize = 16 << 10;
/// The most elements of a list, and entries of a map.
const MAX_ELEMENTS: usize = 1_000;
/// The deepest nesting of values.
const MAX_DEPTH: usize = 8;

/// The remaining size of a span or log, and the number of dropped parts.
pub(super) struct SizeLimiter<'a> {
    filter: &'a dyn AttributeFilter,
    left: usize,
    /// Attributes, elements and texts that were dropped or cut.
    pub(super) dropped: u64,
}

impl<'a> SizeLimiter<'a> {
    /// The full size of a span or log.
    pub(super) fn new(filter: &'a dyn AttributeFilter) -> Self {
        Self {
            filter,
            left: MAX_ALL,
            dropped: 0,
        }
    }

    /// The full size of a resource or scope.
    pub(super) fn shared(filter: &'a dyn AttributeFilter) -> Self {
        Self {
            left: MAX_SHARED,
            ..Self::new(filter)
        }
    }

    /// The first `most` bytes of a text, without secrets.
    fn cut(&self, text: &str, most: usize) -> String {
        if text.is_empty() {
            return String::new();
        }
        let looked_at = text.floor_char_boundary(most.saturating_add(LOOKED_BEYOND));
        let clean = self
            .filter
            .redact(text.get(..looked_at).unwrap_or_default());
        let end = clean.floor_char_boundary(most);
        clean.get(..end).unwrap_or_default().to_owned()
    }

    /// A text outside the attributes, as it is stored: without secrets.
    pub(super) fn said(&mut self, text: String) -> String {
        if text.is_empty() {
            return text;
        }
        let text = self.text(text);
        match self.filter.redact(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => clean,
        }
    }

    /// A name of at most `max` bytes, without secrets.
    pub(super) fn name(&mut self, name: &str, max: usize) -> String {
        self.dropped += u64::from(name.len() > max);
        self.cut(name, max)
    }

    /// The body of a log, without secrets.
    pub(super) fn body(&mut self, body: Option<AnyValue>) -> Value {
        let body = self.value(body, MAX_DEPTH);
        self.filter
            .attribute("log.body", body)
            .unwrap_or(Value::Null)
    }

    /// Attributes, filtered and limited.
    pub(super) fn attributes(&mut self, given: Vec<KeyValue>) -> Attributes {
        let mut attributes = Attributes::new();
        for KeyValue { key, value, .. } in given {
            if attributes.len() >= MAX_ATTRIBUTES || key.is_empty() || key.len() > MAX_NAME {
                self.dropped += 1;
                continue;
            }
            let Some(left) = self.left.checked_sub(key.len()) else {
                self.dropped += 1;
                continue;
            };
            self.left = left;
            let value = self.value(value, MAX_DEPTH);
            attributes.insert(key, value);
        }
        capture::reported(attributes, self.filter)
    }

    /// A text, cut if it is too long.
    fn text(&mut self, mut text: String) -> String {
        let most = MAX_TEXT.min(self.left);
        if text.len() > most {
            text = self.cut(&text, most);
            self.left = self.left.saturating_sub(text.len());
            text.push('…');
            self.dropped += 1;
        } else {
            self.left = self.left.saturating_sub(text.len());
        }
        text
    }

    /// A value; bytes are base64.
    fn value(&mut self, value: Option<AnyValue>, depth: usize) -> Value {
        use any_value::Value as V;
        let Some(value) = value.and_then(|value| value.value) else {
            return Value::Null;
        };
        let Some(deeper) = depth.checked_sub(1) else {
            self.dropped += 1;
            return Value::Null;
        };
        match value {
            V::StringValue(text) => Value::String(self.text(text)),
            V::BoolValue(yes) => Value::Bool(yes),
            V::IntValue(n) => self.small(n.into()),
            // JSON has no literals for NaN and the infinities.
            V::DoubleValue(n) => match Number::from_f64(n) {
                Some(n) => self.small(Value::Number(n)),
                None => self.small(Value::String(n.to_string())),
            },
            V::ArrayValue(list) => {
                let total = list.values.len();
                let mut kept = Vec::new();
                for value in list.values.into_iter().take(MAX_ELEMENTS) {
                    if self.left == 0 {
                        break;
                    }
                    kept.push(self.value(Some(value), deeper));
                }
                self.dropped += (total - kept.len()) as u64;
                Value::Array(kept)
            }
            V::KvlistValue(map) => {
                let mut kept = Attributes::new();
                for (place, entry) in map.values.into_iter().enumerate() {
                    if place >= MAX_ELEMENTS || self.left == 0 || entry.key.len() > MAX_NAME {
                        self.dropped += 1;
                        continue;
                    }
                    self.left = self.left.saturating_sub(entry.key.len());
                    let value = self.value(entry.value, deeper);
                    kept.insert(entry.key, value);
                }
                Value::Object(kept)
            }
            V::BytesValue(bytes) => {
                let end = bytes.len().min(MAX_TEXT / 2);
                if end < bytes.len() {
                    self.dropped += 1;
                }
                Value::String(self.text(STANDARD.encode(bytes.get(..end).unwrap_or_default())))
            }
            // An index into a table that only the signal profiles has.
            V::StringValueStrindex(_) => Value::Null,
        }
    }

    fn small(&mut self, value: Value) -> Value {
        self.left = self.left.saturating_sub(8);
        value
    }
}
