//! Decisions, and what operators did, across runs.

use serde::Serialize;
use tollgate_core::{
    decision::Outcome,
    ids::{ApprovalId, DecisionId, RunId},
    record::{DecisionRecord, Event, Record},
    request::Action,
};

use super::{
    measure::{count, duration, moment},
    paint::{Tone, line, paint, wrap},
    table::{Cell, table},
};

/// One thing that happened, flat: a line of a list, of CSV, or of JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Entry {
    /// Index of the record.
    pub(crate) index: u64,
    /// Such as `dec-12`; only for decisions.
    pub(crate) id: Option<DecisionId>,
    /// When.
    pub(crate) time: String,
    /// `decision`, `approval_answered`, `approval_resolved`, `call_invalid`, `bundle_activated`,
    /// `halted`, `resumed`, `run_ended`, `administered`.
    pub(crate) kind: &'static str,
    /// The answer; for other kinds what was done.
    pub(crate) outcome: String,
    /// Who.
    pub(crate) principal: String,
    /// On whose behalf.
    pub(crate) on_behalf_of: Option<String>,
    /// To do what.
    pub(crate) action: String,
    /// With what.
    pub(crate) resource: String,
    /// Policies that determined it.
    pub(crate) policies: Vec<String>,
    /// Why.
    pub(crate) reason: String,
    /// In which run.
    pub(crate) run: Option<RunId>,
    /// The approval that it asked for, used or answered.
    pub(crate) approval: Option<ApprovalId>,
}

