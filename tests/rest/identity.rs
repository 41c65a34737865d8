//! Authentication: the gate's own tokens, and those of an issuer.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{net::TcpListener, sync::RwLock};
use tollgate_model::entity::{Kind, Uid};
use tollgate_server::auth::token;
use tollgate_testkit::{
    clock::BEGIN,
    rest::{HttpGate, Response},
    world::World,
};

/// When the world begins, in seconds.
const NOW: i64 = BEGIN.0 / 1_000_000;

/// An authorization server's keys, served on a socket.
struct Issuer {
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
    /// Written to by a test that does not let it answer.
    held: Arc<RwLock<()>>,
    url: String,
}

struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self {
            id: id.into(),
            pair: EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap(),
        }
    }

    fn public(&self) -> Value {
        // An uncompressed point: a byte of form, then both coordinates.
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": self.id, "x": x, "y": y })
    }

    fn token(&self, claims: &Value) -> String {
        let message = message(
            &json!({ "typ": "JWT", "alg": "ES256", "kid": self.id }),
            claims,
        );
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message.as_bytes())
            .unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What a token's signature is made of.
fn message(header: &Value, claims: &Value) -> String {
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encoded(header), encoded(claims))
}

impl Issuer {
    async fn new(key: &Key) -> Self {
        let keys = Arc::new(Mutex::new(vec![key.public()]));
        let asked = Arc::new(AtomicUsize::new(0));
        let held = Arc::<RwLock<()>>::default();
        let (served, counted) = (Arc::clone(&keys), Arc::clone(&asked));
        let goes = Arc::clone(&held);
        let app = Router::new().route(
            "/jwks",
            get(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                let keys = served.lock().unwrap().clone();
                let goes = Arc::clone(&goes);
                async move {
                    let _goes = goes.read().await;
                    Json(json!({ "keys": keys }))
                }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            keys,
            asked,
            held,
            url,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn world(jwks: &str, more: &str) -> World {
    let world = World::new("");
    let config = format!(
        r#"{}
[serve.oauth]
resource = "https://gate.example/mcp"
issuer = "https://id.example/"
jwks = "{jwks}"
algorithms = ["ES256"]
{more}
user_clients = ["console"]
agents."app-1" = "support"
users."sub-d" = "dana"
"#,
        world.read("tollgate.toml")
    );
    world.write("tollgate.toml", &config);
    world
}

/// What the issuer says of the agent `support` that acts for dana.
fn claims() -> Value {
    json!({
        "iss": "https://id.example/", "aud": "https://gate.example/mcp", "exp": NOW + 300,
        "client_id": "app-1", "sub": "sub-d",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

async fn read(served: &HttpGate, token: &str) -> Response {
    served
        .call(token, "files__read", json!({ "path": "letter.txt" }))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_issuer_names_agent_and_user() {
    let key = Key::new("k1");
    let issuer = Issuer::new(&key).await;
    let served = HttpGate::at(world(&issuer.url, ""), "192.0.2.1:443").await;
    let reply = read(&served, &key.token(&claims())).await.is(200);
    assert_eq!(reply["outcome"], "ok");
    let runs = served.get(&key.token(&claims()), "/v1/runs").await.is(200)["runs"].clone();
    assert_eq!(
        runs[0]["principal"],
        json!({ "type": "Agent", "id": "support" }),
        "{runs}"
    );
    assert_eq!(runs[0]["on_behalf_of"]["id"], "dana");
    // A program that has a token for itself acts for its operator.
    let own = key.token(&with("sub", json!("app-1")));
    read(&served, &own).await.is(200);
    assert_eq!(
        served.get(&own, "/v1/runs").await.is(200)["runs"][0]["on_behalf_of"]["id"],
        "alice"
    );
    // A person at a program of her own.
    let mut console = claims();
    console["client_id"] = json!("console");
    served
        .get(&key.token(&console), "/v1/policies")
        .await
        .is(200);
    assert_eq!(issuer.asked(), 1, "the keys are read once");
}

/// A token of `key` with one claim changed, or left out.
fn altered(key: &Key, claims: &Value, name: &str, value: Option<Value>) -> String {
    let mut claims = claims.clone();
    match value {
        Some(value) => claims[name] = value,
        None => drop(claims.as_object_mut().unwrap().remove(name)),
    }
    key.token(&claims)
}

/// Tokens with good claims that the issuer did not sign.
fn forged(key: &Key, good: &Value) -> Vec<(&'static str, String)> {
    let [head, body, signature] = key
        .token(good)
        .split('.')
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let encoded = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let none = encoded(json!({ "alg": "none", "kid": "k1" }));
    let rsa = encoded(json!({ "alg": "RS256", "kid": "k1" }));
    // The public key, which is known to all, taken for a shared secret.
    let public = serde_json::to_vec(&key.public()).unwrap();
    let shared = message(&json!({ "alg": "HS256", "kid": "k1" }), good);
    let mut mac = Hmac::<Sha256>::new_from_slice(&public).unwrap();
    mac.update(shared.as_bytes());
    let shared = format!(
        "{shared}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    );
    vec![
        ("another's key", Key::new("k1").token(good)),
        ("alg none", format!("{none}.{body}.")),
        ("the public key as a secret", shared),
        ("another algorithm", format!("{rsa}.{body}.{signature}")),
        ("a broken signature", format!("{head}.{body}.AAAA")),
        (
            "another body",
            format!("{head}.{}.{signature}", encoded(claims())),
        ),
        ("no token", "abc".into()),
    ]
}

/// The answer to an invalid token: with a challenge, and without the token.
fn is_challenged(what: &str, token: &str, got: Response) {
    assert_eq!(got.status, 401, "{what}: {got:?}");
    let challenge = got.headers["www-authenticate"].to_str().unwrap();
    for part in [
        "error=\"invalid_token\"",
        "resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/mcp\"",
    ] {
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains(part),
            "{challenge}"
        );
    }
    assert!(
        !format!("{got:?}").contains(token),
        "{what}: the token is repeated"
    );
    got.fails(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tokens_do_not_count() {
    let key = Key::new("k1");
    let issuer = Issuer::new(&key).await;
    let served = HttpGate::at(world(&issuer.url, "scopes = [\"tools\"]"), "192.0.2.1:443").await;
    let good = with("scope", json!("openid tools"));
    read(&served, &key.token(&good)).await.is(200);
    let scoped = |name: &str, value: Value| altered(&key, &good, name, Some(value));
    let without = |name: &str| altered(&key, &good, name, None);
    let mut invalid = vec![
        ("expired", scoped("exp", json!(NOW - 31))),
        ("without an end", without("exp")),
        ("too early", scoped("nbf", json!(NOW + 31))),
        (
            "another audience",
            scoped("aud", json!("https://other.example/")),
        ),
        ("no audience", without("aud")),
        ("another issuer", scoped("iss", json!("https://id.example"))),
        ("no issuer", without("iss")),
        ("no program", without("client_id")),
    ];
    invalid.extend(forged(&key, &good));
    for (what, token) in invalid {
        is_challenged(what, &token, read(&served, &token).await);
    }
    for (what, token, code) in [
        ("no scope", key.token(&claims()), "insufficient_scope"),
        (
            "a program without a principal",
            scoped("client_id", json!("app-9")),
            "unknown_principal",
        ),
        (
            "an unknown user",
            scoped("sub", json!("sub-x")),
            "unknown_principal",
        ),
    ] {
        let got = read(&served, &token).await;
        assert_eq!(got.status, 403, "{what}");
        got.fails(403, code);
    }
    // Within the leeway.
    read(&served, &scoped("exp", json!(NOW - 29))).await.is(200);
    let got = served.send(served.request(Method::GET, "/v1/tools")).await;
    let got = got.fails(401, "unauthenticated");
    assert!(
        !got.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("error="),
        "RFC 6750, section 3.1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_and_unknown_keys_do_not_make_the_gate_ask_again() {
    let (first, second) = (Key::new("k1"), Key::new("k2"));
    let issuer = Issuer::new(&first).await;
    let served = HttpGate::at(world(&issuer.url, ""), "192.0.2.1:443").await;
    let token = |key: &Key| key.token(&with("exp", json!(NOW + 86_400)));
    read(&served, &token(&first)).await.is(200);
    for _ in 0..5 {
        read(&served, &token(&second))
            .await
            .fails(401, "invalid_token");
    }
    assert_eq!(issuer.asked(), 1, "unknown keys within the pause");
    *issuer.keys.lock().unwrap() = vec![second.public()];
    served.world.pass(11);
    read(&served, &token(&second)).await.is(200);
    assert_eq!(issuer.asked(), 2);
    read(&served, &token(&first))
        .await
        .fails(401, "invalid_token");
    // The issuer's answer makes no sense for a while: the known keys count.
    *issuer.keys.lock().unwrap() = Vec::new();
    served.world.pass(700);
    read(&served, &token(&second)).await.is(200);
    assert_eq!(issuer.asked(), 3);
    // But not without end.
    served.world.pass(25 * 3600);
    let late = second.token(&with("exp", json!(NOW + 10 * 86_400)));
    for _ in 0..2 {
        read(&served, &late).await.fails(503, "unavailable");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_an_unknown_key_delays_no_other() {
    let (known, stranger) = (Key::new("k1"), Key::new("k2"));
    let issuer = Issuer::new(&known).await;
    let served = HttpGate::at(world(&issuer.url, ""), "192.0.2.1:443").await;
    let token = known.token(&claims());
    read(&served, &token).await.is(200);
    served.world.pass(11);
    // The issuer answers no request until this lock is released.
    let held = issuer.held.clone().write_owned().await;
    let request = served.request(Method::GET, "/v1/tools");
    let asking = tokio::spawn(request.bearer_auth(stranger.token(&claims())).send());
    let begun = std::time::Instant::now();
    while issuer.asked() < 2 {
        assert!(begun.elapsed().as_secs() < 10, "the keys are not read");
        tokio::task::yield_now().await;
    }
    let patience = std::time::Duration::from_secs(3);
    let answer = tokio::time::timeout(patience, served.get(&token, "/v1/tools"));
    answer.await.expect("it waits for the issuer").is(200);
    drop(held);
    assert_eq!(asking.await.unwrap().unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_be_in_a_file() {
    let key = Key::new("k1");
    let world = world("keys.json", "");
    let served = HttpGate::at(world, "192.0.2.1:443").await;
    read(&served, &key.token(&claims()))
        .await
        .fails(503, "unavailable");
    let set = json!({ "keys": [key.public()] }).to_string();
    served.world.write("keys.json", &set);
    served.world.pass(11);
    read(&served, &key.token(&claims())).await.is(200);
    // Tokens of the gate's own count too.
    read(&served, &served.agent("support").await).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_must_be_this_one() {
    let key = Key::new("k1");
    let issuer = Issuer::new(&key).await;
    let served = HttpGate::at(
        world(&issuer.url, "claims.tenant = \"org\""),
        "192.0.2.1:443",
    )
    .await;
    read(&served, &key.token(&claims()))
        .await
        .fails(403, "unknown_principal");
    read(&served, &key.token(&with("org", json!("acme"))))
        .await
        .fails(403, "unknown_principal");
    read(&served, &key.token(&with("org", json!("default"))))
        .await
        .is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_say_where_tokens_come_from() {
    let served = HttpGate::at(world("keys.json", ""), "192.0.2.1:443").await;
    for path in ["", "/mcp"] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let got = served
            .send(served.request(Method::GET, &path))
            .await
            .is(200);
        assert_eq!(got["resource"], "https://gate.example/mcp");
        assert_eq!(got["authorization_servers"], json!(["https://id.example/"]));
    }
    let other = "/.well-known/oauth-protected-resource/other";
    served
        .send(served.request(Method::GET, other))
        .await
        .fails(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_tokens_are_hashed_expire_and_are_revoked() {
    let served = HttpGate::new("").await;
    let purpose = token::Purpose {
        principal: Uid::new(Kind::Agent, "support"),
        on_behalf_of: None,
        name: "short".into(),
        expires: Some(served.gate.now().plus(60_000_000)),
        makers: Default::default(),
    };
    let (kept, text) = token::create(&served.gate, purpose, false).await.unwrap();
    let store = std::fs::read(served.world.config().store.path).unwrap();
    let secret = text.rsplit('_').next().unwrap();
    assert!(
        !store
            .windows(secret.len())
            .any(|window| window == secret.as_bytes())
    );
    read(&served, &text).await.is(200);
    let mut other = text.clone();
    let last = if other.pop() == Some('0') { '1' } else { '0' };
    other.push(last);
    read(&served, &other).await.fails(401, "invalid_token");
    served.world.pass(60);
    read(&served, &text).await.fails(401, "invalid_token");
    let lasting = served.agent("support").await;
    read(&served, &lasting).await.is(200);
    let tokens = served.gate.ledger().reader().tokens().unwrap();
    let id = tokens.iter().find(|token| token.id != kept.id).unwrap().id;
    served.gate.ledger().remove_token(id).await.unwrap();
    read(&served, &lasting).await.fails(401, "invalid_token");
    for wrong in ["tollgate_", "tollgate_00", "tollgate_zz_00"] {
        read(&served, wrong).await.fails(401, "invalid_token");
    }
}
