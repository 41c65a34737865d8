//! Users log in, are logged out, and are themselves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Url;
use serde_json::json;
use tollgate::{
    enforce::{Refusal, Verdict},
    gate::ConnectAccountError,
    upstream::{LoginAnswer, LoginError, LoginRequest},
};
use tollgate_model::record::{AdminAction, Event};

use super::{
    stub::{Reply, Request, Stub, authority, mcp, mcp_of},
    *,
};

const REDIRECT: &str = "http://127.0.0.1:8123/callback";

/// An authorization server that gives for the code `NAME` the tokens of NAME, each life of which is 600 s, and an MCP
/// server that takes them.
struct Scene {
    issuer: Stub,
    server: Stub,
    /// The issuer that the server names.
    named: Arc<Mutex<String>>,
    /// Codes and refresh tokens that still count.
    valid: Arc<Mutex<HashMap<String, String>>>,
}

impl Scene {
    fn new() -> Self {
        let valid: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let known = Arc::clone(&valid);
        let issuer = authority(move |request| token(&mut known.lock().unwrap(), request));
        let named = Arc::new(Mutex::new(issuer.origin.clone()));
        let server = mcp_of(Arc::clone(&named), |token| {
            let (name, _) = token.strip_prefix("access-of-")?.rsplit_once('-')?;
            Some(name.to_owned())
        });
        Self {
            issuer,
            server,
            named,
            valid,
        }
    }

    fn world(&self) -> World {
        self.world_with("")
    }

    fn world_with(&self, policies: &str) -> World {
        world_with(
            &format!("{}/mcp", self.server.origin),
            &personal(""),
            policies,
        )
    }

    /// The code that the authorization server gives this person.
    fn code(&self, name: &str) -> String {
        let code = format!("code-of-{name}");
        self.valid.lock().unwrap().insert(code.clone(), name.into());
        code
    }

    fn answer(&self, request: &LoginRequest, name: &str) -> LoginAnswer {
        LoginAnswer {
            state: request.state.clone(),
            code: Some(self.code(name)),
            iss: Some(self.issuer.origin.clone()),
            error: None,
        }
    }

    async fn log_in(&self, gate: &Gate, who: &str, as_name: &str) {
        let begun = begin(gate, who).await.unwrap();
        let answer = self.answer(&begun, as_name);
        let login = gate.complete_login(&user(who), "wiki", answer).await;
        assert_eq!(login.unwrap().key.user, who);
    }

    /// A gate whose server was accepted by alice, who is logged in as `ada`.
    async fn gate(&self, world: &World) -> Gate {
        let gate = Gate::open(world.config(), options(world)).await.unwrap();
        self.log_in(&gate, "alice", "ada").await;
        let offered = gate.compare_offer(&user("alice"), "wiki").await.unwrap();
        gate.accept_upstream(&user("alice"), &seen(&offered))
            .await
            .unwrap();
        gate
    }
}

/// Every code and every refresh token counts once.
fn token(valid: &mut HashMap<String, String>, request: &Request) -> Reply {
    let given = request.form("code").or(request.form("refresh_token"));
    let Some(name) = valid.remove(given.unwrap_or_default()) else {
        return Reply::refusal("invalid_grant");
    };
    let n = valid.len() + request.body.len();
    let refresh = format!("refresh-of-{name}-{n}-{}", valid.len());
    valid.insert(refresh.clone(), name.clone());
    Reply::json(
        &json!({"access_token": format!("access-of-{name}-{n}"), "token_type": "Bearer", "expires_in": 600,
            "refresh_token": refresh, "scope": "read"}),
    )
}

async fn begin(gate: &Gate, who: &str) -> Result<LoginRequest, ConnectAccountError> {
    let redirect = Url::parse(REDIRECT).unwrap();
    gate.begin_login(&user(who), "wiki", &redirect).await
}

