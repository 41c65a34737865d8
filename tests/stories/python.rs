//! A tool in Python that uses every interface, and what goes wrong in one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tollgate::{
    egress::Resolver,
    enforce::{Answer, Verdict},
    gate::Gate,
    tool::{Content, FailureKind},
};
use tollgate_model::record::Event;
use tollgate_testkit::{
    component,
    web::{self, Server, ok},
    world::{World, call, records},
};

use crate::languages::{built, failure, labelled, with_component};

const TOOLS: [&str; 8] = [
    "tracker__issues",
    "tracker__comment",
    "tracker__export",
    "tracker__fail",
    "tracker__promise",
    "tracker__odd",
    "tracker__ambient",
    "files__write",
];

const POLICIES: &str = r#"
@id("key-to-the-tracker") @owner("tests") @reason("The key goes to the tracker.")
permit (principal == Tollgate::Component::"tracker", action == Tollgate::Action::"use_secret", resource)
when { context.host == Tollgate::Host::"tracker.test" };
@id("not-five") @owner("tests") @reason("Issue 5 is for people.")
forbid (principal, action == Tollgate::Action::"http_request", resource)
when { context.path like "/issues/5/*" };"#;

/// A world with the tracker and the component `files`.
fn world(url: &str, policies: &str) -> World {
    let table = format!(
        "size = \"large\"\nsecrets = [\"tracker\"]\ngrants.data = {{ path = \"data\", mode = \"rw\" }}\n\
         [components.tracker.config]\nurl = \"{url}\"\n\
         [components.files]\npath = \"files.wasm\"\ngrants.data = {{ path = \"data\", mode = \"rw\" }}\n\
         [hosts.\"tracker.test\"]\nlabels = [\"private\"]\ntaints = []\nallow_private = true\n\
         [secrets.tracker]\nfile = \"key\"\n{}",
        labelled(&TOOLS)
    );
    let bytes = built("tracker");
    let mut world = with_component_and_files(&bytes, &table, policies);
    world.resolver = Resolver::new(|_| Ok(vec![[127, 0, 0, 1].into()]));
    world
}

fn with_component_and_files(bytes: &[u8], table: &str, policies: &str) -> World {
    let world = with_component("tracker", bytes, "size = \"large\"", policies);
    std::fs::copy(component("files"), world.path("files.wasm")).unwrap();
    world.configure("size = \"large\"", table);
    world.write("key", "k3y-of-the-tracker-0123456789\n");
    world.accept();
    world
}

fn structured(answer: &Answer) -> Value {
    match &answer.verdict {
        Verdict::Released { content, .. } => content
            .iter()
            .find_map(|part| match part {
                Content::Structured(value) => Some(value.clone()),
                _ => None,
            })
            .unwrap_or(Value::Null),
        other => panic!("{other:?}"),
    }
}

fn logged(gate: &Gate, answer: &Answer) -> Vec<String> {
    let message = |record: tollgate_model::record::Record| match record.event {
        Event::ComponentLog(log) => Some(log.message),
        _ => None,
    };
    records(gate, answer.run.unwrap())
        .into_iter()
        .filter_map(message)
        .collect()
}

fn issue(number: u32) -> Value {
    json!({ "number": number, "title": "T", "opened": "2026-01-02T03:04:05Z", "assignee": null })
}

