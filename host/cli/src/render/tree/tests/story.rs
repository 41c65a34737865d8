//! Records of a run, made one by one.

use tollgate_model::decision::Redaction;

use super::*;

pub(super) const AGENT: &str = "Tollgate::Agent::\"support\"";

/// Records of one run, each some time after the one before.
pub(super) struct Story {
    pub(super) records: Vec<IndexedRecord>,
    pub(super) now: i64,
}

pub(super) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

pub(super) fn span(n: u8) -> SpanId {
    SpanId::from_bytes([n; 8])
}

pub(super) fn policy(id: &str, owner: &str, reason: &str) -> DeterminingPolicy {
    let policy = PolicyRef {
        digest: Sha256Digest::of(id.as_bytes()),
        id: id.into(),
    };
    DeterminingPolicy {
        budget: None,
        owner: owner.into(),
        policy,
        reason: reason.into(),
    }
}

impl Story {
    pub(super) fn new() -> Self {
        let mut story = Self {
            records: Vec::new(),
            now: 1_795_249_800_000_000,
        };
        story.add(
            0,
            Event::RunStarted(RunStarted {
                inherited: BTreeSet::new(),
                key: None,
                on_behalf_of: Uid::new(Kind::User, "alice"),
                origin: Default::default(),
                principal: Uid::new(Kind::Agent, "support"),
                span: span(1),
            }),
        );
        story
    }

    pub(super) fn add(&mut self, after: i64, event: Event) {
        self.now += after;
        let run = RunId::from_bytes([1; 16]);
        let index = self.records.len() as u64 + 10;
        self.records.push((
            index,
            Record::new("acme", Some(run), Timestamp(self.now), event),
        ));
    }

    /// A decision about the call under `call`.
    pub(super) fn decide(
        &mut self,
        call: u8,
        own: u8,
        action: Action,
        resource: Uid,
        outcome: Outcome,
        by: &[DeterminingPolicy],
    ) {
        let decision = Self::decision(call, own, action, resource, outcome, by);
        self.add(200, Event::Decision(Box::new(decision)));
    }

    pub(super) fn decision(
        call: u8,
        own: u8,
        action: Action,
        resource: Uid,
        outcome: Outcome,
        by: &[DeterminingPolicy],
    ) -> DecisionRecord {
        DecisionRecord {
            capture: None,
            parent: match &action {
                Action::Call(_) => Some(span(1)),
                Action::ReturnResult => Some(span(call)),
                _ => Some(span(call + 1)),
            },
            principal: Uid::new(Kind::Agent, "support"),
            action,
            approval: None,
            arguments: None,
            arguments_size: None,
            is_secondary: false,
            bundle: Sha256Digest::of(b"bundle"),
            call: Some(span(call)),
            arrival: Default::default(),
            caller_span: None,
            component: None,
            determining: by.to_vec(),
            errors: Vec::new(),
            facts_digest: None,
            label_target: None,
            history: Vec::new(),
            propagated_labels: BTreeSet::new(),
            decide_micros: 70,
            on_behalf_of: None,
            outcome,
            provenance: None,
            redaction: Redaction::default(),
            requirement: None,
            resource,
            resumption: false,
            shadow: None,
            span: span(own),
            standing: Default::default(),
        }
    }

    pub(super) fn call(
        &mut self,
        call: u8,
        own: u8,
        tool: &str,
        outcome: Outcome,
        by: &[DeterminingPolicy],
    ) {
        let resource = Uid::new(Kind::Tool, tool);
        self.decide(call, own, Action::Call(tool.into()), resource, outcome, by);
    }

    /// A decision about a call of `tool`, which `change` completes.
    pub(super) fn call_with(
        &mut self,
        call: u8,
        own: u8,
        tool: &str,
        outcome: Outcome,
        by: &[DeterminingPolicy],
        change: impl FnOnce(&mut DecisionRecord),
    ) {
        let action = Action::Call(tool.into());
        let resource = Uid::new(Kind::Tool, tool);
        let mut decision = Self::decision(call, own, action, resource, outcome, by);
        change(&mut decision);
        self.add(200, Event::Decision(Box::new(decision)));
    }

    /// A call that still waits.
    pub(super) fn again(&mut self, call: u8, own: u8, tool: &str, by: &[DeterminingPolicy]) {
        self.call_with(call, own, tool, Outcome::Escalate, by, |decision| {
            decision.resumption = true;
        });
    }

    /// A decision to release the result of `tool`.
    pub(super) fn release(&mut self, call: u8, own: u8, tool: &str) {
        let tool = Uid::new(Kind::Tool, tool);
        let released = Outcome::Allow;
        self.decide(call, own, Action::ReturnResult, tool, released, &release());
    }

    /// A decision about a request to `host`, in the call 10.
    pub(super) fn request(
        &mut self,
        own: u8,
        host: &str,
        outcome: Outcome,
        by: &[DeterminingPolicy],
    ) {
        let host = Uid::new(Kind::Host, host);
        self.decide(10, own, Action::HttpRequest, host, outcome, by);
    }

    /// A request to `host`, in the call 10: the effect. Without a status, it timed out.
    pub(super) fn response(
        &mut self,
        own: u8,
        host: &str,
        path: &str,
        redirects: u64,
        status: Option<u16>,
    ) {
        let effect = EffectDetails::Http(HttpEffect {
            address: status.map(|_| "93.184.215.14".into()),
            host: host.into(),
            method: "GET".into(),
            port: 443,
            redirects,
            status,
        });
        let error = status.is_none().then_some("timed out");
        let target = format!("https://{host}{path}");
        self.details(own, effect, error, &target);
    }

