//! A call that waits for an approval: held, pending, a task; resumed, rejected, abandoned.

use rmcp::model::{
    CallToolResponse, CancelTaskParams, GetTaskParams, NumberOrString, ProgressToken,
    RequestMetaObject, TaskPayload, TaskStatus,
};
use serde_json::{Value, json};
use tollgate_testkit::{
    mcp::{Client, Era, PATIENCE, REFUND, decision, is_ok, params, refund, text, waits_for, world},
    serve::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_approved_while_it_is_held_runs() {
    let world = world("40s", "40s");
    let client = Client::stdio(&world, Era::Legacy, false).await;
    let (result, ()) = tokio::join!(client.call(REFUND, refund()), async {
        let id = tokio::task::block_in_place(|| world.await_pending());
        tokio::task::block_in_place(|| world.answer_as_dana("approve", &id));
    });
    is_ok(&result);
    assert_eq!(world.refunds(), 1);
    client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_rejected_says_so() {
    let world = world("40s", "40s");
    let client = Client::stdio(&world, Era::Modern, false).await;
    let (result, ()) = tokio::join!(client.call(REFUND, refund()), async {
        let id = tokio::task::block_in_place(|| world.await_pending());
        tokio::task::block_in_place(|| world.answer_as_dana("reject", &id));
    });
    assert_eq!(decision(&result)["outcome"], "rejected");
    assert!(
        text(&result).contains("a person rejected"),
        "{}",
        text(&result)
    );
    assert_eq!(world.refunds(), 0);
    client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_are_held_for_one_approval_get_its_one_outcome() {
    let world = world("40s", "40s");
    let server = Server::start(&world);
    let trace = |call: Value| {
        let mut params = params(REFUND, call);
        params.meta = Some(serde_json::from_value(json!({"dev.tollgate/run": "one"})).unwrap());
        params
    };
    let one = Client::http(&server, Era::Modern, false).await;
    let other = Client::http(&server, Era::Legacy, false).await;
    let (a, b, ()) = tokio::join!(
        one.service.call_tool(trace(refund())),
        other.service.call_tool(trace(refund())),
        async {
            let id = tokio::task::block_in_place(|| world.await_pending());
            tokio::task::block_in_place(|| world.answer_as_dana("approve", &id));
        }
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    is_ok(&a);
    is_ok(&b);
    assert_eq!(decision(&a)["call"], decision(&b)["call"]);
    assert_eq!(world.refunds(), 1);
    assert_eq!(
        world.json(&["approvals", "list"]),
        json!([]),
        "no second one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_call_is_resumed_by_repeating_it_also_after_both_were_started_again() {
    let world = world("0s", "0s");
    let client = Client::stdio(&world, Era::Legacy, false).await;
    let id = waits_for(&client.call(REFUND, refund()).await);
    // Repeating the call does not request another approval.
    assert_eq!(waits_for(&client.call(REFUND, refund()).await), id);
    client.end().await;
    world.answer_as_dana("approve", &id);
    let client = Client::stdio(&world, Era::Legacy, false).await;
    is_ok(&client.call(REFUND, refund()).await);
    assert_eq!(world.refunds(), 1);
    assert_ne!(
        waits_for(&client.call(REFUND, refund()).await),
        id,
        "one use"
    );
    client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_call_is_resumed_by_its_id_with_its_own_arguments() {
    let world = world("0s", "0s");
    let client = Client::stdio(&world, Era::Modern, false).await;
    let id = waits_for(&client.call(REFUND, refund()).await);
    let more = json!({"approval_id": id, "amount": 1});
    let more = client.call("tollgate_resume", more).await;
    assert!(text(&more).contains("`amount` is not an argument of it"));
    let resume = || client.call("tollgate_resume", json!({"approval_id": id}));
    assert_eq!(waits_for(&resume().await), id);
    world.answer_as_dana("approve", &id);
    let done = resume().await;
    is_ok(&done);
    let book = std::fs::read_to_string(world.path("book/refunds.jsonl")).unwrap();
    assert!(book.contains("6000"), "{book}");
    let again = resume().await;
    assert_eq!(again.is_error, Some(true), "{again:?}");
    assert_eq!(world.refunds(), 1);
    assert_eq!(
        world.json(&["approvals", "list"]),
        json!([]),
        "no second approval is requested"
    );
    client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_tasks_gets_one_and_it_outlives_the_server() {
    let world = world("40s", "40s");
    let client = Client::stdio(&world, Era::Modern, true).await;
    let CallToolResponse::Task(created) = client.call_once(REFUND, refund()).await else {
        panic!("no task")
    };
    let id = created.task.task_id;
    assert_eq!(created.task.status, TaskStatus::Working);
    let now = client
        .service
        .get_task(GetTaskParams::new(id.clone()))
        .await
        .unwrap();
    assert_eq!(now.task.payload, TaskPayload::Working);
    client.end().await;
    world.answer_as_dana("approve", &id);
    let client = Client::stdio(&world, Era::Legacy, true).await;
    let result = ended(&client, &id).await;
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(world.refunds(), 1);
    client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_ends_as_an_error_that_can_be_read_or_as_cancelled() {
    let world = world("0s", "0s");
    let client = Client::stdio(&world, Era::Legacy, true).await;
    let CallToolResponse::Task(created) = client.call_once(REFUND, refund()).await else {
        panic!("no task")
    };
    let id = created.task.task_id;
    world.answer_as_dana("reject", &id);
    let result = ended(&client, &id).await;
    assert_eq!(result["isError"], true, "{result}");
    let said = result["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("a person rejected"), "{said}");

    let mut other = refund();
    other["amount"] = json!(7000);
    let CallToolResponse::Task(created) = client.call_once(REFUND, other).await else {
        panic!("no task")
    };
    let id = created.task.task_id;
    let cancel = CancelTaskParams::new(id.clone());
    client.service.cancel_task(cancel).await.unwrap();
    let task = client.service.get_task(GetTaskParams::new(id)).await;
    assert_eq!(task.unwrap().task.payload, TaskPayload::Cancelled);
    let foreign = client
        .service
        .get_task(GetTaskParams::new("apr-0123456789abcdef"));
    assert!(foreign.await.is_err());
    client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_stays_so_and_the_call_may_be_asked_for_anew() {
    let world = world("0s", "0s");
    let client = Client::stdio(&world, Era::Modern, true).await;
    let begin = async || match client.call_once(REFUND, refund()).await {
        CallToolResponse::Task(created) => created.task.task_id,
        other => panic!("no task: {other:?}"),
    };
    let cancelled = begin().await;
    let cancel = CancelTaskParams::new(cancelled.clone());
    client.service.cancel_task(cancel).await.unwrap();
    let again = begin().await;
    assert_ne!(again, cancelled);
    client.end().await;

    let approve = ["approvals", "approve", &cancelled, "--yes"];
    let as_dana = ["--as", "dana", "--token-file", "dana.token"];
    world
        .run(&[&approve[..], &as_dana].concat())
        .exits(1)
        .says(&["is cancelled already"]);
    let client = Client::stdio(&world, Era::Modern, true).await;
    let task = client
        .service
        .get_task(GetTaskParams::new(&cancelled))
        .await;
    assert_eq!(task.unwrap().task.payload, TaskPayload::Cancelled);
    // A task of an earlier process can be cancelled as well.
    let cancel = CancelTaskParams::new(again.clone());
    client.service.cancel_task(cancel).await.unwrap();
    let task = client.service.get_task(GetTaskParams::new(again)).await;
    assert_eq!(task.unwrap().task.payload, TaskPayload::Cancelled);
    assert_eq!(world.json(&["approvals", "list"]), json!([]));
    assert_eq!(world.refunds(), 0);
    client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_task_stays_rejected_after_a_restart_with_other_policies() {
    let world = world("0s", "0s");
    let client = Client::stdio(&world, Era::Legacy, true).await;
    let CallToolResponse::Task(created) = client.call_once(REFUND, refund()).await else {
        panic!("no task")
    };
    let id = created.task.task_id;
    client.end().await;
    world.answer_as_dana("reject", &id);
    let permit_all = r#"@id("all-call") @owner("tests") @reason("Every principal may call.")
        permit (principal, action in Tollgate::Action::"call", resource);"#;
    world.write("policies/story.cedar", permit_all);
    let client = Client::stdio(&world, Era::Legacy, true).await;
    let result = ended(&client, &id).await;
    assert_eq!(result["isError"], true, "{result}");
    let decision = &result["_meta"]["dev.tollgate/decision"];
    assert_eq!(decision["outcome"], "rejected", "{result}");
    assert_eq!(world.refunds(), 0, "to look is not to call");
    client.end().await;
}

/// The result of a task, once it has ended.
async fn ended(client: &Client, id: &str) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let task = client
            .service
            .get_task(GetTaskParams::new(id))
            .await
            .unwrap();
        match task.task.payload {
            TaskPayload::Completed { result } => return Value::Object(result),
            TaskPayload::Working => {}
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < PATIENCE, "it never ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_told_that_the_call_waits_and_is_held_longer() {
    let world = world("0s", "40s");
    let mut client = Client::stdio(&world, Era::Legacy, false).await;
    let mut call = params(REFUND, refund());
    let token = ProgressToken(NumberOrString::String("p1".into()));
    call.meta = Some(RequestMetaObject::with_progress_token(token));
    let (result, ()) = tokio::join!(client.service.call_tool(call), async {
        let told = client.progress.recv().await.unwrap();
        assert!(told.message.unwrap().contains("waiting for a person"));
        let id = tokio::task::block_in_place(|| world.await_pending());
        tokio::task::block_in_place(|| world.answer_as_dana("approve", &id));
    });
    is_ok(&result.unwrap());
    client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_whose_client_goes_away_does_not_run() {
    let world = world("40s", "40s");
    let server = Server::start(&world);
    for era in [Era::Legacy, Era::Modern] {
        let client = Client::http(&server, era, false).await;
        let held = client.service.call_tool(params(REFUND, refund()));
        tokio::select! {
            answered = held => panic!("{answered:?}"),
            id = tokio::task::spawn_blocking({
                let list = world.command(tollgate_testkit::binary());
                move || await_listed(list)
            }) => drop(id.unwrap()),
        }
        // The request was dropped above, which cancels it; the client ends as well.
        client.end().await;
    }
    let id = world.await_pending();
    world.answer_as_dana("approve", &id);
    server.signal("TERM");
    server.ends();
    assert_eq!(world.refunds(), 0);
}

/// Waits until an approval is pending.
fn await_listed(mut list: std::process::Command) -> String {
    list.args(["approvals", "list", "--json"]);
    let begun = std::time::Instant::now();
    loop {
        let out = list.output().unwrap().stdout;
        let listed: Value = serde_json::from_slice(&out).unwrap();
        if let Some(id) = listed[0]["id"].as_str() {
            return id.to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "nothing waits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agent_does_not_bury_approvers() {
    let world = world("0s", "0s");
    world.configure("[approvals]\n", "[approvals]\nmax_pending = 2\n");
    let client = Client::stdio(&world, Era::Legacy, false).await;
    for amount in [6001, 6002, 6003] {
        let mut call = refund();
        call["amount"] = json!(amount);
        let result = client.call(REFUND, call).await;
        match amount {
            6003 => {
                assert_eq!(decision(&result)["outcome"], "denied");
                assert!(
                    text(&result).contains("2 of your calls already wait for one"),
                    "{}",
                    text(&result)
                );
            }
            _ => drop(waits_for(&result)),
        }
    }
    client.end().await;
}
