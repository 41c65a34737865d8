//! HTTP requests from inside a call: decided, recorded, pinned, bounded, and never with a secret in the
//! response.

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

use crate::{
    web_server::{self, Server, ok, redirect},
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
        "the server is told of the very span"
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

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_out_and_never_comes_back() {
    let world = world(KEY_GOES_TO_SITE);
    let half = SECRET.len() / 2;
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nx-you-sent: {SECRET}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n<{}\r\n{:x}\r\n{}>\r\n0\r\n\r\n",
        half + 1,
        &SECRET[..half],
        SECRET.len() - half + 1,
        &SECRET[half..],
    );
    let server = Server::start(vec![
        ("/echo", web_server::Answer::Echo),
        ("/split", web_server::Answer::Bytes(chunked.into_bytes())),
    ])
    .await;
    let gate = world.open().await;
    let mut runs = Vec::new();
    for (n, (path, place, body)) in [
        ("/echo", "bearer", ""),
        ("/echo", "header x-key", ""),
        ("/echo?a=1", "query token", ""),
        ("/echo", "json /auth/token", r#","body":"{\"auth\":{}}""#),
        ("/split", "bearer", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let arguments = format!(
            r#"{{"url":"{}","method":"POST","secret":"key","place":"{place}"{body}}}"#,
            server.url("site.test", path)
        );
        let answer = call(&gate, &format!("r{n}"), "hostile__send_request", &arguments).await;
        let said = text(&answer);
        assert!(said.contains("[secret removed]"), "{place}: {said}");
        assert!(!said.contains("5up3r"), "{place}: {said}");
        assert_eq!(
            decided(&gate, &answer, &Action::UseSecret),
            [Outcome::Allow]
        );
        runs.push(answer.run.unwrap());
    }
    let asked = server.asked();
    assert!(
        asked[0].contains(&format!("authorization: Bearer {SECRET}\r\n")),
        "{}",
        asked[0]
    );
    assert!(asked[1].contains(&format!("x-key: {SECRET}\r\n")));
    assert!(asked[2].contains("token=tok_5up3r%2Fs3cret%2Bvalue%3D%3D"));
    assert!(asked[3].contains(&format!(r#"{{"auth":{{"token":"{SECRET}"}}}}"#)));
    // It is not in any record either, including the guest's own log lines.
    let mut logged = 0;
    for run in runs {
        for record in records(&gate, run) {
            let leaf = String::from_utf8(record.leaf().unwrap()).unwrap();
            assert!(!leaf.contains("5up3r"), "{leaf}");
            logged += usize::from(matches!(record.event, Event::ComponentLog(_)));
        }
    }
    assert_eq!(logged, 5);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_nowhere_else() {
    let world = world(KEY_GOES_TO_SITE);
    let elsewhere = Server::start(vec![("/", web_server::Answer::Echo)]).await;
    let port = elsewhere.address.port();
    let server = Server::start(vec![(
        "/away",
        redirect(307, &format!("http://a.open.test:{port}/")),
    )])
    .await;
    let gate = world.open().await;
    let send = |run: &'static str, url: String, secret: &'static str| {
        let gate = gate.clone();
        let arguments = format!(r#"{{"url":"{url}","secret":"{secret}","redirects":3}}"#);
        async move { call(&gate, run, "hostile__send_request", &arguments).await }
    };
    let denied = send("r1", elsewhere.url("a.open.test", "/"), "key").await;
    assert_eq!(failure(&denied).0, FailureKind::Denied);
    assert!(
        decided(&gate, &denied, &Action::HttpRequest).is_empty(),
        "without its secret it is not sent"
    );
    for name in ["other", "nobody"] {
        let unknown = send("r2", server.url("site.test", "/away"), name).await;
        assert!(
            failure(&unknown).1.contains(&format!("no secret `{name}`")),
            "{:?}",
            failure(&unknown)
        );
    }
    let followed = send("r3", server.url("site.test", "/away"), "key").await;
    assert!(
        text(&followed).contains("a.open.test"),
        "{}",
        text(&followed)
    );
    assert_eq!(
        decided(&gate, &followed, &Action::UseSecret),
        [Outcome::Allow, Outcome::Deny]
    );
    assert!(server.asked()[0].contains(SECRET));
    assert_eq!(elsewhere.asked().len(), 1);
    assert!(
        !elsewhere.asked()[0].contains("5up3r") && !elsewhere.asked()[0].contains("authorization")
    );
    for (name, exists) in [("key", "true"), ("other", "false"), ("nobody", "false")] {
        let answer = call(
            &gate,
            "r4",
            "hostile__secret_exists",
            &format!(r#"{{"name":"{name}"}}"#),
        )
        .await;
        assert_eq!(text(&answer), exists, "{name}");
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_bounded() {
    let world = world("");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 256 << 20]).unwrap();
    let bomb = ok("content-encoding: gzip\r\n", gzip.finish().unwrap());
    let fields = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        format!("x: {}\r\n", "y".repeat(1_000)).repeat(200)
    );
    let server = Server::start(vec![
        ("/bomb", bomb),
        (
            "/endless",
            web_server::Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        ),
        ("/header", web_server::Answer::Bytes(fields.into_bytes())),
        (
            "/line",
            web_server::Answer::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
        ),
        (
            "/short",
            web_server::Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx".to_vec()),
        ),
        (
            "/garbage",
            web_server::Answer::Bytes(b"220 ready\r\n".to_vec()),
        ),
    ])
    .await;
    let gate = world.open().await;
    for (path, says) in [
        ("/bomb", "larger than the host allows"),
        ("/endless", "larger than the host allows"),
        ("/header", "larger than the host allows"),
        ("/line", "larger than the host allows"),
        ("/short", "before its answer was complete"),
        ("/garbage", "is not HTTP"),
    ] {
        let arguments = format!(r#"{{"url":"{}"}}"#, server.url("site.test", path));
        let answer = call(&gate, "r", "hostile__send_request", &arguments).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, FailureKind::Failed, "{path}");
        assert!(message.contains(says), "{path}: {message}");
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_holds_nobody_else_up() {
    let world = world("");
    let server = Server::start(vec![
        ("/silent", web_server::Answer::Stalled(Vec::new())),
        (
            "/half",
            web_server::Answer::Stalled(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe".to_vec()),
        ),
    ])
    .await;
    let gate = world.open().await;
    for path in ["/silent", "/half"] {
        let arguments = format!(
            r#"{{"url":"{}","timeout":1500}}"#,
            server.url("site.test", path)
        );
        let slow = call(&gate, "slow", "hostile__send_request", &arguments);
        let neighbour = async {
            let mut calls = 0;
            for _ in 0..5 {
                let read = call(
                    &gate,
                    "neighbour",
                    "files__write",
                    r#"{"path":"n.txt","text":"x","overwrite":true}"#,
                )
                .await;
                calls += usize::from(is_released(&read));
            }
            calls
        };
        let mut slow = std::pin::pin!(slow);
        let calls = tokio::select! {
            calls = neighbour => calls,
            early = &mut slow => panic!("the slow call ended first: {:?}", early.verdict),
        };
        assert_eq!(calls, 5);
        let (_, message) = failure(&slow.await);
        assert!(message.contains("took too long"), "{message}");
    }
    gate.close().await;
}

/// If a call is stopped, its request is stopped as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_with_its_call() {
    let world = world("");
    world.configure("time = \"5s\"", "time = \"500ms\"");
    let server = Server::start(vec![("/silent", web_server::Answer::Stalled(Vec::new()))]).await;
    let gate = world.open().await;
    let arguments = format!(r#"{{"url":"{}"}}"#, server.url("site.test", "/silent"));
    let answer = call(&gate, "r", "hostile__send_request", &arguments).await;
    // The tool has a little time left to report the timeout.
    assert!(
        failure(&answer).1.contains("took too long"),
        "{:?}",
        answer.verdict
    );
    assert_eq!(requests(&gate, &answer)[0].0.as_deref(), Some("timed out"));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_cannot_say_what_is_the_hosts_to_say() {
    let world = world("");
    let server = Server::start(vec![("/", ok("", "x"))]).await;
    let gate = world.open().await;
    for (extra, says) in [
        (r#""headers":["Host: internal"]"#, "the host's own"),
        (
            r#""headers":["Transfer-Encoding: chunked"]"#,
            "the host's own",
        ),
        (r#""headers":["Content-Length: 3"]"#, "the host's own"),
        (r#""headers":["Proxy-Authorization: x"]"#, "the host's own"),
        (r#""headers":["traceparent: 00-1-1-01"]"#, "the host's own"),
        (
            r#""headers":["x: a\r\nhost: internal"]"#,
            "control characters",
        ),
        (r#""method":"CONNECT""#, "the method"),
        (r#""method":"GET / HTTP/1.1\r\nx:""#, "the method"),
        (
            r#""headers":["authorization: mine"],"secret":"key""#,
            "there already",
        ),
        (r#""redirects":11"#, "10 redirects"),
    ] {
        let arguments = format!(r#"{{"url":"{}",{extra}}}"#, server.url("site.test", "/"));
        let answer = call(&gate, "r", "hostile__send_request", &arguments).await;
        let (_, message) = failure(&answer);
        assert!(message.contains(says), "{extra}: {message}");
    }
    assert!(server.asked().is_empty());
    gate.close().await;
}
