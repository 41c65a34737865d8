//! The gate's own tokens: client credentials.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;
use tokio::task::JoinSet;

use super::{
    stub::{Reply, Request, authority, mcp},
    *,
};

/// Each token another: `access-token-1`, `access-token-2`, ...
fn counted(expires: i64) -> impl Fn(&Request) -> Reply {
    let count = AtomicUsize::new(0);
    move |_| {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        Reply::json(
            &json!({"access_token": format!("access-token-{n}"), "token_type": "Bearer", "expires_in": expires}),
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_has_a_token_of_its_own_that_no_one_sees() {
    let issuer = authority(counted(3600));
    let server = mcp(&issuer.origin, |token| {
        token.starts_with("access-token").then(|| "gate".to_owned())
    });
    let world = world(&format!("{}/mcp", server.origin), &registered_at(&issuer));
    let gate = accepted(&world).await;
    let answers: Vec<String> = [whoami(&gate, "alice").await, whoami(&gate, "eve").await]
        .iter()
        .map(text)
        .collect();
    for answer in &answers {
        assert!(answer.contains("gate by [secret removed]"), "{answer}");
        assert!(!answer.contains("access-token"), "{answer}");
    }
    assert!(!records(&gate).contains("access-token"));
    let asked = issuer.tokens();
    assert_eq!(
        asked.len(),
        3,
        "to compare, to accept, and for the gate's calls"
    );
    let request = &asked[0];
    assert_eq!(request.form("grant_type"), Some("client_credentials"));
    assert_eq!(request.form("scope"), Some("read+write"));
    let resource = format!("{}/mcp", server.origin)
        .replace(':', "%3A")
        .replace('/', "%2F");
    assert_eq!(request.form("resource"), Some(resource.as_str()));
    assert!(request.headers["authorization"].starts_with("Basic "));
    // Everyone who has seen the client's secret.
    let told = |request: &&Request| request.headers.contains_key("authorization");
    let paths: BTreeSet<String> = issuer
        .seen()
        .iter()
        .filter(told)
        .map(|r| r.path.clone())
        .collect();
    assert_eq!(paths, BTreeSet::from(["/token".to_owned()]));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_of_a_refused_token_renew_it_once() {
    let issuer = authority(counted(3600));
    let refused = Arc::new(Mutex::new(BTreeSet::new()));
    let known = Arc::clone(&refused);
    let server = mcp(&issuer.origin, move |token| {
        (!known.lock().unwrap().contains(token)).then(|| "gate".to_owned())
    });
    let world = world(&format!("{}/mcp", server.origin), &registered_at(&issuer));
    let gate = accepted(&world).await;
    assert!(text(&whoami(&gate, "alice").await).contains("gate by"));
    let before = issuer.tokens().len();
    let in_use = format!("access-token-{before}");
    refused.lock().unwrap().insert(in_use);
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let gate = gate.clone();
        calls.spawn(async move { text(&whoami(&gate, "alice").await) });
    }
    for answer in calls.join_all().await {
        assert!(answer.contains("gate by"), "{answer}");
    }
    assert_eq!(issuer.tokens().len(), before + 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_twice_is_an_error_that_says_what_to_do() {
    let issuer = authority(counted(3600));
    let server = mcp(&issuer.origin, |_| None);
    let world = world(&format!("{}/mcp", server.origin), &registered_at(&issuer));
    let why = offer(&world).await.unwrap_err();
    assert!(
        why.contains("`scopes` and `resource` under [upstream.wiki.oauth]"),
        "{why}"
    );
    assert!(
        issuer.tokens().len() <= 4,
        "no storm: {}",
        issuer.tokens().len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_expires() {
    let issuer = authority(counted(3600));
    let server = mcp(&issuer.origin, |_| Some("gate".into()));
    let world = world(&format!("{}/mcp", server.origin), &registered_at(&issuer));
    accepted(&world).await.close().await;
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    assert!(text(&whoami(&gate, "alice").await).contains("gate by"));
    for n in 1..=3 {
        let before = issuer.tokens().len();
        world.pass(3500);
        assert!(text(&whoami(&gate, "alice").await).contains("gate by"));
        assert_eq!(issuer.tokens().len(), before, "it is valid for a while");
        world.pass(80);
        assert!(text(&whoami(&gate, "alice").await).contains("gate by"));
        assert_eq!(issuer.tokens().len(), before + 1, "{n}");
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_endpoints_are_asked_without_metadata() {
    let issuer = authority(counted(3600));
    let server = mcp("http://127.0.0.1:9", |_| Some("gate".into()));
    let token = format!(
        "token_url = \"{}/token\"\nresource = \"urn:wiki\"",
        issuer.origin
    );
    let world = world(&format!("{}/mcp", server.origin), &own(&token));
    offer(&world).await.unwrap();
    let paths: BTreeSet<String> = issuer.seen().iter().map(|r| r.path.clone()).collect();
    assert_eq!(paths, BTreeSet::from(["/token".to_owned()]));
    assert_eq!(issuer.tokens()[0].form("resource"), Some("urn%3Awiki"));
    assert!(server.seen().iter().all(|r| r.path == "/mcp"));
}
