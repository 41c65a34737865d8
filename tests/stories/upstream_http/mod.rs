//! Upstream servers over HTTP as they are met in the field: redirects, sessions that are forgotten, streams of every
//! framing, and the older transport.

mod odd_server;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tollgate::{
    enforce::Answer, enforce::Verdict, gate::Gate, gate::GateOptions, gate::compare_offers,
    tool::Content,
};
use tollgate_ledger::Sync;
use tollgate_model::record::Status;
use tollgate_server::upstream::Servers;
use tollgate_testkit::world::{World, call, user};

use self::odd_server::{Odd, Reply, Rest, http, message, ok, stream, usual};

const TOKEN: &str = "correct horse battery";

struct Story {
    gate: Gate,
    world: World,
}

impl Story {
    async fn at(url: &str, more: &str) -> Self {
        let world = World::new("");
        let config = world.read("tollgate.toml");
        let upstream = format!(
            "\n[secrets.key]\nfile = \"key\"\n[upstream.box]\nurl = \"{url}\"\nsecret = \"key\"\n{more}\nlabels = []\n\
             taints = []\nlimits = {{ time = \"20s\" }}\n"
        );
        world.write("key", TOKEN);
        world.write("tollgate.toml", &(config + &upstream));
        let connector = Servers::new();
        let looked = compare_offers(&world.config(), connector.as_ref(), None).await;
        let looked = looked.unwrap();
        let seen: Vec<_> = looked.into_iter().map(|(n, d)| (n, d.digest)).collect();
        let options = GateOptions {
            clock: world.clock(),
            sync: Sync::Full,
            by: "tests".into(),
            connector: Servers::new(),
            ..GateOptions::default()
        };
        let alice = user("alice");
        let gate = Gate::open_accepting(world.config(), options, &alice, &seen);
        Self {
            gate: gate.await.unwrap(),
            world,
        }
    }

    async fn with(odd: &Odd) -> Self {
        Self::at(&format!("http://{}/mcp", odd.address), "").await
    }

    async fn call(&self, text: &str) -> Answer {
        let arguments = json!({ "text": text }).to_string();
        call(&self.gate, "r", "box__echo", &arguments).await
    }

