//! Calls that their caller executes.

use serde_json::json;
use tollgate_testkit::{
    rest::HttpGate,
    world::{World, records},
};

const POLICIES: &str = r#"
@id("nothing-forced") @owner("tests") @reason("Nothing is pushed by force.")
forbid (principal, action == Tollgate::Action::"claude__Bash", resource)
when { context.input.command like "*--force*" };
@id("writing-needs-finance") @owner("tests") @reason("Writing needs finance.")
forbid (principal, action == Tollgate::Action::"claude__Write", resource)
unless { context.approval.roles.contains(Tollgate::Role::"finance") };
"#;

async fn served() -> HttpGate {
    served_with("").await
}

async fn served_with(more: &str) -> HttpGate {
    let world = World::new(POLICIES);
    let config = world.read("tollgate.toml");
    let external = "[external.claude]\npreset = \"claude-code\"\nlabels = []\ntaints = [\"untrusted\"]\ntime = \"10m\"\n";
    world.write("tollgate.toml", &format!("{config}\n{external}{more}"));
    HttpGate::at(world, "192.0.2.1:443").await
}

fn intent(tool: &str, arguments: serde_json::Value, reference: &str) -> serde_json::Value {
    json!({ "tool": tool, "arguments": arguments, "run": "r", "reference": reference })
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_decided_before_and_recorded_after() {
    let served = served().await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    let bash = json!({ "command": "git status" });
    let reply = served
        .post(&agent, "/v1/authorize", intent("claude__Bash", bash, "u-1"))
        .await
        .is(200);
    assert_eq!(
        (&reply["allowed"], &reply["execution"]),
        (&json!(true), &json!("external"))
    );
    assert_eq!(reply["arguments"], r#"{"command":"git status"}"#);
    // Another agent cannot tell its outcome.
    let told = json!({ "reference": "u-1", "content": "clean" });
    served
        .post(&other, "/v1/outcomes", told.clone())
        .await
        .fails(404, "not_found");
    let outcome = served
        .post(&agent, "/v1/outcomes", told.clone())
        .await
        .is(200);
    assert_eq!(outcome["outcome"], "ok");
    served
        .post(&agent, "/v1/outcomes", told)
        .await
        .fails(404, "not_found");
    let run = served
        .gate
        .ledger()
        .reader()
        .run(reply["run"].as_str().unwrap())
        .unwrap();
    assert!(
        run.labels.contains("untrusted"),
        "what came back has reached the run"
    );
    let leaves: Vec<String> = records(&served.gate, run.id)
        .iter()
        .map(|r| String::from_utf8(r.leaf().unwrap()).unwrap())
        .collect();
    assert!(
        leaves
            .iter()
            .any(|leaf| leaf.contains("\"unsandboxed\":true"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policy_forbids_is_not_allowed_in_the_words_of_the_policy() {
    let served = served().await;
    let agent = served.agent("support").await;
    let forced = json!({ "command": "git push --force" });
    let reply = served
        .post(
            &agent,
            "/v1/authorize",
            intent("claude__Bash", forced, "u-2"),
        )
        .await
        .is(200);
    assert_eq!(
        (&reply["allowed"], &reply["outcome"]),
        (&json!(false), &json!("denied"))
    );
    assert!(
        reply["message"]
            .as_str()
            .unwrap()
            .contains("Nothing is pushed by force.")
    );
    let told = json!({ "reference": "u-2", "content": "pushed" });
    served
        .post(&agent, "/v1/outcomes", told)
        .await
        .fails(404, "not_found");
}

/// The caller executes what policy has left of its arguments.
#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_call_is_executed_as_it_was_decided() {
    let served = served().await;
    let redacts = r#"@id("no-passwords") @owner("tests") @reason("No passwords.")
        @redact("/arguments/password")
        forbid (principal, action == Tollgate::Action::"claude__mcp", resource)
        when { context.input.arguments like "*\"password\"*" };"#;
    served.world.write("policies/redacts.cedar", redacts);
    served.gate.reload("tests").await.unwrap();
    let agent = served.agent("support").await;
    let login = json!({ "server": "desk", "tool": "login",
        "arguments": json!({ "user": "ada", "password": "hunter2" }).to_string() });
    let reply = served
        .post(&agent, "/v1/authorize", intent("claude__mcp", login, "m-1"))
        .await
        .is(200);
    assert_eq!(reply["allowed"], true, "{reply}");
    assert_eq!(reply["redacted_arguments"], json!(["/arguments/password"]));
    let arguments: serde_json::Value =
        serde_json::from_str(reply["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(
        arguments["arguments"],
        r#"{"password":"[redacted]","user":"ada"}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_lets_one_be_executed_once() {
    let served = served().await;
    let (agent, dana) = (served.agent("support").await, served.user("dana").await);
    let write = || {
        intent(
            "claude__Write",
            json!({ "file_path": "/x", "content": "y" }),
            "w",
        )
    };
    let reply = served.post(&agent, "/v1/authorize", write()).await.is(200);
    assert_eq!(
        (&reply["allowed"], &reply["outcome"]),
        (&json!(false), &json!("waiting"))
    );
    let path = format!(
        "/v1/approvals/{}",
        reply["approval"]["id"].as_str().unwrap()
    );
    let digest = served.get(&dana, &path).await.is(200)["digest"].clone();
    served
        .post(
            &dana,
            &format!("{path}/approve"),
            json!({ "digest": digest }),
        )
        .await
        .is(200);
    let reply = served.post(&agent, "/v1/authorize", write()).await.is(200);
    assert_eq!(reply["allowed"], true);
    let told = json!({ "call": reply["call"], "content": "done", "failed": false });
    assert_eq!(
        served.post(&agent, "/v1/outcomes", told).await.is(200)["outcome"],
        "ok"
    );
    let again = served.post(&agent, "/v1/authorize", write()).await.is(200);
    assert_eq!(again["outcome"], "waiting", "another approval is needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_external_tools_are_executed_by_the_caller() {
    let served = served().await;
    let agent = served.agent("support").await;
    // The gate does not call what it does not execute, and authorizes nothing that it does.
    let called = served
        .call(&agent, "claude__Bash", json!({ "command": "ls" }))
        .await
        .is(200);
    assert_eq!(called["outcome"], "invalid");
    let read = intent("files__read", json!({ "path": "letter.txt" }), "x");
    let reply = served.post(&agent, "/v1/authorize", read).await.is(200);
    assert_eq!(
        (&reply["allowed"], &reply["outcome"]),
        (&json!(false), &json!("invalid"))
    );
    let unknown = intent("claude__Bsh", json!({}), "x");
    let reply = served.post(&agent, "/v1/authorize", unknown).await.is(200);
    assert_eq!(
        (&reply["allowed"], &reply["outcome"]),
        (&json!(false), &json!("unknown_tool"))
    );
    let wrong = intent("claude__Bash", json!({ "cmd": 7 }), "x");
    let reply = served.post(&agent, "/v1/authorize", wrong).await.is(200);
    assert_eq!(
        (&reply["allowed"], &reply["outcome"]),
        (&json!(false), &json!("invalid"))
    );
    let neither = json!({ "content": "x" });
    served
        .post(&agent, "/v1/outcomes", neither)
        .await
        .fails(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreported_outcome_is_indeterminate() {
    let served = served().await;
    let (agent, alice) = (served.agent("support").await, served.user("alice").await);
    let bash = |n: u8| {
        intent(
            "claude__Bash",
            json!({ "command": format!("make {n}") }),
            "u",
        )
    };
    let first = served.post(&agent, "/v1/authorize", bash(1)).await.is(200);
    served.world.pass(600);
    served.gate.pass_time().await.unwrap();
    let told = json!({ "call": first["call"], "content": "late" });
    served
        .post(&agent, "/v1/outcomes", told)
        .await
        .fails(404, "not_found");
    // So it is where the gate stops before.
    let second = served.post(&agent, "/v1/authorize", bash(2)).await.is(200);
    let run = second["run"].as_str().unwrap().to_owned();
    let shown = served
        .get(&alice, &format!("/v1/runs/{run}"))
        .await
        .is(200)
        .to_string();
    assert!(shown.contains("indeterminate"), "{shown}");
    let HttpGate { world, gate, .. } = served;
    gate.close().await;
    let gate = world.open().await;
    let run = gate.ledger().reader().run(&run).unwrap();
    let outcomes = records(&gate, run.id);
    let indeterminate = outcomes.iter().filter(|r| {
        let leaf = String::from_utf8(r.leaf().unwrap()).unwrap();
        leaf.contains("\"type\":\"outcome\"") && leaf.contains("\"status\":\"indeterminate\"")
    });
    assert_eq!(indeterminate.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_belong_where_their_headers_say() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let served = served().await;
    let agent = served.agent("support").await;
    let body = json!({ "tool": "claude__Bash", "arguments": { "command": "ls" } });
    let authorize = async |name: &str, value: &str| {
        let request = served.request(reqwest::Method::POST, "/v1/authorize");
        let request = request.bearer_auth(&agent).header(name, value);
        served.send(request.json(&body)).await.is(200)
    };
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let traced = authorize("traceparent", &parent).await;
    assert_eq!(traced["run"], TRACE, "{traced}");
    let named = authorize("tollgate-run", "monday").await;
    assert_ne!(named["run"], traced["run"]);
    assert_eq!(
        authorize("tollgate-run", "monday").await["run"],
        named["run"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agent_s_open_calls_leave_room_for_others() {
    let served = served_with("[serve.rate]\nper_second = 1000\nburst = 1000\n").await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    let bash = || intent("claude__Bash", json!({ "command": "ls" }), "u");
    for _ in 0..256 {
        let reply = served.post(&agent, "/v1/authorize", bash()).await.is(200);
        assert_eq!(reply["allowed"], true, "{reply}");
    }
    let more = served.post(&agent, "/v1/authorize", bash()).await.is(200);
    assert_eq!(
        (&more["allowed"], &more["outcome"]),
        (&json!(false), &json!("unrecorded"))
    );
    let reply = served.post(&other, "/v1/authorize", bash()).await.is(200);
    assert_eq!(reply["allowed"], true, "{reply}");
    let told = json!({ "reference": "u", "content": "done" });
    served.post(&agent, "/v1/outcomes", told).await.is(200);
    let reply = served.post(&agent, "/v1/authorize", bash()).await.is(200);
    assert_eq!(reply["allowed"], true, "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_counts_for_no_other_call_with_the_same_reference() {
    let served = served().await;
    let agent = served.agent("support").await;
    let authorize = async |command: &str| {
        let call = intent("claude__Bash", json!({ "command": command }), "u-1");
        let reply = served.post(&agent, "/v1/authorize", call).await.is(200);
        reply["call"].as_str().unwrap().to_owned()
    };
    let (first, second) = (authorize("ls a").await, authorize("ls b").await);
    let outcome = json!({ "reference": "u-1", "content": "found" });
    let refused = served.post(&agent, "/v1/outcomes", outcome.clone()).await;
    let refused = refused.fails(404, "not_found");
    assert!(
        refused.body["detail"]
            .as_str()
            .unwrap()
            .contains("name the call by `call`")
    );
    let of_first = json!({ "call": first, "content": "found" });
    served.post(&agent, "/v1/outcomes", of_first).await.is(200);
    // Now there is one, and then two that are alike.
    served
        .post(&agent, "/v1/outcomes", outcome.clone())
        .await
        .is(200);
    assert_ne!(authorize("ls c").await, authorize("ls c").await);
    served
        .post(&agent, "/v1/outcomes", outcome.clone())
        .await
        .is(200);
    served.post(&agent, "/v1/outcomes", outcome).await.is(200);
    assert_ne!(second, first);
}
