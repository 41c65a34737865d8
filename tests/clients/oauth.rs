//! OAuth towards an upstream server, with an authorization server that others wrote and had certified:
//! `oidc-provider` from npm. Its own pages log a person in, driven as a browser drives them.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Stdio},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, Response, Url, header, redirect};
use serde_json::{Value, json};

use tollgate_testkit::{
    binary,
    command::{CommandOutput, World},
    installed, repository,
    serve::Server,
};

use crate::client::node;

const SECRET: &str = "client secret & more";
const WHOAMI: &[&str] = &["call", "wiki__whoami", "--args", "{}"];

/// A process; it ends when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The authorization server, and the MCP server that takes its tokens.
struct Servers {
    _running: Running,
    _until: ChildStdin,
    issuer: String,
    mcp: String,
}

impl Servers {
    fn start(world: &World, key: &Value) -> Self {
        let script = installed("node_oauth/scripts").join("server.mjs");
        let arguments = json!({"secret": SECRET, "key": key}).to_string();
        let mut child = world
            .command(node_of_oauth())
            .args(["--preserve-symlinks", "--preserve-symlinks-main"])
            .arg(script)
            .arg(arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        Self {
            _until: child.stdin.take().unwrap(),
            _running: Running(child),
            issuer: text("issuer"),
            mcp: text("mcp"),
        }
    }

    async fn ask(&self, path: &str) -> Value {
        let url = Url::parse(&self.mcp).unwrap().join(path).unwrap();
        let answer = http().get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Tokens that were asked for, by their grant.
    async fn asked(&self, grant: &str) -> usize {
        let seen = self.ask("/seen").await;
        let seen = seen.as_array().unwrap();
        seen.iter()
            .filter(|asked| asked["grant_type"] == grant)
            .count()
    }
}

fn http() -> Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().redirect(redirect::Policy::none());
    // A connection that is kept may be closed just when it is used again.
    let client = client.no_proxy().pool_max_idle_per_host(0);
    client.build().unwrap()
}

/// Any Node.js will do.
fn node_of_oauth() -> std::path::PathBuf {
    let clients = repository().join("target/clients/node");
    match clients.exists() {
        true => node(),
        false => "node".into(),
    }
}

/// A key of the curve P-256: in PEM, and its public half as a JSON Web Key.
fn key() -> (String, Value) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    // An uncompressed point (SEC 1, section 2.3.3).
    let point = pair.public_key_raw();
    let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": part(1..33), "y": part(33..65), "kid": "k1", "alg": "ES256"});
    (pair.serialize_pem(), jwk)
}

/// The example of this grant in docs/upstream.md, with the words of these servers.
fn documented(grant: &str, replaced: &[(&str, &str)]) -> String {
    let page = fs::read_to_string(repository().join("docs/upstream.md")).unwrap();
    let blocks = page.split("```").map(|block| block.strip_prefix("toml\n"));
    let mut blocks = blocks.flatten();
    let grant = format!("grant = \"{grant}\"");
    let mut example = blocks
        .find(|block| block.contains(&grant))
        .unwrap()
        .to_owned();
    for (word, other) in replaced {
        assert!(example.contains(word), "{word} is not in the example");
        example = example.replace(word, other);
    }
    example
}

/// A gate's folder with the upstream server `wiki`.
fn configure(world: &World, mcp: &str, oauth: &str) {
    let upstream = format!(
        "[secrets.client]\nfile = \"client\"\n[upstream.wiki]\nurl = \"{mcp}\"\nlabels = []\n[upstream.wiki.oauth]\n\
         {oauth}\n[users.alice]"
    );
    world.configure("[users.alice]", &upstream);
}

