//! The token of a caller: its makers are on the asking side of its calls, and its end is the end of what waits.

use std::collections::BTreeSet;

use axum::Extension;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tollgate_ledger::Token;
use tollgate_model::{
    entity::{Kind, Uid},
    ids::ApprovalId,
    life::ApprovalState,
};
use tollgate_server::{
    auth::{
        peer::PeerCredentials,
        token::{self, Purpose},
    },
    http::socket,
};
use tollgate_testkit::{rest::HttpGate, web::serve_router, world::World};

const POLICIES: &str = r#"
@id("eve-calls") @owner("tests")
permit (principal == Tollgate::User::"eve", action in Tollgate::Action::"call", resource);
@id("writing-needs-finance") @owner("tests") @reason("Writing needs finance.")
forbid (principal, action == Tollgate::Action::"claude__Write", resource)
unless { context.approval.roles.contains(Tollgate::Role::"finance") };
"#;

/// The longest time until a call waits.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

async fn served(wait: &str) -> HttpGate {
    let world = World::new(POLICIES);
    let config = world.read("tollgate.toml");
    let config = config.replace(
        "[approvals]\n",
        &format!("[approvals]\nwait_timeout = \"{wait}\"\n"),
    );
    let external =
        "[external.claude]\npreset = \"claude-code\"\nlabels = []\ntaints = []\ntime = \"10m\"\n";
    world.write("tollgate.toml", &format!("{config}\n{external}"));
    HttpGate::at(world, "192.0.2.1:443").await
}

/// A token, and its text. `makers` are absent where they are not known.
pub(super) async fn token_made_by(
    served: &HttpGate,
    principal: Uid,
    makers: Option<&[&str]>,
) -> (Token, String) {
    let purpose = Purpose {
        principal,
        on_behalf_of: None,
        name: "test".into(),
        expires: None,
        makers: BTreeSet::new(),
    };
    let (mut token, text) = token::mint(&served.gate, purpose).unwrap();
    token.makers = makers.map(|makers| makers.iter().map(|maker| (*maker).to_owned()).collect());
    token::store(&served.gate, token.clone(), false)
        .await
        .unwrap();
    (token, text)
}

/// The arguments of a refund. Each surface makes another one: an approval that was given to one call would let the
/// identical call of another surface run.
fn refund(amount: u64) -> Value {
    json!({ "order": "A-1", "amount": amount, "currency": "EUR", "reason": "broken" })
}

/// The call of a refund as MCP has it.
fn refund_message(amount: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
    "name": "payments__refund", "arguments": refund(amount), "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}
    }}})
}

async fn by_mcp(served: &HttpGate, token: &str) -> Value {
    let message = refund_message(7000);
    let request = served.request(Method::POST, "/mcp").bearer_auth(token);
    let request = request
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "payments__refund")
        .json(&message);
    served.send(request).await.is(200)
}

/// A stream of MCP over the owner's socket.
struct McpStream(BufReader<TcpStream>);

impl McpStream {
    async fn open(served: &HttpGate, token: &str) -> Self {
        let router = socket::router(&served.server).layer(Extension(PeerCredentials::own()));
        let stream = TcpStream::connect(serve_router(router).await).await;
        let mut stream = Self(BufReader::new(stream.unwrap()));
        let head = format!(
            "GET /v1/agents/support/stdio HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             connection: upgrade\r\nupgrade: mcp-stdio\r\n\r\n"
        );
        stream.0.write_all(head.as_bytes()).await.unwrap();
        let first = stream.line().await;
        assert!(first.contains(" 101 "), "{first}");
        while !stream.line().await.trim().is_empty() {}
        stream
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line
    }

    async fn refund(&mut self, amount: u64) -> Value {
        let message = format!("{}\n", refund_message(amount));
        self.0.write_all(message.as_bytes()).await.unwrap();
        serde_json::from_str(&self.line().await).unwrap()
    }
}

/// The ways in which a call arrives.
#[derive(Debug, Clone, Copy)]
enum Surface {
    Rest,
    Mcp,
    External,
    Stream,
}

impl Surface {
    /// Makes a call that waits. Returns its approval.
    async fn asks(self, served: &HttpGate, token: &str) -> ApprovalId {
        match self {
            Self::Rest => drop(
                served
                    .call(token, "payments__refund", refund(6000))
                    .await
                    .is(202),
            ),
            Self::Mcp => drop(by_mcp(served, token).await),
            Self::External => {
                let write = json!({ "file_path": "/a", "content": "b" });
                let intent = json!({ "tool": "claude__Write", "arguments": write });
                drop(served.post(token, "/v1/authorize", intent).await);
            }
            Self::Stream => drop(McpStream::open(served, token).await.refund(8000).await),
        }
        pending(served).unwrap_or_else(|| panic!("{self:?}: nothing waits"))
    }
}

