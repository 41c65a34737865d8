//! A component made for `wasi:http` that knows of no gate: its requests are decided, recorded, pinned and
//! bounded as everybody's.

use std::fs;

use serde_json::Value;
use tollgate::{
    call::{Answer, Verdict},
    gate::Gate,
    sandbox::{Content, Resolver},
};
use tollgate_core::{
    decision::Outcome,
    record::{EffectDetails, Event, HttpEffect},
    request::Action,
};

use crate::{
    web_server::{Answer as Reply, Server, ok, redirect},
    world::{World, call, records, repository},
};

/// Numbers of error codes in `wasi:http/types`.
const IP_PROHIBITED: u64 = 4;
const REQUEST_DENIED: u64 = 15;
const REQUEST_BODY_SIZE: u64 = 17;
const RESPONSE_BODY_SIZE: u64 = 28;

const CONFIG: &str = r#"
[components.asks]
path = "asks.wasm"
[hosts."site.test"]
labels = ["private"]
taints = []
allow_private = true
[hosts."public.test"]
labels = []
taints = []
[tools.asks__fetch]
labels = []
taints = []
[tools.files__read]"#;

/// Every name is this machine.
fn world() -> World {
    let mut world = World::new("");
    world.resolver = Resolver::new(|_| Ok(vec![[127, 0, 0, 1].into()]));
    let text = fs::read(repository().join("tests/guests/wasi-http.wat")).unwrap();
    fs::write(world.path("asks.wasm"), wat::parse_bytes(&text).unwrap()).unwrap();
    world.configure("[tools.files__read]", CONFIG);
    world.accept();
    world
}

/// Ask for a page, with a body of that many blocks of 4 KiB: the status, or an error's number, and the body.
async fn fetch(
    gate: &Gate,
    server: &Server,
    (host, path): (&str, &str),
    blocks: u32,
) -> (Answer, u64, String) {
    let port = server.address.port();
    let arguments = format!(r#"{{"host":"{host}:{port}","path":"{path}","blocks":{blocks}}}"#);
    let answer = call(gate, path, "asks__fetch", &arguments).await;
    let Verdict::Released { content, .. } = &answer.verdict else {
        panic!("{:?}", answer.verdict);
    };
    let value = content.iter().find_map(|part| match part {
        Content::Structured(value) => Some(value.clone()),
        _ => None,
    });
    let value: Value = value.unwrap();
    let status = value["status"].as_u64().unwrap();
    let body = value["body"].as_str().unwrap().to_owned();
    (answer, status, body)
}

fn requests(gate: &Gate, answer: &Answer) -> Vec<(Option<String>, HttpEffect)> {
    let effects = records(gate, answer.run.unwrap()).into_iter();
    let http = effects.filter_map(|record| match record.event {
        Event::Effect(effect) => match effect.details {
            Some(EffectDetails::Http(http)) => Some((effect.error, http)),
            _ => None,
        },
        _ => None,
    });
    http.collect()
}

fn decided(gate: &Gate, answer: &Answer) -> Vec<Outcome> {
    let decisions = records(gate, answer.run.unwrap()).into_iter();
    let outcomes = decisions.filter_map(|record| match record.event {
        Event::Decision(d) if d.action == Action::HttpRequest => Some(d.outcome),
        _ => None,
    });
    outcomes.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_decided_and_drawn_like_every_other() {
    let world = world();
    let server = Server::start(vec![
        ("/hours", ok("content-type: text/plain\r\n", "Open from 8.")),
        ("/echo", Reply::Echo),
        ("/moved", redirect(302, "http://169.254.169.254/")),
    ])
    .await;
    let gate = world.open().await;
    let site = |path: &'static str| ("SITE.test", path);
    let (answer, status, body) = fetch(&gate, &server, site("/hours?x=1"), 0).await;
    assert_eq!((status, body.as_str()), (200, "Open from 8."));
    assert_eq!(decided(&gate, &answer), [Outcome::Allow]);
    let port = server.address.port();
    let asked = server.asked();
    assert!(
        asked[0].starts_with("GET /hours?x=1 HTTP/1.1\r\n"),
        "{}",
        asked[0]
    );
    assert_eq!(asked[0].matches("host: ").count(), 1, "{}", asked[0]);
    assert!(
        asked[0].contains(&format!("host: site.test:{port}\r\n")),
        "{}",
        asked[0]
    );
    let spans = gate.ledger().reader().spans(answer.run.unwrap()).unwrap();
    let name = format!("GET http://site.test:{port}/hours");
    let request = spans.iter().find(|span| span.name == name).unwrap();
    let execution = spans.iter().find(|s| Some(s.span) == request.parent);
    assert!(execution.unwrap().name.starts_with("invoke_component "));
    let decision = |s: &&tollgate::ledger::SpanRow| {
        s.name == "authorize http_request" && s.parent == request.parent
    };
    assert_eq!(spans.iter().filter(decision).count(), 1);

    let (_, status, body) = fetch(&gate, &server, site("/echo"), 3).await;
    assert!(status == 200 && body.starts_with("POST /echo"), "{body}");
    assert!(body.contains("content-length: 12288\r\n"), "{body}");
    assert!(body.ends_with(&"x".repeat(12_288)));

    let (answer, status, _) = fetch(&gate, &server, site("/moved"), 0).await;
    assert_eq!(status, 302, "a redirect is the component's own to follow");
    assert_eq!(requests(&gate, &answer).len(), 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_turns_a_host_off_and_the_component_is_told() {
    let world = world();
    let server = Server::start(vec![("/", ok("", "hello"))]).await;
    let gate = world.open().await;
    assert_eq!(
        fetch(&gate, &server, ("site.test", "/"), 0).await.1,
        200,
        "permitted so far"
    );
    let off = r#"@id("off") @owner("tests") @reason("Closed.")
        forbid (principal, action == Tollgate::Action::"http_request", resource == Tollgate::Host::"site.test");"#;
    world.write("policies/off.cedar", off);
    gate.reload("tests").await.unwrap();
    let (answer, status, _) = fetch(&gate, &server, ("site.test", "/?again"), 0).await;
    assert_eq!(status, REQUEST_DENIED);
    assert_eq!(decided(&gate, &answer), [Outcome::Deny]);
    assert_eq!(server.asked().len(), 1, "nothing was sent");

    let (_, status, _) = fetch(&gate, &server, ("unlisted.test", "/?unlisted"), 0).await;
    assert_eq!(status, REQUEST_DENIED, "no policy permits it");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_networks_and_what_is_too_much_are_refused() {
    let world = world();
    world.write(
        "policies/anywhere.cedar",
        r#"@id("anywhere") @owner("tests")
        permit (principal, action == Tollgate::Action::"http_request", resource);"#,
    );
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let server = Server::start(vec![
        ("/", ok("", "hello")),
        ("/endless", Reply::Endless(endless)),
    ])
    .await;
    let gate = world.open().await;
    let (_, status, _) = fetch(&gate, &server, ("public.test", "/"), 0).await;
    assert!(
        [IP_PROHIBITED, REQUEST_DENIED].contains(&status),
        "the operator did not say allow_private: {status}"
    );
    let (_, status, _) = fetch(&gate, &server, ("site.test", "/?much"), 2_049).await;
    assert_eq!(status, REQUEST_BODY_SIZE);
    assert!(server.asked().is_empty(), "nothing was sent");

    let (_, status, _) = fetch(&gate, &server, ("site.test", "/endless"), 0).await;
    assert_eq!(status, RESPONSE_BODY_SIZE);
    gate.close().await;
}