/// A browser: it keeps cookies, and follows redirects within its site.
struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new() -> Self {
        Self {
            client: http(),
            cookies: BTreeMap::new(),
        }
    }

    async fn send(&mut self, url: &Url, form: Option<&[(&str, &str)]>) -> Response {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<String> = cookies.collect();
        let request = match form {
            Some(form) => self
                .client
                .post(url.clone())
                .body(encoded(form))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
            None => self.client.get(url.clone()),
        };
        let request = request.header(header::COOKIE, cookies.join("; "));
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, _) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.into(), value.into());
        }
        response
    }

    /// Log in as `name` and consent at `page`: where the answer goes then.
    async fn consent(&mut self, page: &Url, name: &str) -> Url {
        let mut url = page.clone();
        let mut form: Option<Vec<(&str, &str)>> = None;
        for _ in 0..20 {
            let response = self.send(&url, form.take().as_deref()).await;
            if let Some(to) = response.headers().get(header::LOCATION) {
                url = url.join(to.to_str().unwrap()).unwrap();
                if url.origin() != page.origin() {
                    return url;
                }
                continue;
            }
            let status = response.status();
            let text = response.text().await.unwrap();
            assert!(status.is_success(), "{url}: {status}: {text}");
            form = Some(match text.contains("name=\"login\"") {
                true => vec![("prompt", "login"), ("login", name), ("password", "x")],
                false => vec![("prompt", "consent")],
            });
        }
        panic!("the authorization server never answers");
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://x").unwrap();
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap().to_owned()
}

/// `tollgate upstream login wiki`, whose page this person visits as `name`.
async fn log_in(world: &World, more: &[&str], name: &str) -> Value {
    let child = world
        .command(binary())
        .args(["upstream", "login", "wiki", "--json"])
        .args(more)
        .stderr(Stdio::inherit())
        .spawn();
    let mut running = Running(child.unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("it ends without a line").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    };
    let page = Url::parse(next()["url"].as_str().unwrap()).unwrap();
    let mut browser = Browser::new();
    let answer = browser.consent(&page, name).await;
    // What others send there does not count, and does not end it.
    let mut wrong = answer.clone();
    wrong.set_query(Some("code=x&state=wrong"));
    assert_eq!(browser.send(&wrong, None).await.status(), 400);
    assert_eq!(browser.send(&answer, None).await.status(), 200);
    let login = next();
    assert!(running.0.wait().unwrap().success());
    login
}

