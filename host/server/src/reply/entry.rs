//! What happened, one flat line each: decisions, and what operators did.

use serde::Serialize;
use tollgate_model::{
    ids::{ApprovalId, DecisionId, RunId},
    record::{Event, Record},
};
use utoipa::ToSchema;

/// One thing that happened, flat: a line of a list, of CSV, or of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    /// Index of the record.
    pub index: u64,
    /// Such as `dec-12`; only for decisions.
    #[schema(value_type = Option<String>)]
    pub id: Option<DecisionId>,
    /// When.
    pub time: String,
    /// `decision`, `approval_answered`, `approval_escalated`, `approval_resolved`, `call_invalid`, `bundle_activated`,
    /// `halted`, `resumed`, `run_ended`, `administered`.
    pub kind: &'static str,
    /// The answer; for other kinds what was done.
    pub outcome: String,
    /// Who.
    pub principal: String,
    /// On whose behalf.
    pub on_behalf_of: Option<String>,
    /// To do what.
    pub action: String,
    /// With what.
    pub resource: String,
    /// Policies that determined it.
    pub policies: Vec<String>,
    /// Why.
    pub reason: String,
    /// In which run.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// The approval that it asked for, used or answered.
    #[schema(value_type = Option<String>)]
    pub approval: Option<ApprovalId>,
}

impl Entry {
    /// What a record says, if it belongs into the list.
    #[must_use]
    pub fn of(index: u64, record: &Record) -> Option<Self> {
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
                entry.reason = d.reason();
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
                let by = a.by.as_ref();
                entry.principal = by.map_or("gate", |by| &by.id).into();
                entry.action = if by.is_some() { "withdraw" } else { "resolve" }.into();
                entry.resource = a.id.to_string();
                entry.approval = Some(a.id);
            }
            Event::ApprovalEscalated(a) => {
                let roles: Vec<&str> = a.roles.iter().map(String::as_str).collect();
                entry.kind = "approval_escalated";
                entry.outcome = "asked".into();
                entry.principal = "gate".into();
                entry.action = "ask_others".into();
                entry.resource = a.id.to_string();
                entry.reason = format!("not answered in time, escalated to {}", roles.join(", "));
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
                entry.action = a.action.as_str().into();
                entry.resource.clone_from(&a.target);
            }
            Event::RunStarted(_)
            | Event::Start(_)
            | Event::Outcome(_)
            | Event::Effect(_)
            | Event::ComponentLog(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalRequested(_) => return None,
        }
        Some(entry)
    }
}

/// `n` things.
fn count(n: u64, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}
