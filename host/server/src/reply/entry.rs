//! Decisions and acts of operators as flat entries.

use serde::Serialize;
use tollgate_model::{
    ids::{ApprovalId, DecisionId, RunId},
    record::{
        AdministrativeAct, ApprovalAnswerRefused, ApprovalAnswered, ApprovalEscalated,
        ApprovalLinkIssued, ApprovalLinkRevoked, ApprovalResolved, BundleActivated, CallInvalid,
        DecisionRecord, ElicitationAction, Event, Halt, Record, RunEnded, StandingEnded,
        StandingGranted,
    },
};
use utoipa::ToSchema;

/// One entry: a line of a list, of CSV, or of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    /// Index of the record.
    pub index: u64,
    /// Such as `dec-12`; only for decisions.
    #[schema(value_type = Option<String>)]
    pub id: Option<DecisionId>,
    /// The time, as RFC 3339.
    pub time: String,
    /// `decision`, `approval_answered`, `approval_escalated`, `approval_resolved`, `call_invalid`, `bundle_activated`,
    /// `halted`, `resumed`, `run_ended`, `standing_granted`, `standing_ended`, `administered`.
    pub kind: &'static str,
    /// The outcome of the decision; for other kinds, the act.
    pub outcome: String,
    /// The principal.
    pub principal: String,
    /// On whose behalf.
    pub on_behalf_of: Option<String>,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// Policies that determined it.
    pub policies: Vec<String>,
    /// The reason.
    pub reason: String,
    /// The run.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// The approval that it asked for, used or answered.
    #[schema(value_type = Option<String>)]
    pub approval: Option<ApprovalId>,
}

impl Entry {
    /// The entry of a record; `None` if the record is not in the list.
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
            Event::Decision(decision) => entry.tell_decision(decision),
            Event::CallInvalid(call) => entry.tell_invalid_call(call),
            Event::ApprovalAnswered(answer) => entry.tell_answer(answer),
            Event::ApprovalResolved(approval) => entry.tell_resolution(approval),
            Event::ApprovalEscalated(approval) => entry.tell_escalation(approval),
            Event::StandingGranted(granted) => entry.tell_grant(granted),
            Event::StandingEnded(ended) => entry.tell_end_of_grant(ended),
            Event::BundleActivated(bundle) => entry.tell_activation(bundle),
            Event::Halted(halt) => entry.tell_halt(halt, "halted", "halt"),
            Event::Resumed(halt) => entry.tell_halt(halt, "resumed", "resume"),
            Event::RunEnded(end) => entry.tell_end_of_run(end),
            Event::Administered(act) => entry.tell_administration(act),
            Event::ApprovalLinkIssued(link) => entry.tell_issued_link(link),
            Event::ApprovalLinkRevoked(link) => entry.tell_revoked_link(link),
            Event::ApprovalAnswerRefused(refused) => entry.tell_refused_answer(refused),
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

    fn tell_decision(&mut self, decision: &DecisionRecord) {
        let determining = decision.determining.iter();
        self.kind = "decision";
        self.id = Some(DecisionId(self.index));
        self.outcome = decision.outcome.as_str().into();
        self.principal.clone_from(&decision.principal.id);
        self.on_behalf_of = decision.on_behalf_of.as_ref().map(|u| u.id.clone());
        self.action = decision.action.group().into();
        self.resource.clone_from(&decision.resource.id);
        self.policies = determining.map(|p| p.policy.id.clone()).collect();
        self.reason = decision.reason();
        self.approval = decision.approval;
        let standing: Vec<String> = decision.standing.iter().map(ToString::to_string).collect();
        if !standing.is_empty() {
            let standing = format!("standing approval {}", standing.join(", "));
            self.reason = [standing, std::mem::take(&mut self.reason)].join(": ");
        }
    }

    fn tell_invalid_call(&mut self, call: &CallInvalid) {
        let problem = call.problem.replace('_', " ");
        self.kind = "call_invalid";
        self.outcome = match call.problem.as_str() {
            "halted" => "halted".into(),
            "definition_changed" => "changed".into(),
            _ => "invalid".into(),
        };
        self.principal.clone_from(&call.principal.id);
        self.action = "call".into();
        self.resource.clone_from(&call.tool);
        self.reason = format!("{problem} {}", call.pointers.join(" "));
    }

    fn tell_answer(&mut self, answer: &ApprovalAnswered) {
        let elicitation = answer.elicitation.as_ref();
        let (action, outcome) = match elicitation.map(|elicitation| elicitation.action) {
            Some(ElicitationAction::Accept) => ("answer_input", "accepted"),
            Some(ElicitationAction::Decline) => ("answer_input", "declined"),
            Some(ElicitationAction::Cancel) => ("answer_input", "cancelled"),
            None if answer.approve => ("approve", "approved"),
            None => ("reject", "rejected"),
        };
        self.kind = "approval_answered";
        self.outcome = match (answer.took_effect, answer.token_makers.is_empty()) {
            (true, _) => outcome.into(),
            (false, true) => format!("{outcome} too late"),
            (false, false) => format!("{outcome}, not counted"),
        };
        self.principal.clone_from(&answer.by.id);
        self.action = action.into();
        self.resource = answer.id.to_string();
        self.reason = answer.note.clone().unwrap_or_default();
        self.approval = Some(answer.id);
    }

