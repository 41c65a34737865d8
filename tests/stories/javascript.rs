//! Tools in JavaScript and TypeScript: `tests/guests/typescript` uses every interface, wraps an API, and crashes in
//! every way.

use std::{fs, process::Command};

use serde_json::{Value, json};
use tollgate::{
    egress::Resolver,
    enforce::{Answer, Verdict},
    gate::Gate,
    tool::{Content, FailureKind},
};
use tollgate_model::record::Event;
use tollgate_testkit::{
    repository,
    web::{self, Server, ok},
    world::{World, call, records},
};

use crate::languages::{built, failure, labelled, with_component};

const TOOLS: [&str; 5] = [
    "typescript__issues",
    "typescript__interfaces",
    "typescript__language",
    "typescript__parts",
    "typescript__crash",
];
const POLICIES: &str = r#"
@id("key-to-tracker") @owner("tests") @reason("The key goes to the tracker.")
permit (principal == Tollgate::Component::"typescript", action == Tollgate::Action::"use_secret", resource)
when { context.host == Tollgate::Host::"issues.test" };
@id("no-secret-project") @owner("tests") @reason("That project is none of your business.")
forbid (principal, action == Tollgate::Action::"http_request", resource)
when { context.path like "/projects/hidden/*" };"#;

/// A world with the component, and an API that it is configured for.
fn world(api: &str) -> World {
    let table = format!(
        "size = \"large\"\nsecrets = [\"tracker\"]\ngrants.desk = {{ path = \"desk\", mode = \"rw\" }}\n\
         [components.typescript.config]\napi = \"{api}\"\nregion = \"eu\"\nlimit = 5\n\
         [hosts.\"issues.test\"]\nlabels = [\"private\"]\ntaints = []\nallow_private = true\n\
         [secrets.tracker]\nfile = \"key\"\n{}",
        labelled(&TOOLS)
    );
    let mut world = with_component("typescript", &built("typescript"), &table, POLICIES);
    world.resolver = Resolver::new(|_| Ok(vec![[127, 0, 0, 1].into()]));
    fs::create_dir(world.path("desk")).unwrap();
    world.write("key", "k3y-0f-the-tracker\n");
    world
}

fn error(status: &str, body: &str) -> web::Answer {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
    web::Answer::Bytes(text.into_bytes())
}

fn content(answer: &Answer) -> &[Content] {
    match &answer.verdict {
        Verdict::Released { content, .. } => content,
        other => panic!("{other:?}"),
    }
}

fn structured(answer: &Answer) -> Value {
    let found = content(answer).iter().find_map(|part| match part {
        Content::Structured(value) => Some(value.clone()),
        _ => None,
    });
    found.unwrap()
}

fn logged(gate: &Gate, answer: &Answer) -> Vec<String> {
    let lines = records(gate, answer.run.unwrap())
        .into_iter()
        .filter_map(|record| match record.event {
            Event::ComponentLog(log) if log.level != "progress" => Some(log.message),
            _ => None,
        });
    lines.collect()
}

