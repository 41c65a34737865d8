//! Annotations of runs by agents and users: self-reports, notes, sets, feedback.
//!
//! The principal of a run may annotate it; for all others that is decided and recorded. Annotations pass the
//! capture policy and do not influence decisions.

use std::{borrow::Cow, collections::BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};
use tollgate::{gate::Gate, gate::OperateError, identity::Caller, text::printable};
use tollgate_ledger::{LedgerError, RunRow};
use tollgate_model::record::AdminAction;
use tollgate_model::{
    entity::Kind,
    ids::{RunId, SpanId},
    request::Action,
    time::Timestamp,
};
use tollgate_trace::{
    feedback::{FeedbackError, FeedbackInput},
    self_report::{self, SelfReport, SelfReportError},
    store::{NewNote, Store, StoreError},
};

/// The longest note, in bytes.
const MAX_NOTE: usize = 4096;
/// The longest label of feedback, in bytes.
const MAX_LABEL: usize = 64;

/// The most runs to add to a set in one request.
const MAX_RUNS: usize = 500;

/// Bytes beyond the end of a cut text that are searched for secrets as well: the longest secret that is recognised
/// across the cut.
const MARGIN: usize = 16 << 10;

/// An annotation, or a change of one.
#[derive(Debug, Clone)]
pub enum RunNote {
    /// Self-reports: an object whose keys are topics.
    SelfReport {
        /// The run.
        run: RunId,
        /// The call that it is about.
        call: Option<SpanId>,
        /// The texts by topic.
        report: Value,
    },
    /// A note, or only its label.
    Note {
        /// The run.
        run: RunId,
        /// The span that it is about.
        span: Option<SpanId>,
        /// Such as `goal`, `context`, `decision`, `guardrail`, `stop_reason`.
        label: String,
        /// A comment; may be empty.
        note: String,
    },
    /// Removes a note.
    RemoveNote {
        /// The run.
        run: RunId,
        /// The number of the note.
        note: u64,
    },
    /// Feedback.
    Feedback {
        /// The run.
        run: RunId,
        /// The feedback.
        given: FeedbackInput,
    },
    /// Makes a set.
    MakeSet {
        /// Its name.
        set: String,
        /// The purpose of the set.
        about: String,
    },
    /// Removes a set. Its runs are kept.
    RemoveSet {
        /// Its name.
        set: String,
    },
    /// Adds runs to a set.
    AddToSet {
        /// Its name.
        set: String,
        /// Which.
        runs: Vec<RunId>,
    },
    /// Removes a run from a set.
    TakeFromSet {
        /// Its name.
        set: String,
        /// Which.
        run: RunId,
    },
}

impl RunNote {
    /// How many runs it is decided for: what it costs, as a number of requests.
    #[must_use]
    pub fn requests(&self) -> usize {
        match self {
            Self::AddToSet { runs, .. } => runs.len().clamp(1, MAX_RUNS),
            Self::SelfReport { .. }
            | Self::Note { .. }
            | Self::RemoveNote { .. }
            | Self::Feedback { .. }
            | Self::MakeSet { .. }
            | Self::RemoveSet { .. }
            | Self::TakeFromSet { .. } => 1,
        }
    }
}

