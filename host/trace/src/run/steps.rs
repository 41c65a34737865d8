//! Builds steps from records.

use std::collections::HashMap;

use tollgate_model::{
    decision::Outcome,
    ids::{ApprovalId, DecisionId, SpanId},
    life::ApprovalState,
    record::{
        ApprovalRequested, ApprovalResolved, CallInvalid, DecisionRecord, Effect, Event,
        OutcomeRecord, Release, Start, Status,
    },
    request::Action,
    time::Timestamp,
};

use super::{
    ApprovalRequest, Attempt, DecisionSummary, EffectRequest, IndexedRecord, RunEnd, RunSteps,
    Step, StepOutcome,
};

impl RunSteps {
    /// The steps of a run, whose records are in order. Inconsistent records, as of a damaged run, give fewer or shorter
    /// steps.
    #[must_use]
    pub fn of(records: &[IndexedRecord]) -> Self {
        let mut builder = StepBuilder::default();
        for (index, record) in records {
            if record.event.is_activity() {
                builder.run.last = Some(record.time);
            }
            builder.take(*index, record.time, &record.event);
        }
        builder.run
    }
}

/// The state while builder records.
#[derive(Default)]
struct StepBuilder {
    run: RunSteps,
    /// The index of the step of each call.
    places: HashMap<SpanId, usize>,
    /// The call of each execution.
    calls: HashMap<SpanId, SpanId>,
    /// For the span of each decision about an effect: the indexes of step and effect.
    asked: HashMap<SpanId, (usize, usize)>,
    approvals: HashMap<ApprovalId, SpanId>,
}

