//! Records of a run, made one by one.

use tollgate_model::decision::Redaction;

use super::*;

/// Records of a run, each a millisecond after the one before.
#[derive(Default)]
pub(super) struct Story {
    pub(super) records: Vec<IndexedRecord>,
    pub(super) spans: u8,
}

pub(super) const TOOL: &str = "crm__read";

impl Story {
    pub(super) fn new() -> Self {
        let mut story = Self::default();
        let root = story.span();
        story.add(Event::RunStarted(RunStarted {
            inherited: BTreeSet::new(),
            key: None,
            on_behalf_of: Uid::new(Kind::User, "alice"),
            origin: Origin::default(),
            principal: Uid::new(Kind::Agent, "support"),
            span: root,
        }));
        story
    }

    pub(super) fn span(&mut self) -> SpanId {
        self.spans += 1;
        SpanId::from_bytes([self.spans; 8])
    }

    pub(super) fn add(&mut self, event: Event) {
        let index = self.records.len() as u64;
        let at = Timestamp(1_795_249_800_000_000 + 1000 * i64::try_from(index).unwrap());
        let run = Some(RunId::from_bytes([1; 16]));
        self.records
            .push((index, Record::new("acme", run, at, event)));
    }

    pub(super) fn decide(
        &mut self,
        call: SpanId,
        action: Action,
        id: &str,
        outcome: Outcome,
        by: &str,
    ) -> SpanId {
        let span = self.span();
        let determining = (!by.is_empty()).then(|| DeterminingPolicy {
            budget: None,
            owner: "security".into(),
            policy: PolicyRef {
                digest: Sha256Digest::of(by.as_bytes()),
                id: by.into(),
            },
            reason: format!("because of {by}"),
        });
        let arguments = match &action {
            Action::Call(tool) => Some(digest(&format!("{tool} {id}"))),
            _ => None,
        };
        let resource = match &action {
            Action::Call(tool) => Uid::new(Kind::Tool, tool),
            _ => Uid::new(Kind::File, id),
        };
        self.add(Event::Decision(Box::new(DecisionRecord {
            arrival: Arrival::default(),
            capture: None,
            action,
            approval: None,
            arguments,
            arguments_size: Some(2),
            is_secondary: false,
            bundle: Sha256Digest::of(b"bundle"),
            call: Some(call),
            caller_span: None,
            component: Some(Sha256Digest::of(b"crm.wasm")),
            determining: determining.into_iter().collect(),
            errors: Vec::new(),
            facts_digest: Some(Sha256Digest::of(b"facts")),
            decide_micros: 70,
            on_behalf_of: None,
            label_target: None,
            history: Vec::new(),
            propagated_labels: BTreeSet::new(),
            outcome,
            parent: None,
            principal: Uid::new(Kind::Agent, "support"),
            provenance: None,
            redaction: Redaction::default(),
            requirement: None,
            resource,
            resumption: false,
            shadow: None,
            span,
            standing: Default::default(),
        })));
        span
    }

    pub(super) fn start(&mut self, call: SpanId) -> SpanId {
        let span = self.span();
        self.add(Event::Start(Start {
            approval: None,
            attempt: 1,
            call,
            component: "crm".into(),
            digest: Sha256Digest::of(b"crm.wasm"),
            executed_by_caller: false,
            labels: BTreeSet::new(),
            resumption: false,
            span,
            unsandboxed: false,
        }));
        span
    }

    pub(super) fn close(&mut self, call: SpanId, span: SpanId, status: Status, result: &str) {
        let released = matches!(status, Status::Ok | Status::ToolError);
        self.add(Event::Outcome(OutcomeRecord {
            capture: None,
            call,
            effective: false,
            effects: 0,
            fuel: 1,
            history: Vec::new(),
            labels: BTreeSet::from(["private".into()]),
            peak_memory: 1,
            redacted: 0,
            release: released.then_some(Release::Released),
            result: released.then(|| digest(result)),
            size: result.len() as u64,
            span,
            status,
        }));
    }