    pub(super) fn start(&mut self, call: u8, component: &str, approval: Option<ApprovalId>) {
        self.add(
            10,
            Event::Start(Start {
                approval,
                attempt: 1,
                call: span(call),
                component: component.into(),
                digest: Sha256Digest::of(b"wasm"),
                executed_by_caller: false,
                labels: BTreeSet::new(),
                resumption: false,
                span: span(call + 1),
                unsandboxed: false,
            }),
        );
    }

    pub(super) fn file(
        &mut self,
        call: u8,
        own: u8,
        action: Action,
        path: &str,
        outcome: Outcome,
        by: &[DeterminingPolicy],
    ) {
        self.decide(call, own, action, Uid::new(Kind::File, path), outcome, by);
    }

    pub(super) fn effect(&mut self, call: u8, above: u8, operation: &str, target: &str, size: u64) {
        self.add(
            300,
            Event::Effect(Effect {
                call: span(call),
                details: None,
                error: None,
                execution: None,
                duration_micros: 210,
                operation: operation.into(),
                parent: span(above),
                size,
                span: span(above + 100),
                target: target.into(),
            }),
        );
    }

    pub(super) fn details(
        &mut self,
        own: u8,
        what: EffectDetails,
        error: Option<&str>,
        target: &str,
    ) {
        let operation = match what {
            EffectDetails::Http(_) => "http_request",
            EffectDetails::Secret(_) => "use_secret",
        };
        self.effect(10, own, operation, target, 5_120);
        if let Some((_, record)) = self.records.last_mut()
            && let Event::Effect(effect) = &mut record.event
        {
            effect.details = Some(what);
            effect.error = error.map(str::to_owned);
        }
    }

    pub(super) fn outcome(
        &mut self,
        call: u8,
        status: Status,
        release: Option<Release>,
        labels: &[&str],
    ) {
        self.add(
            400,
            Event::Outcome(OutcomeRecord {
                capture: None,
                call: span(call),
                effective: false,
                effects: 1,
                fuel: 1_234_567,
                history: Vec::new(),
                labels: set(labels),
                peak_memory: 1_153_434,
                redacted: 0,
                release,
                result: None,
                size: 1229,
                span: span(call + 1),
                status,
            }),
        );
    }

    pub(super) fn ask(&mut self, call: u8, own: u8, tool: &str, id: ApprovalId) {
        let lifts = BTreeSet::from([PolicyRef {
            digest: Sha256Digest::of(b"p"),
            id: "p".into(),
        }]);
        let alternatives = vec![Approvers {
            count: 1,
            roles: set(&["finance"]),
        }];
        self.add(
            0,
            Event::ApprovalRequested(Box::new(ApprovalRequested {
                question: None,
                declared: None,
                elicitation: None,
                speaker: None,
                makers: BTreeSet::new(),
                capability: None,
                waiting: Vec::new(),
                via: Vec::new(),
                arguments: KeyedDigest::from("hmac:v1:00".to_owned()),
                call: span(call),
                component: Sha256Digest::of(b"wasm"),
                expires: Timestamp(self.now + 3_600_000_000),
                id,
                on_behalf_of: Uid::new(Kind::User, "alice"),
                payload: Sha256Digest::of(b"payload"),
                principal: Uid::new(Kind::Agent, "support"),
                requirement: Requirement {
                    alternatives,
                    lifts,
                    severity: Severity::High,
                },
                round: 1,
                span: span(own),
                tool: tool.into(),
            })),
        );
    }

    pub(super) fn answer(
        &mut self,
        call: u8,
        own: u8,
        id: ApprovalId,
        approve: bool,
        note: Option<&str>,
    ) {
        self.add(
            95_000_000,
            Event::ApprovalAnswered(ApprovalAnswered {
                edited: None,
                question: None,
                approve,
                by: Uid::new(Kind::User, "bob"),
                channel: "cli".into(),
                elicitation: None,
                id,
                roles: set(&["finance"]),
                token_makers: BTreeSet::new(),
                link: None,
                took_effect: true,
                note: note.map(str::to_owned),
            }),
        );
        let state = if approve {
            ApprovalState::Approved
        } else {
            ApprovalState::Rejected
        };
        self.add(
            0,
            Event::ApprovalResolved(ApprovalResolved {
                enclosing_calls: Vec::new(),
                by: None,
                call: span(call),
                id,
                span: span(own),
                state,
                superseded: false,
            }),
        );
    }

    pub(super) fn draw_merged(&self, merged: &MergedTrace, full: bool) -> String {
        let reports = Reports {
            merged,
            whose: AGENT,
            currency: "USD",
        };
        let text = tree(&self.records, reports, Style { width: 120, full });
        // As a stream without colours shows it.
        anstream::adapter::strip_str(&text).to_string()
    }

    pub(super) fn draw(&self, full: bool) -> String {
        self.draw_merged(&MergedTrace::default(), full)
    }
}

pub(super) const RELEASE: (&str, &str, &str) =
    ("release-results", "operator", "Results are released.");

pub(super) fn release() -> [DeterminingPolicy; 1] {
    [policy(RELEASE.0, RELEASE.1, RELEASE.2)]
}
