//! Capture: what is kept of calls, results, logs, errors and agents' attributes, and in which form.
//!
//! The rules are fixed before anything is written: one configuration gives one [`Capture`], and everything
//! that is stored, exported or logged has passed one of its [`CaptureSession`]s. For arguments and results
//! there are a keyed digest, a size and a class; more is kept only if the configuration names it.
//! Everything that is kept is searched for secrets. If something fails, nothing is kept, and no decision
//! waits for capture.
//!
//! The facts of a decision are separate: they are always sealed for replay.

mod account_numbers;
mod detect;
mod error;
mod fields;
mod filter;
mod gitleaks;
mod go_regex;
mod settings;
mod token;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::{Map, Value};
use tollgate_model::{
    canonical,
    ids::RunId,
    record::{Arrival, Class, Event, PayloadRef},
    time::Timestamp,
};

pub use detect::Detectors;
use detect::{matches, removed};
pub use error::DetectError;
use fields::FieldPosition;
pub use fields::{Fields, Treatment};
pub use settings::{CaptureConfig, TenantCapture, ToolCapture};
pub(crate) use token::{KIND as TOKEN_KIND, sealed};
pub use token::{PREFIX, RevealedValue};

use crate::{secrets::Vault, tool::Content};
use tollgate_ledger::{Keys, LedgerError, LedgerReader, Payload};

/// The most bytes of a value that are searched for secrets to classify it.
const LOOKED_AT: usize = 64 << 10;
/// The most bytes that are kept of one value.
const MOST: usize = 64 << 10;
/// The deepest nesting that is processed.
const DEEPEST: usize = 64;

/// The most names of fields and attributes that are cached, and the most bytes of each: the same few come
/// with every span.
const NAMES: usize = 4096;
const LONGEST_NAME: usize = 64;

/// The kind of a sealed captured payload.
pub(crate) const KIND: &str = "captured";

/// The captured payload of the record at `index`, for programs that read a ledger and have its keys.
///
/// # Errors
/// [`LedgerError::Sealed`] once its day's key was destroyed.
pub fn kept(
    reader: &LedgerReader,
    keys: &Keys,
    index: u64,
    kept: PayloadRef,
) -> Result<Option<String>, LedgerError> {
    let Some(digest) = kept.payload else {
        return Ok(None);
    };
    let Some(payload) = reader.payload(index, digest)? else {
        return Ok(None);
    };
    let plain = keys.open(&payload, KIND)?;
    Ok(Some(String::from_utf8_lossy(&plain).into_owned()))
}

/// What is kept, and how secrets are found, for one configuration.
#[derive(Debug)]
pub struct Capture {
    config: CaptureConfig,
    detectors: Detectors,
    vault: Arc<Vault>,
    /// Whether payloads of the tenant are kept at all.
    payloads: bool,
    names: RwLock<HashMap<Box<str>, Name>>,
}

/// Cached properties of a name.
#[derive(Debug, Clone)]
struct Name {
    /// The treatment of an attribute of this name.
    treatment: Treatment,
    /// Whether values under it are secrets.
    secret: bool,
    /// The name without anything that looks like a secret; absent if unchanged.
    clean: Option<Arc<str>>,
}

impl Capture {
    /// The rules of `config` for `tenant`. `vault` has the secrets that the gate knows.
    ///
    /// # Errors
    /// [`DetectError`]: without detectors nothing is captured, and so nothing loads.
    pub fn new(
        config: &CaptureConfig,
        tenant: &str,
        vault: &Arc<Vault>,
    ) -> Result<Self, DetectError> {
        Ok(Self {
            detectors: Detectors::new(&config.patterns, &config.rules)?,
            payloads: config.of(tenant).payloads,
            config: config.clone(),
            vault: Arc::clone(vault),
            names: RwLock::default(),
        })
    }

