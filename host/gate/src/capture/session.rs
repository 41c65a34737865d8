//! The capture of one tenant, time and run: the kept form of attributes, arguments and results.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Map, Value};
use tollgate_ledger::{Keys, Payload};
use tollgate_model::{
    canonical,
    ids::RunId,
    record::{Class, PayloadRef},
    time::Timestamp,
};

use super::{
    Capture, KIND, ToolCapture,
    detect::removed,
    fields::{FieldPosition, Fields, Treatment},
};
use crate::tool::Content;

/// The most bytes of a value that are searched for secrets to classify it.
const LOOKED_AT: usize = 64 << 10;
/// The most bytes that are kept of one value.
const MOST: usize = 64 << 10;
/// The deepest nesting that is processed.
const DEEPEST: usize = 64;

/// A [`Capture`] for one tenant, time and run. Cheap to create.
#[derive(Debug, Clone)]
pub struct CaptureSession {
    pub(super) capture: Arc<Capture>,
    pub(super) keys: Keys,
    pub(super) tenant: String,
    pub(super) now: Timestamp,
    pub(super) run: Option<RunId>,
}

/// The capture part of a record, and the payload if something is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct CapturedPayload {
    /// For the record.
    pub kept: PayloadRef,
    /// Sealed, for the store.
    pub payload: Option<Payload>,
}

impl CaptureSession {
    /// `run` owns the tokens: people who may read its payloads may resolve them.
    #[must_use]
    pub fn new(
        capture: &Arc<Capture>,
        keys: &Keys,
        tenant: &str,
        now: Timestamp,
        run: Option<RunId>,
    ) -> Self {
        Self {
            capture: Arc::clone(capture),
            keys: keys.clone(),
            tenant: tenant.to_owned(),
            now,
            run,
        }
    }

