//! Notifications about approvals, and escalation to a second group after a time without an answer.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{net::TcpListener, sync::mpsc};
use tollgate_server::approvals::{Delivery, Webhook, attend};
use tollgate_testkit::{rest::HttpGate, web::serve_router, world::World};

const SECRET: &str = "a secret of the receiver";

/// A receiver of notifications with a set behaviour.
#[derive(Clone, Default)]
struct Receiver {
    /// Statuses with which the next ones are answered; 204 after that.
    answers: Arc<Mutex<Vec<u16>>>,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    async fn serve(&self, at: &str) -> String {
        let receiver = self.clone();
        let app = Router::new().route(
            "/hook",
            post(async move |headers: HeaderMap, body: Bytes| {
                receiver.got.lock().unwrap().push((headers, body));
                let mut answers = receiver.answers.lock().unwrap();
                let status = if answers.is_empty() {
                    204
                } else {
                    answers.remove(0)
                };
                http::StatusCode::from_u16(status).unwrap()
            }),
        );
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address.to_string()
    }

    /// What came, each with a signature that is right.
    fn bodies(&self) -> Vec<(String, Value)> {
        let got = self.got.lock().unwrap();
        got.iter()
            .map(|(headers, body)| {
                let header = |name: &str| headers[name].to_str().unwrap();
                let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
                let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
                mac.update(format!("{id}.{at}.").as_bytes());
                mac.update(body);
                let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
                assert_eq!(header("webhook-signature"), expected);
                (id.to_owned(), serde_json::from_slice(body).unwrap())
            })
            .collect()
    }
}

