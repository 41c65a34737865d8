//! Answers by buttons in Slack, over a real server, with requests as Slack sends them.

mod answers;
mod refused;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use axum::{Json, Router, extract::Path, routing::post};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc;
use tollgate_server::approvals::{Delivery, Webhook};
use tollgate_testkit::{
    rest::{HttpGate, Response},
    web::serve_router,
    world::World,
};

const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const INTERACTIONS: &str = "/v1/slack/interactions";

/// A Slack that takes messages, and answers to pressed buttons.
struct Slack {
    served: HttpGate,
    webhook: Webhook,
    address: String,
    messages: Arc<Mutex<Vec<Value>>>,
    replies: mpsc::UnboundedReceiver<Value>,
    presses: AtomicU64,
}

/// A request as Slack sends it.
#[derive(Clone)]
struct Sent {
    body: String,
    seconds: String,
    signature: String,
}

impl Sent {
    fn new(body: String, seconds: i64, key: &str) -> Self {
        let seconds = seconds.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("v0:{seconds}:{body}").as_bytes());
        let code = mac.finalize().into_bytes();
        let digits: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            body,
            seconds,
            signature: format!("v0={digits}"),
        }
    }
}

fn form(payload: &Value) -> String {
    let mut url = reqwest::Url::parse("form:///").unwrap();
    url.query_pairs_mut()
        .append_pair("payload", &payload.to_string());
    url.query().unwrap().to_owned()
}

impl Slack {
    /// A Slack whose app answers for dana, frank, alice and bob, with other lines of `[approvals.slack]`.
    async fn new(policies: &str, lines: &str) -> Self {
        let messages = Arc::new(Mutex::new(Vec::new()));
        let (told, replies) = mpsc::unbounded_channel();
        let posted = Arc::clone(&messages);
        let app = Router::new()
            .route(
                "/services/hook",
                post(async move |Json(message): Json<Value>| posted.lock().unwrap().push(message)),
            )
            .route(
                "/actions/{id}",
                post(
                    async move |Path(_): Path<String>, Json(reply): Json<Value>| {
                        told.send(reply).unwrap();
                    },
                ),
            );
        let address = format!("http://{}", serve_router(app).await);
        let world = World::new(policies);
        world.write("signing.secret", SIGNING);
        world.configure(
            "expires = \"1h\"",
            &format!(
                "expires = \"1h\"\nwebhook = {{ url = \"{address}/services/hook\", format = \"slack\" }}"
            ),
        );
        let config = world.read("tollgate.toml");
        let slack = format!(
            "{config}\n[secrets.signing]\nfile = \"signing.secret\"\n\
             [approvals.slack]\nsigning_secret = \"signing\"\napp = \"A1\"\nteam = \"T1\"\n\
             channels = [\"C1\"]\n{lines}\n\
             [approvals.slack.users]\nU1 = \"dana\"\nU2 = \"frank\"\nU3 = \"alice\"\n"
        );
        world.write("tollgate.toml", &slack);
        let served = HttpGate::at(world, "192.0.2.1:443").await;
        let mut webhook = Webhook::new(served.gate.clone());
        webhook.deliver().await;
        Self {
            served,
            webhook,
            address,
            messages,
            replies,
            presses: AtomicU64::new(0),
        }
    }

    /// A call that waits, and the value of each button of its message, by its verb.
    async fn waits(&mut self, order: &str) -> (String, Value) {
        let agent = self.served.agent("support").await;
        let id = self.served.waits(&agent, order).await;
        assert_eq!(self.webhook.deliver().await, Delivery::Sent);
        let messages = self.messages.lock().unwrap();
        (id, messages.last().unwrap().clone())
    }

    fn now(&self) -> i64 {
        self.served.gate.now().0 / 1_000_000
    }

    /// What Slack sends when `person` presses a button with this value.
    fn payload(&self, person: &str, value: &str) -> Value {
        json!({
            "type": "block_actions",
            "api_app_id": "A1",
            "team": { "id": "T1", "domain": "acme" },
            "user": { "id": person, "username": "someone", "team_id": "T1" },
            "channel": { "id": "C1", "name": "approvals" },
            // Each press has its own.
            "trigger_id": self.presses.fetch_add(1, Ordering::Relaxed).to_string(),
            "container": { "type": "message", "channel_id": "C1" },
            "message": { "type": "message", "text": "a message" },
            "response_url": format!("{}/actions/1", self.address),
            "actions": [{ "type": "button", "action_id": "tollgate_approve", "value": value }],
        })
    }

    fn signed(&self, payload: &Value) -> Sent {
        Sent::new(form(payload), self.now(), SIGNING)
    }

    fn request(&self, sent: &Sent) -> RequestBuilder {
        self.served
            .request(Method::POST, INTERACTIONS)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", &sent.seconds)
            .header("x-slack-signature", &sent.signature)
            .body(sent.body.clone())
    }

    async fn send(&self, sent: &Sent) -> Response {
        self.served.send(self.request(sent)).await
    }

    /// `person` presses a button. Returns what Slack gets.
    async fn press(&mut self, person: &str, value: &str) -> Value {
        let sent = self.signed(&self.payload(person, value));
        assert_eq!(self.send(&sent).await.is(200), "");
        self.replies.recv().await.unwrap()
    }

    fn row(&self, id: &str) -> tollgate_ledger::ApprovalRow {
        let reader = self.served.gate.ledger().reader();
        reader.approval(id.parse().unwrap()).unwrap().unwrap()
    }

    /// The reasons of recorded refusals, latest first.
    async fn refusals(&self) -> Vec<(String, String)> {
        let alice = self.served.user("alice").await;
        let all = self
            .served
            .get(&alice, "/v1/decisions?limit=1000")
            .await
            .is(200);
        let entries = all["decisions"].as_array().unwrap().iter();
        let refused = entries.filter(|entry| entry["kind"] == "approval_answer_refused");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        refused
            .map(|entry| (text(&entry["reason"]), text(&entry["principal"])))
            .collect()
    }
}

/// The value of a button in a message.
fn button(message: &Value, verb: &str) -> String {
    let blocks = message["blocks"].as_array().unwrap().iter();
    let mut buttons = blocks.flat_map(|block| block["elements"].as_array().into_iter().flatten());
    let action = format!("tollgate_{verb}");
    let found = buttons.find(|button| button["action_id"] == *action);
    found.unwrap_or_else(|| panic!("no {verb}: {message}"))["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn has_buttons(message: &Value) -> bool {
    message.to_string().contains("tollgate_")
}

const QUORUM: &str = r#"
@id("two") @owner("finance") @reason("Refunds need two.")
forbid (principal, action == Tollgate::Action::"payments__refund", resource)
unless { context.approval.roles.contains(Tollgate::Role::"finance") && context.approval.count >= 2 };
"#;