    fn tell_resolution(&mut self, approval: &ApprovalResolved) {
        let by = approval.by.as_ref();
        self.kind = "approval_resolved";
        self.outcome = approval.state.as_str().into();
        self.principal = by.map_or("gate", |by| &by.id).into();
        self.action = if by.is_some() { "withdraw" } else { "resolve" }.into();
        self.resource = approval.id.to_string();
        self.approval = Some(approval.id);
    }

    fn tell_escalation(&mut self, approval: &ApprovalEscalated) {
        let roles: Vec<&str> = approval.roles.iter().map(String::as_str).collect();
        self.kind = "approval_escalated";
        self.outcome = "asked".into();
        self.principal = "gate".into();
        self.action = "ask_others".into();
        self.resource = approval.id.to_string();
        self.reason = format!("not answered in time, escalated to {}", roles.join(", "));
        self.approval = Some(approval.id);
    }

    fn tell_issued_link(&mut self, link: &ApprovalLinkIssued) {
        self.kind = "approval_link_issued";
        self.outcome = "issued".into();
        self.principal = "gate".into();
        self.action = "issue_link".into();
        self.resource = link.id.to_string();
        self.reason = format!("for {} to answer {}", link.user.id, link.approval);
        self.approval = Some(link.approval);
    }

    fn tell_revoked_link(&mut self, link: &ApprovalLinkRevoked) {
        self.kind = "approval_link_revoked";
        self.outcome = "revoked".into();
        self.principal.clone_from(&link.by);
        self.action = "revoke_link".into();
        self.resource = link.id.to_string();
        self.approval = Some(link.approval);
    }

    fn tell_refused_answer(&mut self, refused: &ApprovalAnswerRefused) {
        let by = refused.by.as_ref();
        self.kind = "approval_answer_refused";
        self.outcome = "refused".into();
        self.principal = by.map(|by| by.id.clone()).unwrap_or_default();
        self.action = "answer".into();
        self.resource = refused.channel.as_str().into();
        self.reason = format!(
            "{}, {}",
            refused.reason.as_str().replace('_', " "),
            count(refused.count, "request")
        );
        self.approval = refused.approval;
    }

    fn tell_grant(&mut self, granted: &StandingGranted) {
        self.kind = "standing_granted";
        self.outcome = "granted".into();
        self.principal.clone_from(&granted.by.id);
        self.on_behalf_of = Some(granted.on_behalf_of.id.clone());
        self.action = "approve_standing".into();
        self.resource = granted.id.to_string();
        self.reason = granted.note.clone().unwrap_or_default();
        self.approval = Some(granted.approval);
    }

    fn tell_end_of_grant(&mut self, ended: &StandingEnded) {
        self.kind = "standing_ended";
        self.outcome = ended.state.as_str().into();
        self.principal = ended.by.as_ref().map_or("gate", |by| &by.id).into();
        self.action = "end_standing".into();
        self.resource = ended.id.to_string();
        self.reason = ended.note.clone().unwrap_or_default();
    }

    fn tell_activation(&mut self, bundle: &BundleActivated) {
        self.kind = "bundle_activated";
        self.outcome = "activated".into();
        self.principal.clone_from(&bundle.by);
        self.action = "activate_policies".into();
        self.resource = bundle.bundle.to_string();
        self.reason = format!(
            "{} policies, {}, {}",
            bundle.policies,
            count(bundle.tools, "tool"),
            count(bundle.components.len() as u64, "component")
        );
    }

    /// Fills in a halt or its end.
    fn tell_halt(&mut self, halt: &Halt, kind: &'static str, action: &str) {
        let scope = format!("{} {}", halt.scope.as_str(), halt.name);
        self.kind = kind;
        self.outcome = kind.into();
        self.principal.clone_from(&halt.by);
        self.action = action.into();
        self.resource = scope.trim_end().into();
        self.reason.clone_from(&halt.reason);
    }

    fn tell_end_of_run(&mut self, end: &RunEnded) {
        self.kind = "run_ended";
        self.outcome = end.outcome.as_str().into();
        self.principal.clone_from(&end.by);
        self.action = "end_run".into();
        self.resource = self.run.map(|run| run.to_string()).unwrap_or_default();
        self.reason.clone_from(&end.stop_reason);
    }

    fn tell_administration(&mut self, act: &AdministrativeAct) {
        self.kind = "administered";
        self.outcome = "done".into();
        self.principal.clone_from(&act.by);
        self.action = act.action.as_str().into();
        self.resource.clone_from(&act.target);
    }
}

/// `n` with a noun, in the plural if needed.
fn count(n: u64, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}
