//! A run's spans, projected from its records in the same way as in the ledger.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};
use tollgate_model::{
    ids::{ApprovalId, RunId, SpanId},
    life::ApprovalState,
    record::{ApprovalAnswered, ComponentLog, DecisionRecord, Event, OutcomeRecord, Record},
    request::Action,
    span::{self, Naming, RunSpans, SpanChange, SpanKind},
    time::Timestamp,
};
use utoipa::ToSchema;

/// A record with its place in the ledger.
pub type IndexedRecord = (u64, Record);

/// A span with the records that made it.
#[derive(Debug)]
pub struct Span<'a> {
    /// Its id.
    pub id: SpanId,
    /// The span above.
    pub parent: Option<SpanId>,
    /// What it stands for.
    pub kind: SpanKind,
    /// Its name.
    pub name: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; absent while it is open.
    pub end: Option<Timestamp>,
    /// `error.type`.
    pub error: Option<&'static str>,
    /// The record that opened it.
    pub opened: &'a IndexedRecord,
    /// The records that closed it; several where an approval was given and then taken back.
    pub closed: Vec<&'a IndexedRecord>,
}

/// A run's spans, approvals, logs and outcomes.
#[derive(Debug, Default)]
pub struct Trace<'a> {
    spans: Vec<Span<'a>>,
    below: BTreeMap<SpanId, Vec<usize>>,
    answers: BTreeMap<ApprovalId, Vec<&'a ApprovalAnswered>>,
    judged: BTreeMap<ApprovalId, Vec<(u64, &'a DecisionRecord)>>,
    resolved: BTreeMap<ApprovalId, ApprovalState>,
    consumed: BTreeSet<ApprovalId>,
    logs: BTreeMap<SpanId, Vec<&'a ComponentLog>>,
    outcomes: BTreeMap<SpanId, &'a OutcomeRecord>,
}

impl<'a> Trace<'a> {
    /// The trace of these records, which are in order.
    pub fn of(records: &'a [IndexedRecord]) -> Self {
        let mut trace = Self::default();
        let mut places: BTreeMap<SpanId, usize> = BTreeMap::new();
        for indexed in records {
            for change in span::changes(&indexed.1) {
                trace.apply(indexed, change, &mut places);
            }
            match &indexed.1.event {
                Event::ApprovalAnswered(answer) => {
                    trace.answers.entry(answer.id).or_default().push(answer)
                }
                Event::Decision(decision) => {
                    if let (Action::Approve | Action::Reject, Some(id)) =
                        (&decision.action, decision.approval)
                    {
                        trace
                            .judged
                            .entry(id)
                            .or_default()
                            .push((indexed.0, decision));
                    }
                }
                Event::ApprovalResolved(resolved) => {
                    trace.resolved.insert(resolved.id, resolved.state);
                }
                Event::Start(start) => trace.consumed.extend(start.approval),
                Event::ComponentLog(log) => trace.logs.entry(log.parent).or_default().push(log),
                Event::Outcome(outcome) => {
                    trace.outcomes.insert(outcome.span, outcome);
                }
                Event::BundleActivated(_)
                | Event::RunStarted(_)
                | Event::RunEnded(_)
                | Event::CallInvalid(_)
                | Event::Effect(_)
                | Event::LabelsJoined(_)
                | Event::ApprovalRequested(_)
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
        let mut spans = trace.spans.iter();
        let root = spans.find(|s| s.kind == SpanKind::InvokeAgent);
        let root = root.map(|s| s.id);
        for (place, span) in trace.spans.iter_mut().enumerate() {
            if Some(span.id) == root {
                continue;
            }
            // For people, an effect is shown with the decision that allowed it.
            if let Event::Effect(effect) = &span.opened.1.event {
                span.parent = Some(effect.parent);
            }
            // A parent outside the records is the agent's own span, so the root is used instead.
            span.parent = span
                .parent
                .filter(|parent| places.contains_key(parent))
                .or(root);
            if let Some(parent) = span.parent {
                trace.below.entry(parent).or_default().push(place);
            }
        }
        trace
    }

    fn apply(
        &mut self,
        indexed: &'a IndexedRecord,
        change: SpanChange,
        places: &mut BTreeMap<SpanId, usize>,
    ) {
        match change {
            SpanChange::Open {
                span,
                parent,
                kind,
                name,
                start,
                end,
                error,
            } => {
                if places.contains_key(&span) {
                    return;
                }
                places.insert(span, self.spans.len());
                let opened = indexed;
                self.spans.push(Span {
                    id: span,
                    parent,
                    kind,
                    name,
                    start,
                    end,
                    error,
                    opened,
                    closed: Vec::new(),
                });
            }
            SpanChange::Close {
                span,
                end,
                error,
                unless_ended,
            } => {
                let Some(span) = places
                    .get(&span)
                    .and_then(|place| self.spans.get_mut(*place))
                else {
                    return;
                };
                if unless_ended && span.end.is_some() {
                    return;
                }
                span.end = Some(end);
                span.error = error;
                span.closed.push(indexed);
            }
        }
    }

    /// Every span, in the order in which they began.
    pub fn spans(&self) -> &[Span<'a>] {
        &self.spans
    }

    /// The run's root.
    pub fn root(&self) -> Option<&Span<'a>> {
        self.spans.iter().find(|s| s.kind == SpanKind::InvokeAgent)
    }

    /// The children of a span, in order.
    pub fn below(&self, span: SpanId) -> impl Iterator<Item = &Span<'a>> {
        self.below
            .get(&span)
            .into_iter()
            .flatten()
            .filter_map(|place| self.spans.get(*place))
    }

