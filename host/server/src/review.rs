//! What agents and people note about runs: self-reports, notes, sets, feedback.
//!
//! Who calls in a run may annotate it; for all others that is decided, and recorded. What is noted passes the
//! capture policy, and has no part in any decision.

use std::{borrow::Cow, collections::BTreeSet};

use serde::Serialize;
use serde_json::Value;
use tollgate::{gate::Gate, gate::OperateError, identity::Caller, text::printable};
use tollgate_ledger::{LedgerError, RunRow};
use tollgate_model::record::AdminAction;
use tollgate_model::{
    entity::Kind,
    ids::{RunId, SpanId},
    request::Action,
};
use tollgate_trace::{
    feedback::{FeedbackError, FeedbackInput},
    self_report::{self, SelfReport, SelfReportError},
    store::{NewNote, Store, StoreError},
};

/// Bytes of a note.
const MAX_NOTE: usize = 4096;

/// How many runs are put into a set at once.
const MAX_RUNS: usize = 500;

/// Bytes beyond what is kept of a text in which secrets are looked for: the longest secret that is recognised
/// where a text is cut.
const MARGIN: usize = 16 << 10;

/// Something that is noted about runs.
#[derive(Debug, Clone)]
pub enum RunNote {
    /// What the agent reports about its run: an object whose keys are topics.
    SelfReport {
        /// The run.
        run: RunId,
        /// The call that it is about.
        call: Option<SpanId>,
        /// By topic.
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
        /// In words; may be empty.
        note: String,
    },
    /// A note is taken back.
    RemoveNote {
        /// The run.
        run: RunId,
        /// Which.
        note: u64,
    },
    /// Feedback.
    Feedback {
        /// The run.
        run: RunId,
        /// What.
        given: FeedbackInput,
    },
    /// A set is made.
    MakeSet {
        /// Its name.
        set: String,
        /// What it is for.
        about: String,
    },
    /// A set is removed; its runs stay.
    RemoveSet {
        /// Its name.
        set: String,
    },
    /// Runs are put into a set.
    AddToSet {
        /// Its name.
        set: String,
        /// Which.
        runs: Vec<RunId>,
    },
    /// A run is taken out of a set.
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

/// Why it is not kept.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// There is no such run, as far as the caller may know.
    #[error("there is no run `{0}`")]
    NoRun(RunId),
    /// Only people keep sets.
    #[error("only people keep sets of runs")]
    PeopleOnly,
    /// Somebody else's.
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

/// Keep what `caller` notes. Returns what is stored, as JSON.
///
/// # Errors
/// [`ReviewError`]
pub async fn annotate(
    gate: &Gate,
    store: &Store,
    caller: &Caller,
    note: RunNote,
) -> Result<Value, ReviewError> {
    let tenant = gate.ruleset().config.gate.tenant.clone();
    let by = caller.principal();
    let by = match by.kind {
        Kind::User => by.id,
        kind => format!("{}::{}", kind.name(), by.id),
    };
    let now = gate.now();
    let clean = |run: RunId, text: &str, max: usize| clean(gate, Some(run), text, max);
    match note {
        RunNote::SelfReport { run, call, report } => {
            permit_annotation(gate, caller, run).await?;
            let reports = self_report::read(&report, call, now)?;
            let kept = captured(gate, run, reports);
            let count = kept.len();
            store.add_self_reports(&tenant, run, kept).await?;
            Ok(serde_json::json!({ "run": run, "self_reports": count }))
        }
        RunNote::Note {
            run,
            span,
            label,
            note,
        } => {
            permit_annotation(gate, caller, run).await?;
            let note = clean(run, &note, MAX_NOTE);
            let new = NewNote {
                run,
                span,
                label,
                note,
                by,
            };
            Ok(json(&store.note(&tenant, new, now).await?))
        }
        RunNote::RemoveNote { run, note } => {
            permit_annotation(gate, caller, run).await?;
            ensure_note_of(store, &tenant, run, note)?;
            store.remove_note(&tenant, note).await?;
            Ok(serde_json::json!({ "run": run, "removed": note }))
        }
        RunNote::Feedback { run, mut given } => {
            permit_annotation(gate, caller, run).await?;
            given.comment = given.comment.map(|text| clean(run, &text, MAX_NOTE));
            given.label = given.label.map(|text| clean(run, &text, 64));
            let new = given.of(run, by)?;
            Ok(json(&store.give_feedback(&tenant, new, now).await?))
        }
        RunNote::MakeSet { set, about } => {
            people_only(caller)?;
            let about = self::clean(gate, None, &about, MAX_NOTE);
            // A name with a secret in it is no name any more.
            let set = self::clean(gate, None, &set, MAX_NOTE);
            store.make_set(&tenant, &set, &about, &by, now).await?;
            Ok(serde_json::json!({ "set": set }))
        }
        RunNote::RemoveSet { set } => {
            people_only(caller)?;
            let sets = store.reader().sets(&tenant)?;
            let known = sets.into_iter().find(|known| known.name == set);
            if let Some(known) = known.filter(|known| known.by != by) {
                if !gate.is_allowed(&caller.principal(), Action::Administer) {
                    let by = known.by;
                    return Err(ReviewError::NotYours { set, by });
                }
                gate.administer(&caller.principal(), AdminAction::RunSetRemoved, &set)
                    .await?;
            }
            store.remove_set(&tenant, &set).await?;
            Ok(serde_json::json!({ "set": set, "removed": true }))
        }
        RunNote::AddToSet { set, runs } => {
            people_only(caller)?;
            let runs: BTreeSet<RunId> = runs.into_iter().collect();
            check_room(store, &tenant, &set, runs.len())?;
            for run in &runs {
                permit_annotation(gate, caller, *run).await?;
            }
            let runs = runs.into_iter().collect();
            let added = store.add_to_set(&tenant, &set, runs, &by, now).await?;
            Ok(serde_json::json!({ "set": set, "added": added }))
        }
        RunNote::TakeFromSet { set, run } => {
            people_only(caller)?;
            permit_annotation(gate, caller, run).await?;
            store.take_from_set(&tenant, &set, run).await?;
            Ok(serde_json::json!({ "set": set, "taken": run }))
        }
    }
}

/// The number is that of a note on this run.
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

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Text as the capture policy lets it be kept: no more of it is looked at than may be kept, and a margin.
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
    // A secret across the cut is not recognised, and lies within the margin.
    let end = kept.floor_char_boundary(kept.len().saturating_sub(MARGIN));
    printable(&format!("{}…", kept.get(..end).unwrap_or_default()), max)
}

/// That there is such a set, and room for these runs: before anything is decided about them. Runs that are in
/// it already are counted by the store, which knows them.
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

/// Self-reports, as the capture policy lets them be kept.
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
mod tests {
    use super::*;

    fn redacted(text: &str) -> Cow<'_, str> {
        assert!(text.len() <= MAX_NOTE + MARGIN, "more than is kept");
        text.replace("secret!", "*").into()
    }

    #[test]
    fn a_long_note_is_cut_before_it_is_redacted() {
        assert_eq!(clean_head("a secret!", MAX_NOTE, redacted), "a *");
        let long = "ä".repeat(1 << 19);
        let kept = clean_head(&long, MAX_NOTE, redacted);
        assert!(kept.len() <= MAX_NOTE && kept.len() > MAX_NOTE - 8);
        // What stands before the cut shrinks, and what is cut in two is not shown.
        for shift in 0..8 {
            let text = format!("{}{}", "-".repeat(shift), "secret!".repeat(1 << 16));
            let kept = clean_head(&text, MAX_NOTE, redacted);
            assert!(!kept.contains('s'), "{shift}: {kept}");
        }
    }
}
