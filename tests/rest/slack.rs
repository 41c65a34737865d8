//! Answers by buttons in Slack, over a real server, with requests as Slack sends them.

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

    /// `person` presses a button. Returns what Slack is told.
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

#[tokio::test(flavor = "multi_thread")]
async fn a_button_answers_as_the_mapped_user() {
    let mut slack = Slack::new("", "").await;
    let (id, message) = slack.waits("A-1").await;
    assert!(
        message["text"]
            .as_str()
            .unwrap()
            .contains("support for alice asks for")
    );
    assert!(
        !message.to_string().contains("EUR"),
        "no arguments: {message}"
    );
    let reply = slack.press("U1", &button(&message, "approve")).await;
    assert_eq!(reply["replace_original"], true);
    let text = reply["text"].as_str().unwrap();
    assert!(text.contains("*approved* by dana"), "{text}");
    assert!(!has_buttons(&reply));
    let row = slack.row(&id);
    assert_eq!(row.answers.len(), 1);
    let answer = &row.answers[0];
    assert_eq!(
        (
            answer.by.id.as_str(),
            answer.channel.as_str(),
            answer.took_effect
        ),
        ("dana", "slack", true)
    );
    // The decision knows the channel, and is recorded as any other.
    let alice = slack.served.user("alice").await;
    let run = slack
        .served
        .get(&alice, &format!("/v1/runs/{}", row.run))
        .await;
    assert!(run.is(200).to_string().contains("role-holders-answer"));
    let agent = slack.served.agent("support").await;
    let arguments =
        json!({ "order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken" });
    slack
        .served
        .call(&agent, "payments__refund", arguments)
        .await
        .is(200);
    assert_eq!(slack.served.world.refunds(), 1);
    // Pressed again, the message says so, and nothing changes.
    let again = slack.press("U2", &button(&message, "reject")).await;
    assert!(
        again["text"].as_str().unwrap().contains("by dana"),
        "{again}"
    );
    assert!(!has_buttons(&again));
    slack
        .served
        .gate
        .ledger()
        .reader()
        .verify(None, |_| {})
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_says_who_rejected_and_a_late_answer_who_was_first() {
    let mut slack = Slack::new("", "").await;
    let (id, message) = slack.waits("A-1").await;
    let reply = slack.press("U2", &button(&message, "reject")).await;
    let text = reply["text"].as_str().unwrap();
    assert!(text.contains("*rejected* by frank"), "{text}");
    let late = slack.press("U1", &button(&message, "approve")).await;
    assert!(
        late["text"]
            .as_str()
            .unwrap()
            .contains("*rejected* by frank")
    );
    let row = slack.row(&id);
    let effects: Vec<bool> = row
        .answers
        .iter()
        .map(|answer| answer.took_effect)
        .collect();
    assert_eq!(
        effects,
        [true, false],
        "the late one is recorded, and does not count"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_decides_about_the_user_and_the_channel() {
    let policy = r#"
@id("not-from-slack") @owner("security") @reason("Frank answers at his desk.")
forbid (principal == Tollgate::User::"frank", action == Tollgate::Action::"approve", resource)
when { context.channel == "slack" };
"#;
    let mut slack = Slack::new(policy, "").await;
    let (id, message) = slack.waits("A-1").await;
    // Alice operates the agent: four eyes.
    for (person, reason) in [("U3", "another person must approve"), ("U2", "at his desk")] {
        let reply = slack.press(person, &button(&message, "approve")).await;
        assert_eq!(reply["response_type"], "ephemeral", "for this person alone");
        assert_eq!(reply["replace_original"], false);
        assert!(reply["text"].as_str().unwrap().contains(reason), "{reply}");
    }
    assert_eq!(slack.row(&id).answers, [], "nothing was answered");
    let reply = slack.press("U2", &button(&message, "reject")).await;
    assert!(
        reply["text"]
            .as_str()
            .unwrap()
            .contains("*rejected* by frank")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_answer_one_message() {
    let mut slack = Slack::new(QUORUM, "").await;
    let (id, message) = slack.waits("A-1").await;
    let first = slack.press("U1", &button(&message, "approve")).await;
    let text = first["text"].as_str().unwrap();
    assert!(text.contains("Approved by dana; it still needs"), "{text}");
    let twice = slack.press("U1", &button(&first, "approve")).await;
    assert_eq!(
        twice["response_type"], "ephemeral",
        "one person counts once: {twice}"
    );
    let second = slack.press("U2", &button(&first, "approve")).await;
    assert!(
        second["text"]
            .as_str()
            .unwrap()
            .contains("*approved* by dana, frank")
    );
    assert_eq!(slack.row(&id).approvers.len(), 2);
}

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
    assert!(slack.replies.try_recv().is_err(), "Slack is told nothing");
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
async fn arguments_are_shown_to_the_person_alone_and_the_view_is_recorded() {
    let mut slack = Slack::new("", "show_arguments = true").await;
    let (id, message) = slack.waits("A-1").await;
    assert!(
        !message.to_string().contains("tollgate_approve"),
        "not before they are shown"
    );
    let refused = slack.press("U3", &button(&message, "show")).await;
    assert!(!refused.to_string().contains("EUR"), "{refused}");
    assert_eq!(refused["response_type"], "ephemeral");
    let shown = slack.press("U1", &button(&message, "show")).await;
    assert_eq!(shown["response_type"], "ephemeral");
    assert_eq!(shown["replace_original"], false);
    let text = shown["blocks"][0]["elements"][0]["elements"][0]["text"]
        .as_str()
        .unwrap();
    let arguments: Value = serde_json::from_str(text).unwrap();
    assert_eq!(arguments["amount"], 6000);
    let alice = slack.served.user("alice").await;
    let acts = slack
        .served
        .get(&alice, "/v1/decisions?limit=1000")
        .await
        .is(200);
    let viewed = acts["decisions"].as_array().unwrap().iter();
    let viewed: Vec<&Value> = viewed
        .filter(|act| act["action"] == "approval_arguments_viewed")
        .map(|act| &act["principal"])
        .collect();
    assert_eq!(viewed, ["dana"]);
    // The button was made for dana, and is hers.
    let value = button(&shown, "approve");
    let sent = slack.signed(&slack.payload("U2", &value));
    slack.send(&sent).await.fails(403, "answer_refused");
    assert_eq!(slack.row(&id).answers, []);
    slack.press("U1", &value).await;
    assert_eq!(slack.row(&id).answers.len(), 1);
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
