//! The hook socket: agents' accounts have their calls decided there, and nothing else.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tollgate_model::entity::{Kind, Uid};
use tollgate_server::{
    auth::peer::{self, HookPeer, PeerCredentials},
    http::hook_socket,
};
use tollgate_testkit::{
    rest::HttpGate,
    world::{World, records},
};
use tower::ServiceExt as _;

/// The routes that there are.
const ROUTES: [&str; 3] = ["/v1/authorize", "/v1/outcomes", "/v1/hook-events"];

/// A gate whose agent `support` has the account of this process, and the routes of its hook socket.
async fn served() -> (HttpGate, Router) {
    let world = World::new(
        r#"@id("nothing-forced") @owner("tests") @reason("Nothing is pushed by force.")
           forbid (principal, action == Tollgate::Action::"claude__Bash", resource)
           when { context.input.command like "*--force*" };"#,
    );
    let login = peer::login(PeerCredentials::own().uid).unwrap();
    world.configure(
        "[agents.support]\n",
        &format!("[agents.support]\nlogin = \"{login}\"\n"),
    );
    let config = world.read("tollgate.toml");
    let external = "[hook]\nsocket = \"hook.sock\"\n[external.claude]\npreset = \"claude-code\"\nlabels = []\ntaints = []\n";
    world.write("tollgate.toml", &format!("{config}\n{external}"));
    let served = HttpGate::at(world, "192.0.2.1:443").await;
    let router = hook_socket::router(&served.server);
    (served, router)
}

