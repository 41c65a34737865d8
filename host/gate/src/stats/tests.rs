use tollgate_model::{
    canonical::Sha256Digest,
    decision::Redaction,
    entity::Kind,
    record::{ApprovalResolved, RunEnded, RunStarted},
    request::Action,
};

use super::*;

fn run() -> RunId {
    RunId::from_bytes([1; 16])
}

fn at(micros: i64, event: Event) -> Record {
    Record::new("acme", Some(run()), Timestamp(micros), event)
}

fn ended(call: u8, status: Status) -> Event {
    Event::Outcome(OutcomeRecord {
        call: SpanId::from_bytes([call; 8]),
        capture: None,
        effective: false,
        effects: 0,
        fuel: 0,
        history: Vec::new(),
        labels: BTreeSet::new(),
        peak_memory: 0,
        redacted: 0,
        release: None,
        result: None,
        size: 0,
        span: SpanId::from_bytes([call; 8]),
        status,
    })
}

pub(super) fn decided(call: u8, arguments: &str, outcome: Outcome) -> Event {
    Event::Decision(Box::new(DecisionRecord {
        action: Action::Call("look".into()),
        arrival: tollgate_model::record::Arrival::default(),
        approval: None,
        arguments: Some(KeyedDigest::from(arguments.to_owned())),
        arguments_size: None,
        is_secondary: false,
        bundle: Sha256Digest::of(b"bundle"),
        call: Some(SpanId::from_bytes([call; 8])),
        caller_span: None,
        capture: None,
        component: Some(Sha256Digest::of(b"wasm")),
        determining: Vec::new(),
        errors: Vec::new(),
        facts_digest: None,
        label_target: None,
        history: Vec::new(),
        propagated_labels: BTreeSet::new(),
        decide_micros: 100,
        on_behalf_of: None,
        outcome,
        parent: None,
        principal: Uid::new(Kind::Agent, "support"),
        provenance: None,
        redaction: Redaction::default(),
        requirement: None,
        resource: Uid::new(Kind::Tool, "look"),
        resumption: false,
        shadow: None,
        span: SpanId::from_bytes([call; 8]),
        standing: Default::default(),
    }))
}

fn started(call: u8) -> Event {
    Event::Start(Start {
        approval: None,
        attempt: 1,
        call: SpanId::from_bytes([call; 8]),
        component: "eyes".into(),
        digest: Sha256Digest::of(b"wasm"),
        executed_by_caller: false,
        labels: BTreeSet::new(),
        resumption: false,
        span: SpanId::from_bytes([call; 8]),
        unsandboxed: false,
    })
}

fn began() -> Event {
    Event::RunStarted(RunStarted {
        inherited: BTreeSet::new(),
        key: None,
        on_behalf_of: Uid::new(Kind::User, "alice"),
        origin: tollgate_model::record::Origin::default(),
        principal: Uid::new(Kind::Agent, "support"),
        span: SpanId::from_bytes([9; 8]),
    })
}

/// A run that fails, repeats the same call with success, and is denied in the end.
fn story() -> Vec<Record> {
    let over = Event::RunEnded(RunEnded {
        by: "alice".into(),
        outcome: RunOutcome::Success,
        stop_reason: String::new(),
    });
    vec![
        at(0, began()),
        at(10, decided(1, "a", Outcome::Allow)),
        at(20, started(1)),
        at(1_020, ended(1, Status::ToolError)),
        at(2_000, decided(2, "a", Outcome::Allow)),
        at(2_000, started(2)),
        at(2_300, ended(2, Status::Ok)),
        at(3_000, decided(3, "b", Outcome::Deny)),
        at(4_000, over),
    ]
}

#[test]
fn loops_and_silent_recoveries_are_noticed() {
    let (mut watcher, mut summary, mut totals) =
        (Watcher::default(), Summary::default(), Totals::default());
    for record in story() {
        watcher.watch(&record, |at, fact| {
            summary.add(at, &fact);
            totals.add(at, fact);
        });
    }
    assert_eq!((summary.repeated, summary.recovered), (1, 1));
    assert_eq!((totals.repeated, totals.recovered), (1, 1));
    assert_eq!(summary.calls(), (2, 1));
    assert_eq!(summary.succeeded.len(), 1);
    let times = summary.times();
    assert_eq!((times.count, times.p50, times.p99), (2, 300, 1_000));
    assert_eq!(
        summary.unsafe_attempts, 0,
        "nothing permitted it; no policy forbade it"
    );
    let tools = summary.tools();
    assert_eq!(
        (tools[0].calls, tools[0].failed, tools[0].denied),
        (2, 1, 1)
    );
}