    /// A call that is allowed and ends like this.
    pub(super) fn ran(&mut self, tool: &str, arguments: &str, status: Status) -> SpanId {
        let call = self.span();
        let action = Action::Call(tool.into());
        self.decide(call, action, arguments, Outcome::Allow, "look-up");
        let invoke = self.start(call);
        self.close(call, invoke, status, "result");
        call
    }

    pub(super) fn denied(&mut self, tool: &str, arguments: &str) -> SpanId {
        let call = self.span();
        let action = Action::Call(tool.into());
        self.decide(call, action, arguments, Outcome::Deny, "no-exports");
        call
    }

    pub(super) fn asks(&mut self, tool: &str, approve: bool) -> SpanId {
        let call = self.span();
        let action = Action::Call(tool.into());
        self.decide(call, action.clone(), "{}", Outcome::Escalate, "large");
        let (span, id) = (self.span(), ApprovalId::from_bytes([7; 8]));
        self.add(Event::ApprovalRequested(Box::new(ApprovalRequested {
            question: None,
            arguments: digest(tool),
            call,
            declared: None,
            elicitation: None,
            speaker: None,
            makers: BTreeSet::new(),
            capability: None,
            component: Sha256Digest::of(b"crm.wasm"),
            expires: Timestamp(1_795_249_900_000_000),
            id,
            on_behalf_of: Uid::new(Kind::User, "alice"),
            payload: Sha256Digest::of(b"payload"),
            principal: Uid::new(Kind::Agent, "support"),
            requirement: Requirement {
                alternatives: vec![Approvers {
                    roles: BTreeSet::from(["finance".into()]),
                    count: 1,
                }],
                lifts: BTreeSet::new(),
                severity: Severity::High,
            },
            round: 1,
            span,
            tool: tool.into(),
            via: Vec::new(),
            waiting: Vec::new(),
        })));
        self.add(Event::ApprovalAnswered(ApprovalAnswered {
            edited: None,
            question: None,
            approve,
            by: Uid::new(Kind::User, "dana"),
            channel: "cli".into(),
            elicitation: None,
            id,
            roles: BTreeSet::new(),
            token_makers: BTreeSet::new(),
            link: None,
            took_effect: true,
            note: None,
        }));
        let state = match approve {
            true => ApprovalState::Approved,
            false => ApprovalState::Rejected,
        };
        self.add(Event::ApprovalResolved(ApprovalResolved {
            enclosing_calls: Vec::new(),
            by: None,
            call,
            id,
            span,
            state,
            superseded: false,
        }));
        if approve {
            self.decide(call, action, "{}", Outcome::Allow, "refunds");
            let invoke = self.start(call);
            self.close(call, invoke, Status::Ok, "done");
        }
        call
    }

    /// A call whose component asks for a file and does not get it.
    pub(super) fn refused_within(&mut self, tool: &str) -> SpanId {
        let call = self.span();
        self.decide(
            call,
            Action::Call(tool.into()),
            "{}",
            Outcome::Allow,
            "look-up",
        );
        let invoke = self.start(call);
        let read = self.decide(
            call,
            Action::ReadFile,
            "crm/data:/a",
            Outcome::Allow,
            "files",
        );
        let span = self.span();
        self.add(Event::Effect(Effect {
            call,
            details: None,
            error: None,
            execution: None,
            duration_micros: 5,
            operation: "read_file".into(),
            parent: read,
            size: 1,
            span,
            target: "crm:/a".into(),
        }));
        self.decide(
            call,
            Action::WriteFile,
            "crm/data:/b",
            Outcome::Deny,
            "only-notes",
        );
        self.close(call, invoke, Status::ToolError, "no");
        call
    }

    pub(super) fn end(&mut self, outcome: RunOutcome) {
        self.add(Event::RunEnded(RunEnded {
            by: "alice".into(),
            outcome,
            stop_reason: "done".into(),
        }));
    }

    pub(super) fn steps(&self) -> RunSteps {
        RunSteps::of(&self.records)
    }
}

pub(super) fn digest(text: &str) -> KeyedDigest {
    KeyedDigest::of(&[7; 32], 1, &[text.as_bytes()])
}