    async fn says(&self, text: &str) {
        let answer = self.call(text).await;
        match &answer.verdict {
            Verdict::Released { content, .. } => {
                assert_eq!(content[..], [Content::Text { text: text.into() }]);
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    async fn fails(&self, text: &str) -> String {
        let answer = self.call(text).await;
        match answer.verdict {
            Verdict::ToolError(failure) => failure.message,
            other => panic!("{text}: {other:?}"),
        }
    }

    async fn close(self) {
        self.gate.close().await;
        drop(self.world);
    }
}

const UNKNOWN: Verdict = Verdict::Ended {
    status: Status::Indeterminate,
    effects: true,
};

#[tokio::test]
async fn a_redirect_is_followed_within_the_origin_and_no_other_one_gets_the_credentials() {
    let odd = Odd::serve(|_, request| match request.path.as_str() {
        "/mcp" => http("307 Temporary Redirect", "Location: /mcp/\r\n", ""),
        "/mcp/" => http("308 Permanent Redirect", "Location: ../there?a=1\r\n", ""),
        _ => usual(request),
    });
    let story = Story::with(&odd).await;
    story.says("one").await;
    let arrived = odd.last("tools/call");
    assert_eq!(arrived.path, "/there?a=1");
    assert_eq!(arrived.header("authorization"), format!("Bearer {TOKEN}"));
    story.close().await;

    let other = Odd::serve(|_, request| usual(request));
    let location = format!("Location: http://{}/mcp\r\n", other.address);
    let calls = AtomicUsize::new(0);
    let odd = Odd::serve(move |_, request| match request.is("tools/call") {
        true => match calls.fetch_add(1, Ordering::SeqCst) {
            0 => http("307 Temporary Redirect", &location, ""),
            1 => http("307 Temporary Redirect", "", ""),
            2..=6 => http("307 Temporary Redirect", "Location: /mcp\r\n", ""),
            _ => http("302 Found", "Location: /there\r\n", ""),
        },
        false => usual(request),
    });
    let story = Story::with(&odd).await;
    for (text, words) in [
        ("elsewhere", "another origin (HTTP 307)"),
        ("nowhere", "to nowhere"),
        ("circle", "in a row"),
    ] {
        let said = story.fails(text).await;
        assert!(
            said.contains(words) && said.contains("Nothing was done"),
            "{said}"
        );
    }
    assert_eq!(story.call("found").await.verdict, UNKNOWN);
    assert!(other.asked.lock().unwrap().is_empty(), "nothing went there");
    story.close().await;
}

#[tokio::test]
async fn a_session_that_the_server_has_lost_is_begun_anew_in_each_of_its_forms() {
    let error = |code: i32, message: &str| {
        json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}})
            .to_string()
    };
    let not_found = error(-32001, "Session not found");
    for (status, body, certain) in [
        ("404 Not Found", not_found.clone(), true),
        ("404 Not Found", String::new(), true),
        (
            "400 Bad Request",
            error(-32000, "Bad Request: No valid session ID provided"),
            true,
        ),
        (
            "400 Bad Request",
            "Invalid or missing session ID".to_owned(),
            true,
        ),
        (
            "500 Internal Server Error",
            "unknown session".to_owned(),
            false,
        ),
        ("200 OK", not_found, false),
    ] {
        let lost = body.clone();
        let odd = Odd::serve(move |odd, request| {
            if request.is("tools/call") && odd.calls() == 2 {
                let id = request.body["id"].to_string();
                let body = lost.replace("\"id\":null", &format!("\"id\":{id}"));
                return http(status, "Content-Type: application/json\r\n", &body);
            }
            usual(request)
        });
        let story = Story::with(&odd).await;
        story.says("one").await;
        assert_eq!(odd.last("tools/call").header("mcp-session-id"), "s1");
        let begun = odd.count("initialize");
        if certain {
            let said = story.fails("two").await;
            assert!(
                said.contains("session has ended"),
                "{status} {body}: {said}"
            );
            assert!(said.contains("Nothing was done"), "{said}");
        } else {
            assert_eq!(story.call("two").await.verdict, UNKNOWN, "{status} {body}");
        }
        story.says("three").await;
        assert_eq!(odd.count("initialize"), begun + 1, "{status} {body}");
        assert_eq!(odd.calls(), 3, "nothing was sent again");
        story.close().await;
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let odd = Odd::serve(|odd, request| {
        if !request.is("tools/call") {
            return usual(request);
        }
        match odd.calls() {
            1 => http(
                "401 Unauthorized",
                "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n",
                "",
            ),
            2 => http(
                "429 Too Many Requests",
                "Retry-After: 7\r\n",
                "{\"error\":\"slow down\"}",
            ),
            3 => http("503 Service Unavailable", "Retry-After: 7\r\n", ""),
            _ => http("502 Bad Gateway", "", "<html>"),
        }
    });
    let story = Story::with(&odd).await;
    for (text, words) in [
        ("one", "look at the secret `key`"),
        ("two", "try again in 7 s"),
    ] {
        let said = story.fails(text).await;
        assert!(
            said.contains(words) && said.contains("Nothing was done"),
            "{said}"
        );
    }
    assert_eq!(story.call("three").await.verdict, UNKNOWN);
    assert_eq!(story.call("four").await.verdict, UNKNOWN);
    assert_eq!(odd.calls(), 4);
    story.close().await;
}

/// A stream with the answer in it, framed in one of many ways.
fn framed(way: usize, message: &str) -> Reply {
    match way {
        0 => stream(&format!(
            ": connected\n\n\n\nevent: ping\ndata: now\n\n:\n\nevent: custom\ndata: {{}}\n\ndata:{message}\n\n"
        )),
        1 => stream(&format!(
            "id: p1\nretry: 500\ndata:\n\nevent: message\nid: p2\ndata: {message}\n\n"
        )),
        2 => stream(&format!("\u{feff}data: {message}\r\n\r\n")),
        3 => stream(&format!("data: {message}\r\r")),
        4 => stream(&format!(
            "data: {}\n\n",
            message.replace(",\"", ",\ndata: \"")
        )),
        5 => stream(&format!("data: {message}")),
        _ => Reply {
            rest: Rest::Stay,
            ..stream(&format!("data: {message}\n\n: still here\n\n"))
        },
    }
}

#[tokio::test]
async fn every_framing_of_a_stream_is_read_and_an_open_one_holds_no_call() {
    for way in 0..7 {
        let odd = Odd::serve(move |_, request| match message(request) {
            Some(message) if request.method == "POST" => framed(way, &message.to_string()),
            _ => usual(request),
        });
        let story = Story::with(&odd).await;
        let begun = Instant::now();
        story.says("one").await;
        story.says("two").await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{way}");
        story.close().await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_taken_up_where_it_has_ids_and_is_indeterminate_where_not() {
    let answers = Arc::new(Mutex::new(HashMap::new()));
    let odd = Odd::serve(move |_, request| {
        let resumed = request.header("last-event-id");
        if request.method == "GET" && !resumed.is_empty() {
            let message: String = answers.lock().unwrap().remove(resumed).unwrap();
            return stream(&format!("data: {message}\n\n"));
        }
        match message(request) {
            Some(message) if request.is("tools/call") => {
                match request.body["params"]["arguments"]["text"]
                    .as_str()
                    .unwrap()
                {
                    "with ids" => {
                        let message = message.to_string();
                        answers.lock().unwrap().insert("e7".to_owned(), message);
                        stream("id: e7\nretry: 10\ndata:\n\n")
                    }
                    _ => stream("data:\n\n: nothing more\n\n"),
                }
            }
            _ => usual(request),
        }
    });
    let story = Story::with(&odd).await;
    story.says("with ids").await;
    assert_eq!(odd.last("GET").header("mcp-session-id"), "s1");
    assert_eq!(story.call("without").await.verdict, UNKNOWN);
    assert_eq!(odd.calls(), 2, "nothing was sent again");
    story.close().await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_ends_its_call_at_once() {
    let odd = Odd::serve(|odd, request| {
        if !request.is("tools/call") {
            return usual(request);
        }
        match odd.calls() {
            1 => http(
                "200 OK",
                "Content-Type: application/json\r\n",
                "{\"jsonrpc\":",
            ),
            2 => Reply {
                rest: Rest::Stay,
                ..stream("data: {\"jsonrpc\":\"2.0\",\"result\":\n\n")
            },
            3 => http("200 OK", "Content-Type: text/html\r\n", "<html>"),
            4 => http("202 Accepted", "", ""),
            _ => ok(
                &json!({"jsonrpc": "2.0", "id": request.body["id"].to_string(),
                "result": {"content": "five"}}),
            ),
        }
    });
    let story = Story::with(&odd).await;
    let begun = Instant::now();
    for text in ["one", "two"] {
        let said = story.fails(text).await;
        assert!(
            said.contains("not usable: the answer is not JSON"),
            "{said}"
        );
    }
    for text in ["three", "four"] {
        assert_eq!(story.call(text).await.verdict, UNKNOWN, "{text}");
    }
    story.says("five").await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    story.close().await;
}

/// A server of MCP 2024-11-05: answers go to the stream that names `endpoint`.
fn older(endpoint: String) -> Odd {
    let listens = Mutex::new(None);
    Odd::serve(
        move |_, request| match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/mcp") => {
                let (sender, events) = mpsc::channel();
                *listens.lock().unwrap() = Some(sender);
                Reply {
                    rest: Rest::Follow(events),
                    ..stream(&format!(": hello\n\nevent: endpoint\ndata: {endpoint}\n\n"))
                }
            }
            ("POST", "/messages?session=1") => {
                if let (Some(message), Some(events)) = (message(request), &*listens.lock().unwrap())
                {
                    let _ = events.send(format!("event: message\ndata: {message}\n\n"));
                }
                http("202 Accepted", "", "Accepted")
            }
            _ => http("405 Method Not Allowed", "", "Method Not Allowed"),
        },
    )
}

#[tokio::test]
async fn a_server_of_the_older_transport_is_found_or_named() {
    for more in ["", "transport = \"sse\""] {
        let odd = older("/messages?session=1".into());
        let story = Story::at(&format!("http://{}/mcp", odd.address), more).await;
        story.says("one").await;
        story.says("two").await;
        let arrived = odd.last("tools/call");
        assert_eq!(arrived.path, "/messages?session=1");
        assert_eq!(arrived.header("authorization"), format!("Bearer {TOKEN}"));
        let posts = odd.asked.lock().unwrap().clone();
        let tried = posts.iter().any(|r| r.method == "POST" && r.path == "/mcp");
        assert_eq!(tried, more.is_empty(), "only what is configured is tried");
        story.close().await;
    }
}

#[tokio::test]
async fn an_endpoint_of_another_origin_gets_nothing() {
    let other = Odd::serve(|_, request| usual(request));
    let odd = older(format!("http://{}/messages?session=1", other.address));
    let world = World::new("");
    let config = world.read("tollgate.toml");
    let upstream = format!(
        "\n[upstream.box]\nurl = \"http://{}/mcp\"\ntransport = \"sse\"\n",
        odd.address
    );
    world.write("tollgate.toml", &(config + &upstream));
    let connector = Servers::new();
    let refused = compare_offers(&world.config(), connector.as_ref(), None).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("another origin"), "{said}");
    assert!(other.asked.lock().unwrap().is_empty());
}
