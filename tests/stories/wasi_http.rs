//! A component made for `wasi:http` that does not know the gate: its requests are decided, recorded, pinned
//! and bounded like all others.

use std::{fs, sync::Arc};

use serde_json::Value;
use tokio::sync::Barrier;
use tollgate::{egress::Resolver, enforce::Answer, enforce::Verdict, gate::Gate, tool::Content};
use tollgate_model::{
    decision::Outcome,
    record::{EffectDetails, Event, HttpEffect},
    request::Action,
};
use tollgate_testkit::{
    repository,
    web::{Answer as Reply, Server, ok, redirect},
    world::{World, call, is_released, records},
};

/// Numbers of error codes in `wasi:http/types`.
const IP_PROHIBITED: u64 = 4;
const CERTIFICATE: u64 = 13;
const REQUEST_DENIED: u64 = 15;
const REQUEST_BODY_SIZE: u64 = 17;
const RESPONSE_BODY_SIZE: u64 = 28;
const PROTOCOL_ERROR: u64 = 35;

const SECRET: &str = "tok_5up3r/s3cret+value==";

const CONFIG: &str = r#"
[components.asks]
path = "asks.wasm"
secrets = ["key"]
grants.data = { path = "data", mode = "rw" }
[secrets.key]
file = "key"
[hosts."site.test"]
labels = ["private"]
taints = []
allow_private = true
[hosts."other.test"]
labels = ["private"]
taints = []
allow_private = true
[hosts."closed.test"]
labels = ["private"]
taints = []
[hosts."public.test"]
labels = []
taints = []
[tools.asks__fetch]
labels = []
taints = []
[tools.asks__store-and-fetch]
labels = []
taints = []
[tools.asks__fetch-together]
labels = []
taints = []
[tools.files__read]"#;

/// Every name resolves to this machine.
fn world() -> World {
    let mut world = World::new("");
    world.resolver = Resolver::new(|_| Ok(vec![[127, 0, 0, 1].into()]));
    let text = fs::read(repository().join("tests/guests/wasi-http.wat")).unwrap();
    fs::write(world.path("asks.wasm"), wat::parse_bytes(&text).unwrap()).unwrap();
    world.configure("[tools.files__read]", CONFIG);
    world.write("key", &format!("{SECRET}\n"));
    world.accept();
    world
}