    /// Text without secrets, like [`Capture::text`].
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.capture.text(text)
    }

    /// The kept form of attributes of a span, a resource or a log record: payloads as the configuration
    /// says, everything else without secrets.
    #[must_use]
    pub fn attributes(&self, attributes: Map<String, Value>) -> Map<String, Value> {
        let mut kept = Map::new();
        for (name, value) in attributes {
            let known = self.capture.named(&name);
            let at = FieldPosition::whole([], known.treatment);
            if let Some(value) = self.value(known.secret, Cow::Owned(value), &at, DEEPEST) {
                kept.insert(self.capture.clean_name(name, known), value);
            }
        }
        kept
    }

    /// One attribute, like [`Self::attributes`].
    #[must_use]
    pub fn attribute(&self, name: &str, value: Value) -> Option<Value> {
        let known = self.capture.named(name);
        let at = FieldPosition::whole([], known.treatment);
        self.value(known.secret, Cow::Owned(value), &at, DEEPEST)
    }

    /// The arguments of a call of `tool`; `text` is their canonical form. `private` means that the run has
    /// read private data.
    #[must_use]
    pub fn arguments(
        &self,
        tool: &str,
        arguments: &Value,
        text: &str,
        private: bool,
    ) -> CapturedPayload {
        let class = self.class(text, private);
        let said = self.said(tool).map(|tool| &tool.arguments);
        self.payload(class, said, arguments)
    }

    /// What a person answers to a question in a call of `tool`, like [`Self::arguments`].
    #[must_use]
    pub fn answer(
        &self,
        tool: &str,
        content: &Value,
        text: &str,
        private: bool,
    ) -> CapturedPayload {
        let class = self.class(text, private);
        let said = self.said(tool).map(|tool| &tool.answers);
        self.payload(class, said, content)
    }

    /// The content of a result of `tool`. Pointers are into its structured data, or otherwise into its
    /// text, if that is JSON.
    #[must_use]
    pub fn result(&self, tool: &str, content: &[Content], private: bool) -> CapturedPayload {
        let mut class = self.class("", private);
        let mut text = None;
        let mut structured = None;
        for part in content {
            match part {
                Content::Structured(value) => {
                    structured = structured.or(Some(Cow::Borrowed(value)))
                }
                Content::Text { text: words } => {
                    class = class.max(self.class(words, private));
                    text = text.or(Some(words.as_str()));
                }
                _ => {}
            }
        }
        if let (Some(value), true) = (&structured, text.is_none()) {
            class = class.max(self.class(&value.to_string(), private));
        }
        let mut said = self.said(tool).map(|tool| &tool.result).peekable();
        if !self.capture.payloads || said.peek().is_none() {
            return CapturedPayload::of(class);
        }
        let value = structured.or_else(|| text.map(|text| Cow::Owned(parsed(text))));
        match value {
            Some(value) => self.payload(class, said, &value),
            None => CapturedPayload::of(class),
        }
    }

    /// Treatments for this tool, then those for all tools.
    fn said(&self, tool: &str) -> impl Iterator<Item = &ToolCapture> {
        let tools = &self.capture.config.tools;
        [tool, "*"].into_iter().filter_map(|name| tools.get(name))
    }

    fn class(&self, text: &str, private: bool) -> Class {
        let beginning = text
            .get(..text.floor_char_boundary(LOOKED_AT))
            .unwrap_or_default();
        let capture = &self.capture;
        if capture.detectors.finds(beginning)
            || matches!(capture.vault.clean(beginning), Cow::Owned(_))
        {
            Class::Secret
        } else if private {
            Class::Private
        } else {
            Class::Ordinary
        }
    }

    fn payload<'f>(
        &self,
        class: Class,
        said: impl Iterator<Item = &'f Fields>,
        value: &Value,
    ) -> CapturedPayload {
        let said: Vec<&Fields> = said.filter(|fields| !fields.is_empty()).collect();
        if !self.capture.payloads || said.is_empty() {
            return CapturedPayload::of(class);
        }
        let at = FieldPosition::whole(said, self.capture.config.default);
        let kept = self.value(false, Cow::Borrowed(value), &at, DEEPEST);
        let text = kept
            .filter(|kept| !is_hollow(kept))
            .map(|kept| kept.to_string());
        let Some(text) = text.filter(|text| text.len() <= MOST) else {
            return CapturedPayload::of(class);
        };
        // A value that cannot be sealed is not kept.
        let sealed = self
            .keys
            .seal(&self.tenant, self.now, text.as_bytes(), KIND);
        let payload = sealed.ok();
        CapturedPayload {
            kept: PayloadRef {
                class,
                payload: payload.as_ref().map(|payload| payload.digest),
            },
            payload,
        }
    }

    /// The kept form of a value; `None` if it is left out. `secret` means that its name is that of a
    /// secret.
    fn value(
        &self,
        secret: bool,
        value: Cow<'_, Value>,
        at: &FieldPosition<'_>,
        deep: usize,
    ) -> Option<Value> {
        let Some(deep) = deep.checked_sub(1) else {
            return Some(removed("too-deep").into());
        };
        let within = at.says_more() || at.treatment == Treatment::Keep;
        match (value.as_ref(), within) {
            (Value::Object(_) | Value::Array(_), true) => {}
            _ => return self.whole(secret, value, at.treatment),
        }
        if secret {
            return Some(removed("secret-name").into());
        }
        Some(match value.into_owned() {
            Value::Object(members) => {
                let mut kept = Map::new();
                for (name, member) in members {
                    let known = self.capture.named(&name);
                    let member = Cow::Owned(member);
                    let left = self.value(known.secret, member, &at.below(&name), deep);
                    if let Some(left) = left {
                        kept.insert(self.capture.clean_name(name, known), left);
                    }
                }
                Value::Object(kept)
            }
            Value::Array(elements) => {
                let each = elements.into_iter().enumerate();
                let left = each.filter_map(|(n, element)| {
                    let at = at.below(&n.to_string());
                    self.value(secret, Cow::Owned(element), &at, deep)
                });
                Value::Array(left.collect())
            }
            other => other,
        })
    }

    /// A value with this treatment.
    fn whole(&self, secret: bool, value: Cow<'_, Value>, treatment: Treatment) -> Option<Value> {
        let secret = secret && !matches!(*value, Value::Null | Value::Bool(_));
        match treatment {
            Treatment::Drop => None,
            Treatment::Redact => Some(removed("policy").into()),
            Treatment::Keep if secret => Some(removed("secret-name").into()),
            Treatment::Keep => Some(match value.into_owned() {
                Value::String(text) => match self.text(&text) {
                    Cow::Borrowed(_) => Value::String(text),
                    Cow::Owned(clean) => Value::String(clean),
                },
                other => other,
            }),
            Treatment::Hash | Treatment::Tokenize => {
                let made = canonical::to_canonical(value.as_ref())
                    .ok()
                    .and_then(|bytes| match treatment {
                        Treatment::Hash => self.digest(&bytes),
                        _ => self.token(&bytes),
                    });
                Some(made.unwrap_or_else(|| removed("policy")).into())
            }
        }
    }

    pub(super) fn digest(&self, canonical: &[u8]) -> Option<String> {
        let digest = self.keys.digest(&self.tenant, &[b"captured", canonical]);
        digest.ok().map(|digest| digest.to_string())
    }
}

impl CapturedPayload {
    /// Nothing is kept.
    fn of(class: Class) -> Self {
        Self {
            kept: PayloadRef {
                class,
                payload: None,
            },
            payload: None,
        }
    }
}

/// Parses text as JSON, if it is JSON.
fn parsed(text: &str) -> Value {
    canonical::parse(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Whether nothing is left of a value.
fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().all(is_hollow),
        Value::Array(elements) => elements.iter().all(is_hollow),
        _ => false,
    }
}
