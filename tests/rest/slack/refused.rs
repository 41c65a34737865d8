//! What is refused, and recorded within a rate.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use super::*;

/// The longest time until a request has arrived.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_from_here_is_refused_and_recorded() {
    let mut slack = Slack::new("", "").await;
    let (id, message) = slack.waits("A-1").await;
    let value = button(&message, "approve");
    let changed = |pointer: &str, with: Value| {
        let mut payload = slack.payload("U1", &value);
        *payload.pointer_mut(pointer).unwrap() = with;
        slack.signed(&payload)
    };
    let good = slack.payload("U1", &value);
    let now = slack.now();
    let signed_at = |seconds| Sent::new(form(&good), seconds, SIGNING);
    let mut other_body = slack.signed(&good);
    other_body.body = form(&slack.payload("U2", &value));
    let other_id = value.replace(&id, "apr-0000000000000000");
    let other_verb = button(&message, "reject").replace("reject", "approve");
    let cases = [
        (
            Sent::new(form(&good), now, "another key"),
            401,
            "wrong signature",
            "",
        ),
        (other_body, 401, "wrong signature", ""),
        (signed_at(now - 301), 401, "old", ""),
        (signed_at(now + 301), 401, "future", ""),
        (changed("/team/id", json!("T2")), 403, "other team", ""),
        (changed("/user/team_id", json!("T2")), 403, "other team", ""),
        (changed("/api_app_id", json!("A2")), 403, "other app", ""),
        (
            changed("/channel/id", json!("C2")),
            403,
            "other channel",
            "",
        ),
        (changed("/user/id", json!("U9")), 403, "unknown person", ""),
        (
            changed("/actions/0/value", json!(other_id)),
            403,
            "unknown form",
            "dana",
        ),
        (
            changed("/actions/0/value", json!(other_verb)),
            403,
            "unknown form",
            "dana",
        ),
        (
            changed("/actions/0/value", json!("approve")),
            403,
            "unknown form",
            "dana",
        ),
        (changed("/type", json!("shortcut")), 400, "malformed", ""),
    ];
    for (sent, status, reason, by) in &cases {
        slack.send(sent).await.fails(*status, "answer_refused");
        let expected = (format!("{reason}, 1 request"), (*by).to_owned());
        assert_eq!(slack.refusals().await[0], expected);
    }
    assert_eq!(slack.refusals().await.len(), cases.len());
    assert_eq!(slack.row(&id).answers, []);
    assert!(slack.replies.try_recv().is_err(), "Slack gets nothing");
    // At the edge of the window it counts.
    slack.send(&signed_at(now - 299)).await.is(200);
    assert_eq!(slack.row(&id).answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_another_form_are_refused() {
    let mut slack = Slack::new("", "").await;
    let (id, message) = slack.waits("A-1").await;
    let sent = slack.signed(&slack.payload("U1", &button(&message, "approve")));
    let bare = || {
        slack
            .served
            .request(Method::POST, INTERACTIONS)
            .body(sent.body.clone())
    };
    let kind = |request: RequestBuilder, kind: &str| request.header("content-type", kind);
    let form = "application/x-www-form-urlencoded";
    let signature = ("x-slack-signature", sent.signature.as_str());
    let seconds = ("x-slack-request-timestamp", sent.seconds.as_str());
    let with = |request: RequestBuilder, fields: &[(&str, &str)]| {
        let fields = fields.iter();
        fields.fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
    };
    let large = Sent::new("x".repeat((512 << 10) + 1), slack.now(), SIGNING);
    let requests = [
        (kind(bare(), form), 401),
        (with(kind(bare(), form), &[signature]), 401),
        (with(kind(bare(), form), &[seconds]), 401),
        (
            with(kind(bare(), form), &[signature, signature, seconds]),
            400,
        ),
        (
            with(kind(bare(), form), &[signature, seconds, seconds]),
            400,
        ),
        (with(bare(), &[signature, seconds]), 400),
        (
            with(kind(bare(), "application/json"), &[signature, seconds]),
            400,
        ),
        (
            with(kind(kind(bare(), form), form), &[signature, seconds]),
            400,
        ),
        (slack.request(&large), 413),
    ];
    for (request, status) in requests {
        slack
            .served
            .send(request)
            .await
            .fails(status, "answer_refused");
    }
    let get = slack.served.request(Method::GET, INTERACTIONS);
    slack.served.send(get).await.is(405);
    assert_eq!(slack.row(&id).answers, []);
    let plain = format!("{form}; charset=utf-8");
    let good = with(kind(bare(), &plain), &[signature, seconds]);
    slack.served.send(good).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_counts_once_also_after_a_restart() {
    let mut slack = Slack::new(QUORUM, "").await;
    let (id, message) = slack.waits("A-1").await;
    let sent = slack.signed(&slack.payload("U1", &button(&message, "approve")));
    slack.send(&sent).await.is(200);
    slack.send(&sent).await.fails(401, "answer_refused");
    assert_eq!(
        slack.refusals().await[0],
        ("replayed, 1 request".into(), "dana".into())
    );
    let HttpGate { world, gate, .. } = slack.served;
    gate.close().await;
    slack.served = HttpGate::at(world, "192.0.2.1:443").await;
    slack.send(&sent).await.fails(401, "answer_refused");
    assert_eq!(slack.row(&id).answers.len(), 1);
    // Of copies that come at once, one counts.
    let sent = slack.signed(&slack.payload("U2", &button(&message, "reject")));
    let copies: Vec<_> = (0..8)
        .map(|_| tokio::spawn(slack.request(&sent).send()))
        .collect();
    let mut statuses = Vec::new();
    for copy in copies {
        statuses.push(copy.await.unwrap().unwrap().status().as_u16());
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(slack.row(&id).answers.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_add_few_records() {
    let slack = Slack::new("", "").await;
    let before = slack.served.gate.ledger().size();
    for n in 0..60 {
        let sent = Sent::new(format!("payload={n}"), slack.now(), "another key");
        slack.send(&sent).await.fails(401, "answer_refused");
    }
    assert_eq!(slack.served.gate.ledger().size() - before, 20);
    slack.served.world.pass(6);
    let sent = Sent::new("payload=".into(), slack.now(), "another key");
    slack.send(&sent).await.fails(401, "answer_refused");
    assert_eq!(slack.refusals().await[0].0, "wrong signature, 41 requests");
}

/// Begins requests and does not end them. Returns once `answered` of them have an answer, so that the others have
/// arrived. Those are open until the returned set is dropped.
async fn half_sent(served: &HttpGate, head: &str, begun: usize, answered: usize) -> JoinSet<u8> {
    let mut open = JoinSet::new();
    for _ in 0..begun {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(b"payload=").await.unwrap();
        open.spawn(async move { stream.read_u8().await.unwrap() });
    }
    for _ in 0..answered {
        let answer = tokio::time::timeout(PATIENCE, open.join_next()).await;
        assert_eq!(answer.unwrap().unwrap().unwrap(), b'H');
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_strangers_do_not_end_keep_no_one_out() {
    let mut slack = Slack::new("", "").await;
    let (id, message) = slack.waits("A-1").await;
    let head = format!(
        "POST {INTERACTIONS} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         x-slack-request-timestamp: {}\r\nx-slack-signature: v0=x\r\ncontent-length: 400000\r\n\r\n",
        slack.served.address,
        slack.now()
    );
    let open = half_sent(&slack.served, &head, 80, 16).await;
    let sent = slack.signed(&slack.payload("U1", &button(&message, "approve")));
    slack.send(&sent).await.is(200);
    assert_eq!(slack.row(&id).answers.len(), 1);
    drop(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_have_a_failing_secret_read_again_and_again() {
    let slack = Slack::new("", "").await;
    let tries = slack.served.world.path("tries");
    let command = format!(
        "command = [\"/bin/sh\", \"-c\", \"echo >> {}; exit 1\"]",
        tries.display()
    );
    slack
        .served
        .world
        .configure("file = \"signing.secret\"", &command);
    slack.served.gate.reload("tests").await.unwrap();
    let sent = Sent::new("payload=".into(), slack.now(), "another key");
    for _ in 0..3 {
        slack.send(&sent).await.fails(503, "unavailable");
    }
    assert_eq!(std::fs::read_to_string(&tries).unwrap(), "\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_one_rate_on_all_channels() {
    let mut slack = Slack::new("", "").await;
    slack.served.world.configure(
        "[approvals.slack]",
        "[serve.rate]\nper_second = 1\nburst = 2\n[approvals.slack]",
    );
    slack.served.gate.reload("tests").await.unwrap();
    let (_, message) = slack.waits("A-1").await;
    let value = button(&message, "approve");
    let mut statuses = Vec::new();
    for n in 0..3 {
        let mut payload = slack.payload("U3", &value);
        payload["trigger_id"] = json!(n);
        statuses.push(slack.send(&slack.signed(&payload)).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_to_slack_and_nowhere_else() {
    let mut slack = Slack::new("", "").await;
    let (id, message) = slack.waits("A-1").await;
    let (told, mut elsewhere) = mpsc::unbounded_channel();
    let app = Router::new().fallback(async move || told.send(()).unwrap());
    let other = serve_router(app).await;
    let own = slack.address.strip_prefix("http://").unwrap().to_owned();
    for url in [
        format!("http://{other}/actions/1"),
        format!("http://user:password@{own}/actions/1"),
        format!("https://{own}/actions/1"),
        format!("http://{own}@{other}/actions/1"),
        "file:///etc/passwd".to_owned(),
    ] {
        let mut payload = slack.payload("U3", &button(&message, "approve"));
        payload["response_url"] = json!(url);
        slack.send(&slack.signed(&payload)).await.is(200);
    }
    let mut payload = slack.payload("U1", &button(&message, "approve"));
    payload.as_object_mut().unwrap().remove("response_url");
    slack.send(&slack.signed(&payload)).await.is(200);
    assert_eq!(slack.row(&id).answers.len(), 1, "the answer counts anyway");
    // This one arrives, so those before it would have.
    slack.press("U3", &button(&message, "approve")).await;
    assert!(elsewhere.try_recv().is_err());
    assert!(slack.replies.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_configuration_there_is_nothing() {
    let served = HttpGate::new("").await;
    let before = served.gate.ledger().size();
    let request = served
        .request(Method::POST, INTERACTIONS)
        .body("payload={}");
    served.send(request).await.fails(404, "not_found");
    assert_eq!(served.gate.ledger().size(), before);
}