/// One gate for all of it, because the engine is compiled whenever a gate opens in a new folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_in_typescript_has_every_interface_and_says_why_it_fails() {
    let server = Server::start(vec![
        (
            "/projects/web/issues",
            ok("", r#"{"issues":[{"id":1,"title":"one","x":0}],"next":2}"#),
        ),
        (
            "/projects/none/issues",
            error("404 Not Found", r#"{"message":"no project `none`"}"#),
        ),
        ("/projects/down/issues", error("502 Bad Gateway", "<html>")),
    ])
    .await;
    let world = world(&server.url("issues.test", ""));
    let gate = world.open().await;
    interfaces(&world, &gate).await;
    language(&gate).await;
    api(&gate, &server).await;
    crashes(&gate).await;
    gate.close().await;
}

async fn interfaces(world: &World, gate: &Gate) {
    let answer = call(gate, "i", "typescript__interfaces", r#"{"note":"x"}"#).await;
    let mut found = structured(&answer);
    let uuid = found["random"]["uuid"].take();
    assert_eq!(uuid.as_str().unwrap().len(), 36);
    let clock = found["clock"].take();
    assert!(clock["year"].as_u64().unwrap() > 2000 && clock["elapsed"].is_u64());
    let expected = json!({
        "files": { "names": ["a.txt"], "size": 2, "missing": "not-found" },
        "state": { "count": 1, "text": "{\"note\":\"x\"}", "swapped": true },
        "config": { "region": "eu", "limit": 5, "missing": true },
        "clock": null,
        "random": { "bytes": 16, "uuid": null },
        "secret": true,
        "call": "invalid",
    });
    assert_eq!(found, expected);
    assert_eq!(world.read("desk/notes/a.txt"), "x!");
    assert_eq!(logged(gate, &answer), ["begin"]);

    let parts = call(gate, "i", "typescript__parts", "{}").await;
    assert_eq!(content(&parts).len(), 4, "{parts:?}");
    assert_eq!(
        structured(&parts),
        json!({ "a": 1, "when": "1970-01-01T00:00:00.000Z" })
    );
}

/// `Date`, `Math.random`, `crypto`, `console`, timers and `fetch` are those of the gate.
async fn language(gate: &Gate) {
    let of = |run| call(gate, run, "typescript__language", "{}");
    let (first, second) = (of("l1").await, of("l2").await);
    let (one, two) = (structured(&first), structured(&second));
    assert_ne!(one["random"], two["random"], "not those of the build");
    assert_ne!(one["uuid"], two["uuid"]);
    assert!(one["now"].as_u64().unwrap() > 1_000_000_000_000);
    assert_eq!(one["later"], "ran");
    assert_eq!(one["fetch"], "denied", "the host has no entry");
    let lines = logged(gate, &first);
    assert_eq!(lines[0], r#"a line {"of":["1",null]}"#);
    assert!(
        lines[1].contains("RangeError: shown whole") && lines[1].contains("tool.ts:"),
        "{lines:?}"
    );
}

async fn api(gate: &Gate, server: &Server) {
    let issues = |project: &str, limit: u64| {
        let arguments = json!({ "project": project, "limit": limit }).to_string();
        async move { call(gate, "a", "typescript__issues", &arguments).await }
    };
    let found = issues("web", 2).await;
    let one = json!({ "id": 1, "title": "one" });
    assert_eq!(structured(&found), json!({ "issues": [one, one] }));
    let asked = server.asked();
    assert!(asked[0].starts_with("GET /projects/web/issues?state=open&page=1 "));
    assert!(asked[1].starts_with("GET /projects/web/issues?state=open&page=2 "));
    assert!(
        asked
            .iter()
            .all(|request| request.contains("x-api-key: k3y-0f-the-tracker\r\n"))
    );
    for (project, kind, says) in [
        (
            "none",
            FailureKind::Failed,
            "refused it (404): no project `none`",
        ),
        (
            "down",
            FailureKind::Failed,
            "refused it (502): no reason given",
        ),
        (
            "hidden",
            FailureKind::Denied,
            "That project is none of your business.",
        ),
    ] {
        let (found, message) = failure(&issues(project, 1).await);
        assert!(
            found == kind && message.contains(says),
            "{project}: {message}"
        );
    }
}

/// Each is the tool's error with a sentence for the agent, and explains itself to the operator.
async fn crashes(gate: &Gate) {
    for (how, says) in [
        ("type", "TypeError: can't access property \"foo\""),
        ("text", "only a text"),
        ("later", "TypeError: can't access property \"foo\""),
        (
            "output",
            "does not match `output` at /n: should be an integer, and is \"one\"",
        ),
        ("undefined", "`run` returned undefined"),
        ("nan", "at /n: NaN"),
        ("circle", "at /again/0: it contains itself"),
        ("promise", "an `await` is missing"),
        ("never", "it awaits a promise that nothing settles"),
        ("wait", "a tool has no timers"),
        ("recursion", "InternalError: too much recursion"),
    ] {
        let arguments = json!({ "how": how }).to_string();
        let answer = call(gate, how, "typescript__crash", &arguments).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, FailureKind::Failed, "{how}: {message}");
        assert!(message.contains("has a defect"), "{how}: {message}");
        assert!(
            !message.contains("Error:") && !message.contains("tool.ts"),
            "{how}: {message}"
        );
        let lines = logged(gate, &answer);
        assert!(
            lines.len() == 1 && lines[0].contains(says),
            "{how}: {lines:?}"
        );
        if ["type", "later", "wait", "recursion"].contains(&how) {
            assert!(lines[0].contains("(tool.ts:"), "{how}: {lines:?}");
        }
    }
}

/// The SDK's own tests, and those of the documentation.
#[test]
fn the_sdk_in_javascript_passes_its_own_tests() {
    let tests = repository().join("guest/js/tests");
    let ran = Command::new("node")
        .arg("--test")
        .current_dir(tests)
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stdout)
    );
}
