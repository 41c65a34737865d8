//! Effects inside a call that need an approval: the call ends as pending, and runs again.

use tollgate::{
    enforce::Answer, enforce::ApprovalResponse, enforce::Refusal, enforce::Verdict, enforce::Vote,
    gate::Gate,
};
use tollgate_ledger::ApprovalFilter;
use tollgate_model::{
    ids::RunId,
    life::ApprovalState,
    record::{Event, Status},
    span::SpanKind,
};
use tollgate_testkit::world::{World, approve, call, is_released, pending, records, starts, user};

/// Writing these needs security's approval; `before` and `after` do not.
const ASK: &str = r#"
    @id("watched-files") @owner("security") @reason("Security looks at what is written here.")
    forbid (principal, action == Tollgate::Action::"write_file", resource in Tollgate::Directory::"hostile/data:/watched")
    unless { context.approval.roles.contains(Tollgate::Role::"security") };
"#;

const TOOL: &str = "hostile__write_anyway";
const WRITE: &str = r#"{"grant":"data","path":"watched/a.txt","content":"to be seen"}"#;

/// The effects in the answer of a pending call.
fn happened(answer: &Answer) -> Vec<String> {
    match &answer.verdict {
        Verdict::Refused(Refusal::Pending { happened, .. }) => happened.clone(),
        other => panic!("not pending: {other:?}"),
    }
}

fn statuses(gate: &Gate, run: RunId) -> Vec<Status> {
    let records = records(gate, run).into_iter();
    let of = |event| match event {
        Event::Outcome(outcome) => Some(outcome.status),
        _ => None,
    };
    records.filter_map(|record| of(record.event)).collect()
}