/// The latest approval that waits.
fn pending(served: &HttpGate) -> Option<ApprovalId> {
    let filter = tollgate_ledger::ApprovalFilter::open();
    let open = served.gate.ledger().reader().approvals(&filter).unwrap();
    let pending = open
        .into_iter()
        .filter(|row| row.state == ApprovalState::Pending);
    pending.max_by_key(|row| row.opened).map(|row| row.id)
}

async fn approve(served: &HttpGate, token: &str, id: ApprovalId) -> u16 {
    let path = format!("/v1/approvals/{id}");
    let row = served.gate.ledger().reader().approval(id).unwrap().unwrap();
    let body = json!({ "digest": row.arguments.as_str() });
    served
        .post(token, &format!("{path}/approve"), body)
        .await
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn the_maker_of_a_callers_token_does_not_approve_its_calls() {
    let served = served("0s").await;
    let (dana, frank) = (served.user("dana").await, served.user("frank").await);
    let of = |kind, name| Uid::new(kind, name);
    let (_, danas) = token_made_by(&served, of(Kind::User, "dana"), Some(&["frank"])).await;
    for (n, surface) in [Surface::Rest, Surface::Mcp, Surface::External]
        .into_iter()
        .enumerate()
    {
        for principal in [of(Kind::Agent, "support"), of(Kind::User, "eve")] {
            let what = format!("{surface:?} {principal}");
            let is_external_user = n == 2 && principal.kind == Kind::User;
            if is_external_user {
                continue; // An executor is an agent.
            }
            let (_, made) = token_made_by(&served, principal.clone(), Some(&["frank"])).await;
            let id = surface.asks(&served, &made).await;
            let shown = served
                .get(&dana, &format!("/v1/approvals/{id}"))
                .await
                .is(200);
            assert_eq!(shown["makers"], json!(["frank"]), "{what}");
            assert_eq!(approve(&served, &frank, id).await, 403, "{what}");
            assert_eq!(approve(&served, &danas, id).await, 403, "{what}: his token");
            assert_eq!(approve(&served, &dana, id).await, 200, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn makers_that_are_not_known_are_everyone() {
    let served = served("0s").await;
    let (dana, frank) = (served.user("dana").await, served.user("frank").await);
    let (_, old) = token_made_by(&served, Uid::new(Kind::Agent, "support"), None).await;
    let id = Surface::Rest.asks(&served, &old).await;
    assert_eq!(approve(&served, &frank, id).await, 403);
    assert_eq!(approve(&served, &dana, id).await, 403);
}

/// What a person approves is made later than its caller was authenticated.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_is_not_made_once_its_token_is_revoked() {
    let support = Uid::new(Kind::Agent, "support");
    for by_rest in [true, false] {
        let served = served("40s").await;
        let dana = served.user("dana").await;
        let (token, text) = token_made_by(&served, support.clone(), Some(&[])).await;
        let held = async {
            match by_rest {
                true => {
                    let body = json!({ "tool": "payments__refund", "arguments": refund(6000), "wait_ms": 60_000 });
                    served.post(&text, "/v1/calls", body).await.body
                }
                false => by_mcp(&served, &text).await,
            }
        };
        let (answer, ()) = tokio::join!(held, async {
            let begun = std::time::Instant::now();
            let id = loop {
                match pending(&served) {
                    Some(id) => break id,
                    None => tokio::task::yield_now().await,
                }
                assert!(begun.elapsed() < LIMIT, "nothing waits");
            };
            served.gate.ledger().remove_token(token.id).await.unwrap();
            assert_eq!(approve(&served, &dana, id).await, 200);
        });
        let said = answer.to_string();
        assert!(said.contains("was revoked or has expired"), "{said}");
        assert_eq!(served.world.refunds(), 0, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_its_token_like_every_other_way() {
    let served = served("0s").await;
    let (dana, frank) = (served.user("dana").await, served.user("frank").await);
    let alice = Uid::new(Kind::User, "alice");
    let (token, made) = token_made_by(&served, alice, Some(&["frank"])).await;
    let id = Surface::Stream.asks(&served, &made).await;
    let shown = served
        .get(&dana, &format!("/v1/approvals/{id}"))
        .await
        .is(200);
    assert_eq!(shown["makers"], json!(["frank"]));
    assert_eq!(approve(&served, &frank, id).await, 403);
    assert_eq!(approve(&served, &dana, id).await, 200);
    let mut stream = McpStream::open(&served, &made).await;
    served.gate.ledger().remove_token(token.id).await.unwrap();
    let refused = stream.refund(8000).await.to_string();
    assert!(refused.contains("was revoked or has expired"), "{refused}");
    assert_eq!(served.world.refunds(), 0);
}
