//! HTTP requests from inside a call: decided, recorded, pinned, bounded, and never with a secret in the
//! response.

mod limits;
mod secrets;

use std::{
    io::Write as _,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tollgate::{
    egress::Resolver,
    enforce::Answer,
    enforce::Verdict,
    gate::Gate,
    tool::{Content, FailureKind},
};
use tollgate_model::{
    decision::Outcome,
    record::{EffectDetails, Event, HttpEffect},
    request::Action,
};
use tollgate_testkit::{
    web::{self, Server, ok, redirect},
    world::{World, call, is_released, records},
};

const SECRET: &str = "tok_5up3r/s3cret+value==";

const CONFIG: &str = r#"
[components.web]
path = "web.wasm"
[hosts."site.test"]
labels = ["private"]
taints = []
allow_private = true
[hosts."*.open.test"]
labels = ["private"]
taints = []
allow_private = true
[hosts."public.test"]
labels = []
taints = []
[secrets.key]
file = "key"
[secrets.other]
env = "NO_SUCH_VARIABLE_HERE"
[tools.web__fetch]
labels = []
taints = []
[tools.hostile__send_request]
labels = []
taints = []
[tools.hostile__secret_exists]
labels = []
taints = []
[tools.files__read]"#;

const KEY_GOES_TO_SITE: &str = r#"
@id("key-to-site") @owner("tests") @reason("The key goes to site.test.")
permit (principal == Tollgate::Component::"hostile", action == Tollgate::Action::"use_secret",
  resource == Tollgate::Secret::"key")
when { context.host == Tollgate::Host::"site.test" };
"#;

/// Every name resolves to this machine, unless the story sets another address.
fn world(policies: &str) -> World {
    let mut world = World::new(policies);
    world.resolver = Resolver::new(|_| Ok(vec![[127, 0, 0, 1].into()]));
    world.configure("[tools.files__read]", CONFIG);
    world.configure(
        "path = \"hostile.wasm\"",
        "path = \"hostile.wasm\"\nsecrets = [\"key\"]",
    );
    world.write("key", &format!("{SECRET}\n"));
    world.accept();
    world
}

fn text(answer: &Answer) -> String {
    match &answer.verdict {
        Verdict::Released { content, .. } => match content.first() {
            Some(Content::Text { text }) => text.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The tool's own error: whether the host denied it, and what it said.
fn failure(answer: &Answer) -> (FailureKind, String) {
    match &answer.verdict {
        Verdict::ToolError(failure) => (failure.kind, failure.message.clone()),
        other => panic!("{other:?}"),
    }
}

fn requests(gate: &Gate, answer: &Answer) -> Vec<(Option<String>, HttpEffect)> {
    let effects = records(gate, answer.run.unwrap())
        .into_iter()
        .filter_map(|r| match r.event {
            Event::Effect(effect) => match effect.details {
                Some(EffectDetails::Http(http)) => Some((effect.error, http)),
                _ => None,
            },
            _ => None,
        });
    effects.collect()
}

fn decided(gate: &Gate, answer: &Answer, action: &Action) -> Vec<Outcome> {
    let decisions = records(gate, answer.run.unwrap())
        .into_iter()
        .filter_map(|r| match r.event {
            Event::Decision(d) if d.action == *action => Some(d.outcome),
            _ => None,
        });
    decisions.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_fetched_and_every_step_is_in_the_trace() {
    let world = world("");
    let page = ok(
        "content-type: text/html\r\n",
        "<title>Hours</title><p>Open from 8.",
    );
    let server = Server::start(vec![("/hours", page)]).await;
    let gate = world.open().await;
    let arguments = format!(r#"{{"url":"{}"}}"#, server.url("SITE.test", "/hours?x=1"));
    let answer = call(&gate, "r", "web__fetch", &arguments).await;
    assert!(is_released(&answer), "{:?}", answer.verdict);
    assert!(text(&answer).contains("Open from 8."), "{}", text(&answer));

    let asked = server.asked();
    let port = server.address.port();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].starts_with("GET /hours?x=1 HTTP/1.1\r\n"),
        "{}",
        asked[0]
    );
    assert!(
        asked[0].contains(&format!("host: site.test:{port}\r\n")),
        "{}",
        asked[0]
    );
    let trace = format!("traceparent: 00-{}-", answer.run.unwrap());
    assert!(asked[0].contains(&trace), "{}", asked[0]);

    let requests = requests(&gate, &answer);
    assert_eq!(requests.len(), 1);
    let (error, http) = &requests[0];
    assert_eq!(
        (error, http.status, http.address.as_deref()),
        (&None, Some(200), Some("127.0.0.1"))
    );
    let spans = gate.ledger().reader().spans(answer.run.unwrap()).unwrap();
    let name = format!("GET http://site.test:{port}/hours");
    let request = spans
        .iter()
        .find(|s| s.name == name)
        .expect("a span without the query");
    assert!(
        asked[0].contains(&request.span.to_string()),
        "the server gets the id of this span"
    );
    let execution = spans.iter().find(|s| Some(s.span) == request.parent);
    assert!(execution.unwrap().name.starts_with("invoke_component "));
    let decision = |s: &&tollgate_ledger::SpanRow| {
        s.name == "authorize http_request" && s.parent == request.parent
    };
    assert_eq!(spans.iter().filter(decision).count(), 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_turns_a_host_off_for_the_next_call() {
    let world = world("");
    let server = Server::start(vec![("/", ok("content-type: text/plain\r\n", "hello"))]).await;
    let gate = world.open().await;
    let arguments = format!(r#"{{"url":"{}"}}"#, server.url("a.open.test", "/"));
    assert!(is_released(
        &call(&gate, "r", "web__fetch", &arguments).await
    ));
    world.write(
        "policies/off.cedar",
        r#"@id("off") @owner("tests") @reason("open.test is closed today; use the archive.")
           forbid (principal, action == Tollgate::Action::"http_request", resource in Tollgate::Domain::"open.test");"#,
    );
    gate.reload("tests").await.unwrap();
    let refused = call(&gate, "r2", "web__fetch", &arguments).await;
    let (kind, message) = failure(&refused);
    assert_eq!(kind, FailureKind::Denied);
    assert!(
        message.contains("open.test is closed today; use the archive. (decision dec-"),
        "{message}"
    );
    assert_eq!(server.asked().len(), 1, "nothing was sent");
    assert!(
        requests(&gate, &refused).is_empty(),
        "a denied request has no span of its own"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_a_request_of_its_own() {
    let world = world("");
    let server = Server::start(vec![("/", ok("content-type: text/plain\r\n", "here"))]).await;
    let port = server.address.port();
    let to = |url: String| redirect(302, &url);
    let from = Server::start(vec![
        ("/good", to(format!("http://a.open.test:{port}/"))),
        ("/unlisted", to(format!("http://evil.test:{port}/"))),
        (
            "/metadata",
            to("http://169.254.169.254/latest/meta-data/".into()),
        ),
        ("/number", to(format!("http://2130706433:{port}/"))),
        ("/loop", redirect(307, "/loop")),
        ("/file", redirect(302, "file:///etc/passwd")),
    ])
    .await;
    let gate = world.open().await;
    let fetch = |path: &'static str| {
        let (gate, url) = (gate.clone(), from.url("site.test", path));
        async move { call(&gate, path, "web__fetch", &format!(r#"{{"url":"{url}"}}"#)).await }
    };
    let good = fetch("/good").await;
    assert!(text(&good).contains("a.open.test"), "{}", text(&good));
    let hops: Vec<u64> = requests(&gate, &good)
        .iter()
        .map(|(_, http)| http.redirects)
        .collect();
    assert_eq!(hops, [0, 1]);
    assert_eq!(
        decided(&gate, &good, &Action::HttpRequest),
        [Outcome::Allow, Outcome::Allow]
    );

    for path in ["/unlisted", "/metadata", "/number"] {
        let answer = fetch(path).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, FailureKind::Denied, "{path}: {message}");
        assert!(message.contains("It redirects to http://"), "{message}");
        assert_eq!(
            decided(&gate, &answer, &Action::HttpRequest),
            [Outcome::Allow, Outcome::Deny],
            "{path}"
        );
    }
    assert_eq!(
        server.asked().len(),
        1,
        "only the good redirect was followed"
    );
    assert!(
        failure(&fetch("/loop").await)
            .1
            .contains("redirects too often")
    );
    assert!(failure(&fetch("/file").await).1.contains("not for HTTP"));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_resolved_once_and_what_was_decided_is_connected_to() {
    let mut world = world("");
    let server = Server::start(vec![("/", ok("content-type: text/plain\r\n", "here"))]).await;
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lookups);
    // The first answer passes; every later one would lead to the metadata service.
    world.resolver = Resolver::new(move |name| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(match name {
            "public.test" => vec![
                IpAddr::from([93, 184, 215, 14]),
                IpAddr::from([10, 0, 0, 1]),
            ],
            _ if first => vec![[127, 0, 0, 1].into()],
            _ => vec![[169, 254, 169, 254].into()],
        })
    });
    let gate = world.open().await;
    let get = |run: &'static str, host: &str| {
        let (gate, url) = (gate.clone(), server.url(host, "/"));
        async move { call(&gate, run, "web__fetch", &format!(r#"{{"url":"{url}"}}"#)).await }
    };
    let answer = get("r", "site.test").await;
    assert!(is_released(&answer), "{:?}", answer.verdict);
    assert_eq!(lookups.load(Ordering::SeqCst), 1);
    assert_eq!(
        requests(&gate, &answer)[0].1.address.as_deref(),
        Some("127.0.0.1")
    );

    // If one of two addresses is private, the request is denied.
    let url = server.url("public.test", "/").replace("http:", "https:");
    let arguments = format!(r#"{{"url":"{url}"}}"#);
    let mixed = call(&gate, "r2", "web__fetch", &arguments).await;
    assert!(
        failure(&mixed).1.contains("private network"),
        "{:?}",
        failure(&mixed)
    );
    // A name that no policy permits is not even looked up, because a lookup can carry data out.
    let before = lookups.load(Ordering::SeqCst);
    let leak = get("r3", "stolen-data.evil.test").await;
    assert_eq!(failure(&leak).0, FailureKind::Denied);
    assert_eq!(lookups.load(Ordering::SeqCst), before);
    assert_eq!(server.asked().len(), 1);
    gate.close().await;
}

/// Regardless of policies, the operator must have allowed a host in a private network.
#[tokio::test(flavor = "multi_thread")]
async fn private_networks_need_the_operators_word_too() {
    let world = world(
        r#"@id("anything") @owner("tests") @reason("Anything goes.")
           permit (principal, action == Tollgate::Action::"http_request", resource);"#,
    );
    std::fs::remove_file(world.path("policies/egress.cedar")).unwrap();
    let server = Server::start(vec![("/", ok("", "secret"))]).await;
    let gate = world.open().await;
    let port = server.address.port();
    for (n, url) in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/".into(),
        "http://[::ffff:169.254.169.254]/".into(),
        format!("http://127.0.0.1:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://public.test:{port}/"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = call(
            &gate,
            &format!("r{n}"),
            "hostile__send_request",
            &format!(r#"{{"url":"{url}"}}"#),
        )
        .await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, FailureKind::Denied, "{url}: {message}");
        assert!(message.contains("allow_private = true"), "{message}");
        let (error, http) = requests(&gate, &answer).remove(0);
        assert!(error.is_some_and(|e| e.contains("private network")) && http.address.is_none());
    }
    assert!(server.asked().is_empty());
    gate.close().await;
}
