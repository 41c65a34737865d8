//! The owner's socket: the same API, for one user of the machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tollgate_ledger::RecordFilter;
use tollgate_model::{
    entity::{Kind, Uid},
    record::Event,
};
use tollgate_server::{
    auth::{
        self,
        peer::PeerCredentials,
        token::{self, Purpose},
    },
    http::{self, socket},
};
use tollgate_testkit::rest::HttpGate;
use tower::ServiceExt as _;

const ADMINISTRATOR: &str = r#"@id("dana-administers") @owner("tests")
permit (principal == Tollgate::User::"dana",
  action in [Tollgate::Action::"administer", Tollgate::Action::"make_token"], resource);
"#;

/// A request as it arrives at the socket, from this peer.
fn request(method: &Method, path: &str, peer: Option<PeerCredentials>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method.clone())
        .uri(path)
        .header(header::HOST, "localhost")
        .body(Body::empty())
        .unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    request
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn post(router: &Router, token: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let mut request = request(&Method::POST, path, Some(PeerCredentials::own()));
    let headers = request.headers_mut();
    headers.insert(
        header::AUTHORIZATION,
        format!("Bearer {token}").parse().unwrap(),
    );
    headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    *request.body_mut() = Body::from(body.to_string());
    send(router, request).await
}

async fn document(served: &HttpGate) -> BTreeMap<String, BTreeMap<String, Value>> {
    let request = served.request(Method::GET, "/v1/openapi.json");
    let document = served.send(request).await.is(200);
    serde_json::from_value(document["paths"].clone()).unwrap()
}

