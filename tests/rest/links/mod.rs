//! Answers by links, over a real server, as browsers and programs that follow links use them.

mod answers;
mod refused;

use std::sync::{Arc, Mutex};

use axum::{Json, Router, routing::post};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tollgate_ledger::{ApprovalLinkFilter, ApprovalRow};
use tollgate_server::approvals::{Delivery, Webhook};
use tollgate_testkit::{
    rest::{HttpGate, Response},
    web::serve_router,
    world::World,
};

const BASE: &str = "https://gate.example.com/tollgate";
const USERS: &str = "users = [\"alice\", \"dana\", \"eve\", \"frank\"]";

const QUORUM: &str = r#"
@id("two") @owner("finance") @reason("Refunds need two.")
forbid (principal, action == Tollgate::Action::"payments__refund", resource)
unless { context.approval.roles.contains(Tollgate::Role::"finance") && context.approval.count >= 2 };
"#;

/// A gate that sends links, and a receiver of its webhook.
struct Links {
    served: HttpGate,
    webhook: Webhook,
    posted: Arc<Mutex<Vec<Value>>>,
}

/// A link as it was sent: its id, and its path at the gate.
#[derive(Debug, Clone, PartialEq)]
struct Link {
    id: String,
    path: String,
}

impl Links {
    async fn new(policies: &str, lines: &str) -> Self {
        Self::with(policies, lines, "json").await
    }

    async fn with(policies: &str, lines: &str, format: &str) -> Self {
        let posted = Arc::new(Mutex::new(Vec::new()));
        let posts = Arc::clone(&posted);
        let hook =
            post(async move |Json(message): Json<Value>| posts.lock().unwrap().push(message));
        let address = serve_router(Router::new().route("/hook", hook)).await;
        let world = World::new(policies);
        world.write("hook.secret", "a secret of the receiver");
        world.configure(
            "expires = \"1h\"",
            &format!(
                "expires = \"1h\"\nwebhook = {{ url = \"http://{address}/hook\", secret = \"hook\", \
                 format = \"{format}\" }}"
            ),
        );
        let config = world.read("tollgate.toml");
        world.write(
            "tollgate.toml",
            &format!(
                "{config}\n[secrets.hook]\nfile = \"hook.secret\"\n[serve]\nhosts = [\"gate.example.com\"]\n\
                 [approvals.links]\nbase_url = \"{BASE}\"\n{lines}\n"
            ),
        );
        let served = HttpGate::at(world, "192.0.2.1:443").await;
        let mut webhook = Webhook::new(served.gate.clone());
        webhook.deliver().await;
        Self {
            served,
            webhook,
            posted,
        }
    }

    /// A call that waits: its approval, and the links that were sent for it.
    async fn waits(&mut self, order: &str) -> (String, Vec<(String, Link)>) {
        let agent = self.served.agent("support").await;
        let id = self.served.waits(&agent, order).await;
        while self.webhook.deliver().await == Delivery::Sent {}
        (id, self.sent())
    }

    /// The links of the latest notification, by user.
    fn sent(&self) -> Vec<(String, Link)> {
        let posted = self.posted.lock().unwrap();
        let links = posted.last().unwrap()["data"]["links"].clone();
        let links = links.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        links
            .iter()
            .map(|link| {
                let path = text(&link["url"]).strip_prefix(BASE).unwrap().to_owned();
                let id = text(&link["id"]);
                (text(&link["user"]), Link { id, path })
            })
            .collect()
    }

    async fn link(&mut self, order: &str, user: &str) -> (String, Link) {
        let (id, links) = self.waits(order).await;
        let found = links.into_iter().find(|(of, _)| of == user);
        (id, found.unwrap_or_else(|| panic!("no link for {user}")).1)
    }

    fn form(&self, link: &Link, fields: &[(&str, &str)]) -> RequestBuilder {
        form(self.served.request(Method::POST, &link.path), fields)
    }

    async fn get(&self, path: &str) -> Response {
        self.served
            .send(self.served.request(Method::GET, path))
            .await
    }

    /// The page with the arguments, and the proof in its form.
    async fn show(&self, link: &Link) -> (String, String) {
        let shown = self.served.send(self.form(link, &[("step", "show")])).await;
        let page = shown.is(200).as_str().unwrap().to_owned();
        let (_, rest) = page.split_once("name=\"form\" value=\"").unwrap();
        let proof = rest.split('"').next().unwrap().to_owned();
        (page, proof)
    }

    async fn answer(&self, link: &Link, vote: &str, proof: &str) -> Response {
        let fields = [
            ("step", "answer"),
            ("answer", vote),
            ("form", proof),
            ("note", "seen"),
        ];
        self.served.send(self.form(link, &fields)).await
    }

    /// Shows, and then answers.
    async fn decide(&self, link: &Link, vote: &str) -> Response {
        let (_, proof) = self.show(link).await;
        self.answer(link, vote, &proof).await
    }

    fn row(&self, id: &str) -> ApprovalRow {
        let reader = self.served.gate.ledger().reader();
        reader.approval(id.parse().unwrap()).unwrap().unwrap()
    }

    /// The acts of a kind, latest first.
    async fn acts(&self, kind: &str) -> Vec<Value> {
        let alice = self.served.user("alice").await;
        let all = self
            .served
            .get(&alice, "/v1/decisions?limit=1000")
            .await
            .is(200);
        let acts = all["decisions"].as_array().unwrap().iter();
        acts.filter(|act| act["kind"] == kind).cloned().collect()
    }

    async fn last_refusal(&self) -> String {
        let refused = self.acts("approval_answer_refused").await;
        refused[0]["reason"].as_str().unwrap().to_owned()
    }
}

/// A request with a form, as browsers send it.
fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let mut url = reqwest::Url::parse("form:///").unwrap();
    url.query_pairs_mut().extend_pairs(fields);
    let body = url.query().unwrap().to_owned();
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

fn page(response: Response, status: u16) -> String {
    assert_eq!(response.headers["content-type"], "text/html; charset=utf-8");
    let text = response.is(status);
    text.as_str().unwrap().to_owned()
}