impl Entry {
    /// What a record says, if it belongs into the list.
    pub(crate) fn of(index: u64, record: &Record) -> Option<Self> {
        let mut entry = Self {
            index,
            id: None,
            time: record.time.to_string(),
            kind: "",
            outcome: String::new(),
            principal: String::new(),
            on_behalf_of: None,
            action: String::new(),
            resource: String::new(),
            policies: Vec::new(),
            reason: String::new(),
            run: record.run,
            approval: None,
        };
        match &record.event {
            Event::Decision(d) => {
                entry.kind = "decision";
                entry.id = Some(DecisionId(index));
                entry.outcome = d.outcome.as_str().into();
                entry.principal.clone_from(&d.principal.id);
                entry.on_behalf_of = d.on_behalf_of.as_ref().map(|u| u.id.clone());
                entry.action = d.action.group().into();
                entry.resource.clone_from(&d.resource.id);
                entry.policies = d.determining.iter().map(|p| p.policy.id.clone()).collect();
                entry.reason = reason(d);
                entry.approval = d.approval;
            }
            Event::ApprovalAnswered(a) => {
                entry.kind = "approval_answered";
                let answer = if a.approve { "approved" } else { "rejected" };
                entry.outcome = if a.took_effect {
                    answer.into()
                } else {
                    format!("{answer} too late")
                };
                entry.principal.clone_from(&a.by.id);
                entry.action = if a.approve { "approve" } else { "reject" }.into();
                entry.resource = a.id.to_string();
                entry.reason = a.note.clone().unwrap_or_default();
                entry.approval = Some(a.id);
            }
            Event::ApprovalResolved(a) => {
                entry.kind = "approval_resolved";
                entry.outcome = a.state.as_str().into();
                entry.principal = "gate".into();
                entry.action = "resolve".into();
                entry.resource = a.id.to_string();
                entry.approval = Some(a.id);
            }
            Event::CallInvalid(c) => {
                entry.kind = "call_invalid";
                entry.outcome = "invalid".into();
                entry.principal.clone_from(&c.principal.id);
                entry.action = "call".into();
                entry.resource.clone_from(&c.tool);
                entry.reason = format!("{} {}", c.problem.replace('_', " "), c.pointers.join(" "));
            }
            Event::BundleActivated(b) => {
                entry.kind = "bundle_activated";
                entry.outcome = "activated".into();
                entry.principal.clone_from(&b.by);
                entry.action = "activate_policies".into();
                entry.resource = b.bundle.to_string();
                entry.reason = format!(
                    "{} policies, {}, {}",
                    b.policies,
                    count(b.tools, "tool"),
                    count(b.components.len() as u64, "component")
                );
            }
            Event::Halted(h) | Event::Resumed(h) => {
                let lifted = matches!(record.event, Event::Resumed(_));
                (entry.kind, entry.outcome) = if lifted {
                    ("resumed", "resumed".into())
                } else {
                    ("halted", "halted".into())
                };
                entry.principal.clone_from(&h.by);
                entry.action = if lifted { "resume" } else { "halt" }.into();
                entry.resource = format!("{} {}", h.scope.as_str(), h.name).trim_end().into();
                entry.reason.clone_from(&h.reason);
            }
            Event::RunEnded(r) => {
                entry.kind = "run_ended";
                entry.outcome = r.outcome.as_str().into();
                entry.principal.clone_from(&r.by);
                entry.action = "end_run".into();
                entry.resource = record.run.map(|run| run.to_string()).unwrap_or_default();
                entry.reason.clone_from(&r.stop_reason);
            }
            Event::Administered(a) => {
                entry.kind = "administered";
                entry.outcome = "done".into();
                entry.principal.clone_from(&a.by);
                entry.action.clone_from(&a.act);
                entry.resource.clone_from(&a.target);
            }
            Event::RunStarted(_)
            | Event::Start(_)
            | Event::Outcome(_)
            | Event::Effect(_)
            | Event::AdapterLog(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalRequested(_) => return None,
        }
        Some(entry)
    }
}

fn reason(decision: &DecisionRecord) -> String {
    if let Some(error) = decision.errors.first() {
        return error.to_string();
    }
    let mut reasons: Vec<&str> = Vec::new();
    for policy in &decision.determining {
        if !policy.reason.is_empty() && !reasons.contains(&policy.reason.as_str()) {
            reasons.push(&policy.reason);
        }
    }
    if reasons.is_empty() && decision.outcome != Outcome::Allow && decision.determining.is_empty() {
        return "No policy permits it.".into();
    }
    reasons.join(" ")
}

fn tone(outcome: &str) -> (&'static str, Tone) {
    match outcome {
        "allow" | "approved" | "consumed" | "activated" | "resumed" | "done" | "success" => {
            ("✓", Tone::Good)
        }
        "escalate" => ("⏸", Tone::Wait),
        _ => ("✗", Tone::Bad),
    }
}

/// A list, as it comes.
pub(crate) fn list(entries: &[Entry]) -> String {
    let rows: Vec<[Cell; 7]> = entries
        .iter()
        .map(|entry| {
            let (symbol, tone) = tone(&entry.outcome);
            let time = entry
                .time
                .get(..19)
                .unwrap_or(&entry.time)
                .replace('T', " ");
            [
                Cell::new(
                    entry
                        .id
                        .map_or_else(|| format!("#{}", entry.index), |id| id.to_string()),
                    Tone::Name,
                ),
                Cell::new(time, Tone::Weak),
                Cell::new(format!("{symbol} {}", entry.outcome), tone),
                line(&entry.principal, 40).into(),
                Cell::new(line(&entry.action, 40), Tone::Plain),
                line(&entry.resource, 48).into(),
                line(
                    &if entry.policies.is_empty() {
                        entry.reason.clone()
                    } else {
                        entry.policies.join(", ")
                    },
                    120,
                )
                .into(),
            ]
        })
        .collect();
    table(
        ["ID", "TIME (UTC)", "OUTCOME", "WHO", "ACTION", "ON", "BY"],
        &rows,
    )
}

/// Everything about one decision. `files` says where its policies stand now.
pub(crate) fn whole(
    index: u64,
    record: &Record,
    decision: &DecisionRecord,
    files: impl Fn(&str) -> Option<String>,
    columns: usize,
) -> String {
    let (symbol, outcome_tone) = tone(decision.outcome.as_str());
    let mut text = format!(
        "{}  {} {}  {}\n",
        paint(&DecisionId(index).to_string(), Tone::Name),
        paint(symbol, outcome_tone),
        paint(decision.outcome.as_str(), outcome_tone),
        moment(record.time),
    );
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!(
                "  {}{value}\n",
                paint(&format!("{name:<14}"), Tone::Weak)
            ));
        }
    };
    let action = match &decision.action {
        Action::Call(tool) => format!("call {}", line(tool, 80)),
        other => other.id().to_owned(),
    };
    field("principal", line(&decision.principal.to_string(), 200));
    field(
        "on behalf of",
        decision
            .on_behalf_of
            .as_ref()
            .map(|u| line(&u.to_string(), 200))
            .unwrap_or_default(),
    );
    field("action", action);
    field("resource", line(&decision.resource.to_string(), 300));
    field(
        "run",
        record
            .run
            .map(|run| format!("{run}  (tollgate runs show {run})"))
            .unwrap_or_default(),
    );
    field(
        "approval",
        decision.approval.map(|a| a.to_string()).unwrap_or_default(),
    );
    field(
        "needs",
        decision
            .requirement
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    );
    let arguments = decision
        .arguments
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    field("arguments", arguments);
    field("bundle", decision.bundle.to_string());
    field(
        "component",
        decision
            .component
            .map(|c| c.to_string())
            .unwrap_or_default(),
    );
    field("decided in", duration(decision.micros));
    text.push_str(&format!("\n  {}\n", paint("Decided by", Tone::Strong)));
    if decision.determining.is_empty() {
        let why = if decision.errors.is_empty() {
            "no policy permits it"
        } else {
            "nobody: it could not be decided"
        };
        text.push_str(&format!("    {why}\n"));
    }
    for policy in &decision.determining {
        let place =
            files(&policy.policy.id).map(|place| format!("  {}", paint(&place, Tone::Weak)));
        text.push_str(&format!(
            "    {} (answered for by {}){}\n",
            paint(&policy.policy.id, Tone::Strong),
            policy.owner,
            place.unwrap_or_default()
        ));
        for piece in wrap(
            &line(&policy.reason, 2000),
            columns.saturating_sub(6).min(90),
        ) {
            text.push_str(&format!("      {piece}\n"));
        }
    }
    for error in &decision.errors {
        text.push_str(&format!(
            "    {} {}\n",
            paint("error:", Tone::Bad),
            line(&error.to_string(), 600)
        ));
    }
    if let Some(flip) = &decision.shadow {
        text.push_str(&format!(
            "    {} shadow policies would {}: {}\n",
            paint("shadow:", Tone::Wait),
            flip.outcome,
            flip.policies.join(", ")
        ));
    }
    text
}

/// The columns of CSV, in order.
pub(crate) const COLUMNS: [&str; 13] = [
    "index",
    "id",
    "time",
    "kind",
    "outcome",
    "principal",
    "on_behalf_of",
    "action",
    "resource",
    "policies",
    "reason",
    "run",
    "approval",
];

/// A line of CSV. A cell that a spreadsheet would run as a formula is quoted with an apostrophe.
pub(crate) fn cells(entry: &Entry) -> [String; 13] {
    let text = |value: Option<String>| value.unwrap_or_default();
    [
        entry.index.to_string(),
        text(entry.id.map(|id| id.to_string())),
        entry.time.clone(),
        entry.kind.into(),
        entry.outcome.clone(),
        entry.principal.clone(),
        text(entry.on_behalf_of.clone()),
        entry.action.clone(),
        entry.resource.clone(),
        entry.policies.join(" "),
        entry.reason.clone(),
        text(entry.run.map(|run| run.to_string())),
        text(entry.approval.map(|id| id.to_string())),
    ]
    .map(|cell| {
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            format!("'{cell}")
        } else {
            cell
        }
    })
}
