//! Bounds of requests and responses, and fields that belong to the host.

use super::*;

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
            web::Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        ),
        ("/header", web::Answer::Bytes(fields.into_bytes())),
        (
            "/line",
            web::Answer::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
        ),
        (
            "/short",
            web::Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx".to_vec()),
        ),
        ("/garbage", web::Answer::Bytes(b"220 ready\r\n".to_vec())),
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
async fn a_silent_server_delays_no_other_call() {
    let world = world("");
    let server = Server::start(vec![
        ("/silent", web::Answer::Stalled(Vec::new())),
        (
            "/half",
            web::Answer::Stalled(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe".to_vec()),
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

/// A call that is ended takes its request with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_with_its_call() {
    let world = world("");
    world.configure("time = \"5s\"", "time = \"500ms\"");
    let server = Server::start(vec![("/silent", web::Answer::Stalled(Vec::new()))]).await;
    let gate = world.open().await;
    let arguments = format!(r#"{{"url":"{}"}}"#, server.url("site.test", "/silent"));
    let answer = call(&gate, "r", "hostile__send_request", &arguments).await;
    // The tool has a little time left to say what happened.
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