/// A path of the document as a request has it.
fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "x" } else { part }.to_owned();
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_peer_but_the_owner_is_let_in() {
    let served = HttpGate::new("").await;
    let router = socket::router(&served.server);
    let own = PeerCredentials::own().uid;
    let token = served.user("dana").await;
    for (path, operations) in document(&served).await {
        for (method, operation) in operations {
            if operation["security"] == json!([{}]) {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = filled(&path);
            for uid in [0, own + 1, u32::MAX].into_iter().filter(|uid| *uid != own) {
                let mut asked = request(&method, &path, Some(PeerCredentials { uid }));
                let (status, problem) = send(&router, asked).await;
                assert_eq!(status, 403, "{method} {path} as {uid}");
                assert_eq!(problem["code"], "other_user");
                // No token helps.
                asked = request(&method, &path, Some(PeerCredentials { uid }));
                let bearer = format!("Bearer {token}").parse().unwrap();
                asked.headers_mut().insert(header::AUTHORIZATION, bearer);
                assert_eq!(send(&router, asked).await.0, 403, "{method} {path}");
            }
            let unknown = send(&router, request(&method, &path, None)).await;
            assert_eq!(unknown.0, 401, "{method} {path} without a peer");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_counts_at_the_socket_alone() {
    let served = HttpGate::new("").await;
    let rate = std::sync::Arc::default();
    let auth = auth::Auth::new(&served.gate, served.address, None, rate);
    let router = http::router(&served.server, auth, served.address).unwrap();
    let asked = request(&Method::GET, "/v1/runs", Some(PeerCredentials::own()));
    let (status, problem) = send(&router, asked).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (401, &json!("unauthenticated"))
    );
}

/// Every operation of the document is served, and no other method of its path is.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_every_method_that_is_served() {
    let served = HttpGate::new("").await;
    let router = socket::router(&served.server);
    let token = served.user("alice").await;
    for (path, operations) in document(&served).await {
        let is_answer = |operation: &Value| operation["tags"] == json!(["answers"]);
        if operations.values().any(is_answer) {
            // Not at the socket, and only where it is configured.
            continue;
        }
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let is_described = operations.contains_key(&method.to_lowercase());
            let method: Method = method.parse().unwrap();
            let mut asked = request(&method, &filled(&path), Some(PeerCredentials::own()));
            let bearer = format!("Bearer {token}").parse().unwrap();
            asked.headers_mut().insert(header::AUTHORIZATION, bearer);
            let (status, _) = send(&router, asked).await;
            let is_served = status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(is_served, is_described, "{method} {path}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_machine_are_named_over_the_socket_alone() {
    let served = HttpGate::new(ADMINISTRATOR).await;
    let router = socket::router(&served.server);
    let (dana, eve) = (served.user("dana").await, served.user("eve").await);
    let file = served.world.path("copy.db");
    let copy = json!({ "file": file });
    for path in ["/v1/store/backup", "/v1/store/permit-restore"] {
        let remote = served.post(&dana, path, copy.clone()).await;
        remote.fails(403, "owner_only");
        let (status, problem) = post(&router, &eve, path, &copy).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (403, &json!("forbidden"))
        );
        let relative = post(&router, &dana, path, &json!({ "file": "copy.db" })).await;
        assert_eq!(relative.0, 400, "{path}");
    }
    assert!(!file.exists(), "nothing was written");
    let (status, made) = post(&router, &dana, "/v1/store/backup", &copy).await;
    assert_eq!(status, 200, "{made}");
    assert!(file.exists() && made["records"].as_u64().unwrap() > 0);
}

/// What the command line asks for is decided for every caller, wherever it comes from.
#[tokio::test(flavor = "multi_thread")]
async fn operators_acts_are_decided() {
    let served = HttpGate::new("").await;
    let (agent, eve) = (served.agent("support").await, served.user("eve").await);
    for (path, body) in [
        ("/v1/tokens", json!({ "user": "dana" })),
        ("/v1/tokens/revoke", json!({ "user": "eve", "name": "cli" })),
        ("/v1/store/forget", json!({ "before": 1 })),
        ("/v1/policies/promote", json!({})),
    ] {
        let got = served.post(&agent, path, body.clone()).await;
        got.fails(403, "people_only");
        let status = served.post(&eve, path, body).await.status;
        assert!(matches!(status, 403 | 404), "{path}: {status}");
    }
    let spoken = json!({ "tool": "files__read", "agent": "support" });
    for path in ["/v1/calls", "/v1/authorize"] {
        let got = served.post(&agent, path, spoken.clone()).await;
        got.fails(403, "people_only");
        let got = served.post(&eve, path, spoken.clone()).await;
        got.fails(403, "forbidden");
    }
}

/// An administrator who calls for another user's agent cannot see its approvals, so such calls are accepted
/// over the owner's socket only.
#[tokio::test(flavor = "multi_thread")]
async fn only_its_operator_speaks_for_an_agent_from_afar() {
    let served = HttpGate::new(ADMINISTRATOR).await;
    let router = socket::router(&served.server);
    let (alice, dana) = (served.user("alice").await, served.user("dana").await);
    let eve = served.user("eve").await;
    let spoken = json!({ "tool": "files__read", "agent": "support" });
    for path in ["/v1/calls", "/v1/authorize"] {
        let got = served.post(&dana, path, spoken.clone()).await;
        let got = got.fails(403, "forbidden");
        let detail = got.body["detail"].as_str().unwrap();
        assert!(detail.contains("operator of `support`"), "{detail}");
        served.post(&alice, path, spoken.clone()).await.is(200);
        assert_eq!(post(&router, &dana, path, &spoken).await.0, 200, "{path}");
        let (status, problem) = post(&router, &eve, path, &spoken).await;
        assert_eq!(status, 403);
        assert!(problem["decision"].is_string(), "it was decided");
    }
    let mut asked = request(
        &Method::GET,
        "/v1/agents/suport/stdio",
        Some(PeerCredentials::own()),
    );
    let bearer = format!("Bearer {alice}").parse().unwrap();
    asked.headers_mut().insert(header::AUTHORIZATION, bearer);
    let (status, problem) = send(&router, asked).await;
    assert_eq!(status, 404, "{problem}");
}

/// Accepting offers activates nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn accepting_is_no_reload() {
    let served = HttpGate::new(&ADMINISTRATOR.replace("dana", "eve")).await;
    // Eve may administer and nothing else; dana may activate policies.
    let (dana, eve) = (served.user("dana").await, served.user("eve").await);
    let path = "/v1/upstreams/accept";
    let offer =
        |digit: &str| json!({ "name": "box", "digest": format!("sha256:{}", digit.repeat(64)) });
    for offers in [
        json!([]),
        json!(vec![offer("a"); 65]),
        json!([offer("a"), offer("b")]),
    ] {
        let got = served.post(&eve, path, json!({ "offers": offers })).await;
        got.fails(400, "invalid_request");
    }
    let body = json!({ "offers": [offer("a"), offer("a")] });
    let got = served.post(&dana, path, body.clone()).await;
    let got = got.fails(403, "forbidden");
    assert!(got.body["decision"].is_string(), "it was decided first");
    // There is no such server.
    let got = served.post(&eve, path, body.clone()).await;
    got.fails(409, "not_loaded");
    let config = served.world.read("tollgate.toml");
    let config = format!("{config}\n[users.grace]\nroles = []\n");
    served.world.write("tollgate.toml", &config);
    let got = served.post(&eve, path, body).await;
    let got = got.fails(403, "forbidden");
    assert!(got.body["decision"].is_string(), "activation was decided");
    assert!(!served.gate.ruleset().config.users.contains_key("grace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_few_decisions_are_asked_for_at_once() {
    let served = HttpGate::new("").await;
    let alice = served.user("alice").await;
    let path = "/v1/decisions/arguments";
    let many: Vec<u64> = (0..501).collect();
    let got = served.post(&alice, path, json!({ "decisions": many }));
    let status = got.await.status;
    assert_eq!(status, 400);
}

/// What administrators did things to, of late.
fn targets(served: &HttpGate) -> Vec<String> {
    let mut targets = Vec::new();
    let reader = served.gate.ledger().reader();
    reader
        .records(&RecordFilter::default(), |_, record| {
            if let Event::Administered(act) = record.event {
                targets.push(act.target);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    targets
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_once_and_revoked() {
    let served = HttpGate::new(ADMINISTRATOR).await;
    let dana = served.user("dana").await;
    let unknown = json!({ "agent": "suport" });
    let got = served.post(&dana, "/v1/tokens", unknown).await;
    let got = got.fails(404, "not_found");
    assert_eq!(got.body["help"], "did you mean `support`?");
    let both = json!({ "agent": "support", "user": "eve" });
    let got = served.post(&dana, "/v1/tokens", both).await;
    got.fails(400, "invalid_request");
    let long = json!({ "agent": "support", "name": "x".repeat(101) });
    let got = served.post(&dana, "/v1/tokens", long).await;
    got.fails(400, "invalid_request");
    let made =
        json!({ "agent": "support", "name": "desk", "lasts": 60_000_000, "on_behalf_of": "eve" });
    let made = served.post(&dana, "/v1/tokens", made).await.is(200);
    let target = format!(
        "{} of {} on behalf of eve",
        made["token"]["id"].as_str().unwrap(),
        Uid::new(Kind::Agent, "support")
    );
    assert_eq!(targets(&served), [target]);
    let text = made["text"].as_str().unwrap();
    served.get(text, "/v1/runs").await.is(200);
    let path = format!("/v1/tokens/{}", made["token"]["id"].as_str().unwrap());
    let revoke = served.request(Method::DELETE, &path).bearer_auth(&dana);
    served.send(revoke).await.is(204);
    served
        .get(text, "/v1/runs")
        .await
        .fails(401, "invalid_token");
}

/// A second person makes a token valid, and neither the first one nor the bearer of a token of the first one is
/// that.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_user_takes_two_people() {
    let served = HttpGate::new("").await;
    let (alice, dana) = (served.user("alice").await, served.user("dana").await);
    let (frank, eve) = (served.user("frank").await, served.user("eve").await);
    let of = |user: &str| json!({ "user": user, "name": "cli", "replace": true });
    let got = served.post(&frank, "/v1/tokens", of("eve")).await;
    got.fails(403, "forbidden");
    let made = served.post(&alice, "/v1/tokens", of("eve")).await.is(200);
    assert_eq!(made["token"]["confirmed"], false);
    assert_eq!(made["token"]["makers"], json!(["alice"]));
    let (id, text) = (
        made["token"]["id"].as_str().unwrap(),
        made["text"].as_str().unwrap(),
    );
    served
        .get(text, "/v1/approvals")
        .await
        .fails(401, "invalid_token");
    let confirm = format!("/v1/tokens/{id}/confirm");
    let got = served.post(&alice, &confirm, json!({})).await;
    got.fails(403, "same_person");
    let got = served.post(&frank, &confirm, json!({})).await;
    got.fails(403, "forbidden");
    // A token that alice made for dana does not count as a second person either.
    let hers = Purpose {
        principal: Uid::new(Kind::User, "dana"),
        on_behalf_of: None,
        name: "of alice".into(),
        expires: None,
        makers: BTreeSet::from(["alice".to_owned()]),
    };
    let (_, hers) = token::create(&served.gate, hers, false).await.unwrap();
    let got = served.post(&hers, &confirm, json!({})).await;
    got.fails(403, "same_person");
    served
        .get(text, "/v1/approvals")
        .await
        .fails(401, "invalid_token");
    served.post(&dana, &confirm, json!({})).await.is(204);
    served.get(text, "/v1/approvals").await.is(200);
    // Alice still has its text, so a token that is made with it is hers as well.
    let next = served.post(text, "/v1/tokens", of("eve")).await.is(200);
    assert_eq!(next["token"]["makers"], json!(["alice"]));
    let got = served.post(&dana, &confirm, json!({})).await;
    got.fails(404, "not_found");
    // A user needs no one else, and passes on who made the token that was used.
    let own = served.post(&eve, "/v1/tokens", of("eve")).await.is(200);
    assert_eq!(own["token"]["makers"], json!([]));
    let own = served.post(&hers, "/v1/tokens", of("dana")).await.is(200);
    assert_eq!(own["token"]["makers"], json!(["alice"]));
    let targets = targets(&served);
    assert!(
        targets
            .iter()
            .filter(|target| target.starts_with(id))
            .count()
            == 2,
        "{targets:?}"
    );
}

/// A first token that is gone was one nevertheless: or else one operator could make it again at any time.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_one_first_token() {
    let served = HttpGate::new(ADMINISTRATOR).await;
    let dana = served.user("dana").await;
    let of = |lasts: Option<u64>| json!({ "user": "eve", "name": "cli", "lasts": lasts });
    let made = served.post(&dana, "/v1/tokens", of(None)).await.is(200);
    assert_eq!(made["token"]["confirmed"], true, "the first one");
    let path = format!("/v1/tokens/{}", made["token"]["id"].as_str().unwrap());
    let revoke = served.request(Method::DELETE, &path).bearer_auth(&dana);
    served.send(revoke).await.is(204);
    let next = served.post(&dana, "/v1/tokens", of(None)).await.is(200);
    assert_eq!(next["token"]["confirmed"], false, "it was revoked");
    let frank = json!({ "user": "frank", "lasts": 1_000_000 });
    let made = served.post(&dana, "/v1/tokens", frank.clone()).await;
    assert_eq!(made.is(200)["token"]["confirmed"], true);
    served.world.pass(2);
    let next = served.post(&dana, "/v1/tokens", frank).await.is(200);
    assert_eq!(next["token"]["confirmed"], false, "it has expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_outlast_the_one_that_made_it() {
    let served = HttpGate::new("").await;
    let expires = served.gate.now().plus(60_000_000);
    let short = Purpose {
        principal: Uid::new(Kind::User, "eve"),
        on_behalf_of: None,
        name: "short".into(),
        expires: Some(expires),
        makers: BTreeSet::new(),
    };
    let (_, short) = token::create(&served.gate, short, false).await.unwrap();
    for lasts in [None, Some(3_600_000_000_u64)] {
        let body = json!({ "user": "eve", "name": "next", "lasts": lasts });
        let made = served.post(&short, "/v1/tokens", body).await.is(200);
        assert_eq!(made["token"]["expires"], expires.0, "{lasts:?}");
    }
}

/// An administrator who speaks for another's agent is a party to what it asks for.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_names_the_person_who_made_the_call() {
    let served = HttpGate::new(ADMINISTRATOR).await;
    let router = socket::router(&served.server);
    let (dana, frank) = (served.user("dana").await, served.user("frank").await);
    let arguments =
        json!({ "order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken" });
    let spoken = json!({ "tool": "payments__refund", "agent": "support", "arguments": arguments, "run": "r" });
    let (status, reply) = post(&router, &dana, "/v1/calls", &spoken).await;
    assert_eq!(status, 202, "{reply}");
    let path = format!(
        "/v1/approvals/{}",
        reply["approval"]["id"].as_str().unwrap()
    );
    let shown = served.get(&frank, &path).await.is(200);
    let speaker = json!({ "by": Uid::new(Kind::User, "dana"), "channel": "cli" });
    assert_eq!(shown["speaker"], speaker, "{shown}");
    let yes = json!({ "digest": shown["digest"] });
    let approve = format!("{path}/approve");
    let got = served.post(&dana, &approve, yes.clone()).await;
    got.fails(403, "forbidden");
    let own = Purpose {
        principal: Uid::new(Kind::User, "frank"),
        on_behalf_of: None,
        name: "of dana".into(),
        expires: None,
        makers: BTreeSet::from(["dana".to_owned()]),
    };
    let (_, own) = token::create(&served.gate, own, false).await.unwrap();
    let got = served.post(&own, &approve, yes.clone()).await;
    got.fails(403, "token_of_asker");
    served.post(&frank, &approve, yes).await.is(200);
}
