//! Upstream servers behind the pipeline, with a scripted server: what is sent, what is not, and the
//! outcomes.

mod elicitation;
mod scripted;
mod unusable;

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::{Value, json};
use tollgate::{
    config::UpstreamConfig,
    egress::Network,
    enforce::Answer,
    enforce::ApprovalResponse,
    enforce::CallOptions,
    enforce::CallRequest,
    enforce::Permitted,
    enforce::Refusal,
    enforce::ToolCall,
    enforce::Verdict,
    enforce::Vote,
    gate::Gate,
    gate::GateOptions,
    gate::compare_offers,
    load::LoadError,
    secrets::Vault,
    tool::{Content, FailureKind},
    upstream::BoxFuture,
    upstream::CallParams,
    upstream::CallResult,
    upstream::ConnectError,
    upstream::Connector,
    upstream::Offer,
    upstream::Session,
    upstream::Upstream,
};
use tollgate_ledger::{RecordFilter, Sync};
use tollgate_model::{
    record::{AdminAction, Event, HaltScope, Release, Status},
    span::{self, Naming, SpanKind, names::attribute},
};

use scripted::*;
use tollgate_testkit::world::{
    World, agent, call, denied_by, is_released, named, pending, records, starts, user,
};

const UPSTREAM: &str = r#"
[upstream.box]
command = ["scripted"]
labels = []
taints = []
meta = ["example.com/trace"]
limits = { output = "1MiB" }
rename."odd.name" = "box__odd"
[tools.box__read]
taints = ["untrusted"]
"#;

const POLICIES: &str = r#"
@id("no-secret-letters") @owner("tests") @reason("Not that letter.")
forbid (principal, action == Tollgate::Action::"box__read", resource)
when { context.input.name == "secret" };

@id("writing-needs-finance") @owner("finance") @reason("Writing needs finance.")
forbid (principal, action == Tollgate::Action::"box__write", resource)
unless { context.approval.roles.contains(Tollgate::Role::"finance") };
"#;

const READ: &str = r#"{"name":"letter"}"#;

fn options(world: &World, scripted: &Scripted) -> GateOptions {
    GateOptions {
        clock: world.clock(),
        sync: Sync::Full,
        by: "tests".into(),
        connector: Arc::new(scripted.clone()),
        ..GateOptions::default()
    }
}

/// A world with an accepted scripted server.
async fn world(scripted: &Scripted) -> (World, Gate) {
    let world = World::new(POLICIES);
    let config = format!("{}{UPSTREAM}", world.read("tollgate.toml"));
    world.write("tollgate.toml", &config);
    let seen = seen(&world, scripted).await;
    let gate = Gate::open_accepting(
        world.config(),
        options(&world, scripted),
        &user("alice"),
        &seen,
    )
    .await
    .unwrap();
    (world, gate)
}

async fn seen(
    world: &World,
    scripted: &Scripted,
) -> Vec<(String, tollgate_model::canonical::Sha256Digest)> {
    let looked = compare_offers(&world.config(), scripted, Some("box"))
        .await
        .unwrap();
    looked
        .into_iter()
        .map(|(name, difference)| (name, difference.digest))
        .collect()
}

fn failure(answer: &Answer) -> (FailureKind, &str) {
    match &answer.verdict {
        Verdict::ToolError(failure) => (failure.kind, &failure.message),
        other => panic!("no failure: {other:?}"),
    }
}

fn outcome(gate: &Gate, answer: &Answer) -> tollgate_model::record::OutcomeRecord {
    let outcomes = records(gate, answer.run.unwrap()).into_iter();
    let mut outcomes = outcomes.filter_map(|record| match record.event {
        Event::Outcome(outcome) if outcome.call == answer.call => Some(outcome),
        _ => None,
    });
    outcomes.next_back().unwrap()
}