/// Requests a page with a body of that many blocks of 4 KiB: returns the status, or an error's number, and
/// the body.
async fn fetch(
    gate: &Gate,
    server: &Server,
    (host, path): (&str, &str),
    blocks: u32,
) -> (Answer, u64, String) {
    let port = server.address.port();
    let arguments =
        format!(r#"{{"secure":false,"host":"{host}:{port}","path":"{path}","blocks":{blocks}}}"#);
    let answer = call(gate, path, "asks__fetch", &arguments).await;
    let value = returned(&answer);
    let status = value["status"].as_u64().unwrap();
    let body = value["body"].as_str().unwrap().to_owned();
    (answer, status, body)
}

/// Requests a page over TLS.
async fn fetch_secure(gate: &Gate, server: &Server, host: &str) -> (Answer, u64) {
    let port = server.address.port();
    let arguments =
        format!(r#"{{"secure":true,"host":"{host}:{port}","path":"/page","blocks":0}}"#);
    let answer = call(gate, host, "asks__fetch", &arguments).await;
    let status = returned(&answer)["status"].as_u64().unwrap();
    (answer, status)
}

/// What a tool returned.
fn returned(answer: &Answer) -> Value {
    let Verdict::Released { content, .. } = &answer.verdict else {
        panic!("{:?}", answer.verdict);
    };
    let value = content.iter().find_map(|part| match part {
        Content::Structured(value) => Some(value.clone()),
        _ => None,
    });
    value.unwrap()
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
    let decision = |s: &&tollgate_ledger::SpanRow| {
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
    let (answer, status) = fetch_secure(&gate, &server, "public.test").await;
    assert_eq!(status, REQUEST_DENIED, "policy: it is not labelled private");
    assert_eq!(decided(&gate, &answer), [Outcome::Deny]);
    let (answer, status) = fetch_secure(&gate, &server, "closed.test").await;
    assert_eq!(status, IP_PROHIBITED, "allow_private is not set");
    let sent = requests(&gate, &answer);
    let (error, http) = sent.first().unwrap();
    assert!(error.as_deref().unwrap().contains("allow_private = true"));
    assert_eq!(http.address, None);
    let (_, status, _) = fetch(&gate, &server, ("site.test", "/?much"), 2_049).await;
    assert_eq!(status, REQUEST_BODY_SIZE);
    assert!(server.asked().is_empty(), "nothing was sent");

    let (_, status, _) = fetch(&gate, &server, ("site.test", "/endless"), 0).await;
    assert_eq!(status, RESPONSE_BODY_SIZE);
    gate.close().await;
}

/// A secret is sent only with a request of `tollgate:adapter/http`. A server that has it from elsewhere
/// cannot reveal it to a component of `wasi:http` either.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_never_in_what_comes_back() {
    let world = world();
    let told = format!("x-said: <{SECRET}>\r\nlocation: http://site.test/{SECRET}\r\n");
    let encoded = "dG9rXzV1cDNyL3MzY3JldCt2YWx1ZT09";
    let server = Server::start(vec![
        ("/told", ok(&told, format!("<{SECRET}> <{encoded}>"))),
        (
            "/broken",
            Reply::Bytes(format!("{SECRET}\r\n").into_bytes()),
        ),
        ("/echo", Reply::Echo),
    ])
    .await;
    let gate = world.open().await;
    let mut answers = Vec::new();
    let (answer, status, body) = fetch(&gate, &server, ("site.test", "/told"), 0).await;
    assert_eq!(status, 200);
    assert_eq!(body, "<[secret removed]> <[secret removed]>");
    assert_eq!(returned(&answer)["said"], "<[secret removed]>");
    answers.push(answer);
    let (answer, status, body) = fetch(&gate, &server, ("site.test", "/broken"), 0).await;
    assert_eq!((status, body.as_str()), (PROTOCOL_ERROR, ""));
    answers.push(answer);
    // It is not attached to any request.
    let (answer, _, body) = fetch(&gate, &server, ("site.test", "/echo"), 0).await;
    assert!(body.starts_with("GET /echo"), "{body}");
    assert!(!body.contains("secret removed") && !body.contains("authorization"));
    answers.push(answer);
    for answer in answers {
        for record in records(&gate, answer.run.unwrap()) {
            let leaf = String::from_utf8(record.leaf().unwrap()).unwrap();
            assert!(!leaf.contains("5up3r"), "{leaf}");
            assert!(!leaf.contains(encoded), "{leaf}");
        }
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_server_must_prove_to_be_the_host_that_was_decided() {
    let world = world();
    let pages = || vec![("/page", ok("", "hello"))];
    let (server, authority) = Server::start_secure("ours", "site.test", pages()).await;
    let (strange, _) = Server::start_secure("theirs", "site.test", pages()).await;
    world.write("ca.pem", &authority);
    let config = world.read("tollgate.toml");
    world.write(
        "tollgate.toml",
        &format!("{config}\n[network]\ntrust = [\"ca.pem\"]\n"),
    );
    let gate = world.open().await;
    let (answer, status) = fetch_secure(&gate, &server, "SITE.test").await;
    assert_eq!(status, 200);
    assert_eq!(decided(&gate, &answer), [Outcome::Allow]);
    assert_eq!(server.named(), ["site.test"]);
    let port = server.address.port();
    let host = format!("host: site.test:{port}\r\n");
    assert!(server.asked()[0].contains(&host), "{}", server.asked()[0]);
    assert_eq!(requests(&gate, &answer)[0].1.host, "site.test");

    for (server, host, says) in [
        (&server, "other.test", "not valid for name"),
        (&strange, "site.test", "UnknownIssuer"),
    ] {
        let (answer, status) = fetch_secure(&gate, server, host).await;
        assert_eq!(status, CERTIFICATE, "{host}");
        let sent = requests(&gate, &answer);
        let error = sent.last().and_then(|(error, _)| error.as_deref()).unwrap();
        assert!(error.starts_with(host) && error.contains(says), "{error}");
    }
    assert_eq!(server.asked().len(), 1, "nothing was said to a stranger");
    assert!(strange.asked().is_empty());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_are_each_decided_and_each_a_span() {
    let world = world();
    // It answers only after four requests have arrived.
    let together = Reply::Together(Arc::new(Barrier::new(4)));
    let server = Server::start(vec![("/together", together), ("/", ok("", "hello"))]).await;
    let gate = world.open().await;
    let port = server.address.port();
    for (path, n) in [("/together", 4_usize), ("/", 2)] {
        let arguments = format!(r#"{{"n":{n},"host":"site.test:{port}","path":"{path}"}}"#);
        let answer = call(&gate, path, "asks__fetch-together", &arguments).await;
        assert_eq!(returned(&answer)["result"], n);
        assert_eq!(decided(&gate, &answer), vec![Outcome::Allow; n]);
        assert_eq!(requests(&gate, &answer).len(), n);
        let spans = gate.ledger().reader().spans(answer.run.unwrap()).unwrap();
        let name = format!("GET http://site.test:{port}{path}");
        let sent: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(sent.len(), n);
        let authorized = spans.iter().filter(|s| s.name == "authorize http_request");
        assert_eq!(authorized.count(), n);
        let parents = sent.iter().map(|span| span.parent);
        assert!(parents.into_iter().all(|parent| parent == sent[0].parent));
    }
    gate.close().await;
}

/// A file that a component has closed is on the disk, decided and recorded, before its next request to the
/// host.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_file_is_stored_before_a_later_request() {
    let world = world();
    let server = Server::start(vec![("/", ok("", "hello"))]).await;
    let gate = world.open().await;
    let port = server.address.port();
    let store = |text: &'static str, late: bool| {
        let gate = gate.clone();
        let arguments =
            format!(r#"{{"text":"{text}","late":{late},"host":"site.test:{port}","path":"/"}}"#);
        async move { call(&gate, text, "asks__store-and-fetch", &arguments).await }
    };
    let answer = store("kept", false).await;
    assert_eq!(returned(&answer)["status"], 200);
    assert_eq!(world.read("data/kept.txt"), "kept");
    let effects = records(&gate, answer.run.unwrap()).into_iter();
    let effects = effects.filter_map(|record| match record.event {
        Event::Effect(effect) => Some((effect.operation, effect.size)),
        Event::Decision(d) if d.action == Action::HttpRequest => Some(("decided".into(), 0)),
        _ => None,
    });
    let expected = [
        ("write_file", 0),
        ("write_file", 4),
        ("decided", 0),
        ("http_request", 5),
    ];
    assert_eq!(
        effects.collect::<Vec<_>>(),
        expected.map(|(operation, size)| (operation.to_owned(), size)),
    );

    // A stream that outlives its descriptor loses nothing.
    let answer = store("late", true).await;
    assert!(is_released(&answer), "{:?}", answer.verdict);
    assert_eq!(world.read("data/kept.txt"), "late");

    // The error could not be reported at the close, so the call fails.
    world.write(
        "policies/small.cedar",
        r#"@id("small") @owner("tests") @reason("Too much.")
        forbid (principal, action == Tollgate::Action::"write_file", resource) when { context.size > 4 };"#,
    );
    gate.reload("tests").await.unwrap();
    let answer = store("longer", false).await;
    assert!(matches!(&answer.verdict, Verdict::ToolError(f) if f.message.contains("Too much.")));
    assert_eq!(world.read("data/kept.txt"), "late");
    gate.close().await;
}
