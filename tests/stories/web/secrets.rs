//! Secrets that the host attaches.

use super::*;

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
        ("/echo", web::Answer::Echo),
        ("/split", web::Answer::Bytes(chunked.into_bytes())),
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
    // Nor is it in any record, the guest's own log lines among them.
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
    let elsewhere = Server::start(vec![("/", web::Answer::Echo)]).await;
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
    for name in ["other", "missing"] {
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
    for (name, exists) in [("key", "true"), ("other", "false"), ("missing", "false")] {
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
async fn a_secret_goes_to_the_port_and_path_that_policy_permits() {
    let elsewhere = Server::start(vec![("/", web::Answer::Echo)]).await;
    let other = elsewhere.address.port();
    let server = Server::start(vec![
        ("/api/a", web::Answer::Echo),
        ("/else", web::Answer::Echo),
        (
            "/api/away",
            redirect(307, &format!("http://site.test:{other}/")),
        ),
    ])
    .await;
    let port = server.address.port();
    let policy = KEY_GOES_TO_SITE.replace(
        "Host::\"site.test\"",
        &format!(
            "Host::\"site.test\" && context.port == {port} && context.path like \"/api/*\" && context.method == \"GET\""
        ),
    );
    let world = world(&policy);
    let gate = world.open().await;
    let send = |run: &'static str, url: String, method: &'static str| {
        let gate = gate.clone();
        let arguments =
            format!(r#"{{"url":"{url}","method":"{method}","secret":"key","redirects":3}}"#);
        async move { call(&gate, run, "hostile__send_request", &arguments).await }
    };
    text(&send("r1", server.url("site.test", "/api/a"), "GET").await);
    for (run, url, method) in [
        ("r2", server.url("site.test", "/else"), "GET"),
        ("r3", server.url("site.test", "/api/a"), "POST"),
        ("r4", elsewhere.url("site.test", "/"), "GET"),
    ] {
        let denied = send(run, url, method).await;
        assert_eq!(failure(&denied).0, FailureKind::Denied, "{run}");
    }
    let followed = send("r5", server.url("site.test", "/api/away"), "GET").await;
    assert_eq!(
        decided(&gate, &followed, &Action::UseSecret),
        [Outcome::Allow, Outcome::Deny],
        "another port of the host is decided again"
    );
    assert_eq!(elsewhere.asked().len(), 1);
    assert!(!elsewhere.asked()[0].contains("5up3r"));
    gate.close().await;
}
