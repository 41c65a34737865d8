//! Answers by links, over a real server, as browsers and programs that follow links use them.

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

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lets_its_user_answer_once() {
    let mut links = Links::new("", USERS).await;
    let (id, sent) = links.waits("A-1").await;
    let users: Vec<&str> = sent.iter().map(|(user, _)| user.as_str()).collect();
    assert_eq!(
        users,
        ["frank", "dana"],
        "those who may answer: not the operator, not eve"
    );
    let (_, dana) = &sent[1];
    let first = page(links.get(&dana.path).await, 200);
    for part in [
        "payments__refund",
        "Large refunds need finance",
        "This link is for dana",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(
        !first.contains("EUR"),
        "no arguments before they are asked for"
    );
    let (second, proof) = links.show(dana).await;
    assert!(second.contains("&quot;amount&quot;:6000"), "{second}");
    let done = page(links.answer(dana, "approve", &proof).await, 200);
    assert!(done.contains("is approved by dana"), "{done}");
    let row = links.row(&id);
    let answer = &row.answers[0];
    assert_eq!(
        (
            answer.by.id.as_str(),
            answer.channel.as_str(),
            answer.note.as_deref()
        ),
        ("dana", "link", Some("seen"))
    );
    assert_eq!(answer.link.unwrap().to_string(), dana.id);
    let viewed = links.acts("administered").await;
    assert!(
        viewed
            .iter()
            .any(|act| act["action"] == "approval_arguments_viewed" && act["principal"] == "dana")
    );
    // It is used up, for every request.
    assert!(page(links.get(&dana.path).await, 410).contains("used before"));
    page(links.answer(dana, "reject", &proof).await, 410);
    assert_eq!(links.last_refusal().await, "used link, 1 request");
    assert_eq!(links.row(&id).answers.len(), 1);
    // A link of another user is of no help for what is resolved.
    assert!(page(links.get(&sent[0].1.path).await, 410).contains("approved by dana"));
    let agent = links.served.agent("support").await;
    let arguments =
        json!({ "order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken" });
    links
        .served
        .call(&agent, "payments__refund", arguments)
        .await
        .is(200);
    let ledger = links.served.gate.ledger();
    ledger.rebuild().await.unwrap();
    ledger.reader().verify(None, |_| {}).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_follow_links_change_nothing() {
    let mut links = Links::new("", USERS).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let before = links.served.gate.ledger().size();
    for method in [Method::GET, Method::HEAD, Method::GET, Method::HEAD] {
        for path in [
            dana.path.clone(),
            format!("{}?step=answer&answer=approve", dana.path),
        ] {
            let request = links.served.request(method.clone(), &path);
            let request = request.header("user-agent", "scanner");
            let response = links.served.send(request).await;
            assert_eq!(response.status, 200);
            assert_eq!(response.headers["cache-control"], "no-store");
        }
    }
    let odd = links.served.request(Method::PUT, &dana.path);
    links.served.send(odd).await.is(405);
    assert_eq!(links.served.gate.ledger().size(), before);
    let row = links.row(&id);
    assert_eq!((row.version, row.answers.len()), (0, 0));
    page(links.decide(&dana, "reject").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_delivery_has_the_same_links() {
    let mut links = Links::new("", USERS).await;
    let (_, first) = links.waits("A-1").await;
    assert_eq!(links.acts("approval_link_issued").await.len(), 2);
    let gate = links.served.gate.clone();
    let size = gate.ledger().size();
    gate.ledger().set_cursor("webhook", 0).await.unwrap();
    let mut again = Webhook::new(gate);
    assert_eq!(again.deliver().await, Delivery::Sent);
    assert_eq!(links.sent(), first);
    assert_eq!(
        links.served.gate.ledger().size(),
        size,
        "and none is issued again"
    );
    // No record and no table holds the proof.
    let proof = first[0].1.path.split('.').next_back().unwrap();
    for file in std::fs::read_dir(links.served.world.path(".tollgate")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(
            !bytes
                .windows(proof.len())
                .any(|window| window == proof.as_bytes())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_answers_at_once_one_counts() {
    let mut links = Links::new("", USERS).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let (_, proof) = links.show(&dana).await;
    let fields = [
        ("step", "answer"),
        ("answer", "approve"),
        ("form", proof.as_str()),
    ];
    let all: Vec<_> = (0..12)
        .map(|_| tokio::spawn(links.form(&dana, &fields).send()))
        .collect();
    let mut statuses = Vec::new();
    for one in all {
        statuses.push(one.await.unwrap().unwrap().status().as_u16());
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 410].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(links.row(&id).answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_expires_and_so_does_its_approval() {
    let mut links = Links::new("", &format!("{USERS}\nexpires = \"10m\"")).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let (_, proof) = links.show(&dana).await;
    links.served.world.pass(600);
    assert!(page(links.get(&dana.path).await, 410).contains("expired"));
    page(links.answer(&dana, "approve", &proof).await, 410);
    assert_eq!(links.last_refusal().await, "expired link, 1 request");
    assert_eq!(links.row(&id).answers, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_never_outlasts_its_approval() {
    let mut links = Links::new("", &format!("{USERS}\nexpires = \"90d\"")).await;
    let (id, _) = links.waits("A-1").await;
    let all = ApprovalLinkFilter::default();
    let issued = links
        .served
        .gate
        .ledger()
        .reader()
        .approval_links(&all)
        .unwrap();
    assert!(
        issued
            .iter()
            .all(|link| link.expires == links.row(&id).expires)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_revoked_by_their_users_and_by_administrators() {
    let mut links = Links::new("", USERS).await;
    let (id, sent) = links.waits("A-1").await;
    let (frank, dana) = (&sent[0].1, &sent[1].1);
    let (_, proof) = links.show(dana).await;
    let served = &links.served;
    let (alice, eve) = (served.user("alice").await, served.user("eve").await);
    let own = served.user("frank").await;
    let revoke = async |token: &str, id: &str| {
        let request = served.request(Method::DELETE, &format!("/v1/approval-links/{id}"));
        served.send(request.bearer_auth(token)).await
    };
    let agent = served.agent("support").await;
    revoke(&agent, &dana.id).await.fails(403, "people_only");
    revoke(&eve, &dana.id).await.fails(403, "forbidden");
    revoke(&own, &dana.id).await.fails(403, "forbidden");
    revoke(&alice, "lnk-0000000000000000")
        .await
        .fails(404, "not_found");
    let seen = async |token: &str| {
        let list = served.get(token, "/v1/approval-links").await.is(200);
        list.as_array().unwrap().len()
    };
    assert_eq!(
        (seen(&alice).await, seen(&own).await, seen(&eve).await),
        (2, 1, 0)
    );
    revoke(&own, &frank.id).await.is(204);
    revoke(&own, &frank.id).await.fails(404, "not_found");
    revoke(&alice, &dana.id).await.is(204);
    assert_eq!(seen(&alice).await, 0);
    for link in [frank, dana] {
        assert!(page(links.get(&link.path).await, 410).contains("revoked"));
    }
    page(links.answer(dana, "approve", &proof).await, 410);
    assert_eq!(links.last_refusal().await, "revoked link, 1 request");
    assert_eq!(links.row(&id).answers, []);
    // A repeated delivery brings no new link.
    let gate = links.served.gate.clone();
    gate.ledger().set_cursor("webhook", 0).await.unwrap();
    assert_eq!(Webhook::new(gate).deliver().await, Delivery::Sent);
    assert_eq!(links.sent(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_have_no_links_any_more_has_none() {
    let mut links = Links::new("", USERS).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let (_, proof) = links.show(&dana).await;
    links.served.world.configure(USERS, "users = [\"frank\"]");
    links.served.gate.reload("tests").await.unwrap();
    page(links.answer(&dana, "approve", &proof).await, 410);
    assert_eq!(links.last_refusal().await, "revoked link, 1 request");
    assert_eq!(links.row(&id).answers, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_link_is_none() {
    let mut links = Links::new("", USERS).await;
    let (_, first) = links.waits("A-1").await;
    let other_agent = links.served.agent("other").await;
    let other_id = links.served.waits(&other_agent, "A-2").await;
    assert_eq!(links.webhook.deliver().await, Delivery::Sent);
    let second = links.sent();
    let (dana, frank) = (&first[1].1, &first[0].1);
    let proof = |link: &Link| link.path.split('.').next_back().unwrap().to_owned();
    let at = |id: &str, proof: &str| format!("/v1/answer/{id}.{proof}");
    let mut paths = vec![
        at(&dana.id, &proof(frank)),
        at(&dana.id, &proof(&second[0].1)),
        at(&other_id, &proof(dana)),
        at(&dana.id, &proof(dana).to_uppercase()),
        at(&dana.id, ""),
        format!("/v1/answer/{}", dana.id),
        format!("{}0", dana.path),
        at("lnk-0000000000000000", &proof(dana)),
    ];
    let begin = "/v1/answer/".len();
    for place in begin..dana.path.len() {
        let mut bytes = dana.path.clone().into_bytes();
        bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
        paths.push(String::from_utf8(bytes).unwrap());
    }
    for path in paths {
        page(links.get(&path).await, 404);
        let request = form(
            links.served.request(Method::POST, &path),
            &[("step", "show")],
        );
        page(links.served.send(request).await, 404);
    }
    let refused = links.acts("approval_answer_refused").await;
    assert!(
        refused
            .iter()
            .all(|act| act["reason"].as_str().unwrap().starts_with("unknown link"))
    );
    assert!(
        refused
            .iter()
            .all(|act| act["principal"] == "" && act["approval"].is_null())
    );
    page(links.decide(dana, "reject").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_form_of_the_page_answers() {
    let mut links = Links::new("", USERS).await;
    let (id, sent) = links.waits("A-1").await;
    let (frank, dana) = (&sent[0].1, &sent[1].1);
    let (_, of_frank) = links.show(frank).await;
    let (_, proof) = links.show(dana).await;
    let yes = ("answer", "approve");
    let step = ("step", "answer");
    let later = proof.replacen(&proof[..4], "9999", 1);
    let cases: [(&[(&str, &str)], u16, &str); 9] = [
        (&[step, yes], 400, "malformed"),
        (&[step, yes, ("form", "")], 403, "unknown form"),
        (&[step, yes, ("form", &of_frank)], 403, "unknown form"),
        (&[step, yes, ("form", &later)], 403, "unknown form"),
        (&[step, ("form", &proof)], 400, "malformed"),
        (&[step, yes, yes, ("form", &proof)], 400, "malformed"),
        (
            &[step, ("answer", "maybe"), ("form", &proof)],
            400,
            "malformed",
        ),
        (
            &[step, yes, ("form", &proof), ("user", "alice")],
            400,
            "malformed",
        ),
        (&[("step", "all")], 400, "malformed"),
    ];
    for (fields, status, reason) in cases {
        page(links.served.send(links.form(dana, fields)).await, status);
        assert_eq!(
            links.last_refusal().await,
            format!("{reason}, 1 request"),
            "{fields:?}"
        );
    }
    let good = [step, yes, ("form", proof.as_str())];
    let bare = || links.served.request(Method::POST, &dana.path);
    let text = "step=answer&answer=approve";
    let large = "x".repeat(17 << 10);
    for (request, status) in [
        (bare().body(text), 400),
        (bare().header("content-type", "text/plain").body(text), 400),
        (bare().json(&json!({ "step": "show" })), 400),
        (form(bare(), &[("note", &large)]), 413),
        (
            links
                .form(dana, &good)
                .header("sec-fetch-site", "cross-site"),
            403,
        ),
        (
            links
                .form(dana, &good)
                .header("origin", "https://evil.example"),
            403,
        ),
        (links.form(dana, &good).header("origin", "null"), 403),
    ] {
        links.served.send(request).await.is(status);
    }
    assert_eq!(links.row(&id).answers, []);
    // A page that stood open too long is shown again.
    links.served.world.pass(15 * 60 + 1);
    let stale = page(links.answer(dana, "approve", &proof).await, 409);
    assert!(stale.contains("value=\"show\""), "{stale}");
    assert_eq!(links.last_refusal().await, "stale form, 1 request");
    let own = format!("http://{}", links.served.address);
    let (_, proof) = links.show(dana).await;
    let good = [step, yes, ("form", proof.as_str())];
    let browser = links
        .form(dana, &good)
        .header("sec-fetch-site", "same-origin");
    page(links.served.send(browser.header("origin", own)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_alone_never_stand_for_two_people() {
    let mut links = Links::new(QUORUM, USERS).await;
    let (id, sent) = links.waits("A-1").await;
    let first = page(links.decide(&sent[1].1, "approve").await, 200);
    assert!(first.contains("It still needs"), "{first}");
    let second = page(links.decide(&sent[0].1, "approve").await, 409);
    assert!(second.contains("more than one person"), "{second}");
    assert_eq!(links.last_refusal().await, "second link, 1 request");
    assert_eq!(links.row(&id).approvers.len(), 1);
    // Frank proves who he is in another way. Without that he may still reject by his link.
    let frank = links.served.user("frank").await;
    let body = json!({ "digest": links.row(&id).arguments.as_str() });
    let path = format!("/v1/approvals/{id}/approve");
    let answered = links.served.post(&frank, &path, body).await.is(200);
    assert_eq!(answered["state"], "approved");
    let (id, sent) = links.waits("A-2").await;
    page(links.decide(&sent[1].1, "approve").await, 200);
    page(links.decide(&sent[0].1, "reject").await, 200);
    assert_eq!(links.row(&id).state.as_str(), "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_decides_who_gets_a_link_and_whether_it_answers() {
    let policy = r#"
@id("no-links") @owner("security") @reason("Dana answers at her desk.")
forbid (principal == Tollgate::User::"dana", action == Tollgate::Action::"approve", resource)
when { context.channel == "link" };
"#;
    let mut links = Links::new(policy, USERS).await;
    let (_, sent) = links.waits("A-1").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, "frank");
    // Policies that change afterwards count as well.
    let other = policy.replace("dana", "frank");
    links.served.world.write("policies/story.cedar", &other);
    links.served.gate.reload("tests").await.unwrap();
    let refused = links
        .served
        .send(links.form(&sent[0].1, &[("step", "show")]))
        .await;
    assert!(!page(refused, 403).contains("EUR"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_channel_of_one_user_gets_the_link_of_that_user() {
    let mut links = Links::with("", "users = [\"dana\"]", "slack").await;
    let agent = links.served.agent("support").await;
    links.served.waits(&agent, "A-1").await;
    assert_eq!(links.webhook.deliver().await, Delivery::Sent);
    let message = links.posted.lock().unwrap().last().unwrap().clone();
    let text = message["text"].as_str().unwrap();
    assert!(text.contains(&format!("<{BASE}/v1/answer/lnk-")), "{text}");
    assert!(text.ends_with("|Answer as dana>"), "{text}");
    assert_eq!(message["unfurl_links"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_configuration_there_are_no_links() {
    let served = HttpGate::new("").await;
    let before = served.gate.ledger().size();
    let path = format!("/v1/answer/lnk-0000000000000000.{}", "0".repeat(64));
    let request = form(served.request(Method::POST, &path), &[("step", "show")]);
    page(served.send(request).await, 404);
    page(served.send(served.request(Method::GET, &path)).await, 404);
    assert_eq!(served.gate.ledger().size(), before);
}
