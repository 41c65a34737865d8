//! A decision before it is recorded.

use std::collections::BTreeSet;

use tollgate_model::{
    canonical::Sha256Digest,
    decision::Outcome,
    ids::{ApprovalId, SpanId, StandingId},
    record::{DecisionRecord, Event, FactEntry, PayloadRef},
    request::Facts,
};

use super::{CallContext, ToolCall};

/// A decision to be recorded.
#[derive(Debug)]
pub(crate) struct Draft(pub(super) DecisionRecord);

impl Draft {
    /// A decision about an effect of a component.
    pub(crate) fn for_capability(
        mut self,
        cx: &CallContext,
        parent: SpanId,
        component: Sha256Digest,
        marks: BTreeSet<String>,
    ) -> Self {
        self.0.call = Some(cx.call);
        self.0.parent = Some(parent);
        self.0.component = Some(component);
        self.0.propagated_labels = marks;
        self
    }

    /// The canonical id that takes on the labels, if it differs from the resource's id.
    pub(crate) fn marked(mut self, place: Option<String>) -> Self {
        self.0.label_target = place.filter(|_| !self.0.propagated_labels.is_empty());
        self
    }

    pub(crate) fn for_call(mut self, cx: &CallContext, call: &ToolCall, resumption: bool) -> Self {
        self.0.call = Some(cx.call);
        self.0.caller_span = cx.caller.filter(|_| cx.enclosing.is_empty());
        if cx.enclosing.is_empty() {
            self.0.arrival = cx.arrival.clone();
        }
        self.0.parent = Some(cx.parent_span());
        self.0.component = Some(call.tool().source.digest);
        self.0.arguments = Some(call.digest().clone());
        self.0.arguments_size = Some(call.canonical().len() as u64);
        self.0.redaction.extend(call.redaction().clone());
        self.0.resumption = resumption;
        self
    }

    /// Adds where the call's values came from.
    pub(crate) fn provenance(mut self, cx: &CallContext, call: &ToolCall, facts: &Facts) -> Self {
        let results = |tool: &str| {
            let tool = cx.ruleset.callable(tool)?;
            Some(&tool.provenance.result_names)
        };
        let own = &call.tool().provenance.argument_names;
        self.0.provenance = facts.provenance.summary(own, results).map(Box::new);
        self
    }

    /// Marks it as secondary: another decision in the same batch determines the call.
    pub(crate) fn secondary(mut self) -> Self {
        self.0.is_secondary = true;
        self
    }

    /// Adds what is kept of its arguments.
    pub(crate) fn captured(mut self, kept: PayloadRef) -> Self {
        self.0.capture = Some(kept);
        self
    }

    pub(crate) fn approval(mut self, approval: Option<ApprovalId>) -> Self {
        self.0.approval = approval;
        self
    }

    /// The standing approvals that it uses, or that it is about.
    pub(crate) fn standing(mut self, standing: BTreeSet<StandingId>) -> Self {
        self.0.standing = standing;
        self
    }

    pub(crate) fn outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// The decision as it is recorded.
    pub(crate) fn decision(&self) -> &DecisionRecord {
        &self.0
    }

    /// Adds what the call adds to history facts.
    pub(crate) fn history(mut self, entries: Vec<FactEntry>) -> Self {
        self.0.history = entries;
        self
    }

    /// A decision about the release of a result.
    pub(crate) fn for_result(mut self, cx: &CallContext) -> Self {
        self.0.call = Some(cx.call);
        self.0.parent = Some(cx.call);
        self
    }
}

impl From<Draft> for Event {
    fn from(draft: Draft) -> Self {
        Self::Decision(Box::new(draft.0))
    }
}