fn says(ran: CommandOutput, words: &str) -> CommandOutput {
    let ran = ran.exits(0).says(&[words]);
    assert!(ran.out.contains("[secret removed]"), "{ran:?}");
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_by_a_secret_and_by_a_key() {
    let (pem, jwk) = key();
    for (client, secret, credential) in [
        ("gate", SECRET, None),
        (
            "signed",
            pem.as_str(),
            Some("private_key = { secret = \"wiki-client\" }\nkey_id = \"k1\" #"),
        ),
    ] {
        let world = World::new();
        let servers = Servers::start(&world, &jwk);
        world.write("client", secret);
        let id = format!("\"{client}\"");
        let mut replaced = vec![
            ("https://wiki.example.com/mcp", servers.mcp.as_str()),
            ("\"tollgate\"", &id),
            ("wiki.read", "read"),
            ("wiki-client.secret", "client"),
            ("https://login.example.com", servers.issuer.as_str()),
        ];
        replaced
            .extend(credential.map(|key| ("client_secret = { secret = \"wiki-client\" }", key)));
        let example = documented("client_credentials", &replaced);
        world.configure("[users.alice]", &format!("{example}[users.alice]"));
        world.accept_upstream("wiki").says(&["✓ accepted"]);
        let served = Server::start_with(&world, &[]);
        let me = format!("client {client}, by");
        says(world.run(WHOAMI), &me);
        let before = servers.asked("client_credentials").await;
        says(world.run(WHOAMI), &me);
        assert_eq!(
            servers.asked("client_credentials").await,
            before,
            "it is kept"
        );
        // All tokens so far do not count any more: one more is asked for, once.
        servers.ask("/refuse").await;
        says(world.run(WHOAMI), &me);
        says(world.run(WHOAMI), &me);
        assert_eq!(servers.asked("client_credentials").await, before + 1);
        served.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_said_and_not_shown() {
    let world = World::new();
    let servers = Servers::start(&world, &key().1);
    world.write("client", "another client secret");
    let credential = format!(
        "grant = \"client_credentials\"\nclient_id = \"gate\"\nclient_secret = {{ secret = \"client\" }}\n\
         issuer = \"{}\"",
        servers.issuer
    );
    configure(&world, &servers.mcp, &credential);
    let ran = world.run(&["upstream", "show", "wiki"]).exits(1);
    let ran = ran.says(&["invalid_client", "`client_secret`", "[upstream.wiki.oauth]"]);
    assert!(!format!("{ran:?}").contains("another client secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_log_in_and_act_with_their_own_rights() {
    let world = World::new();
    let servers = Servers::start(&world, &key().1);
    world.write("client", SECRET);
    let example = documented(
        "authorization_code",
        &[
            ("upstream.notes", "upstream.wiki"),
            ("https://notes.example.com/mcp", &servers.mcp),
            ("\"tollgate\"", "\"login\""),
            ("\"notes.read\"", "\"openid\", \"read\""),
        ],
    );
    world.configure("[users.alice]", &format!("{example}[users.alice]"));
    let without = world.run(&["upstream", "show", "wiki"]).exits(1);
    without.says(&["`alice` does so with `tollgate upstream login wiki`"]);
    world
        .run(&["user", "token", "dana", "--out", "dana.token"])
        .exits(0);
    let served = Server::start_with(&world, &[]);

    let login = log_in(&world, &[], "ada").await;
    assert_eq!(login["user"], "alice");
    assert_eq!(login["issuer"], servers.issuer.as_str());
    assert_eq!(login["resource"], servers.mcp.as_str());
    assert_eq!(login["renewable"], true);
    world.accept_upstream("wiki").says(&["✓ accepted"]);
    says(world.run(WHOAMI), "ada, by");

    let as_dana = ["--as", "dana", "--token-file", "dana.token"];
    let refused = world.run(&[WHOAMI, &as_dana].concat());
    refused.exits(6).says(&["`dana` has not consented"]);
    log_in(&world, &as_dana, "dan").await;
    says(world.run(&[WHOAMI, &as_dana].concat()), "dan, by");
    says(world.run(WHOAMI), "ada, by");

    // The tokens do not count any more: each is renewed, and the refresh token is another one each time.
    for n in 1..=3 {
        servers.ask("/refuse").await;
        says(world.run(WHOAMI), "ada, by");
        assert_eq!(servers.asked("refresh_token").await, n);
    }
    // A restarted gate uses the stored tokens.
    served.stop();
    let served = Server::start_with(&world, &[]);
    says(world.run(WHOAMI), "ada, by");
    servers.ask("/refuse").await;
    says(world.run(WHOAMI), "ada, by");
    assert_eq!(servers.asked("refresh_token").await, 4);

    let logins = world.json(&["upstream", "logins"]);
    let users: Vec<&str> = logins
        .as_array()
        .unwrap()
        .iter()
        .map(|login| login["user"].as_str().unwrap())
        .collect();
    assert_eq!(users, ["alice", "dana"]);
    world
        .run(&["upstream", "logins"])
        .exits(0)
        .says(&["dana", "renewed"]);
    let acts = world.run(&["decisions", "list"]).exits(0);
    acts.says(&["upstream_connected"]);
    world.run(&["upstream", "logout", "wiki"]).exits(0);
    let refused = world.run(WHOAMI).exits(6);
    refused.says(&["`alice` has not consented"]);
    world
        .run(&["upstream", "logout", "wiki", "--user", "dana"])
        .exits(0);
    assert_eq!(world.json(&["upstream", "logins"]), json!([]));
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_token_never_logs_in() {
    let world = World::new();
    let servers = Servers::start(&world, &key().1);
    world.write("client", SECRET);
    configure(
        &world,
        &servers.mcp,
        "grant = \"authorization_code\"\nclient_id = \"login\"",
    );
    let token = world.json(&[
        "token",
        "create",
        "--agent",
        "support",
        "--on-behalf-of",
        "alice",
    ]);
    let served = Server::start_with(&world, &[]);
    let url = format!("http://{}/v1/upstreams/wiki/login", served.address);
    let body = json!({"redirect_uri": "http://127.0.0.1:8123/callback"});
    let refused = http()
        .post(url)
        .bearer_auth(token["token"].as_str().unwrap())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 403);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "people_only");
    served.stop();
}