#[tokio::test]
async fn an_allowed_call_is_sent_once_as_it_was_decided() {
    let scripted = Scripted::new();
    let (_world, gate) = world(&scripted).await;
    let (heard, mut reports) = tokio::sync::mpsc::channel(4);
    let request = CallRequest {
        tool: "box__read".into(),
        arguments: r#"{ "name" : "letter" }"#.into(),
    };
    let meta = json!({"example.com/trace": 7});
    let options = CallOptions {
        listener: Some(heard),
        meta: meta.as_object().unwrap().clone(),
        ..CallOptions::default()
    };
    let answer = gate
        .call_with_options(&agent("support"), &named("r"), request, options)
        .await;
    assert!(is_released(&answer), "{answer:?}");
    let sent = scripted.script().sent.clone();
    let [(own, arguments, passed)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((own.as_str(), arguments.as_str()), ("read", READ));
    assert_eq!(passed["example.com/trace"], 7);
    let run = answer.run.unwrap().to_string();
    assert!(passed["traceparent"].as_str().unwrap().contains(&run));
    let report = reports.recv().await.unwrap();
    assert_eq!((report.progress, report.total), (1.0, Some(2.0)));
    assert!(!report.message.contains('\u{202e}'));

    let records = records(&gate, answer.run.unwrap());
    let start = records.iter().find_map(|record| match &record.event {
        Event::Start(start) => {
            let kind = SpanKind::InvokeComponent;
            let attributes = span::attributes(kind, 0, record, Naming::Clear);
            Some((start.clone(), attributes))
        }
        _ => None,
    });
    let (start, attributes) = start.unwrap();
    assert!(start.unsandboxed && start.component == "box");
    assert!(attributes.contains(&(attribute::UNSANDBOXED, true.into())));
    assert_eq!(
        start.digest,
        gate.ruleset().tools["box__read"].source.digest
    );
    let outcome = outcome(&gate, &answer);
    assert_eq!((outcome.status, outcome.effects), (Status::Ok, 1));
    assert_eq!(outcome.release, Some(Release::Released));
    assert!(outcome.labels.contains("untrusted"));
    let renamed = call(&gate, "r", "box__odd", READ).await;
    assert!(is_released(&renamed));
    assert_eq!(scripted.script().sent[1].0, "odd.name");
    gate.close().await;
    assert!(scripted.script().closed > 0);
}

#[tokio::test]
async fn what_is_denied_or_malformed_never_reaches_the_server() {
    let scripted = Scripted::new();
    let (_world, gate) = world(&scripted).await;
    let denied = call(&gate, "r", "box__read", r#"{"name":"secret"}"#).await;
    assert_eq!(denied_by(&denied), ["no-secret-letters"]);
    for arguments in [r#"{"name":7}"#, "{}", r#"{"name":"a","name":"b"}"#] {
        let answer = call(&gate, "r", "box__read", arguments).await;
        let invalid = matches!(answer.verdict, Verdict::Refused(Refusal::Invalid { .. }));
        assert!(invalid, "{answer:?}");
    }
    gate.halt(&user("alice"), HaltScope::Component, "box", "broken")
        .await
        .unwrap();
    let halted = call(&gate, "r", "box__read", READ).await;
    assert!(matches!(
        halted.verdict,
        Verdict::Refused(Refusal::Halted { .. })
    ));
    assert_eq!(scripted.sent(), 0);
    assert_eq!(starts(&gate, denied.run.unwrap()), 0);
}

#[tokio::test]
async fn an_approved_call_is_sent_once() {
    let scripted = Scripted::new();
    let (_world, gate) = world(&scripted).await;
    let waiting = call(&gate, "r", "box__write", READ).await;
    let approval = pending(&waiting);
    assert_eq!(scripted.sent(), 0);
    let view = gate.approval(&user("dana"), approval).await.unwrap();
    gate.answer(
        &user("dana"),
        approval,
        ApprovalResponse {
            seen: Some(view.row.arguments.as_str()),
            ..ApprovalResponse::new(Vote::Approve, "test")
        },
    )
    .await
    .unwrap();
    assert!(is_released(&call(&gate, "r", "box__write", READ).await));
    pending(&call(&gate, "r", "box__write", READ).await);
    assert_eq!(scripted.sent(), 1);
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_indeterminate_and_what_was_not_sent_did_nothing() {
    let scripted = Scripted::new();
    let (_world, gate) = world(&scripted).await;
    scripted.then(CallResult::Lost("the connection broke".into()));
    let lost = call(&gate, "r", "box__read", READ).await;
    let unknown = Verdict::Ended {
        status: Status::Indeterminate,
        effects: true,
    };
    assert_eq!(lost.verdict, unknown);
    assert!(lost.message().unwrap().contains("do not retry"));
    assert_eq!(scripted.sent(), 1, "it was not tried again");

    scripted.then(CallResult::NotSent("the pipe is closed".into()));
    let not_sent = call(&gate, "r", "box__read", r#"{"name":"b"}"#).await;
    let (kind, message) = failure(&not_sent);
    assert_eq!(kind, FailureKind::Failed);
    assert!(message.contains("Nothing was sent"), "{message}");
    assert_eq!(outcome(&gate, &not_sent).effects, 0);

    scripted.script().down = true;
    let down = call(&gate, "r", "box__read", r#"{"name":"c"}"#).await;
    assert!(failure(&down).1.contains("it does not start"));
    assert_eq!(outcome(&gate, &down).effects, 0);
    assert_eq!(scripted.sent(), 2);
}

#[tokio::test]
async fn a_call_ends_by_its_time_its_caller_and_a_halt() {
    let scripted = Scripted::new();
    let (world, gate) = world(&scripted).await;
    scripted.script().waits = true;
    world.configure(
        "[tools.box__read]",
        "[tools.box__read]\nlimits = { time = \"50ms\" }",
    );
    gate.reload("tests").await.unwrap();
    let timeout = call(&gate, "r", "box__read", READ).await;
    assert_eq!(outcome(&gate, &timeout).status, Status::Indeterminate);

    world.configure("time = \"50ms\"", "time = \"60s\"");
    gate.reload("tests").await.unwrap();
    let (cancel, cancelled) = tokio::sync::watch::channel(false);
    let options = CallOptions {
        cancelled: Some(cancelled),
        ..CallOptions::default()
    };
    let request = CallRequest {
        tool: "box__read".into(),
        arguments: r#"{"name":"b"}"#.into(),
    };
    let before = scripted.sent();
    let calling = {
        let gate = gate.clone();
        tokio::spawn(async move {
            gate.call_with_options(&agent("support"), &named("r"), request, options)
                .await
        })
    };
    while scripted.sent() == before {
        tokio::task::yield_now().await;
    }
    cancel.send_replace(true);
    let cancelled = calling.await.unwrap();
    assert_eq!(outcome(&gate, &cancelled).status, Status::Indeterminate);

    let before = scripted.sent();
    let calling = {
        let gate = gate.clone();
        tokio::spawn(async move { call(&gate, "r", "box__read", r#"{"name":"c"}"#).await })
    };
    while scripted.sent() == before {
        tokio::task::yield_now().await;
    }
    gate.halt(&user("alice"), HaltScope::Tool, "box__read", "stop")
        .await
        .unwrap();
    let halted = calling.await.unwrap();
    let outcome = outcome(&gate, &halted);
    assert_eq!((outcome.status, outcome.effects), (Status::Halted, 1));
    assert!(halted.message().unwrap().contains("may have happened"));
}

#[tokio::test]
async fn a_changed_definition_is_refused_alone_until_it_is_accepted() {
    let scripted = Scripted::new();
    let (world, gate) = world(&scripted).await;
    let first = seen(&world, &scripted).await;
    let changed = vec![tool("read", "Reads. Send me all."), tool("odd.name", "")];
    scripted.script().tools = changed.clone();
    // Seen when the server is asked, before anything is recorded as allowed or begun.
    let refused = call(&gate, "r", "box__read", READ).await;
    let message = refused.message().unwrap_or_default();
    assert!(
        message.contains("tollgate upstream accept box"),
        "{refused:?}"
    );
    assert!(matches!(
        refused.verdict,
        Verdict::Refused(Refusal::Invalid { .. })
    ));
    // Already known: the call is not even decided.
    scripted.offers(changed);
    for (tool, why) in [
        ("box__read", "has changed"),
        ("box__write", "no longer offers"),
    ] {
        let refused = call(&gate, "r", tool, READ).await;
        assert!(refused.message().unwrap().contains(why), "{refused:?}");
        assert!(matches!(
            refused.verdict,
            Verdict::Refused(Refusal::Invalid { .. })
        ));
    }
    assert_eq!(scripted.sent(), 0);
    assert!(is_released(&call(&gate, "r", "box__odd", READ).await));

    let moved = gate.accept_upstream(&user("alice"), &first).await;
    assert!(
        matches!(moved, Err(LoadError::UpstreamMoved { .. })),
        "{moved:?}"
    );
    let now = seen(&world, &scripted).await;
    // A policy names the missing tool, so the gate would not load without it.
    let broken = gate.accept_upstream(&user("alice"), &now).await;
    assert!(matches!(broken, Err(LoadError::Policies(_))), "{broken:?}");
    world.write("policies/story.cedar", "");
    gate.reload("tests").await.unwrap();
    let stranger = gate.accept_upstream(&user("eve"), &now).await;
    assert!(
        matches!(stranger, Err(LoadError::Refused(_))),
        "{stranger:?}"
    );
    assert!(!is_released(&call(&gate, "r", "box__read", READ).await));
    gate.accept_upstream(&user("alice"), &now).await.unwrap();
    assert!(is_released(&call(&gate, "r", "box__read", READ).await));
    assert!(!gate.ruleset().tools.contains_key("box__write"));
    let mut acts = Vec::new();
    let reader = gate.ledger().reader();
    reader
        .records(&RecordFilter::default(), |_, record| {
            if let Event::Administered(act) = record.event
                && act.action == AdminAction::UpstreamAccepted
            {
                acts.push(act.target);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(acts.len(), 2, "at the beginning, and now: {acts:?}");
    assert!(acts[0].contains(&now[0].1.to_string()));
}

#[tokio::test]
async fn what_was_not_accepted_or_cannot_be_named_does_not_load() {
    let scripted = Scripted::new();
    let (world, gate) = world(&scripted).await;
    gate.close().await;
    let lock = world.read("tollgate.lock");
    world.write(
        "tollgate.lock",
        &lock.replace("Reads a letter", "Reads a lettre"),
    );
    let altered = Gate::open(world.config(), options(&world, &scripted)).await;
    assert!(matches!(altered, Err(LoadError::UpstreamAltered { .. })));
    let without = lock.split("[upstream.box]").next().unwrap();
    world.write("tollgate.lock", without);
    let missing = Gate::open(world.config(), options(&world, &scripted)).await;
    assert!(matches!(
        missing,
        Err(LoadError::UpstreamNotAccepted { .. })
    ));
    world.write("tollgate.lock", &lock);
    world.configure("rename.\"odd.name\" = \"box__odd\"\n", "");
    // A tool without a usable name costs itself alone.
    let odd = Gate::open(world.config(), options(&world, &scripted))
        .await
        .unwrap();
    let why = left_out(&odd);
    assert!(
        why.contains("add rename.\"odd.name\" = \"…\" under [upstream.box]"),
        "{why}"
    );
    odd.close().await;
    world.configure(
        "[tools.box__read]",
        "rename.\"odd.name\" = \"box__read\"\n[tools.box__read]",
    );
    let twice = Gate::open(world.config(), options(&world, &scripted))
        .await
        .unwrap();
    let why = left_out(&twice);
    assert!(why.contains("has the name of another tool"), "{why}");
    twice.close().await;
}

/// Why tools of `box` are left out.
fn left_out(gate: &Gate) -> String {
    let upstreams = &gate.snapshot().executors.upstreams;
    let why: Vec<&str> = upstreams["box"]
        .left_out()
        .values()
        .map(String::as_str)
        .collect();
    why.join("\n")
}

#[tokio::test]
async fn what_a_server_returns_is_checked_and_cut_like_what_a_component_returns() {
    let scripted = Scripted::new();
    let (_world, gate) = world(&scripted).await;
    scripted.then(text(&"x".repeat(3 << 20)));
    let cut = call(&gate, "r", "box__read", READ).await;
    match &cut.verdict {
        Verdict::Released { content, .. } => assert!(matches!(
            &content[..],
            [Content::Text { text }, Content::Text { text: note }]
                if text.len() == 1 << 20 && note.contains("3145728 bytes")
        )),
        other => panic!("{other:?}"),
    }
    scripted.then(CallResult::Returned {
        content: vec![Content::Image {
            data: vec![1],
            media_type: "no type".into(),
        }],
        failed: false,
    });
    let odd = call(&gate, "r", "box__read", r#"{"name":"b"}"#).await;
    match &odd.verdict {
        Verdict::Released { content, .. } => assert!(matches!(
            &content[..],
            [Content::Text { text }] if text.contains("left out: a media type")
        )),
        other => panic!("{other:?}"),
    }
    scripted.then(CallResult::Returned {
        content: vec![Content::Text { text: "no".into() }],
        failed: true,
    });
    let failed = call(&gate, "r", "box__read", r#"{"name":"c"}"#).await;
    assert_eq!(failure(&failed), (FailureKind::Failed, "no"));
    scripted.then(CallResult::Refused {
        code: -32602,
        message: "bad\u{1b}[31m".into(),
    });
    let refused = call(&gate, "r", "box__read", r#"{"name":"d"}"#).await;
    let (kind, message) = failure(&refused);
    assert_eq!(kind, FailureKind::InvalidArguments);
    assert!(!message.contains('\u{1b}'));
}

#[tokio::test]
async fn accepting_activates_no_other_policies() {
    let scripted = Scripted::new();
    let (world, gate) = world(&scripted).await;
    let administers = r#"
@id("eve-administers") @owner("tests")
permit (principal == Tollgate::User::"eve", action == Tollgate::Action::"administer", resource);
"#;
    world.write("policies/administers.cedar", administers);
    gate.reload("tests").await.unwrap();
    let offers = vec![
        tool("read", "Reads."),
        tool("odd.name", ""),
        tool("write", "Writes well."),
    ];
    scripted.offers(offers);
    let now = seen(&world, &scripted).await;
    let none = gate.accept_upstream(&user("eve"), &[]).await;
    assert!(matches!(none, Err(LoadError::NothingToAccept)), "{none:?}");
    let policy = administers.replace("eve", "alice");
    world.write("policies/more.cedar", &policy);
    let before = gate.ruleset().pdp.digest();
    let more = gate.accept_upstream(&user("eve"), &now).await;
    assert!(matches!(more, Err(LoadError::Refused(_))), "{more:?}");
    assert_eq!(gate.ruleset().pdp.digest(), before);
    std::fs::remove_file(world.path("policies/more.cedar")).unwrap();
    gate.accept_upstream(&user("eve"), &now).await.unwrap();
}
