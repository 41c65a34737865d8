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
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gitleaks;
mod go_regex;
mod session;
mod settings;
mod token;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tollgate_model::record::{Arrival, Event, PayloadRef};

pub use detect::Detectors;
use detect::matches;
pub use error::DetectError;
pub use fields::{Fields, Treatment};
pub use session::{CaptureSession, CapturedPayload};
pub use settings::{CaptureConfig, TenantCapture, ToolCapture};
pub(crate) use token::{KIND as TOKEN_KIND, sealed};
pub use token::{PREFIX, RevealedValue};

use crate::secrets::Vault;
use tollgate_ledger::{Keys, LedgerError, LedgerReader};

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

    /// Whether a field of this name holds a secret.
    pub(crate) fn is_secret_name(&self, name: &str) -> bool {
        self.named(name).secret
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
            Event::StandingGranted(granted) => granted.note.iter_mut().for_each(clean),
            Event::StandingEnded(ended) => ended.note.iter_mut().for_each(clean),
            Event::RunEnded(ended) => clean(&mut ended.stop_reason),
            Event::Halted(halt) | Event::Resumed(halt) => clean(&mut halt.reason),
            Event::Administered(act) => clean(&mut act.target),
            Event::BundleActivated(_)
            | Event::Start(_)
            | Event::Outcome(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalResolved(_)
            | Event::ApprovalEscalated(_)
            | Event::ApprovalLinkIssued(_)
            | Event::ApprovalLinkRevoked(_)
            | Event::ApprovalAnswerRefused(_) => {}
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
