//! Trees of synthetic runs.

use std::collections::BTreeSet;

use tollgate_model::{
    canonical::Sha256Digest,
    decision::{
        Approvers, DecisionError, DeterminingPolicy, PolicyRef, Requirement, Severity, ShadowFlip,
    },
    entity::{Kind, Uid},
    ids::{ApprovalId, RunId, SpanId},
    record::{
        ApprovalAnswered, ApprovalResolved, CallInvalid, ComponentLog, EffectDetails, HttpEffect,
        KeyedDigest, OutcomeRecord, Record, RunStarted, SecretEffect, Start,
    },
    time::Timestamp,
};

use tollgate_trace::store::{Body, SpanOrigin, StoredLog, Usage};

use super::*;

const AGENT: &str = "Tollgate::Agent::\"support\"";

/// Records of one run, each some time after the one before.
struct Story {
    records: Vec<Indexed>,
    now: i64,
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn span(n: u8) -> SpanId {
    SpanId::from_bytes([n; 8])
}

fn policy(id: &str, owner: &str, reason: &str) -> DeterminingPolicy {
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
    fn new() -> Self {
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

    fn add(&mut self, after: i64, event: Event) {
        self.now += after;
        let run = RunId::from_bytes([1; 16]);
        let index = self.records.len() as u64 + 10;
        self.records.push((
            index,
            Record::new("acme", Some(run), Timestamp(self.now), event),
        ));
    }

    /// A decision about the call under `call`.
    fn decide(
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

    fn decision(
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
            propagated_labels: BTreeSet::new(),
            decide_micros: 70,
            on_behalf_of: None,
            outcome,
            requirement: None,
            resource,
            resumption: false,
            shadow: None,
            span: span(own),
        }
    }

    fn call(&mut self, call: u8, own: u8, tool: &str, outcome: Outcome, by: &[DeterminingPolicy]) {
        let resource = Uid::new(Kind::Tool, tool);
        self.decide(call, own, Action::Call(tool.into()), resource, outcome, by);
    }

    /// A call that still waits.
    fn again(&mut self, call: u8, own: u8, tool: &str, by: &[DeterminingPolicy]) {
        let resource = Uid::new(Kind::Tool, tool);
        let mut decision = Self::decision(
            call,
            own,
            Action::Call(tool.into()),
            resource,
            Outcome::Escalate,
            by,
        );
        decision.resumption = true;
        self.add(200, Event::Decision(Box::new(decision)));
    }

    fn start(&mut self, call: u8, component: &str, approval: Option<ApprovalId>) {
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

    fn file(
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

    fn effect(&mut self, call: u8, above: u8, operation: &str, target: &str, size: u64) {
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

    fn details(&mut self, own: u8, what: EffectDetails, error: Option<&str>, target: &str) {
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

    fn outcome(&mut self, call: u8, status: Status, release: Option<Release>, labels: &[&str]) {
        self.add(
            400,
            Event::Outcome(OutcomeRecord {
                capture: None,
                call: span(call),
                effects: 1,
                fuel: 1_234_567,
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

    fn ask(&mut self, call: u8, own: u8, tool: &str, id: ApprovalId) {
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

    fn answer(&mut self, call: u8, own: u8, id: ApprovalId, approve: bool, note: Option<&str>) {
        self.add(
            95_000_000,
            Event::ApprovalAnswered(ApprovalAnswered {
                approve,
                by: Uid::new(Kind::User, "bob"),
                channel: "cli".into(),
                id,
                roles: set(&["finance"]),
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

    fn draw_beside(&self, beside: &MergedTrace, full: bool) -> String {
        let reports = Reports {
            beside,
            whose: AGENT,
            currency: "USD",
        };
        let text = tree(&self.records, reports, Style { width: 120, full });
        // As a stream without colours shows it.
        anstream::adapter::strip_str(&text).to_string()
    }

    fn draw(&self, full: bool) -> String {
        self.draw_beside(&MergedTrace::default(), full)
    }
}

const RELEASE: (&str, &str, &str) = ("release-results", "operator", "Results are released.");

fn release() -> [DeterminingPolicy; 1] {
    [policy(RELEASE.0, RELEASE.1, RELEASE.2)]
}

/// An agent reads a ticket, is refused, and escalates a refund that is approved.
fn support_desk() -> Story {
    let mut s = Story::new();
    let clerks = [policy(
        "clerks-look-things-up",
        "support",
        "Clerks may read tickets and files.",
    )];
    let grants = [policy(
        "components-read-their-grants",
        "operator",
        "A component may read within its grants.",
    )];
    s.call(10, 20, "tickets__read", Outcome::Allow, &clerks);
    s.start(10, "tickets", None);
    s.file(
        10,
        21,
        Action::ReadFile,
        "tickets/book:/T-7.json",
        Outcome::Allow,
        &grants,
    );
    s.effect(10, 21, "read_file", "book:/T-7.json", 412);
    s.decide(
        10,
        22,
        Action::ReturnResult,
        Uid::new(Kind::Tool, "tickets__read"),
        Outcome::Allow,
        &release(),
    );
    s.outcome(
        10,
        Status::Ok,
        Some(Release::Released),
        &["private", "untrusted"],
    );

    let trifecta = [policy(
        "private-data-stays-in",
        "security",
        "This run has read private data and untrusted content; sending it out needs security's approval.",
    )];
    s.now += 4_200_000;
    s.call(30, 32, "mail__send", Outcome::Deny, &trifecta);
    s.call(33, 35, "shell__run", Outcome::Deny, &[]);

    let large = [policy(
        "large-refunds-need-finance",
        "finance",
        "A refund of more than 50.00 needs finance's approval.",
    )];
    let id = ApprovalId::from_bytes([7; 8]);
    s.now += 1_000_000;
    s.call(40, 42, "payments__refund", Outcome::Escalate, &large);
    s.ask(40, 43, "payments__refund", id);
    s.again(40, 44, "payments__refund", &large);
    s.again(40, 45, "payments__refund", &large);
    s.answer(40, 43, id, true, Some("checked with the customer"));
    let refund = [policy("clerks-refund", "finance", "Clerks may refund.")];
    let mut decision = Story::decision(
        40,
        46,
        Action::Call("payments__refund".into()),
        Uid::new(Kind::Tool, "payments__refund"),
        Outcome::Allow,
        &refund,
    );
    decision.approval = Some(id);
    decision.resumption = true;
    s.add(200, Event::Decision(Box::new(decision)));
    s.start(40, "payments", Some(id));
    s.file(
        40,
        47,
        Action::WriteFile,
        "payments/book:/refunds.jsonl",
        Outcome::Allow,
        &grants,
    );
    s.effect(40, 47, "write_file", "book:/refunds.jsonl", 2048);
    s.decide(
        40,
        48,
        Action::ReturnResult,
        Uid::new(Kind::Tool, "payments__refund"),
        Outcome::Allow,
        &release(),
    );
    s.outcome(40, Status::Ok, Some(Release::Released), &[]);
    s
}

#[test]
fn a_run_reads_from_top_to_bottom() {
    insta::assert_snapshot!(support_desk().draw(false));
}

#[test]
fn in_full_every_span_has_a_line() {
    insta::assert_snapshot!(support_desk().draw(true));
}

#[test]
fn requests_show_where_they_went() {
    let mut s = Story::new();
    let http = |host: &str, redirects, status: Option<u16>| {
        EffectDetails::Http(HttpEffect {
            address: status.map(|_| "93.184.215.14".into()),
            host: host.into(),
            method: "GET".into(),
            port: 443,
            redirects,
            status,
        })
    };
    let host = |host| Uid::new(Kind::Host, host);
    let allowed = [policy(
        "components-reach-labelled-hosts",
        "operator",
        "May.",
    )];
    let closed = [policy(
        "private-networks-stay-closed",
        "security",
        "Not there.",
    )];
    s.call(10, 20, "web__fetch", Outcome::Allow, &allowed);
    s.start(10, "web", None);
    s.decide(
        10,
        21,
        Action::UseSecret,
        Uid::new(Kind::Secret, "wiki"),
        Outcome::Allow,
        &allowed,
    );
    s.decide(
        10,
        22,
        Action::HttpRequest,
        host("wiki.example.com"),
        Outcome::Allow,
        &allowed,
    );
    let secret = SecretEffect {
        host: "wiki.example.com".into(),
        name: "wiki".into(),
        version: "9f86d081884c".into(),
    };
    s.details(
        21,
        EffectDetails::Secret(secret),
        None,
        "wiki for wiki.example.com",
    );
    s.details(
        22,
        http("wiki.example.com", 0, Some(302)),
        None,
        "https://wiki.example.com/a",
    );
    s.decide(
        10,
        23,
        Action::HttpRequest,
        host("cdn.example.com"),
        Outcome::Allow,
        &allowed,
    );
    s.details(
        23,
        http("cdn.example.com", 1, Some(404)),
        None,
        "https://cdn.example.com/b",
    );
    s.decide(
        10,
        24,
        Action::HttpRequest,
        host("slow.example.com"),
        Outcome::Allow,
        &allowed,
    );
    s.details(
        24,
        http("slow.example.com", 0, None),
        Some("timed out"),
        "https://slow.example.com/",
    );
    s.decide(
        10,
        25,
        Action::HttpRequest,
        host("169.254.169.254"),
        Outcome::Deny,
        &closed,
    );
    s.outcome(
        10,
        Status::ToolError,
        Some(Release::Released),
        &["untrusted"],
    );
    insta::assert_snapshot!(format!("{}\n{}", s.draw(false), s.draw(true)));
}

#[test]
fn what_did_not_end_well_says_how() {
    let mut s = Story::new();
    s.add(
        100,
        Event::CallInvalid(CallInvalid {
            parent: None,
            call: span(5),
            arrival: Default::default(),
            caller_span: None,
            pointers: vec!["/amount".into()],
            principal: Uid::new(Kind::Agent, "support"),
            problem: "invalid_arguments".into(),
            tool: "payments__refund\u{1b}[2J".into(),
        }),
    );
    let clerks = [policy("clerks", "support", "Clerks may.")];
    s.call(10, 20, "files__write", Outcome::Allow, &clerks);
    s.start(10, "files", None);
    let outside = [policy(
        "no-contracts",
        "security",
        "Contracts stay as they are.",
    )];
    s.file(
        10,
        21,
        Action::WriteFile,
        "files/shared:/contracts/a.txt",
        Outcome::Deny,
        &outside,
    );
    s.add(
        10,
        Event::ComponentLog(ComponentLog {
            call: span(10),
            labels: BTreeSet::new(),
            level: "warn".into(),
            message: "disk quota is nearly used up".into(),
            parent: span(11),
        }),
    );
    s.decide(
        10,
        22,
        Action::ReturnResult,
        Uid::new(Kind::Tool, "files__write"),
        Outcome::Allow,
        &release(),
    );
    s.outcome(10, Status::ToolError, Some(Release::Released), &[]);

    s.call(30, 32, "files__read", Outcome::Allow, &clerks);
    s.start(30, "files", None);
    s.outcome(30, Status::Timeout, None, &[]);

    s.call(40, 42, "payments__quote", Outcome::Allow, &clerks);
    s.start(40, "payments", None);
    s.outcome(40, Status::Indeterminate, None, &[]);

    let mut broken = Story::decision(
        50,
        52,
        Action::Call("tickets__list".into()),
        Uid::new(Kind::Tool, "tickets__list"),
        Outcome::Error,
        &[],
    );
    broken.errors = vec![DecisionError {
        message: "integer overflow while evaluating `+`".into(),
        policy: Some("sums".into()),
    }];
    s.add(200, Event::Decision(Box::new(broken)));

    let id = ApprovalId::from_bytes([8; 8]);
    s.call(60, 62, "mail__send", Outcome::Escalate, &clerks);
    s.ask(60, 63, "mail__send", id);
    s.answer(60, 63, id, false, None);

    let withheld = [policy(
        "secrets-stay-in",
        "security",
        "Secrets are not shown.",
    )];
    s.call(70, 73, "vault__read", Outcome::Allow, &clerks);
    s.start(70, "vault", None);
    s.decide(
        70,
        72,
        Action::ReturnResult,
        Uid::new(Kind::Tool, "vault__read"),
        Outcome::Deny,
        &withheld,
    );
    s.outcome(70, Status::Ok, Some(Release::Withheld), &["private"]);

    let waiting = ApprovalId::from_bytes([9; 8]);
    s.call(80, 82, "mail__send", Outcome::Escalate, &clerks);
    s.ask(80, 83, "mail__send", waiting);

    let mut shadowed = Story::decision(
        90,
        92,
        Action::Call("files__list".into()),
        Uid::new(Kind::Tool, "files__list"),
        Outcome::Allow,
        &clerks,
    );
    shadowed.shadow = Some(ShadowFlip {
        candidate: false,
        outcome: Outcome::Deny,
        policies: vec!["effects-in-working-hours".into()],
    });
    s.add(200, Event::Decision(Box::new(shadowed)));
    s.start(90, "files", None);
    insta::assert_snapshot!(s.draw(false));
}

#[test]
fn programs_get_every_span_with_its_attributes() {
    let story = support_desk();
    let views = serde_json::to_value(tollgate_server::reply::views(&story.records)).unwrap();
    let spans = views.as_array().unwrap();
    assert_eq!(spans.len(), 21);
    let denied = spans
        .iter()
        .find(|s| s["name"] == "execute_tool mail__send")
        .unwrap();
    assert_eq!(denied["error"], "policy_denied");
    assert_eq!(denied["attributes"]["tollgate.tool.executed"], false);
    let approval = spans.iter().find(|s| s["kind"] == "approval").unwrap();
    assert_eq!(
        approval["attributes"]["tollgate.approval.status"],
        "approved"
    );
    assert_eq!(approval["attributes"]["tollgate.approval.approver"], "bob");
    let invoked = spans
        .iter()
        .find(|s| s["name"] == "invoke_component tickets")
        .unwrap();
    assert_eq!(invoked["attributes"]["tollgate.wasm.fuel"], 1_234_567);
    assert!(
        spans
            .iter()
            .all(|s| s["parent"].is_string() || s["kind"] == "invoke_agent")
    );
}

/// What an agent reports, some time after the run began.
fn told(n: u8, parent: Option<u8>, name: &str, after: i64) -> StoredSpan {
    let start = Timestamp(1_795_249_800_000_000 + after);
    StoredSpan {
        trace: RunId::from_bytes([1; 16]),
        span: span(n),
        parent: parent.map(span),
        origin: SpanOrigin::Reported,
        reporter: AGENT.into(),
        name: name.into(),
        kind: "internal".into(),
        start,
        end: Some(start.plus(1_500_000)),
        error: None,
        model: None,
        usage: None,
        counts: false,
        resource: Default::default(),
        scope: Default::default(),
        body: Body::default(),
    }
}

#[test]
fn what_was_reported_stands_beside_what_was_seen() {
    let mut story = Story::new();
    story.call(
        40,
        41,
        "files__read",
        Outcome::Deny,
        &[policy("no", "security", "No.")],
    );
    story.call(
        50,
        51,
        "files__list",
        Outcome::Deny,
        &[policy("no", "security", "No.")],
    );
    for (_, record) in &mut story.records {
        if let Event::Decision(decision) = &mut record.event
            && decision.call == Some(span(40))
        {
            decision.caller_span = Some(span(102));
        }
    }
    let mut chat = told(101, Some(100), "chat gpt-5", 10);
    chat.model = Some("gpt-5".into());
    chat.counts = true;
    chat.usage = Some(Usage {
        input_tokens: 12_345,
        output_tokens: 60,
        cached_tokens: 0,
        cache_write_tokens: 0,
        cost_nano: Some(16_031_250),
    });
    let mut failed = told(103, Some(99), "an orphan\u{1b}[31m", 5_000_000);
    failed.error = Some("_OTHER".into());
    failed.body.message = "it broke".into();
    failed.reporter = "Tollgate::Agent::\"collector\"".into();
    let reported = vec![
        told(100, None, "invoke_agent support", 0),
        chat,
        told(102, Some(100), "execute_tool read", 20),
        failed,
        // These two stand above each other.
        told(104, Some(105), "hen", 6_000_000),
        told(105, Some(104), "egg", 7_000_000),
        // The gate's own span, which came back, is there once.
        told(40, None, "execute_tool files__read", 30),
    ];
    let beside = MergedTrace::of(reported, &story.records);
    let tree = story.draw_beside(&beside, false);
    let place = |words: &str| {
        let line = tree.lines().position(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("`{words}` is not in\n{tree}"))
    };
    let order = [
        "invoke_agent support",
        "chat gpt-5",
        "execute_tool read",
        "files__read",
        "an orphan\\u{1b}[31m",
        "it broke",
        "egg",
        "hen",
    ]
    .map(place);
    assert!(order.is_sorted(), "{tree}");
    for words in [
        "12k → 60 tokens",
        "0.0160 USD",
        "by Tollgate::Agent::\"collector\"",
        "files__list",
    ] {
        place(words);
    }
    assert!(!tree.contains("execute_tool files__read"), "{tree}");
}

#[test]
fn neither_depth_nor_circles_lose_a_span() {
    let mut story = Story::new();
    story.call(
        40,
        41,
        "files__read",
        Outcome::Deny,
        &[policy("no", "security", "No.")],
    );
    if let Some((_, record)) = story.records.last_mut()
        && let Event::Decision(decision) = &mut record.event
    {
        decision.caller_span = Some(span(100));
    }
    // The call stands under 100, which says that it stands under the call's own decision.
    let round = MergedTrace::of(vec![told(100, Some(41), "round", 0)], &story.records);
    assert!(story.draw_beside(&round, true).contains("round"));

    let deep = |n: u32| {
        let id = |n: u32| SpanId::from_bytes((u64::from(n) + 1_000).to_be_bytes());
        let mut span = told(1, None, "deep", i64::from(n));
        span.span = id(n);
        span.parent = (n > 0).then(|| id(n - 1));
        span
    };
    let chain = MergedTrace::of((0..20_000).map(deep).collect(), &story.records);
    assert_eq!(
        story.draw_beside(&chain, false).matches("deep").count(),
        20_000
    );
}

#[test]
fn spans_of_one_id_hang_below_those_of_their_own_sender() {
    let story = Story::new();
    let chain = |reporter: &'static str| {
        (0..40).map(move |n| StoredSpan {
            reporter: reporter.into(),
            ..told(
                100 + n,
                (n > 0).then(|| 99 + n),
                &format!("span of {reporter}"),
                i64::from(n),
            )
        })
    };
    let reported = chain("Agent::\"a\"").chain(chain("Agent::\"b\"")).collect();
    let beside = MergedTrace::of(reported, &story.records);
    let tree = story.draw_beside(&beside, false);
    for reporter in ["a", "b"] {
        assert_eq!(
            tree.matches(&format!("span of Agent::\"{reporter}\""))
                .count(),
            40,
            "{tree}"
        );
    }
    let top: Vec<&str> = beside.top().map(|span| span.reporter.as_str()).collect();
    assert_eq!(top, ["Agent::\"a\"", "Agent::\"b\""]);
    for span in beside.spans() {
        assert!(
            beside
                .below_reported(span)
                .all(|below| below.reporter == span.reporter)
        );
    }
}

#[test]
fn reported_logs_stand_where_they_belong_and_move_no_cursor() {
    let mut story = Story::new();
    let no = [policy("no", "security", "No.")];
    story.call(40, 41, "files__read", Outcome::Deny, &no);
    let log = |n: Option<u8>, text: &str| StoredLog {
        trace: RunId::from_bytes([1; 16]),
        span: n.map(span),
        reporter: AGENT.into(),
        time: Timestamp(1_795_249_800_000_000),
        severity: "WARN".into(),
        event: None,
        body: text.into(),
        attributes: Default::default(),
    };
    let mut logs = vec![
        log(None, "of the run"),
        log(Some(99), "of a span that nobody knows"),
        log(Some(40), "of the call\u{1b}[2J"),
    ];
    logs.extend((0..5).map(|n| log(Some(100), &format!("line {n}"))));
    logs[3].reporter = "Tollgate::Agent::\"collector\"".into();
    let reported = vec![told(100, None, "chat gpt-5", 10)];
    let beside = MergedTrace::of(reported, &story.records).with_logs(logs);
    let tree = story.draw_beside(&beside, false);
    let place = |words: &str| {
        let line = tree.lines().position(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("`{words}` is not in\n{tree}"))
    };
    let order = [
        "of the run",
        "of a span that nobody knows",
        "chat gpt-5",
        "reported log by Tollgate::Agent::\"collector\" WARN: line 0",
        "reported log WARN: line 2",
        "… and 2 reported logs more: --full",
    ]
    .map(place);
    assert!(order.is_sorted(), "{tree}");
    assert_eq!(
        place("reported log WARN: of the call\\u{1b}[2J"),
        place("files__read") + 1,
        "{tree}"
    );
    assert!(!tree.contains("line 4"), "{tree}");
    assert!(story.draw_beside(&beside, true).contains("line 4"));
}
