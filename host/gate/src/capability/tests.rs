//! Effects of components, with a real gate: what an approval is bound to, what waits, what is stored.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Instant};

use rusqlite::ffi;
use tempfile::TempDir;
use tollgate_model::{
    decision::Outcome,
    record::{Event, HaltScope, RunOutcome, Status},
    request::Action,
    tool::Execution,
};

use tollgate_sandbox::{
    capability::{
        files::FileAct,
        http::{Destination, HttpAct, OutboundRequest},
        state::{StateOperation, StateReply, StateRequest, StateScope},
    },
    port::{EffectReport, Permit},
};

use super::{
    Capabilities, UnrecordedEffects,
    pending_effects::{MAX_WAITING, MAX_WAITING_BYTES},
};
use crate::{
    config::Config,
    enforce::{ApprovalResponse, CallOptions, Refusal, Vote},
    gate::{Gate, GateOptions},
    identity::{Caller, RunKey},
    ids::Clock,
    pipeline::arrive,
};

const CONFIG: &str = r#"
[policies]
dir = "policies"
[external.claude]
preset = "claude-code"
[users.alice]
roles = ["operator"]
[users.dana]
roles = ["security"]
[agents.support]
operator = "alice"
"#;

const POLICIES: &str = r#"
@id("anything") @owner("tests") @reason("Tests.")
permit (principal, action, resource);
@id("security-looks") @owner("security") @reason("Security looks at what is sent.")
forbid (principal, action == Tollgate::Action::"http_request", resource)
unless { context.approval.roles.contains(Tollgate::Role::"security") };
"#;

struct World {
    gate: Gate,
    _dir: TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| fs::write(dir.path().join(path), text).unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    write("tollgate.toml", CONFIG);
    write("policies/all.cedar", POLICIES);
    let config = Config::read(Path::new(&dir.path().join("tollgate.toml"))).unwrap();
    let options = GateOptions {
        clock: Clock::system(),
        ..GateOptions::default()
    };
    let gate = Gate::open(config, options).await.unwrap();
    World { gate, _dir: dir }
}

impl World {
    /// The capabilities of a component in a call of its own.
    async fn call(&self) -> Capabilities {
        let gate = &self.gate;
        let (pep, ruleset) = (gate.pep(), gate.ruleset());
        let caller = Caller::Spoken {
            agent: "support".into(),
            by: "alice".into(),
            channel: "cli".into(),
        };
        let run = RunKey::Named("r".into());
        let mut options = CallOptions::default();
        let cx = arrive(pep, &ruleset, &caller, &run, &mut options, pep.span_id())
            .await
            .unwrap();
        let tool = ruleset.tools.values().next().unwrap();
        let (tool, line) = (Arc::clone(tool), Arc::new(gate.pipeline()));
        Capabilities::new(pep.clone(), cx, tool, pep.span_id(), None, line)
    }
}

fn file(action: Action, path: &str) -> FileAct {
    FileAct {
        action,
        grant: "data".into(),
        path: path.into(),
        directory: "/srv/data".into(),
        size: 1,
        content: None,
        grant_labels: BTreeSet::new(),
        file_labels: BTreeSet::new(),
    }
}

fn request(method: &str) -> HttpAct {
    let url = "https://api.test/repos/x";
    HttpAct {
        method: method.into(),
        destination: Destination {
            host: "api.test".into(),
            is_address: false,
            is_private: false,
            scheme: "https".into(),
            port: 443,
            labels: BTreeSet::new(),
        },
        url: url.into(),
        path: "/repos/x".into(),
        request: Arc::new(OutboundRequest {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            secrets: Vec::new(),
        }),
        taints: BTreeSet::from(["untrusted".to_owned()]),
    }
}

fn decisions(remainder: &UnrecordedEffects) -> Vec<(&str, Outcome)> {
    let decided = remainder.records.iter().filter_map(|r| match &r.event {
        Event::Decision(decision) => Some((decision.action.id(), decision.outcome)),
        _ => None,
    });
    decided.collect()
}