    /// Answers to an approval, in order.
    pub fn answers(&self, id: ApprovalId) -> &[&'a ApprovalAnswered] {
        self.answers.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Decisions on who may answer an approval, in order.
    pub fn judged(&self, id: ApprovalId) -> &[(u64, &'a DecisionRecord)] {
        self.judged.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The state of an approval.
    pub fn approval_state(&self, id: ApprovalId) -> ApprovalState {
        if self.consumed.contains(&id) {
            return ApprovalState::Consumed;
        }
        self.resolved
            .get(&id)
            .copied()
            .unwrap_or(ApprovalState::Pending)
    }

    /// What a component logged during an execution.
    pub fn logs(&self, invoke: SpanId) -> &[&'a ComponentLog] {
        self.logs
            .get(&invoke)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// How an execution ended.
    pub fn outcome(&self, invoke: SpanId) -> Option<&'a OutcomeRecord> {
        self.outcomes.get(&invoke).copied()
    }

    /// How a call's execution ended.
    pub fn outcome_of_call(&self, call: SpanId) -> Option<&'a OutcomeRecord> {
        self.below(call).find_map(|span| self.outcome(span.id))
    }
}

/// A span as programs read it; documented in `tollgate runs show --help`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpanView {
    /// Its id.
    #[schema(value_type = String)]
    pub span: SpanId,
    /// The span above; absent for the root.
    #[schema(value_type = Option<String>)]
    pub parent: Option<SpanId>,
    /// What it stands for.
    #[schema(value_type = String)]
    pub kind: SpanKind,
    /// Its name.
    pub name: String,
    /// When it began.
    #[schema(value_type = i64)]
    pub start: Timestamp,
    /// When it ended; absent while it is open.
    #[schema(value_type = Option<i64>)]
    pub end: Option<Timestamp>,
    /// `error.type`.
    pub error: Option<&'static str>,
    /// How OpenInference names its kind.
    pub openinference: &'static str,
    /// With OpenTelemetry's names where it has one.
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
}

/// Every span for programs, with the attributes that its records give it.
#[must_use]
pub fn views(records: &[IndexedRecord]) -> Vec<SpanView> {
    let run = records.iter().find_map(|(_, record)| record.run);
    let mut spans = RunSpans::new(run.unwrap_or(RunId::from_bytes([0; 16])));
    for (index, record) in records {
        spans.apply(*index, record, Naming::Clear);
    }
    let spans = spans.into_spans();
    let known: BTreeSet<SpanId> = spans.iter().map(|span| span.id).collect();
    let root = spans.iter().find(|s| s.kind == SpanKind::InvokeAgent);
    let root = root.map(|root| root.id);
    let view = |s: span::Span| SpanView {
        span: s.id,
        // A parent outside the records is the agent's own span, so the root is used instead.
        parent: match s.kind {
            SpanKind::InvokeAgent => None,
            _ => s.parent.filter(|parent| known.contains(parent)).or(root),
        },
        kind: s.kind,
        name: s.name,
        start: s.start,
        end: s.end,
        error: s.error,
        openinference: s.kind.openinference(),
        attributes: s
            .attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    spans.into_iter().map(view).collect()
}