impl StepBuilder {
    fn take(&mut self, index: u64, at: Timestamp, event: &Event) {
        match event {
            Event::RunStarted(run) => {
                self.run.started = Some(at);
                self.run.principal = Some(run.principal.clone());
                self.run.on_behalf_of = Some(run.on_behalf_of.clone());
                self.run.root = Some(run.span);
                self.run.origin = run.origin.clone();
                self.run.inherited = run.inherited.clone();
            }
            Event::RunEnded(ended) => {
                self.run.ended = Some(RunEnd {
                    at,
                    outcome: ended.outcome,
                    stop_reason: ended.stop_reason.clone(),
                    by: ended.by.clone(),
                });
            }
            Event::CallInvalid(call) => self.invalid(at, call),
            Event::Decision(decision) => self.decision(index, at, decision),
            Event::Start(start) => self.start(at, start),
            Event::Effect(effect) => self.effect(effect),
            Event::Outcome(outcome) => self.outcome(at, outcome),
            Event::ComponentLog(log) => {
                if matches!(log.level.as_str(), "warn" | "error")
                    && let Some(step) = self.known(log.call)
                {
                    step.warnings = step.warnings.saturating_add(1);
                }
            }
            Event::ApprovalRequested(request) => self.approval_requested(at, request),
            Event::ApprovalAnswered(answer) => {
                if answer.took_effect
                    && let Some(asked) = self.approval(answer.id)
                {
                    asked.answers.push((answer.by.clone(), answer.approve));
                }
            }
            Event::ApprovalResolved(resolved) => self.approval_resolved(at, resolved),
            Event::BundleActivated(_)
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

    fn invalid(&mut self, at: Timestamp, call: &CallInvalid) {
        let Some(step) = self.step(call.call, call.parent, &call.tool, at) else {
            return;
        };
        step.problem = Some(call.problem.clone());
        step.pointers.clone_from(&call.pointers);
        step.ended = Some(at);
        step.outcome = match call.problem.as_str() {
            "halted" => StepOutcome::Halted,
            _ => StepOutcome::Invalid,
        };
    }

    fn start(&mut self, at: Timestamp, start: &Start) {
        self.calls.insert(start.span, start.call);
        let Some(step) = self.known(start.call) else {
            return;
        };
        step.version = Some(start.digest);
        step.ended = None;
        step.outcome = StepOutcome::Open;
        step.attempts.push(Attempt {
            span: start.span,
            number: start.attempt,
            component: start.component.clone(),
            unsandboxed: start.unsandboxed,
            started: at,
            ended: None,
            status: None,
            effects: 0,
        });
        let used = step.approvals.iter_mut();
        for asked in used.filter(|asked| Some(asked.id) == start.approval) {
            asked.state = ApprovalState::Consumed;
        }
    }

    fn approval_requested(&mut self, at: Timestamp, request: &ApprovalRequested) {
        self.approvals.insert(request.id, request.call);
        if let Some(step) = self.known(request.call) {
            // A call continues while a person answers its server's question.
            if request.elicitation.is_none() {
                step.outcome = StepOutcome::Waiting;
            }
            step.approvals.push(ApprovalRequest {
                id: request.id,
                needs: request.requirement.to_string(),
                requested: at,
                resolved: None,
                state: ApprovalState::Pending,
                answers: Vec::new(),
            });
        }
    }

    fn approval_resolved(&mut self, at: Timestamp, resolved: &ApprovalResolved) {
        if let Some(asked) = self.approval(resolved.id) {
            asked.resolved = asked.resolved.or(Some(at));
            asked.state = resolved.state;
        }
        if resolved.superseded {
            return;
        }
        let over = match resolved.state {
            ApprovalState::Rejected => StepOutcome::Rejected,
            ApprovalState::Expired => StepOutcome::Expired,
            ApprovalState::Cancelled => StepOutcome::Cancelled,
            ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Consumed => return,
        };
        // The outcome of a call that has ended is not changed.
        for call in resolved.enclosing_calls.iter().chain([&resolved.call]) {
            let step = self.known(*call);
            if let Some(step) = step.filter(|step| step.ended.is_none()) {
                step.outcome = over;
                step.ended = Some(at);
            }
        }
    }

    fn decision(&mut self, index: u64, at: Timestamp, decision: &DecisionRecord) {
        let Some(call) = decision.call else { return };
        let decided = decided(index, at, decision);
        if !self.run.bundles.contains(&decided.bundle) {
            self.run.bundles.push(decided.bundle);
        }
        match &decision.action {
            action if action.is_call() => {
                let tool = decision.called().unwrap_or_default();
                let begun = Timestamp(
                    at.0.saturating_sub(i64::try_from(decision.decide_micros).unwrap_or(0)),
                );
                let Some(step) = self.step(call, decision.parent, &tool, begun) else {
                    return;
                };
                step.arguments = decision.arguments.clone().or(step.arguments.take());
                step.arguments_size = decision.arguments_size.or(step.arguments_size);
                step.version = decision.component.or(step.version);
                step.decisions.push(decided);
                if decision.is_secondary {
                    return;
                }
                let refused = match decision.outcome {
                    Outcome::Deny => StepOutcome::Denied,
                    Outcome::Error => StepOutcome::Undecidable,
                    Outcome::Escalate => {
                        step.outcome = StepOutcome::Waiting;
                        return;
                    }
                    Outcome::Allow => return,
                };
                step.outcome = refused;
                step.ended = Some(at);
            }
            Action::ReturnResult => {
                if let Some(step) = self.known(call) {
                    step.released = Some(decided);
                }
            }
            action if action.is_capability() => {
                let Some(place) = self.places.get(&call).copied() else {
                    return;
                };
                let Some(step) = self.run.steps.get_mut(place) else {
                    return;
                };
                step.effects.push(EffectRequest {
                    operation: action.id().to_owned(),
                    target: decision.resource.id.clone(),
                    decision: Some(decided),
                    done: false,
                    error: None,
                });
                let at = step.effects.len().saturating_sub(1);
                self.asked.insert(decision.span, (place, at));
            }
            _ => {}
        }
    }

    fn effect(&mut self, effect: &Effect) {
        let known = self.asked.get(&effect.parent).copied();
        let asked = known.and_then(|(place, at)| {
            let step = self.run.steps.get_mut(place)?;
            step.effects.get_mut(at).filter(|asked| !asked.done)
        });
        if let Some(asked) = asked {
            asked.done = true;
            asked.error.clone_from(&effect.error);
            return;
        }
        if let Some(step) = self.known(effect.call) {
            step.effects.push(EffectRequest {
                operation: effect.operation.clone(),
                target: effect.target.clone(),
                decision: None,
                done: true,
                error: effect.error.clone(),
            });
        }
    }

    fn outcome(&mut self, at: Timestamp, outcome: &OutcomeRecord) {
        let Some(step) = self.known(outcome.call) else {
            return;
        };
        let ran = step.attempts.iter_mut();
        for attempt in ran.filter(|attempt| attempt.span == outcome.span) {
            attempt.ended = Some(at);
            attempt.status = Some(outcome.status);
            attempt.effects = outcome.effects;
        }
        step.labels.extend(outcome.labels.iter().cloned());
        step.result.clone_from(&outcome.result);
        step.result_size = outcome.size;
        step.release = outcome.release;
        step.outcome = match (outcome.status, outcome.release) {
            (Status::Pending, _) => {
                step.outcome = StepOutcome::Waiting;
                return;
            }
            (Status::Ok | Status::ToolError, Some(Release::Withheld)) => StepOutcome::Withheld,
            (Status::Ok, _) => StepOutcome::Ok,
            (Status::ToolError, _) => StepOutcome::ToolError,
            (
                Status::Trap | Status::Timeout | Status::FuelExhausted | Status::MemoryExhausted,
                _,
            ) => StepOutcome::Failed,
            (Status::Halted, _) => StepOutcome::Halted,
            (Status::Indeterminate, _) => StepOutcome::Indeterminate,
        };
        step.ended = Some(at);
    }

    fn known(&mut self, call: SpanId) -> Option<&mut Step> {
        let place = self.places.get(&call)?;
        self.run.steps.get_mut(*place)
    }

    fn approval(&mut self, id: ApprovalId) -> Option<&mut ApprovalRequest> {
        let call = *self.approvals.get(&id)?;
        self.known(call)?
            .approvals
            .iter_mut()
            .find(|asked| asked.id == id)
    }

    /// The step of a call, which is added if it is new.
    fn step(
        &mut self,
        call: SpanId,
        parent: Option<SpanId>,
        tool: &str,
        started: Timestamp,
    ) -> Option<&mut Step> {
        let end = self.run.steps.len();
        let place = *self.places.entry(call).or_insert(end);
        if place == end {
            let within = parent.and_then(|span| self.calls.get(&span)).copied();
            let above = within.and_then(|call| self.places.get(&call));
            let above = above.and_then(|place| self.run.steps.get(*place));
            let depth = above.map_or(0, |step| step.depth.saturating_add(1));
            self.run.steps.push(Step {
                call,
                tool: tool.to_owned(),
                within,
                depth,
                started,
                ended: None,
                outcome: StepOutcome::Open,
                problem: None,
                pointers: Vec::new(),
                arguments: None,
                arguments_size: None,
                version: None,
                decisions: Vec::new(),
                approvals: Vec::new(),
                attempts: Vec::new(),
                effects: Vec::new(),
                released: None,
                release: None,
                result: None,
                result_size: 0,
                labels: Default::default(),
                warnings: 0,
            });
        }
        self.run.steps.get_mut(place)
    }
}

fn decided(index: u64, at: Timestamp, decision: &DecisionRecord) -> DecisionSummary {
    DecisionSummary {
        id: DecisionId(index),
        outcome: decision.outcome,
        principal: decision.principal.clone(),
        action: decision.action.id().to_owned(),
        resource: decision.resource.clone(),
        policies: decision
            .determining
            .iter()
            .map(|d| d.policy.id.clone())
            .collect(),
        reason: decision.reason(),
        bundle: decision.bundle,
        shadow: decision.shadow.as_ref().map(|shadow| shadow.outcome),
        has_facts: decision.facts_digest.is_some(),
        at,
    }
}