/// One story, because compiling an interpreter takes most of its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_in_python_wraps_an_api_and_its_faults_explain_themselves() {
    let refused = r#"{"error":{"message":"there is no issue 9"}}"#;
    let missing = format!(
        "HTTP/1.1 404 No\r\ncontent-length: {}\r\n\r\n{refused}",
        refused.len()
    );
    let server = Server::start(vec![
        (
            "/issues",
            ok(
                "link: </more>; rel=\"next\"\r\n",
                json!([issue(2)]).to_string(),
            ),
        ),
        ("/more", ok("", json!([issue(1)]).to_string())),
        ("/issues/1/comments", ok("", r#"{"id":7}"#)),
        (
            "/issues/9/comments",
            web::Answer::Bytes(missing.into_bytes()),
        ),
    ])
    .await;
    let world = world(&server.url("tracker.test", ""), POLICIES);
    let gate = world.open().await;
    wraps_an_api_with_every_interface(&world, &gate, &server).await;
    explains_its_faults_to_the_operator(&gate).await;
    has_the_gates_clock_and_randomness_and_logs_its_output(&gate).await;
}

async fn wraps_an_api_with_every_interface(world: &World, gate: &Gate, server: &Server) {
    let found = call(gate, "r", "tracker__issues", "{}").await;
    let opened = "2026-01-02T03:04:05Z";
    let shown = |n: u32| json!({ "number": n, "title": "T", "opened": opened, "assignee": null });
    assert_eq!(
        structured(&found),
        json!({ "issues": [shown(2), shown(1)], "pages": 2 })
    );
    assert!(server.asked()[1].contains("x-api-key: k3y-of-the-tracker"));

    for _ in 0..2 {
        let made = call(gate, "r", "tracker__comment", r#"{"issue":1,"text":"hi"}"#).await;
        assert_eq!(structured(&made)["id"], 7);
    }
    let keys: BTreeSet<String> = server.asked()[2..]
        .iter()
        .filter_map(|asked| asked.lines().find(|line| line.starts_with("idempotency")))
        .map(str::to_owned)
        .collect();
    assert_eq!(keys.len(), 1, "the run remembers the key: {keys:?}");
    let wrong = call(gate, "r", "tracker__comment", r#"{"issue":9,"text":"hi"}"#).await;
    let (kind, why) = failure(&wrong);
    assert!(
        kind == FailureKind::InvalidArguments && why.contains("no issue 9"),
        "{why}"
    );

    let exported = call(gate, "r", "tracker__export", "{}").await;
    assert!(
        matches!(exported.verdict, Verdict::Released { .. }),
        "{exported:?}"
    );
    let path = world.read("data/receipt.txt");
    assert!(world.read(&format!("data/{path}")).starts_with("2,T,2026"));

    let refused = call(gate, "r", "tracker__comment", r#"{"issue":5,"text":"hi"}"#).await;
    let (kind, why) = failure(&refused);
    assert!(
        kind == FailureKind::Denied && why.contains("Issue 5 is for people."),
        "{why}"
    );
}

async fn explains_its_faults_to_the_operator(gate: &Gate) {
    for (how, said) in [
        ("error", "ValueError: invalid literal"),
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("recursion", "RecursionError"),
        ("nan", "`/a/1` is nan"),
        ("object", "`/a` is an `object`"),
        ("module", "No module named 'requests'"),
        ("file", "tollgate.files"),
        ("sleep", "tollgate.clock"),
    ] {
        let arguments = json!({ "how": how }).to_string();
        let answer = call(gate, how, "tracker__fail", &arguments).await;
        let (kind, why) = failure(&answer);
        assert_eq!(kind, FailureKind::Failed, "{how}: {why}");
        assert!(
            why.contains("a fault in its code") && !why.contains("faults.py"),
            "{why}"
        );
        let lines = logged(gate, &answer);
        assert!(lines.iter().any(|line| line.contains(said)), "{lines:?}");
    }
    let lines = logged(
        gate,
        &call(gate, "at", "tracker__fail", r#"{"how":"error"}"#).await,
    );
    assert!(
        lines[0].contains("faults.py:") && lines[0].contains("int("),
        "{lines:?}"
    );
    let broken = call(gate, "r", "tracker__promise", r#"{"count":2}"#).await;
    failure(&broken);
    let lines = logged(gate, &broken);
    assert!(
        lines.iter().any(|line| line.contains("`/result/1`")),
        "{lines:?}"
    );
    assert_eq!(
        structured(&call(gate, "r", "tracker__promise", "{}").await),
        json!({ "result": [1] })
    );
}

async fn has_the_gates_clock_and_randomness_and_logs_its_output(gate: &Gate) {
    let first = call(gate, "a", "tracker__ambient", "{}").await;
    let second = call(gate, "b", "tracker__ambient", "{}").await;
    let (one, other) = (structured(&first), structured(&second));
    assert_eq!(one["now"], other["now"], "the clock stands still");
    assert!(one["now"].as_str().unwrap().ends_with('Z'), "{one}");
    for key in ["random", "uuid", "bytes"] {
        assert_ne!(one[key], other[key], "{key}");
    }
    let lines = logged(gate, &first);
    for said in [
        "printed",
        "to stderr",
        "odd: logged 1",
        "UserWarning: warned",
    ] {
        assert!(lines.iter().any(|line| line.contains(said)), "{lines:?}");
    }
    let odd = call(
        gate,
        "r",
        "tracker__odd",
        r#"{"level":2,"at":"2026-05-06T07:08:09Z"}"#,
    )
    .await;
    assert_eq!(
        structured(&odd),
        json!({ "when": "2026-05-06", "price": "1.50", "names": ["a", "b"], "level": 2,
                "pair": [1, "x"], "data": "AP8=" })
    );
}