fn request(method: &Method, path: &str, uid: Option<u32>, body: &Value) -> Request<Body> {
    let mut request = Request::builder()
        .method(method.clone())
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    if let Some(uid) = uid {
        let peer = HookPeer(PeerCredentials { uid });
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

async fn post(router: &Router, path: &str, body: &Value) -> (StatusCode, Value) {
    let own = PeerCredentials::own().uid;
    send(router, request(&Method::POST, path, Some(own), body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_the_agent() {
    let (served, router) = served().await;
    let bash = json!({ "preset": "claude-code", "tool": "Bash", "run": "claude-code:s-1",
        "arguments": { "command": "git status" }, "reference": "u-1" });
    let (status, reply) = post(&router, "/v1/authorize", &bash).await;
    assert_eq!(
        (status.as_u16(), &reply["allowed"]),
        (200, &json!(true)),
        "{reply}"
    );
    assert_eq!(reply["tool"], "claude__Bash");
    let run = served
        .gate
        .ledger()
        .reader()
        .run(reply["run"].as_str().unwrap());
    let run = run.unwrap();
    assert_eq!(run.principal, Uid::new(Kind::Agent, "support"));
    assert_eq!(run.on_behalf_of, Uid::new(Kind::User, "alice"));
    // No person speaks for it.
    for record in records(&served.gate, run.id) {
        let leaf = String::from_utf8(record.leaf().unwrap()).unwrap();
        assert!(!leaf.contains("speaker"), "{leaf}");
    }
    let told = json!({ "reference": "u-1", "content": "clean" });
    let (status, reply) = post(&router, "/v1/outcomes", &told).await;
    assert_eq!(
        (status.as_u16(), &reply["outcome"]),
        (200, &json!("ok")),
        "{reply}"
    );
    let forced = json!({ "tool": "claude__Bash", "arguments": { "command": "git push --force" } });
    let (status, reply) = post(&router, "/v1/authorize", &forced).await;
    assert_eq!(
        (status.as_u16(), &reply["allowed"]),
        (200, &json!(false)),
        "{reply}"
    );
}

/// Every other route of the API is absent: nothing can be read, answered or administered.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_served() {
    let (served, router) = served().await;
    let document = served.request(Method::GET, "/v1/openapi.json");
    let document = served.send(document).await.is(200);
    let own = Some(PeerCredentials::own().uid);
    let mut absent = 0;
    for path in document["paths"].as_object().unwrap().keys() {
        let path = path.replace('{', "").replace('}', "");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let method: Method = method.parse().unwrap();
            let asked = request(&method, &path, own, &json!({}));
            let (status, _) = send(&router, asked).await;
            match ROUTES.contains(&path.as_str()) {
                true if method == Method::POST => assert_eq!(status, 400, "{path}"),
                true => assert_eq!(status, 405, "{method} {path}"),
                false => {
                    assert_eq!(status, 404, "{method} {path}");
                    absent += 1;
                }
            }
        }
    }
    assert!(absent > 100, "the document was read: {absent}");
    for path in [
        "/mcp",
        "/metrics",
        "/v1/agents/support/stdio",
        "/v1/traces",
        "/",
    ] {
        let (status, _) = send(&router, request(&Method::GET, path, own, &json!({}))).await;
        assert_eq!(status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_accounts_are_refused() {
    let (served, router) = served().await;
    let (agent, alice) = (served.agent("support").await, served.user("alice").await);
    let bash = json!({ "tool": "claude__Bash", "arguments": { "command": "ls" } });
    let own = PeerCredentials::own().uid;
    for path in ROUTES {
        for uid in [own + 1, 4_000_000_000] {
            let asked = request(&Method::POST, path, Some(uid), &bash);
            let (status, problem) = send(&router, asked).await;
            assert_eq!(
                (status.as_u16(), &problem["code"]),
                (403, &json!("unknown_login"))
            );
        }
        // Without a peer nothing helps, the owner's credentials neither.
        let unknown = request(&Method::POST, path, None, &bash);
        assert_eq!(send(&router, unknown).await.0, 401);
        let mut owner = request(&Method::POST, path, None, &bash);
        owner.extensions_mut().insert(PeerCredentials::own());
        assert_eq!(send(&router, owner).await.0, 401);
        for token in [&agent, &alice] {
            let bearer: HeaderValue = format!("Bearer {token}").parse().unwrap();
            let mut alone = request(&Method::POST, path, None, &bash);
            alone
                .headers_mut()
                .insert(header::AUTHORIZATION, bearer.clone());
            assert_eq!(send(&router, alone).await.0, 401);
            let mut both = request(&Method::POST, path, Some(own), &bash);
            both.headers_mut().insert(header::AUTHORIZATION, bearer);
            assert_eq!(
                send(&router, both).await.0,
                400,
                "the account says who calls"
            );
        }
    }
    let mut spoken = bash.clone();
    spoken["agent"] = "other".into();
    let (status, problem) = post(&router, "/v1/authorize", &spoken).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (403, &json!("people_only"))
    );
    let unknown = json!({ "preset": "codex", "tool": "Bash" });
    let (status, _) = post(&router, "/v1/authorize", &unknown).await;
    assert_eq!(status, 400, "no executor has this preset");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_says_whose_accounts_there_are() {
    let (served, _router) = served().await;
    let config = served.world.read("tollgate.toml");
    let fails = |from: &str, to: &str, words: &str| {
        assert!(config.contains(from), "{from}");
        served
            .world
            .write("tollgate.toml", &config.replace(from, to));
        let error = tollgate::config::Config::read(&served.world.path("tollgate.toml"));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let login = peer::login(PeerCredentials::own().uid).unwrap();
    let own = format!("login = \"{login}\"\n");
    fails(&own, "", "no agent has a login");
    fails(
        "[agents.other]\n",
        &format!("[agents.other]\n{own}"),
        "have the login",
    );
    fails("socket = \"hook.sock\"", "mode = \"0660\"", "has no socket");
    let mode = |mode: &str| format!("socket = \"hook.sock\"\nmode = \"{mode}\"");
    for wrong in ["0777", "rw", "4660"] {
        fails(
            "socket = \"hook.sock\"",
            &mode(wrong),
            "not the mode of a socket",
        );
    }
}