    /// The properties of a name.
    fn named(&self, name: &str) -> Name {
        let known = self.names.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(name) {
            return known.clone();
        }
        drop(known);
        let found = Name {
            treatment: self.of_attribute(name),
            secret: self.detectors.is_secret_name(name),
            clean: match self.detectors.redact(name) {
                Cow::Borrowed(_) => None,
                Cow::Owned(clean) => Some(clean.into()),
            },
        };
        if name.len() <= LONGEST_NAME {
            let mut known = self.names.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= NAMES {
                known.clear();
            }
            known.insert(name.into(), found.clone());
        }
        found
    }

    /// The name without secrets.
    fn clean_name(&self, name: String, known: Name) -> String {
        // The vault's secrets change while the gate runs.
        match self.vault.clean(&name) {
            Cow::Owned(clean) => self.detectors.redact(&clean).into_owned(),
            Cow::Borrowed(_) => match known.clean {
                Some(clean) => clean.as_ref().to_owned(),
                None => name,
            },
        }
    }

    /// Text without secrets: a component's words, errors, names, and other text that is stored as it is.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.vault.clean(text) {
            Cow::Borrowed(text) => self.detectors.redact(text),
            Cow::Owned(text) => Cow::Owned(self.detectors.redact(&text).into_owned()),
        }
    }

    /// Removes secrets from all free text of a record.
    pub(crate) fn clean(&self, event: &mut Event) {
        let clean = |text: &mut String| {
            if let Cow::Owned(clean) = self.text(text) {
                *text = clean;
            }
        };
        match event {
            Event::ComponentLog(log) => clean(&mut log.message),
            Event::RunStarted(run) => {
                // The key identifies the run. It was cleaned when the run started.
                let origin = &mut run.origin;
                let said = [
                    &mut origin.conversation,
                    &mut origin.session,
                    &mut origin.state,
                ];
                said.into_iter().flatten().for_each(clean);
            }
            Event::Decision(decision) => arrived(&mut decision.arrival, clean),
            Event::CallInvalid(call) => {
                arrived(&mut call.arrival, clean);
                clean(&mut call.tool);
                call.pointers.iter_mut().for_each(clean);
            }
            Event::Effect(effect) => {
                clean(&mut effect.target);
                effect.error.iter_mut().for_each(clean);
            }
            Event::ApprovalRequested(asked) => asked.capability.iter_mut().for_each(clean),
            Event::ApprovalAnswered(answer) => answer.note.iter_mut().for_each(clean),
            Event::RunEnded(ended) => clean(&mut ended.stop_reason),
            Event::Halted(halt) | Event::Resumed(halt) => clean(&mut halt.reason),
            Event::Administered(act) => clean(&mut act.target),
            Event::BundleActivated(_)
            | Event::Start(_)
            | Event::Outcome(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalResolved(_)
            | Event::ApprovalEscalated(_) => {}
        }
    }

    /// The treatment of an attribute of a span or a log record.
    fn of_attribute(&self, name: &str) -> Treatment {
        let content = self.detectors.is_content(name);
        if content && !self.payloads {
            return Treatment::Drop;
        }
        let said = self.config.attributes.iter();
        let fits = said.filter(|(pattern, _)| matches(pattern, name));
        match fits.max_by_key(|(pattern, _)| pattern.len()) {
            Some((_, treatment)) => *treatment,
            None if content => Treatment::Hash,
            None => Treatment::Keep,
        }
    }
}

/// Cleans the caller's claims about the origin of its call.
fn arrived(arrival: &mut Arrival, clean: impl Fn(&mut String)) {
    let said = [&mut arrival.id, &mut arrival.mcp];
    said.into_iter().flatten().for_each(clean);
}

/// A [`Capture`] for one tenant, time and run. Cheap to create.
#[derive(Debug, Clone)]
pub struct CaptureSession {
    capture: Arc<Capture>,
    keys: Keys,
    tenant: String,
    now: Timestamp,
    run: Option<RunId>,
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

    fn digest(&self, canonical: &[u8]) -> Option<String> {
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

#[cfg(test)]
mod tests;
