//! Capture: of payloads only what the configuration names is kept, in the configured form, and never a
//! secret.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};
use tollgate::{
    egress::Resolver,
    enforce::{Answer, ApprovalResponse, Vote},
    gate::{Gate, OperateError, TokenError},
};
use tollgate_ledger::LedgerError;
use tollgate_model::record::{AdminAction, Class, Event, PayloadRef, RunOutcome};
use tollgate_testkit::{
    web::{Server, ok},
    world::{REFUND, World, call, is_released, pending, records, user},
};

/// An invented token whose form is not configured.
const PLANTED: &str = "ghp_h7Kq2Zr9LmT4vXc1NbW8sYd6FgJ3pQ0aE5uI";

const CONFIG: &str = r#"
[components.web]
path = "web.wasm"
[hosts."site.test"]
labels = ["private"]
taints = []
allow_private = true
[tools.hostile__send_request]
labels = []
taints = []
[capture.tools.files__write]
arguments."/path" = "keep"
arguments."/text" = "tokenize"
[capture.tools."*"]
result."/refund" = "keep"
arguments."/order" = "hash"
arguments."/reason" = "keep"
[tools.files__read]"#;

fn world() -> World {
    let mut world = World::new("");
    world.resolver = Resolver::new(|_| Ok(vec![[127, 0, 0, 1].into()]));
    world.configure("[tools.files__read]", CONFIG);
    world.accept();
    world
}

/// The captured arguments of the last call of a run.
fn arguments(gate: &Gate, run: tollgate_model::ids::RunId) -> (Class, Option<Value>) {
    let records = gate.ledger().reader().records_of_run(run).unwrap();
    let last = records
        .iter()
        .rev()
        .find_map(|(index, record)| match &record.event {
            Event::Decision(decided) => decided.capture.map(|kept| (*index, kept)),
            _ => None,
        });
    let (index, kept) = last.unwrap();
    let text = gate.captured(index, kept).unwrap();
    (
        kept.class,
        text.map(|text| serde_json::from_str(&text).unwrap()),
    )
}