#[test]
fn a_call_that_goes_on_after_an_approval_is_not_tried_again() {
    let again = |resumption| {
        let Event::Start(start) = started(1) else {
            unreachable!()
        };
        Event::Start(Start {
            attempt: 2,
            resumption,
            ..start
        })
    };
    let retries = |resumption| {
        let (mut watcher, mut totals) = (Watcher::default(), Totals::default());
        for event in [
            began(),
            decided(1, "a", Outcome::Allow),
            started(1),
            ended(1, Status::Pending),
            again(resumption),
            ended(1, Status::Ok),
        ] {
            watcher.watch(&at(10, event), |at, fact| totals.add(at, fact));
        }
        totals.retries
    };
    assert_eq!((retries(true), retries(false)), (0, 1));
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    let mut summary = Summary::default();
    let place = StatScope {
        tenant: "acme",
        run: None,
        tool: "look",
        version: "",
        time: Timestamp(0),
    };
    for micros in 1..=200 {
        let fact = StatEvent::Ended {
            end: CallEnd::Outcome(Status::Ok),
            failed: false,
            micros: Some(micros),
        };
        summary.add(place, &fact);
    }
    let times = summary.times();
    assert_eq!((times.p50, times.p95, times.p99), (100, 190, 198));
}

#[test]
fn names_beyond_those_that_are_told_apart_are_others() {
    let mut totals = Totals::default();
    for n in 0..400 {
        let tool = format!("tool-{n}");
        let place = StatScope {
            tenant: "acme",
            run: None,
            tool: &tool,
            version: "",
            time: Timestamp(0),
        };
        totals.add(place, StatEvent::Unsafe);
    }
    assert_eq!(totals.unsafe_attempts.len(), 301);
    assert_eq!(totals.unsafe_attempts[OTHER], 100);
}

fn resolved(call: u8, state: ApprovalState) -> Event {
    Event::ApprovalResolved(ApprovalResolved {
        call: SpanId::from_bytes([call; 8]),
        id: ApprovalId::from_bytes([call; 8]),
        span: SpanId::from_bytes([call; 8]),
        state,
        enclosing_calls: Default::default(),
        by: None,
        superseded: false,
    })
}

#[test]
fn a_call_that_was_refused_is_no_longer_remembered() {
    let mut watcher = Watcher::default();
    let mut watch = |event: Event| {
        watcher.watch(&at(0, event), |_, _| {});
        watcher.calls.len()
    };
    for (call, state) in [
        (1, ApprovalState::Rejected),
        (2, ApprovalState::Expired),
        (3, ApprovalState::Cancelled),
    ] {
        assert_eq!(watch(decided(call, "a", Outcome::Escalate)), 1);
        assert_eq!(watch(resolved(call, state)), 0, "{state:?}");
    }
    // A resumed execution ends by its outcome, a suspended one by the answer.
    watch(decided(4, "a", Outcome::Allow));
    watch(started(4));
    assert_eq!(watch(resolved(4, ApprovalState::Cancelled)), 1);
    watch(ended(4, Status::Pending));
    assert_eq!(watch(resolved(4, ApprovalState::Approved)), 1);
    assert_eq!(watch(resolved(4, ApprovalState::Rejected)), 0);
}

#[test]
fn runs_that_never_end_leave_room_for_others() {
    let id = |n: usize| {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&(n as u64).to_be_bytes());
        RunId::from_bytes(bytes)
    };
    let mut watcher = Watcher::default();
    let mut repeats = 0;
    for n in 0..MOST + MOST / 2 {
        let begins = Record::new("acme", Some(id(n)), Timestamp(0), began());
        watcher.watch(&begins, |_, _| {});
    }
    let last = id(MOST + MOST / 2 - 1);
    assert!(watcher.principal(last).is_some());
    assert!(watcher.runs.values().count() <= MOST);
    for call in [1, 2] {
        let event = decided(call, "a", Outcome::Deny);
        let record = Record::new("acme", Some(last), Timestamp(0), event);
        watcher.watch(&record, |_, fact| {
            repeats += usize::from(fact == StatEvent::Repeated);
        });
    }
    assert_eq!(repeats, 1);
}

#[test]
fn of_more_calls_than_are_remembered_none_is_a_repeat() {
    let mut watcher = Watcher::default();
    watcher.watch(&at(0, began()), |_, _| {});
    let digest = |n: usize| KeyedDigest::from(n.to_string());
    watcher.runs.get(&run()).unwrap().calls = (0..MOST).map(digest).collect();
    let mut repeats = Vec::new();
    for arguments in ["new", "7"] {
        let event = decided(1, arguments, Outcome::Deny);
        watcher.watch(&at(0, event), |_, fact| {
            repeats.extend((fact == StatEvent::Repeated).then_some(arguments));
        });
    }
    assert_eq!(repeats, ["7"]);
}