/// The call has done what comes before its second write, and no more; the approver sees that write.
async fn stops_before_what_waits(world: &World, gate: &Gate, asked: &Answer) {
    let (id, run) = (pending(asked), asked.run.unwrap());
    let message = asked.message().unwrap();
    assert!(
        message.contains("already done: write_file data:/before")
            && message.contains(&id.to_string()),
        "{message}"
    );
    assert!(world.path("data/before").exists());
    assert!(!world.path("data/watched/a.txt").exists());
    assert!(
        !world.path("data/after").exists(),
        "nothing more of it changes the world"
    );
    assert_eq!(statuses(gate, run), [Status::Pending]);

    // While it waits, the guest does not run again.
    std::fs::remove_file(world.path("data/before")).unwrap();
    assert_eq!(pending(&call(gate, "r", TOOL, WRITE).await), id);
    assert!(!world.path("data/before").exists());
    assert_eq!(starts(gate, run), 1);

    let view = gate.approval(&user("dana"), id).await.unwrap();
    assert_eq!(
        view.row.capability.as_deref(),
        Some("write_file data:/watched/a.txt")
    );
    let shown = view.arguments.unwrap();
    assert!(
        shown.contains(r#""content":"to be seen""#) && shown.contains(r#""operation":"write""#),
        "{shown}"
    );
    assert_eq!(view.reasons, ["Security looks at what is written here."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capability_that_is_approved_happens_once_when_the_call_is_repeated() {
    let world = World::new(ASK);
    let gate = world.open().await;
    let asked = call(&gate, "r", TOOL, WRITE).await;
    let (id, run) = (pending(&asked), asked.run.unwrap());
    assert_eq!(happened(&asked), ["write_file data:/before"]);
    stops_before_what_waits(&world, &gate, &asked).await;
    approve(&gate, "dana", id).await.unwrap();

    let resumed = call(&gate, "r", TOOL, WRITE).await;
    assert!(is_released(&resumed), "{:?}", resumed.verdict);
    assert_eq!(resumed.call, asked.call, "the same tool span");
    assert_eq!(world.read("data/watched/a.txt"), "to be seen");
    assert!(world.path("data/after").exists());
    let row = gate.ledger().reader().approval(id).unwrap().unwrap();
    assert_eq!(row.state, ApprovalState::Consumed);
    let state = gate.ledger().run_state(run, None).unwrap().unwrap();
    assert_eq!(
        (state.calls, state.denials, state.errors),
        (1, 0, 0),
        "one call, however often it ran"
    );
    let attempts: Vec<u32> = records(&gate, run)
        .iter()
        .filter_map(|r| match &r.event {
            Event::Start(start) => Some(start.attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [1, 2]);
    let spans = gate.ledger().reader().spans(run).unwrap();
    assert!(
        spans
            .iter()
            .all(|s| s.end.is_some() || s.kind == SpanKind::InvokeAgent),
        "{spans:?}"
    );

    // The approval was for one time.
    assert_ne!(pending(&call(&gate, "r", TOOL, WRITE).await), id);
    let (before, rows) = (gate.ledger().run_state(run, None).unwrap(), open(&gate));
    gate.ledger().rebuild().await.unwrap();
    assert_eq!(
        (gate.ledger().run_state(run, None).unwrap(), open(&gate)),
        (before, rows)
    );
    gate.close().await;
}

fn open(gate: &Gate) -> Vec<tollgate_ledger::ApprovalRow> {
    gate.ledger()
        .reader()
        .approvals(&ApprovalFilter::open())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_is_not_tried_again() {
    let world = World::new(ASK);
    let gate = world.open().await;
    let asked = call(&gate, "r", TOOL, WRITE).await;
    let id = pending(&asked);
    gate.answer(
        &user("dana"),
        id,
        ApprovalResponse::new(Vote::Reject, "cli"),
    )
    .await
    .unwrap();
    let again = call(&gate, "r", TOOL, WRITE).await;
    assert!(
        matches!(again.verdict, Verdict::Refused(Refusal::Rejected { approval, .. }) if approval == id),
        "{:?}",
        again.verdict
    );
    let run = asked.run.unwrap();
    assert_eq!(starts(&gate, run), 1, "the guest did not run again");
    let state = gate.ledger().run_state(run, None).unwrap().unwrap();
    assert_eq!(
        (state.calls, state.denials),
        (2, 1),
        "a refused effect is not recorded as allowed"
    );
    let spans = gate.ledger().reader().spans(run).unwrap();
    let ended = |s: &tollgate_ledger::SpanRow| s.end.is_some() || s.kind == SpanKind::InvokeAgent;
    assert!(spans.iter().all(ended), "{spans:?}");
    world.pass(3601);
    assert_ne!(pending(&call(&gate, "r", TOOL, WRITE).await), id);
    assert!(!world.path("data/watched").exists());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_for_exactly_what_was_shown() {
    let world = World::new(ASK);
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, WRITE).await);
    approve(&gate, "dana", id).await.unwrap();
    // Other bytes of the same length; the same bytes elsewhere; the same in another run.
    let other = WRITE.replace("to be seen", "be unseen!");
    assert_ne!(pending(&call(&gate, "r", TOOL, &other).await), id);
    let elsewhere = WRITE.replace("a.txt", "b.txt");
    assert_ne!(pending(&call(&gate, "r", TOOL, &elsewhere).await), id);
    assert_ne!(pending(&call(&gate, "s", TOOL, WRITE).await), id);
    // Another tool of the component with the same request.
    assert_ne!(
        pending(&call(&gate, "r", "hostile__write_path", WRITE).await),
        id
    );
    assert!(!world.path("data/watched").exists());
    assert!(is_released(&call(&gate, "r", TOOL, WRITE).await));
    assert_eq!(world.read("data/watched/a.txt"), "to be seen");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changes_meanwhile_wins() {
    let world = World::new(ASK);
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, WRITE).await);
    approve(&gate, "dana", id).await.unwrap();
    world.write(
        "policies/story.cedar",
        &format!(
            "{ASK}\n@id(\"closed\") @owner(\"security\") @reason(\"Closed for good.\")\n\
             forbid (principal, action == Tollgate::Action::\"write_file\", resource in Tollgate::Directory::\"hostile/data:/watched\");"
        ),
    );
    gate.reload("tests").await.unwrap();
    let again = call(&gate, "r", TOOL, WRITE).await;
    assert!(
        is_released(&again),
        "the tool continues: {:?}",
        again.verdict
    );
    assert!(!world.path("data/watched").exists());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_survives_a_restart_and_a_halt_voids_it() {
    let world = World::new(ASK);
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, WRITE).await);
    gate.close().await;
    let gate = world.open().await;
    approve(&gate, "dana", id).await.unwrap();
    gate.close().await;
    let gate = world.open().await;
    assert!(is_released(&call(&gate, "r", TOOL, WRITE).await));
    assert_eq!(world.read("data/watched/a.txt"), "to be seen");

    let second = pending(&call(&gate, "r", TOOL, WRITE).await);
    let component = tollgate_model::record::HaltScope::Component;
    gate.halt(&user("alice"), component, "hostile", "enough")
        .await
        .unwrap();
    let row = gate.ledger().reader().approval(second).unwrap().unwrap();
    assert_eq!(row.state, ApprovalState::Cancelled);
    gate.resume(&user("alice"), component, "hostile")
        .await
        .unwrap();
    assert_ne!(pending(&call(&gate, "r", TOOL, WRITE).await), second);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_repeat_it_at_once_do_it_once() {
    let world = World::new(&format!(
        "{ASK}\n@id(\"append\") @owner(\"tests\") @reason(\"r\")\nforbid (principal, action == Tollgate::Action::\"write_file\", \
         resource == Tollgate::File::\"hostile/data:/log\") unless {{ context.approval.roles.contains(Tollgate::Role::\"security\") }};"
    ));
    world.configure(
        "[tools.files__read]",
        "[tools.hostile__append_path]\nlabels = []\ntaints = []\n[tools.files__read]",
    );
    let gate = world.open().await;
    let append = r#"{"grant":"data","path":"log","content":"x"}"#;
    let id = pending(&call(&gate, "r", "hostile__append_path", append).await);
    approve(&gate, "dana", id).await.unwrap();
    let repeat = || call(&gate, "r", "hostile__append_path", append);
    let (one, other) = tokio::join!(repeat(), repeat());
    // The second client gets the first one's outcome.
    assert!(is_released(&one), "{one:?}");
    assert_eq!(one, other);
    assert_eq!(world.read("data/log"), "x");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_within_a_call_that_waits_ends_both() {
    let world = World::new(ASK);
    world.configure(
        "[tools.files__read]",
        "[components.outer]\npath = \"hostile.wasm\"\n[tools.outer__relay]\nlabels = []\ntaints = []\n[tools.files__read]",
    );
    world.accept();
    let gate = world.open().await;
    let relayed = serde_json::json!({ "tool": TOOL, "arguments": WRITE }).to_string();
    let asked = call(&gate, "r", "outer__relay", &relayed).await;
    let id = pending(&asked);
    assert_eq!(happened(&asked), ["write_file data:/before"]);
    let run = asked.run.unwrap();
    assert_eq!(statuses(&gate, run), [Status::Pending, Status::Pending]);
    // Neither runs again while it waits.
    assert_eq!(
        pending(&call(&gate, "r", "outer__relay", &relayed).await),
        id
    );
    assert_eq!(starts(&gate, run), 2);
    approve(&gate, "dana", id).await.unwrap();
    let resumed = call(&gate, "r", "outer__relay", &relayed).await;
    assert!(is_released(&resumed), "{resumed:?}");
    assert_eq!(world.read("data/watched/a.txt"), "to be seen");
    assert_eq!(starts(&gate, run), 4);
    let spans = gate.ledger().reader().spans(run).unwrap();
    assert!(
        spans
            .iter()
            .all(|s| s.end.is_some() || s.kind == SpanKind::InvokeAgent),
        "{spans:?}"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_has_done_is_told_only_as_far_as_its_result_would_be() {
    let world = World::new(&format!(
        "{ASK}\n@id(\"nothing-said\") @owner(\"tests\") @reason(\"Nothing is said.\")\n\
         forbid (principal, action == Tollgate::Action::\"return_result\", resource);"
    ));
    let gate = world.open().await;
    let asked = call(&gate, "r", TOOL, WRITE).await;
    assert_eq!(happened(&asked), ["effects (1) that policy withholds"]);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_changed_when_the_call_runs_again_is_asked_about_anew() {
    let world = World::new(
        r#"@id("watched-state") @owner("security") @reason("Security looks at what is kept.")
           forbid (principal, action == Tollgate::Action::"write_state", resource)
           unless { context.approval.roles.contains(Tollgate::Role::"security") };"#,
    );
    let gate = world.open().await;
    // The same call, but it stores the file's current content.
    let keep = r#"{"grant":"data","path":"letter.txt","key":"k"}"#;
    world.write("data/letter.txt", "first");
    let first = pending(&call(&gate, "r", "hostile__keep_file", keep).await);
    let shown = gate
        .approval(&user("dana"), first)
        .await
        .unwrap()
        .arguments
        .unwrap();
    assert!(shown.contains(r#""value":"first""#), "{shown}");
    approve(&gate, "dana", first).await.unwrap();
    world.write("data/letter.txt", "other");
    let second = pending(&call(&gate, "r", "hostile__keep_file", keep).await);
    assert_ne!(second, first, "the yes was to other words");
    world.write("data/letter.txt", "first");
    // The second approval is still pending, and the first one unused.
    assert_eq!(
        pending(&call(&gate, "r", "hostile__keep_file", keep).await),
        second
    );
    gate.answer(
        &user("dana"),
        second,
        ApprovalResponse::new(Vote::Reject, "cli"),
    )
    .await
    .unwrap();
    let state = gate
        .ledger()
        .reader()
        .approval(first)
        .unwrap()
        .unwrap()
        .state;
    assert_eq!(state, ApprovalState::Approved);
    gate.close().await;
}