/// All bytes in the gate's folder, except those that the story itself put there.
fn finds(world: &World, needle: &str) -> Vec<String> {
    fn look(dir: &Path, needle: &[u8], found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, needle, found);
            } else if fs::read(&path).is_ok_and(|b| b.windows(needle.len()).any(|w| w == needle)) {
                found.push(path.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    look(&world.path(".tollgate"), needle.as_bytes(), &mut found);
    found
}

/// Plants the secret in captured arguments, in a result, in an error, in a tool's name and in a member's. Returns a
/// released call, and one that waits.
async fn plant_in_calls(world: &World, gate: &Gate) -> (Answer, Answer) {
    let write = json!({ "path": "a.txt", "text": format!("use {PLANTED}") }).to_string();
    let first = call(gate, "r", "files__write", &write).await;
    assert!(is_released(&first), "{:?}", first.verdict);
    let refund = REFUND.replace("broken", PLANTED);
    let asked = call(gate, "r", "payments__refund", &refund).await;
    let member = json!({ PLANTED: 1 }).to_string();
    call(gate, "r", "files__write", &member).await;
    call(gate, "r", &format!("files__{PLANTED}"), "{}").await;
    world.write("data/found.txt", PLANTED);
    call(gate, "r", "files__read", r#"{"path":"found.txt"}"#).await;
    (first, asked)
}

/// Plants it in texts of people.
async fn plant_in_notes(gate: &Gate, asked: &Answer) {
    let rejection = ApprovalResponse {
        note: Some(PLANTED),
        ..ApprovalResponse::new(Vote::Reject, "test")
    };
    gate.answer(&user("dana"), pending(asked), rejection)
        .await
        .unwrap();
    gate.administer(&user("alice"), AdminAction::DecisionViewed, PLANTED)
        .await
        .unwrap();
}

/// Plants it in the report of an agent. Returns what is kept of the report.
fn plant_in_report(gate: &Gate) -> Map<String, Value> {
    let attributes = Map::from_iter([
        ("gen_ai.request.model".to_owned(), json!("a-model")),
        ("note".to_owned(), json!(format!("Bearer {PLANTED}"))),
        ("http.request.header.authorization".to_owned(), json!("abc")),
        (
            "list".to_owned(),
            json!([PLANTED, 7, { PLANTED: [PLANTED] }]),
        ),
        ("input.value".to_owned(), json!(PLANTED)),
    ]);
    let kept = gate.capturing(None).attributes(attributes);
    assert_eq!(kept["gen_ai.request.model"], "a-model");
    assert_eq!(
        kept["http.request.header.authorization"],
        "[redacted: secret-name]"
    );
    assert_eq!(kept["list"][1], 7);
    assert!(
        kept["input.value"]
            .as_str()
            .unwrap()
            .starts_with("hmac:v1:")
    );
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_is_nowhere() {
    let world = world();
    let page = ok(
        "content-type: text/plain\r\n",
        format!("the key is {PLANTED}"),
    );
    let server = Server::start(vec![("/page", page)]).await;
    let gate = world.open().await;
    let (first, asked) = plant_in_calls(&world, &gate).await;
    // In a guest's own log line, which is also its result, and in the path of a request.
    let send = json!({ "url": server.url("site.test", "/page"), "method": "GET" }).to_string();
    let logged = call(&gate, "r", "hostile__send_request", &send).await;
    let missing =
        json!({ "url": server.url("site.test", &format!("/{PLANTED}")), "method": "GET" });
    call(&gate, "r", "hostile__send_request", &missing.to_string()).await;
    plant_in_notes(&gate, &asked).await;
    let run = first.run.unwrap();
    let row = gate.ledger().reader().run(&run.to_string()).unwrap();
    let records = records(&gate, run);
    gate.end_run(&user("alice"), &row, Some(RunOutcome::Failed), PLANTED)
        .await
        .unwrap();
    let kept = plant_in_report(&gate);
    let exported = serde_json::to_string(&(&kept, &records)).unwrap();
    assert!(!exported.contains(PLANTED), "{exported}");

    // The tool did get it, and the record shows that without containing it.
    assert!(is_released(&logged), "{:?}", logged.verdict);
    let line = records.iter().find_map(|record| match &record.event {
        Event::ComponentLog(log) => Some(log.message.clone()),
        _ => None,
    });
    assert!(
        line.unwrap()
            .contains("the key is [redacted: github-token]")
    );
    assert!(records.iter().any(|record| matches!(
        &record.event,
        Event::Outcome(outcome) if outcome.capture.is_some_and(|kept| kept.class == Class::Secret)
    )));
    gate.close().await;
    fs::remove_file(world.path("data/found.txt")).unwrap();
    assert_eq!(finds(&world, PLANTED), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_is_kept_as_it_was_said() {
    let world = world();
    let gate = world.open().await;
    let answer = call(
        &gate,
        "r",
        "files__write",
        r#"{"path":"a.txt","text":"Ada"}"#,
    )
    .await;
    let (class, kept) = arguments(&gate, answer.run.unwrap());
    let kept = kept.unwrap();
    assert_eq!((class, &kept["path"]), (Class::Ordinary, &json!("a.txt")));
    let token = kept["text"].as_str().unwrap();
    assert!(
        token.starts_with("tok:v1:") && !token.contains("Ada"),
        "{token}"
    );

    // Equal values have equal tokens, which reveal nothing else.
    let again = call(
        &gate,
        "r",
        "files__write",
        r#"{"path":"b.txt","text":"Ada"}"#,
    )
    .await;
    let other = arguments(&gate, again.run.unwrap()).1.unwrap();
    let alike = |token: &Value| token.as_str().unwrap()[..23].to_owned();
    assert_eq!(alike(&kept["text"]), alike(&other["text"]));
    assert_ne!(kept["text"], other["text"]);

    // Only people who may read payloads can resolve it, and that is recorded.
    assert_eq!(
        gate.reveal(&user("dana"), token).await.unwrap().value,
        "Ada"
    );
    let refused = gate.reveal(&user("eve"), token).await;
    assert!(
        matches!(refused, Err(TokenError::Operate(OperateError::Refused(_)))),
        "{refused:?}"
    );
    let decided: Vec<String> = gate
        .ledger()
        .reader()
        .records_of_run(answer.run.unwrap())
        .unwrap()
        .into_iter()
        .filter_map(|(_, record)| match record.event {
            Event::Decision(d) if d.action.id() == "view_payload" => {
                Some(format!("{} {}", d.principal.id, d.outcome.as_str()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(decided, ["dana allow", "eve deny"]);
    let forged = token.replace("tok:v1:", "tok:v1:0");
    assert!(gate.reveal(&user("dana"), &forged[..40]).await.is_err());

    // Fields without an entry are not kept: here everything except the hash of the order, and the reason.
    let refund = r#"{"order":"A-1","amount":1,"currency":"EUR","reason":"Ada asked"}"#;
    let answer = call(&gate, "r", "payments__refund", refund).await;
    let (_, kept) = arguments(&gate, answer.run.unwrap());
    let kept = kept.unwrap();
    let names: Vec<&String> = kept.as_object().unwrap().keys().collect();
    assert_eq!(names, ["order", "reason"]);
    assert!(kept["order"].as_str().unwrap().starts_with("hmac:v1:"));
    assert_eq!(kept["reason"], "Ada asked");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_tenant_that_does_not_want_it() {
    let world = world();
    world.configure(
        "[tools.files__read]",
        "[capture.tenants.default]\npayloads = false\n[tools.files__read]",
    );
    let gate = world.open().await;
    let answer = call(
        &gate,
        "r",
        "files__write",
        r#"{"path":"a.txt","text":"Ada"}"#,
    )
    .await;
    assert!(is_released(&answer));
    assert_eq!(
        arguments(&gate, answer.run.unwrap()),
        (Class::Ordinary, None)
    );
    let content = Map::from_iter([
        ("input.value".to_owned(), json!("x")),
        ("n".to_owned(), json!(1)),
    ]);
    assert_eq!(
        gate.capturing(None).attributes(content),
        Map::from_iter([("n".to_owned(), json!(1))])
    );

    // A waiting call keeps its arguments sealed anyway: the approver sees exactly what will happen.
    let asked = call(&gate, "r", "payments__refund", REFUND).await;
    let view = gate.approval(&user("dana"), pending(&asked)).await.unwrap();
    assert!(view.arguments.unwrap().contains("A-1"));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_forgotten_but_not_what_still_waits() {
    let world = world();
    world.configure(
        "[tools.files__read]",
        "[capture]\nretention = \"48h\"\n[tools.files__read]",
    );
    world.configure("expires = \"1h\"", "expires = \"200h\"");
    let gate = world.open().await;
    let first = call(
        &gate,
        "r",
        "files__write",
        r#"{"path":"a.txt","text":"Ada"}"#,
    )
    .await;
    let decision = first.decision.unwrap();
    world.pass(86_400);
    let asked = call(&gate, "s", "payments__refund", REFUND).await;
    gate.facts(&user("dana"), decision).await.unwrap();
    world.pass(3 * 86_400);
    gate.pass_time().await.unwrap();

    let gone = gate.facts(&user("dana"), decision).await;
    assert!(gone.unwrap_err().to_string().contains("was destroyed"));
    let records = gate
        .ledger()
        .reader()
        .records_of_run(first.run.unwrap())
        .unwrap();
    let (index, kept): (u64, PayloadRef) = records
        .iter()
        .find_map(|(index, record)| match &record.event {
            Event::Decision(d) => d.capture.map(|kept| (*index, kept)),
            _ => None,
        })
        .unwrap();
    assert!(matches!(
        gate.captured(index, kept),
        Err(LedgerError::Sealed { .. })
    ));
    let view = gate.approval(&user("dana"), pending(&asked)).await.unwrap();
    assert!(view.arguments.unwrap().contains("A-1"));
    let days = gate.ledger().reader().sealed_days().unwrap();
    let readable: Vec<bool> = days.iter().map(|day| day.readable).collect();
    assert_eq!(readable, [false, true, true]);
    gate.ledger().reader().verify(None, |_| {}).unwrap();

    // The keys of today cannot be destroyed by any user.
    let far = gate.now().plus(365 * 86_400_000_000);
    gate.forget_payloads(&user("eve"), None, far)
        .await
        .unwrap_err();
    gate.forget_payloads(&user("alice"), None, far)
        .await
        .unwrap();
    assert!(is_released(
        &call(&gate, "t", "files__write", r#"{"path":"b","text":"x"}"#).await
    ));
    gate.close().await;
}
