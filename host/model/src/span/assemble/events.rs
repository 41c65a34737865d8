//! Events of spans, and what a record adds to a span that another record opened.

use super::{RunSpans, Span};
use crate::{
    record::{ApprovalResolved, Event, Record, RunEnded, RunOutcome, Start},
    span::{
        Attributes, Naming,
        attributes::{approval_status, attributes},
        names::{attribute as a, event},
    },
    time::Timestamp,
};

impl RunSpans {
    /// Events, and what a record adds to a span that another record opened.
    pub(super) fn tell(&mut self, index: u64, record: &Record, naming: Naming<'_>) {
        let at = record.time;
        match &record.event {
            Event::CallInvalid(call) => {
                if let Some(span) = self.spans.get_mut(&call.call) {
                    let about = attributes_of(span, "tollgate.validation.");
                    span.happened(event::VALIDATION_FAILED, at, about);
                }
            }
            Event::Decision(decision) => {
                let call = decision.call.and_then(|call| self.spans.get_mut(&call));
                if let (Some(call), Some(budget)) = (call, decision.exhausted()) {
                    let budget = (a::BUDGET, budget.into());
                    call.happened(event::BUDGET_EXHAUSTED, at, vec![budget]);
                }
            }
            Event::Start(start) => self.tell_start(start, at),
            Event::ComponentLog(log) => {
                if let Some(span) = self.spans.get_mut(&log.parent) {
                    let about = vec![
                        (a::LOG_LEVEL, log.level.clone().into()),
                        (a::LOG_MESSAGE, log.message.clone().into()),
                    ];
                    span.happened(event::ADAPTER_LOG, at, about);
                }
            }
            Event::ApprovalRequested(asked) => {
                if let Some(span) = self.spans.get_mut(&asked.span) {
                    let about = attributes_of(span, "tollgate.approval.");
                    span.happened(event::APPROVAL_REQUESTED, at, about);
                }
            }
            Event::ApprovalAnswered(answer) => {
                let span = self.approvals.get(&answer.id);
                if let Some(span) = span.and_then(|span| self.spans.get_mut(span)) {
                    span.take_on(attributes(span.kind, index, record, naming));
                }
            }
            Event::ApprovalResolved(resolved) => self.tell_resolution(resolved, at),
            Event::RunEnded(ended) => self.tell_end(ended, at),
            Event::BundleActivated(_)
            | Event::RunStarted(_)
            | Event::Outcome(_)
            | Event::Effect(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalEscalated(_)
            | Event::ApprovalLinkIssued(_)
            | Event::ApprovalLinkRevoked(_)
            | Event::ApprovalAnswerRefused(_)
            | Event::StandingGranted(_)
            | Event::StandingEnded(_)
            | Event::Halted(_)
            | Event::Resumed(_)
            | Event::Administered(_) => {}
        }
    }

    fn tell_start(&mut self, start: &Start, at: Timestamp) {
        let Some(call) = self.spans.get_mut(&start.call) else {
            return;
        };
        call.set(a::TOOL_EXECUTED, true.into());
        if start.attempt > 1 && start.approval.is_none() && !start.resumption {
            let number = (a::ATTEMPT_NUMBER, start.attempt.into());
            call.happened(event::RETRY_SCHEDULED, at, vec![number]);
        }
    }

    fn tell_resolution(&mut self, resolved: &ApprovalResolved, at: Timestamp) {
        self.approvals.remove(&resolved.id);
        let Some(span) = self.spans.get_mut(&resolved.span) else {
            return;
        };
        let about = vec![
            (a::APPROVAL_ID, resolved.id.to_string().into()),
            (a::APPROVAL_STATUS, approval_status(resolved.state).into()),
        ];
        span.happened(event::APPROVAL_RESOLVED, at, about);
    }

    fn tell_end(&mut self, ended: &RunEnded, at: Timestamp) {
        let root = self.root.span.and_then(|root| self.spans.get_mut(&root));
        if let (Some(root), RunOutcome::BudgetExhausted) = (root, ended.outcome) {
            let reason = (a::RUN_STOP_REASON, ended.stop_reason.clone().into());
            root.happened(event::BUDGET_EXHAUSTED, at, vec![reason]);
        }
    }
}

/// The span's attributes whose names begin with `prefix`.
fn attributes_of(span: &Span, prefix: &str) -> Attributes {
    let attributes = span.attributes.iter();
    attributes
        .filter(|(name, _)| name.starts_with(prefix))
        .cloned()
        .collect()
}