fn pending(refused: Result<Permit<HttpAct>, Refusal>) -> tollgate_model::ids::ApprovalId {
    match refused.map(drop) {
        Err(Refusal::Pending { approval, .. }) => approval,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_a_request_is_for_its_method() {
    let world = world().await;
    let call = world.call().await;
    let asked = pending(call.authorize_effect(request("GET")).await);
    let dana = world.gate.user("dana").unwrap();
    let view = world.gate.approval(&dana, asked).await.unwrap();
    let short = view.row.capability.as_deref();
    assert_eq!(short, Some("http_request GET https://api.test/repos/x"));
    let answer = world
        .gate
        .answer(&dana, asked, ApprovalResponse::new(Vote::Approve, "cli"));
    answer.await.unwrap();
    let again = world.call().await;
    assert_ne!(
        pending(again.authorize_effect(request("DELETE")).await),
        asked
    );
    let third = world.call().await;
    third.authorize_effect(request("GET")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_is_recorded_although_what_came_after_could_not_be() {
    let world = world().await;
    let call = world.call().await;
    call.authorize_effect(file(Action::ReadFile, "a"))
        .await
        .unwrap();
    world.gate.ledger().fail_next(ffi::SQLITE_FULL).await;
    let refused = call.authorize_effect(file(Action::WriteFile, "b")).await;
    assert!(
        matches!(refused, Err(Refusal::Unrecorded { .. })),
        "{refused:?}"
    );
    let left = call.finish();
    assert_eq!(
        decisions(&left),
        [("read_file", Outcome::Allow), ("write_file", Outcome::Deny)]
    );
    assert_eq!((left.payloads.len(), left.effects), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_waits_to_be_recorded_than_some() {
    let world = world().await;
    let call = world.call().await;
    let before = world.gate.ledger().size();
    for n in 0..MAX_WAITING {
        let act = file(Action::ReadFile, &n.to_string());
        call.authorize_effect(act).await.unwrap();
    }
    assert_eq!(world.gate.ledger().size() - before, MAX_WAITING as u64);
    // Few, but each as deep as a path may be.
    let deep = vec!["d".repeat(64); 63].join("/");
    for _ in 0..8 {
        let act = file(Action::ReadFile, &deep);
        call.authorize_effect(act).await.unwrap();
    }
    let left = call.finish();
    let held: usize = left.payloads.iter().map(|p| p.ciphertext.len()).sum();
    assert!(held < MAX_WAITING_BYTES, "{held} bytes are held");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_more_happens_in_a_run_that_has_ended_or_under_a_halt() {
    let world = world().await;
    let alice = world.gate.user("alice").unwrap();
    let call = world.call().await;
    let act = request("GET");
    assert_eq!(
        call.effect_would_be_allowed(&act),
        Ok(false),
        "it would have to be asked about"
    );
    let halt = world.gate.halt(&alice, HaltScope::Agent, "support", "stop");
    halt.await.unwrap();
    assert!(matches!(
        call.effect_would_be_allowed(&act),
        Err(Refusal::Halted { .. })
    ));
    let resumed = world.gate.resume(&alice, HaltScope::Agent, "support");
    resumed.await.unwrap();
    let row = world
        .gate
        .ledger()
        .reader()
        .run(&call.cx.run.to_string())
        .unwrap();
    let ended = world
        .gate
        .end_run(&alice, &row, Some(RunOutcome::Failed), "over");
    ended.await.unwrap();
    let refused = call.authorize_effect(file(Action::WriteFile, "b")).await;
    assert!(matches!(refused, Err(Refusal::RunEnded)), "{refused:?}");
}

/// A call that has read something private.
async fn private_call(world: &World) -> Capabilities {
    let call = world.call().await;
    call.pending().labels.insert("private".into());
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_keeps_its_labels_whichever_grant_it_is_read_by() {
    let world = world().await;
    let write = || file(Action::WriteFile, "a");
    let call = private_call(&world).await;
    call.authorize_effect(write()).await.unwrap();
    let read = async |grant: &str, path: &str, directory: &str| {
        let call = world.call().await;
        let act = FileAct {
            grant: grant.into(),
            directory: directory.into(),
            size: 0,
            ..file(Action::ReadFile, path)
        };
        let permitted = call.authorize_effect(act).await.unwrap();
        call.complete_effect(permitted, EffectReport::new(Instant::now(), Ok(1)));
        call.finish().labels
    };
    let private = BTreeSet::from(["private".to_owned()]);
    assert_eq!(read("data", "a", "/srv/data").await, private);
    assert_eq!(read("other", "a", "/srv/data").await, private);
    assert_eq!(read("above", "data/a", "/srv").await, private);
    assert_eq!(read("other", "b", "/srv/data").await, BTreeSet::new());
    world.gate.ledger().rebuild().await.unwrap();
    assert_eq!(read("other", "a", "/srv/data").await, private);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_marked_while_it_is_read_is_not_as_it_was_decided() {
    let world = world().await;
    let reading = world.call().await;
    let read = async |path: &str| {
        let act = file(Action::ReadFile, path);
        reading.authorize_effect(act).await.unwrap()
    };
    let (a, b) = (read("a").await, read("b").await);
    assert_eq!(reading.effect_labels_unchanged(&a), Ok(true));
    let writing = private_call(&world).await;
    let act = file(Action::WriteFile, "a");
    writing.authorize_effect(act).await.unwrap();
    assert_eq!(
        reading.effect_labels_unchanged(&a),
        Ok(false),
        "it was written to"
    );
    assert_eq!(reading.effect_labels_unchanged(&b), Ok(true));
    assert_eq!(reading.effect_labels_unchanged(&read("a").await), Ok(true));
}

async fn delete_flag(call: &Capabilities) -> StateReply {
    let request = StateRequest {
        scope: StateScope::Adapter,
        key: "flag".into(),
        operation: StateOperation::Delete,
    };
    call.perform_state(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_state_and_finding_none_read_the_labels_of_others() {
    let world = world().await;
    let writing = private_call(&world).await;
    for key in ["flag", "other"] {
        let request = StateRequest {
            scope: StateScope::Adapter,
            key: key.into(),
            operation: StateOperation::Set(b"1".to_vec()),
        };
        writing.perform_state(request).await.unwrap();
    }
    let private = BTreeSet::from(["private".to_owned()]);
    let deleting = world.call().await;
    assert_eq!(delete_flag(&deleting).await, StateReply::Flag(true));
    assert_eq!(deleting.finish().labels, private);
    let again = world.call().await;
    assert_eq!(delete_flag(&again).await, StateReply::Flag(false));
    assert_eq!(
        again.finish().labels,
        private,
        "it is absent although `other` exists"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_committed_after_the_call_has_drained() {
    let world = world().await;
    let call = world.call().await;
    call.drain().await;
    let before = world.gate.ledger().size();
    let late = call.authorize_effect(file(Action::WriteFile, "late")).await;
    assert!(matches!(late, Err(Refusal::Halted { .. })), "{late:?}");
    assert_eq!(world.gate.ledger().size(), before);
}

#[tokio::test]
async fn a_full_log_says_so_and_still_says_why_the_call_was_stopped() {
    let world = world().await;
    let call = world.call().await;
    for _ in 0..50 {
        call.record_log("info", &"x".repeat(4_000));
    }
    let cause = "wasm trap: call stack exhausted".to_owned();
    call.record_stop(&Execution::ended(Status::Trap, 0, Some(cause)));
    let records = call.finish().records.into_iter();
    let logs: Vec<_> = records
        .filter_map(|record| match record.event {
            Event::ComponentLog(log) => Some((log.level, log.message)),
            _ => None,
        })
        .collect();
    // Sixteen of them have 64 KiB.
    assert_eq!(logs.len(), 18);
    assert!(logs[16].1.starts_with("[more lines are left out"));
    let stop = "The tool crashed. wasm trap: call stack exhausted";
    assert_eq!(logs[17], ("error".to_owned(), stop.to_owned()));
}