fn world(address: &str, format: &str) -> World {
    let world = World::new("");
    world.write("hook.secret", SECRET);
    world.configure(
        "expires = \"1h\"",
        &format!(
            "expires = \"1h\"\nescalate_after = \"10m\"\nescalate_to = [\"security\"]\n\
             webhook = {{ url = \"http://{address}/hook\", secret = \"hook\", format = \"{format}\" }}"
        ),
    );
    let config = world.read("tollgate.toml");
    world.write(
        "tollgate.toml",
        &format!("{config}\n[secrets.hook]\nfile = \"hook.secret\"\n"),
    );
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_and_resolution_is_told_signed() {
    let receiver = Receiver::default();
    let address = receiver.serve("127.0.0.1:0").await;
    let served = HttpGate::at(world(&address, "json"), "192.0.2.1:443").await;
    let mut webhook = Webhook::new(served.gate.clone());
    assert_eq!(webhook.deliver().await, Delivery::Idle);
    let (agent, dana) = (served.agent("support").await, served.user("dana").await);
    let id = served.waits(&agent, "A-1").await;
    // Delivery fails twice, and is tried again each time when it is due, not before.
    *receiver.answers.lock().unwrap() = vec![500, 302];
    assert_eq!(webhook.deliver().await, Delivery::Failed);
    assert_eq!(webhook.deliver().await, Delivery::Later);
    served.world.pass(2);
    assert_eq!(webhook.deliver().await, Delivery::Failed);
    served.world.pass(2);
    assert_eq!(webhook.deliver().await, Delivery::Later, "the pause grows");
    served.world.pass(2);
    assert_eq!(webhook.deliver().await, Delivery::Sent);
    assert_eq!(webhook.deliver().await, Delivery::Idle);
    let path = format!("/v1/approvals/{id}");
    let digest = served.get(&dana, &path).await.is(200)["digest"].clone();
    served
        .post(
            &dana,
            &format!("{path}/approve"),
            json!({ "digest": digest }),
        )
        .await
        .is(200);
    assert_eq!(webhook.deliver().await, Delivery::Sent);
    let bodies = receiver.bodies();
    let ids: Vec<&str> = bodies.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        (ids[0], ids[1]),
        (ids[1], ids[2]),
        "the same one, told again"
    );
    let (asked, resolved) = (&bodies[2].1, &bodies[3].1);
    assert_eq!(asked["type"], "approval.requested");
    assert_eq!(asked["data"]["id"], *id);
    assert_eq!(
        asked["data"]["policies"][0]["reason"],
        "Large refunds need finance's approval."
    );
    for part in ["amount", "EUR"] {
        assert!(!asked.to_string().contains(part), "no arguments: {asked}");
    }
    assert_eq!(resolved["type"], "approval.resolved");
    assert_eq!(
        (&resolved["data"]["state"], &resolved["data"]["id"]),
        (&json!("approved"), &json!(id))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_question_are_one_message_and_a_call_that_joins_is_told() {
    let receiver = Receiver::default();
    let address = receiver.serve("127.0.0.1:0").await;
    let served = HttpGate::at(world(&address, "json"), "192.0.2.1:443").await;
    let mut webhook = Webhook::new(served.gate.clone());
    assert_eq!(webhook.deliver().await, Delivery::Idle);
    let agent = served.agent("support").await;
    let (first, second) = (
        served.waits(&agent, "A-1").await,
        served.waits(&agent, "A-2").await,
    );
    assert_eq!(webhook.deliver().await, Delivery::Sent);
    assert_eq!(webhook.deliver().await, Delivery::Idle, "one message");
    let third = served.waits(&agent, "A-3").await;
    assert_eq!(webhook.deliver().await, Delivery::Sent);
    assert_eq!(webhook.deliver().await, Delivery::Idle);
    let other = served.agent("other").await;
    let apart = served.waits(&other, "A-1").await;
    assert_eq!(webhook.deliver().await, Delivery::Sent);

    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 3);
    let data: Vec<&Value> = bodies.iter().map(|(_, body)| &body["data"]).collect();
    let listed = |data: &Value| -> Vec<String> {
        let others = data["others"].as_array().cloned().unwrap_or_default();
        let ids = others
            .iter()
            .map(|other| other["id"].as_str().unwrap().to_owned());
        ids.collect()
    };
    assert_eq!(
        (&data[0]["id"], listed(data[0])),
        (&json!(first), vec![second.clone()])
    );
    assert_eq!(
        (&data[1]["id"], listed(data[1])),
        (&json!(third), vec![first.clone(), second])
    );
    assert_eq!(data[1]["question"], *first);
    assert_ne!(data[0]["question_digest"], data[1]["question_digest"]);
    assert_eq!(
        (&data[2]["question"], listed(data[2])),
        (&json!(apart), vec![])
    );
    for (_, body) in &bodies {
        assert_eq!(body["type"], "approval.requested");
        for part in ["amount", "EUR", "arguments\""] {
            assert!(!body.to_string().contains(part), "no arguments: {body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undelivered_notification_is_sent_after_a_restart() {
    // Nothing listens at this address yet.
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let served = HttpGate::at(world(&address, "json"), "192.0.2.1:443").await;
    let mut webhook = Webhook::new(served.gate.clone());
    webhook.deliver().await;
    let agent = served.agent("support").await;
    let id = served.waits(&agent, "A-1").await;
    assert_eq!(webhook.deliver().await, Delivery::Failed);
    let HttpGate { world, gate, .. } = served;
    gate.close().await;
    let gate = world.open().await;
    let receiver = Receiver::default();
    receiver.serve(&address).await;
    let mut webhook = Webhook::new(gate.clone());
    assert_eq!(webhook.deliver().await, Delivery::Sent);
    assert_eq!(receiver.bodies()[0].1["data"]["id"], *id);
    // What was taken is not told again.
    gate.close().await;
    let gate = world.open().await;
    assert_eq!(Webhook::new(gate).deliver().await, Delivery::Idle);
    assert_eq!(receiver.bodies().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_takes_one_does_not_stop_the_next() {
    let receiver = Receiver::default();
    let address = receiver.serve("127.0.0.1:0").await;
    let served = HttpGate::at(world(&address, "slack"), "192.0.2.1:443").await;
    let mut webhook = Webhook::new(served.gate.clone());
    webhook.deliver().await;
    let agent = served.agent("support").await;
    served.waits(&agent, "A-1").await;
    *receiver.answers.lock().unwrap() = vec![500; 16];
    let mut last = Delivery::Failed;
    for _ in 0..16 {
        assert_eq!(last, Delivery::Failed);
        last = webhook.deliver().await;
        served.world.pass(300);
    }
    assert_eq!(last, Delivery::GivenUp);
    let other = served.agent("other").await;
    served.waits(&other, "A-2").await;
    assert_eq!(webhook.deliver().await, Delivery::Sent);
    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 17);
    assert!(
        bodies[16].1["text"]
            .as_str()
            .unwrap()
            .contains("*high*: other for eve asks for")
    );
    let alice = served.user("alice").await;
    let acts = served.get(&alice, "/v1/decisions").await.is(200);
    let given_up = acts["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .any(|d| d["action"] == "webhook_abandoned");
    assert!(given_up, "it is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_passes_while_a_receiver_takes_its_time() {
    /// A receiver that accepts a notification and never answers, until the sender closes the connection.
    struct Left(mpsc::UnboundedSender<&'static str>);
    impl Drop for Left {
        fn drop(&mut self) {
            let _ = self.0.send("left");
        }
    }
    let (told, mut heard) = mpsc::unbounded_channel();
    let silent = post(async move || {
        let _ = told.send("asked");
        let _left = Left(told);
        std::future::pending::<()>().await
    });
    let address = serve_router(Router::new().route("/hook", silent)).await;
    let address = address.to_string();
    let served = HttpGate::at(world(&address, "json"), "192.0.2.1:443").await;
    // What was before is not told.
    Webhook::new(served.gate.clone()).deliver().await;
    let attending = tokio::spawn(attend(served.gate.clone(), std::future::pending()));
    let agent = served.agent("support").await;
    let id = served.waits(&agent, "A-1").await.parse().unwrap();
    assert_eq!(heard.recv().await, Some("asked"));
    served.world.pass(600);
    let asked_too = async {
        loop {
            let row = served.gate.ledger().reader().approval(id).unwrap();
            if !row.unwrap().escalated_to.is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = asked_too => {}
        left = heard.recv() => panic!("the receiver became {left:?} before more roles were asked"),
    }
    attending.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_group_is_asked_after_a_time_without_an_answer() {
    let receiver = Receiver::default();
    let address = receiver.serve("127.0.0.1:0").await;
    let served = HttpGate::at(world(&address, "json"), "192.0.2.1:443").await;
    // Grace is of the second group, and nothing else.
    let config = served.world.read("tollgate.toml");
    served.world.write(
        "tollgate.toml",
        &format!("{config}\n[users.grace]\nroles = [\"security\"]\n"),
    );
    served.gate.reload("tests").await.unwrap();
    let mut webhook = Webhook::new(served.gate.clone());
    webhook.deliver().await;
    let (agent, grace) = (served.agent("support").await, served.user("grace").await);
    let id = served.waits(&agent, "A-1").await;
    assert_eq!(webhook.deliver().await, Delivery::Sent);
    let path = format!("/v1/approvals/{id}/reject");
    served.world.pass(599);
    served.gate.pass_time().await.unwrap();
    served
        .post(&grace, &path, json!({}))
        .await
        .fails(403, "forbidden");
    served.world.pass(1);
    assert_eq!(served.gate.pass_time().await.unwrap().escalated, 1);
    assert_eq!(served.gate.pass_time().await.unwrap().escalated, 0, "once");
    assert_eq!(webhook.deliver().await, Delivery::Sent);
    let bodies = receiver.bodies();
    assert_eq!(bodies[1].1["type"], "approval.escalated");
    assert_eq!(bodies[1].1["data"]["escalated_to"], json!(["security"]));
    let shown = served
        .get(&grace, &format!("/v1/approvals/{id}"))
        .await
        .is(200);
    assert_eq!(shown["escalated_to"], json!(["security"]));
    let answered = served.post(&grace, &path, json!({})).await.is(200);
    assert_eq!(answered["state"], "rejected");
    // It is in the records, so that it is there after rebuilding too.
    served.gate.ledger().rebuild().await.unwrap();
    let row = served
        .gate
        .ledger()
        .reader()
        .approval(id.parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(row.escalated_to.len(), 1);
    // An approval that neither group answers expires.
    let other = served.agent("other").await;
    served.waits(&other, "A-2").await;
    served.world.pass(3600);
    assert_eq!(served.gate.pass_time().await.unwrap().expired, 1);
}
