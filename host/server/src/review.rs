//! What agents and people say about runs: what the agent tells, notes, sets, feedback.
//!
//! Who calls in a run may say something about it; of everybody else it is decided, and recorded, whether
//! they may annotate the run. What is said passes the capture policy, and has no part in any decision.

use serde::{Deserialize, Serialize};
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

/// Something that is said about runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum RunNote {
    /// What the agent tells about its run: an object whose keys are topics.
    Told {
        /// The run.
        run: RunId,
        /// The call that it is about.
        call: Option<SpanId>,
        /// By topic.
        told: Value,
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

/// Why it is not kept.
#[derive(Debug, thiserror::Error)]
pub enum SayError {
    /// There is no such run, as far as whoever says it may know.
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
    /// What was told.
    #[error(transparent)]
    Told(#[from] SelfReportError),
    /// Feedback.
    #[error(transparent)]
    Feedback(#[from] FeedbackError),
    /// The trace store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keep what `caller` says; what was made of it, as JSON.
///
/// # Errors
/// [`SayError`]
pub async fn say(
    gate: &Gate,
    store: &Store,
    caller: &Caller,
    said: RunNote,
) -> Result<Value, SayError> {
    let tenant = gate.ruleset().config.gate.tenant.clone();
    let by = caller.principal();
    let by = match by.kind {
        Kind::User => by.id,
        kind => format!("{}::{}", kind.name(), by.id),
    };
    let now = gate.now();
    let clean =
        |run: RunId, text: &str, max: usize| printable(&gate.capturing(Some(run)).text(text), max);
    match said {
        RunNote::Told { run, call, told } => {
            annotated(gate, caller, run).await?;
            let told = self_report::read(&told, call, now)?;
            let kept = captured(gate, run, told);
            let count = kept.len();
            store.add_self_reports(&tenant, run, kept).await?;
            Ok(serde_json::json!({ "run": run, "told": count }))
        }
        RunNote::Note {
            run,
            span,
            label,
            note,
        } => {
            annotated(gate, caller, run).await?;
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
            annotated(gate, caller, run).await?;
            // A number is a run's note, or nobody's.
            let notes = store.reader().notes(&tenant, run)?;
            if !notes.iter().any(|known| known.id == note) {
                return Err(SayError::Store(StoreError::NotFound {
                    what: "note on this run",
                    name: note.to_string(),
                }));
            }
            store.remove_note(&tenant, note).await?;
            Ok(serde_json::json!({ "run": run, "removed": note }))
        }
        RunNote::Feedback { run, mut given } => {
            annotated(gate, caller, run).await?;
            given.comment = given.comment.map(|text| clean(run, &text, MAX_NOTE));
            given.label = given.label.map(|text| clean(run, &text, 64));
            let new = given.of(run, by)?;
            Ok(json(&store.give_feedback(&tenant, new, now).await?))
        }
        RunNote::MakeSet { set, about } => {
            people_only(caller)?;
            let about = printable(&about, MAX_NOTE);
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
                    return Err(SayError::NotYours { set, by });
                }
                gate.administer(&caller.principal(), AdminAction::RunSetRemoved, &set)
                    .await?;
            }
            store.remove_set(&tenant, &set).await?;
            Ok(serde_json::json!({ "set": set, "removed": true }))
        }
        RunNote::AddToSet { set, runs } => {
            people_only(caller)?;
            for run in &runs {
                annotated(gate, caller, *run).await?;
            }
            let added = store.add_to_set(&tenant, &set, runs, &by, now).await?;
            Ok(serde_json::json!({ "set": set, "added": added }))
        }
        RunNote::TakeFromSet { set, run } => {
            people_only(caller)?;
            annotated(gate, caller, run).await?;
            store.take_from_set(&tenant, &set, run).await?;
            Ok(serde_json::json!({ "set": set, "taken": run }))
        }
    }
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn people_only(caller: &Caller) -> Result<(), SayError> {
    match caller.principal().kind {
        Kind::User => Ok(()),
        _ => Err(SayError::PeopleOnly),
    }
}

/// What was told, as the capture policy lets it be kept.
#[must_use]
pub fn captured(gate: &Gate, run: RunId, told: Vec<SelfReport>) -> Vec<SelfReport> {
    let capturing = gate.capturing(Some(run));
    let kept = told.into_iter().filter_map(|told| {
        let name = format!("tollgate.told.{}", told.topic.as_str());
        let text = match capturing.attribute(&name, Value::String(told.text))? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Some(SelfReport { text, ..told })
    });
    kept.collect()
}

/// The run, if `caller` calls in it, or policy lets them say something about it.
async fn annotated(gate: &Gate, caller: &Caller, run: RunId) -> Result<RunRow, SayError> {
    let row = match gate.ledger().reader().run(&run.to_string()) {
        Err(LedgerError::NotFound { .. }) => return Err(SayError::NoRun(run)),
        row => row?,
    };
    if gate.is_own_run(caller, &row) {
        return Ok(row);
    }
    let who = caller.principal();
    if who.kind != Kind::User {
        return Err(SayError::NoRun(run));
    }
    gate.authorize_on_run(&who, Action::AnnotateRun, &row)
        .await?;
    Ok(row)
}