/// Why an annotation is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The run does not exist, or the caller may not know of it.
    #[error("there is no run `{0}`")]
    NoRun(RunId),
    /// Only users may change sets.
    #[error("only people keep sets of runs")]
    PeopleOnly,
    /// The note, set or feedback belongs to another person.
    #[error("the set `{set}` is {by}'s: only they may remove it")]
    NotYours {
        /// The set.
        set: String,
        /// Who made it.
        by: String,
    },
    /// The gate.
    #[error(transparent)]
    Gate(#[from] OperateError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The self-report.
    #[error(transparent)]
    SelfReport(#[from] SelfReportError),
    /// Feedback.
    #[error(transparent)]
    Feedback(#[from] FeedbackError),
    /// The trace store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores an annotation of `caller`. Returns what is stored, as JSON.
///
/// # Errors
/// [`ReviewError`]
pub async fn annotate(
    gate: &Gate,
    store: &Store,
    caller: &Caller,
    note: RunNote,
) -> Result<Value, ReviewError> {
    let by = caller.principal();
    let annotator = Annotator {
        gate,
        store,
        caller,
        tenant: gate.ruleset().config.gate.tenant.clone(),
        by: match by.kind {
            Kind::User => by.id,
            kind => format!("{}::{}", kind.name(), by.id),
        },
        now: gate.now(),
    };
    match note {
        RunNote::SelfReport { run, call, report } => {
            annotator.self_report(run, call, &report).await
        }
        RunNote::Note {
            run,
            span,
            label,
            note,
        } => annotator.note(run, span, label, &note).await,
        RunNote::RemoveNote { run, note } => annotator.remove_note(run, note).await,
        RunNote::Feedback { run, given } => annotator.feedback(run, given).await,
        RunNote::MakeSet { set, about } => annotator.make_set(&set, &about).await,
        RunNote::RemoveSet { set } => annotator.remove_set(set).await,
        RunNote::AddToSet { set, runs } => annotator.add_to_set(set, runs).await,
        RunNote::TakeFromSet { set, run } => annotator.take_from_set(set, run).await,
    }
}

/// A caller who annotates runs, at one time. Each method authorizes and stores, and returns what is stored.
struct Annotator<'a> {
    gate: &'a Gate,
    store: &'a Store,
    caller: &'a Caller,
    tenant: String,
    /// The author as annotations name it: a user's name, or an agent as `Agent::NAME`.
    by: String,
    now: Timestamp,
}

impl Annotator<'_> {
    async fn permit(&self, run: RunId) -> Result<(), ReviewError> {
        permit_annotation(self.gate, self.caller, run).await?;
        Ok(())
    }

    async fn self_report(
        &self,
        run: RunId,
        call: Option<SpanId>,
        report: &Value,
    ) -> Result<Value, ReviewError> {
        self.permit(run).await?;
        let reports = self_report::read(report, call, self.now)?;
        let kept = captured(self.gate, run, reports);
        let count = kept.len();
        self.store.add_self_reports(&self.tenant, run, kept).await?;
        Ok(json!({ "run": run, "self_reports": count }))
    }

    async fn note(
        &self,
        run: RunId,
        span: Option<SpanId>,
        label: String,
        note: &str,
    ) -> Result<Value, ReviewError> {
        self.permit(run).await?;
        let new = NewNote {
            run,
            span,
            label,
            note: clean(self.gate, Some(run), note, MAX_NOTE),
            by: self.by.clone(),
        };
        Ok(value(&self.store.note(&self.tenant, new, self.now).await?))
    }

    async fn remove_note(&self, run: RunId, note: u64) -> Result<Value, ReviewError> {
        self.permit(run).await?;
        ensure_note_of(self.store, &self.tenant, run, note)?;
        self.store.remove_note(&self.tenant, note).await?;
        Ok(json!({ "run": run, "removed": note }))
    }

    async fn feedback(&self, run: RunId, mut given: FeedbackInput) -> Result<Value, ReviewError> {
        self.permit(run).await?;
        let clean = |text: String, max| clean(self.gate, Some(run), &text, max);
        given.comment = given.comment.map(|text| clean(text, MAX_NOTE));
        given.label = given.label.map(|text| clean(text, MAX_LABEL));
        let new = given.of(run, self.by.clone())?;
        let stored = self
            .store
            .give_feedback(&self.tenant, new, self.now)
            .await?;
        Ok(value(&stored))
    }

    async fn make_set(&self, set: &str, about: &str) -> Result<Value, ReviewError> {
        people_only(self.caller)?;
        let about = clean(self.gate, None, about, MAX_NOTE);
        // A name that contains a secret is refused, because its redacted form is not a name.
        let set = clean(self.gate, None, set, MAX_NOTE);
        self.store
            .make_set(&self.tenant, &set, &about, &self.by, self.now)
            .await?;
        Ok(json!({ "set": set }))
    }

    async fn remove_set(&self, set: String) -> Result<Value, ReviewError> {
        people_only(self.caller)?;
        let sets = self.store.reader().sets(&self.tenant)?;
        let known = sets.into_iter().find(|known| known.name == set);
        if let Some(known) = known.filter(|known| known.by != self.by) {
            let principal = self.caller.principal();
            if !self.gate.is_allowed(&principal, Action::Administer) {
                let by = known.by;
                return Err(ReviewError::NotYours { set, by });
            }
            self.gate
                .administer(&principal, AdminAction::RunSetRemoved, &set)
                .await?;
        }
        self.store.remove_set(&self.tenant, &set).await?;
        Ok(json!({ "set": set, "removed": true }))
    }

    async fn add_to_set(&self, set: String, runs: Vec<RunId>) -> Result<Value, ReviewError> {
        people_only(self.caller)?;
        let runs: BTreeSet<RunId> = runs.into_iter().collect();
        check_room(self.store, &self.tenant, &set, runs.len())?;
        for run in &runs {
            self.permit(*run).await?;
        }
        let runs = runs.into_iter().collect();
        let added = self
            .store
            .add_to_set(&self.tenant, &set, runs, &self.by, self.now)
            .await?;
        Ok(json!({ "set": set, "added": added }))
    }

    async fn take_from_set(&self, set: String, run: RunId) -> Result<Value, ReviewError> {
        people_only(self.caller)?;
        self.permit(run).await?;
        self.store.take_from_set(&self.tenant, &set, run).await?;
        Ok(json!({ "set": set, "taken": run }))
    }
}

/// Checks that the note is on this run.
fn ensure_note_of(store: &Store, tenant: &str, run: RunId, note: u64) -> Result<(), ReviewError> {
    let notes = store.reader().notes(tenant, run)?;
    match notes.iter().any(|known| known.id == note) {
        true => Ok(()),
        false => Err(ReviewError::Store(StoreError::NotFound {
            what: "note on this run",
            name: note.to_string(),
        })),
    }
}

fn value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Text as the capture policy keeps it. Only the part that may be kept, and a margin, is searched for secrets.
fn clean(gate: &Gate, run: Option<RunId>, text: &str, max: usize) -> String {
    let capturing = gate.capturing(run);
    clean_head(text, max, |text| capturing.text(text))
}

fn clean_head(text: &str, max: usize, redact: impl Fn(&str) -> Cow<'_, str>) -> String {
    let end = text.floor_char_boundary(max.saturating_add(MARGIN));
    let head = text.get(..end).unwrap_or_default();
    let kept = redact(head);
    if head.len() == text.len() {
        return printable(&kept, max);
    }
    // A secret that crosses the cut is not recognised; it is within the margin, which is removed.
    let end = kept.floor_char_boundary(kept.len().saturating_sub(MARGIN));
    printable(&format!("{}…", kept.get(..end).unwrap_or_default()), max)
}

/// Checks that the set exists and may get so many runs, before anything is decided. The store checks the limit of the
/// set itself, because it knows which runs are new.
fn check_room(store: &Store, tenant: &str, set: &str, runs: usize) -> Result<(), ReviewError> {
    if runs > MAX_RUNS {
        let message = format!("at most {MAX_RUNS} runs are put into a set at once");
        return Err(StoreError::Invalid(message).into());
    }
    let sets = store.reader().sets(tenant)?;
    if !sets.iter().any(|known| known.name == set) {
        return Err(ReviewError::Store(StoreError::NotFound {
            what: "set",
            name: printable(set, 100),
        }));
    }
    Ok(())
}

fn people_only(caller: &Caller) -> Result<(), ReviewError> {
    match caller.principal().kind {
        Kind::User => Ok(()),
        _ => Err(ReviewError::PeopleOnly),
    }
}

/// Self-reports as the capture policy keeps them.
#[must_use]
pub fn captured(gate: &Gate, run: RunId, reports: Vec<SelfReport>) -> Vec<SelfReport> {
    let capturing = gate.capturing(Some(run));
    let kept = reports.into_iter().filter_map(|report| {
        let name = format!("tollgate.self_report.{}", report.topic.as_str());
        let text = match capturing.attribute(&name, Value::String(report.text))? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Some(SelfReport { text, ..report })
    });
    kept.collect()
}

/// The run, if `caller` calls in it, or policy lets them annotate it.
async fn permit_annotation(
    gate: &Gate,
    caller: &Caller,
    run: RunId,
) -> Result<RunRow, ReviewError> {
    let row = match gate.ledger().reader().run(&run.to_string()) {
        Err(LedgerError::NotFound { .. }) => return Err(ReviewError::NoRun(run)),
        row => row?,
    };
    if gate.is_own_run(caller, &row) {
        return Ok(row);
    }
    let principal = caller.principal();
    if principal.kind != Kind::User {
        return Err(ReviewError::NoRun(run));
    }
    gate.authorize_on_run(&principal, Action::AnnotateRun, &row)
        .await?;
    Ok(row)
}

#[cfg(test)]
mod tests;