fn parameter(request: &LoginRequest, name: &str) -> String {
    let mut pairs = request.url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn is_refused_before_it_starts(answer: &Answer) -> bool {
    matches!(&answer.verdict, Verdict::Refused(Refusal::Invalid { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_acts_with_their_own_rights_and_only_after_consent() {
    let scene = Scene::new();
    let world = scene.world();
    let gate = scene.gate(&world).await;
    assert!(text(&whoami(&gate, "alice").await).contains("ada by [secret removed]"));
    let calls = scene.server.calls();
    let refused = whoami(&gate, "eve").await;
    assert!(is_refused_before_it_starts(&refused), "{refused:?}");
    let said = text(&refused);
    assert!(
        said.contains("`eve` does so with `tollgate upstream login wiki`")
            && said.contains("no agent"),
        "{said}"
    );
    assert_eq!(scene.server.calls(), calls, "nothing was sent");
    scene.log_in(&gate, "eve", "evelyn").await;
    assert!(text(&whoami(&gate, "eve").await).contains("evelyn by"));
    assert!(text(&whoami(&gate, "alice").await).contains("ada by"));
    // Another account of the same user from the next call on.
    scene.log_in(&gate, "eve", "eva").await;
    assert!(text(&whoami(&gate, "eve").await).contains("eva by"));
    gate.remove_login(&user("eve"), "eve", "wiki")
        .await
        .unwrap();
    assert!(is_refused_before_it_starts(&whoami(&gate, "eve").await));
    assert!(text(&whoami(&gate, "alice").await).contains("ada by"));
    let said = records(&gate);
    for secret in ["access-of", "refresh-of", "code-of"] {
        assert!(!said.contains(secret), "{secret} is in a record");
    }
    assert!(said.contains("UpstreamConnected") && said.contains("UpstreamDisconnected"));
    gate.close().await;
    for file in std::fs::read_dir(world.path(".tollgate")).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let found = bytes
            .windows(10)
            .any(|part| part == b"access-of-" || part == b"refresh-of");
        assert!(!found, "{} has a token in plain text", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_is_that_of_the_standards() {
    let scene = Scene::new();
    let world = scene.world();
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    let begun = begin(&gate, "alice").await.unwrap();
    let page = format!("{}/authorize?", scene.issuer.origin);
    assert!(begun.url.as_str().starts_with(&page), "{}", begun.url);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "gate"),
        ("redirect_uri", REDIRECT),
        ("state", begun.state.as_str()),
        ("code_challenge_method", "S256"),
        ("scope", "read"),
        ("resource", &format!("{}/mcp", scene.server.origin)),
    ] {
        assert_eq!(parameter(&begun, name), value, "{name}");
    }
    let answer = scene.answer(&begun, "ada");
    gate.complete_login(&user("alice"), "wiki", answer)
        .await
        .unwrap();
    let exchange = scene.issuer.tokens().pop().unwrap();
    assert_eq!(exchange.form("grant_type"), Some("authorization_code"));
    assert_eq!(exchange.form("client_id"), Some("gate"));
    // RFC 7636, section 4.6.
    let verifier = exchange.form("code_verifier").unwrap();
    let digest = Sha256Digest::of(verifier.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(digest.as_bytes());
    assert_eq!(parameter(&begun, "code_challenge"), challenge);
    let redirect = Url::parse("https://evil.example/callback").unwrap();
    let elsewhere = gate.begin_login(&user("alice"), "wiki", &redirect).await;
    assert!(elsewhere.unwrap_err().to_string().contains("RFC 8252"));
    gate.close().await;
}

fn why(error: ConnectAccountError) -> String {
    match error {
        ConnectAccountError::Login(LoginError::Rejected(why) | LoginError::Failed(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_the_awaited_one_does_not_count() {
    let scene = Scene::new();
    let world = scene.world();
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    let complete = async |who: &str, answer| {
        let completed = gate.complete_login(&user(who), "wiki", answer).await;
        why(completed.unwrap_err())
    };
    // Another state, and another user's.
    let begun = begin(&gate, "alice").await.unwrap();
    let mut other = scene.answer(&begun, "ada");
    other.state.push('x');
    assert!(
        complete("alice", other)
            .await
            .contains("no login that you have begun")
    );
    let stolen = scene.answer(&begun, "ada");
    assert!(
        complete("eve", stolen.clone())
            .await
            .contains("no login that you have begun")
    );
    // That of another authorization server, or of none.
    let mut mixed = stolen.clone();
    mixed.iss = Some("https://evil.example".into());
    assert!(
        complete("alice", mixed)
            .await
            .contains("another authorization server")
    );
    let begun = begin(&gate, "alice").await.unwrap();
    let mut unnamed = scene.answer(&begun, "ada");
    unnamed.iss = None;
    assert!(
        complete("alice", unnamed)
            .await
            .contains("does not name its issuer")
    );
    // An error, in the gate's words.
    for (error, said) in [
        ("access_denied", "access_denied"),
        ("<b>evil</b>", "an error that is not known"),
    ] {
        let begun = begin(&gate, "alice").await.unwrap();
        let mut refused = scene.answer(&begun, "ada");
        refused.error = Some(error.into());
        let why = complete("alice", refused).await;
        assert!(why.contains(said) && !why.contains("evil</b>"), "{why}");
    }
    assert!(scene.issuer.tokens().is_empty(), "nothing was exchanged");
    // A code that was used.
    let begun = begin(&gate, "alice").await.unwrap();
    let answer = scene.answer(&begun, "ada");
    gate.complete_login(&user("alice"), "wiki", answer.clone())
        .await
        .unwrap();
    assert!(
        complete("alice", answer)
            .await
            .contains("no login that you have begun")
    );
    let begun = begin(&gate, "alice").await.unwrap();
    let mut replayed = scene.answer(&begun, "ada");
    replayed.code = Some("code-of-no-one".into());
    assert!(complete("alice", replayed).await.contains("invalid_grant"));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_decides_who_connects_and_nothing_is_asked_before() {
    let scene = Scene::new();
    let policy = "@id(\"eve-stays-out\") @owner(\"tests\") @reason(\"Not eve.\")\n\
        forbid (principal == Tollgate::User::\"eve\", action == Tollgate::Action::\"connect_upstream\", \
        resource == Tollgate::Component::\"wiki\");";
    let world = scene.world_with(policy);
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    let refused = begin(&gate, "eve").await.unwrap_err();
    assert!(refused.to_string().contains("Not eve."), "{refused}");
    assert!(scene.issuer.seen().is_empty() && scene.server.seen().is_empty());
    begin(&gate, "alice").await.unwrap();
    // Another's login is an administrator's business.
    scene.log_in(&gate, "dana", "dan").await;
    let eve = gate.remove_login(&user("eve"), "dana", "wiki").await;
    assert!(eve.is_err());
    gate.remove_login(&user("alice"), "dana", "wiki")
        .await
        .unwrap();
    let nothing = gate.remove_login(&user("dana"), "dana", "wiki").await;
    assert!(nothing.unwrap_err().to_string().contains("no login"));
    let no_server = Url::parse(REDIRECT).unwrap();
    let unknown = gate.begin_login(&user("alice"), "wikki", &no_server).await;
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("did you mean `wiki`?")
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_replaced_and_its_end_ends_the_login() {
    let scene = Scene::new();
    let world = scene.world();
    let gate = scene.gate(&world).await;
    let login = || {
        let logins = gate.ledger().reader().upstream_logins().unwrap();
        logins.into_iter().next()
    };
    let refreshes = || {
        let asked = scene.issuer.tokens();
        asked
            .iter()
            .filter(|r| r.form("refresh_token").is_some())
            .count()
    };
    for n in 1..=3 {
        let before = login().unwrap();
        world.pass(590);
        assert!(text(&whoami(&gate, "alice").await).contains("ada by [secret removed]"));
        assert_eq!(refreshes(), n, "renewed before its end, and once");
        assert!(login().unwrap().version > before.version);
        assert_eq!(login().unwrap().created, before.created);
    }
    // The latest tokens are stored: a gate that is opened again uses them.
    gate.close().await;
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    world.pass(3600);
    assert!(text(&whoami(&gate, "alice").await).contains("ada by"));
    assert_eq!(refreshes(), 4);
    // The authorization server does not take the refresh token any more.
    scene.valid.lock().unwrap().clear();
    world.pass(3600);
    let ended = text(&whoami(&gate, "alice").await);
    assert!(ended.contains("logs in again"), "{ended}");
    assert!(gate.ledger().reader().upstream_logins().unwrap().is_empty());
    let refused = whoami(&gate, "alice").await;
    assert!(is_refused_before_it_starts(&refused), "{refused:?}");
    scene.log_in(&gate, "alice", "ada").await;
    assert!(text(&whoami(&gate, "alice").await).contains("ada by"));
    gate.close().await;
}

/// A login is renewed where it was made. New ones are made where the server says now.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_issuer_is_none_for_new_logins() {
    let scene = Scene::new();
    let world = scene.world();
    let gate = scene.gate(&world).await;
    let next = authority(|_| Reply::refusal("invalid_grant"));
    *scene.named.lock().unwrap() = next.origin.clone();
    gate.close().await;
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    world.pass(590);
    assert!(text(&whoami(&gate, "alice").await).contains("ada by"));
    assert!(next.tokens().is_empty(), "it is sent no tokens");
    let begun = begin(&gate, "dana").await.unwrap();
    assert!(
        begun.url.as_str().starts_with(&next.origin),
        "{}",
        begun.url
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_bound_to_its_resource_and_issuer() {
    let scene = Scene::new();
    let world = scene.world();
    let gate = scene.gate(&world).await;
    gate.close().await;
    // The server moves to where the tokens must not go.
    let other = mcp(&scene.issuer.origin, |_| Some("thief".into()));
    world.configure(&scene.server.origin, &other.origin);
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    let refused = whoami(&gate, "alice").await;
    assert!(is_refused_before_it_starts(&refused), "{refused:?}");
    assert!(text(&refused).contains("another authorization server or resource"));
    assert!(other.seen().is_empty());
    gate.close().await;
    // Another issuer is configured.
    world.configure(&other.origin, &scene.server.origin);
    let table = personal("issuer = \"https://other.example\"");
    world.configure(&personal(""), &table);
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    assert!(is_refused_before_it_starts(&whoami(&gate, "alice").await));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_not_accepted_without_a_login_and_the_gate_serves_the_rest() {
    let scene = Scene::new();
    let world = scene.world();
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    let without = gate.compare_offer(&user("alice"), "wiki").await;
    let why = without.unwrap_err().to_string();
    assert!(why.contains("tollgate upstream login wiki"), "{why}");
    let letter = call(
        &gate,
        "r",
        "files__read",
        r#"{"grant":"data","path":"letter.txt"}"#,
    )
    .await;
    assert!(!text(&letter).contains("login"), "{letter:?}");
    assert!(
        text(&whoami(&gate, "alice").await).contains("whoami"),
        "it is not offered"
    );
    assert!(
        scene
            .server
            .seen()
            .iter()
            .all(|request| request.bearer().is_none())
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_recorded_with_who_and_where() {
    let scene = Scene::new();
    let world = scene.world();
    let gate = scene.gate(&world).await;
    let mut acts = Vec::new();
    let keep = |_, record: Record| {
        if let Event::Administered(act) = record.event {
            acts.push(act);
        }
        ControlFlow::Continue(())
    };
    let reader = gate.ledger().reader();
    reader.records(&RecordFilter::default(), keep).unwrap();
    let connected = acts
        .iter()
        .find(|act| act.action == AdminAction::UpstreamConnected);
    let connected = connected.unwrap();
    assert_eq!(connected.by, "alice");
    assert_eq!(
        connected.target,
        format!(
            "wiki by {} for {}/mcp",
            scene.issuer.origin, scene.server.origin
        )
    );
    gate.close().await;
}
