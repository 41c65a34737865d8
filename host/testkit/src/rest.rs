//! A gate of [`world`](crate::world) behind its HTTP server, and a REST client.

use std::{net::SocketAddr, sync::Arc};

use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tollgate::{gate::Gate, identity::Caller};
use tollgate_model::entity::{Kind, Uid};
use tollgate_server::{
    auth::{
        Auth,
        token::{self, Purpose},
    },
    http, mcp,
};

use crate::{certificate, web::serve_router, world::World};

/// A served gate.
#[derive(Debug)]
pub struct HttpGate {
    /// Its files and its clock.
    pub world: World,
    /// The gate.
    pub gate: Gate,
    /// Its MCP server, and what the surfaces share.
    pub server: mcp::Server,
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    client: Client,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body: a string if it is not JSON.
    pub body: Value,
}

impl Response {
    /// Checks the status. Returns the body.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// Checks that it is a problem (RFC 9457) with this status and code.
    #[track_caller]
    pub fn fails(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        self
    }
}

impl HttpGate {
    /// Serves a gate on loopback, as if at the address `listens`.
    pub async fn at(world: World, listens: &str) -> Self {
        let gate = world.open().await;
        let agent = gate.ruleset().config.serve.agent.clone();
        let anonymous = agent.map(|name| Caller::Agent {
            name,
            on_behalf_of: None,
        });
        let address = listens.parse().unwrap();
        let server = mcp::Server::new(gate.clone());
        let auth = Auth::new(&gate, address, anonymous, Arc::clone(server.rate()));
        let app = http::router(&server, auth, address).unwrap();
        Self {
            world,
            gate,
            server,
            address: serve_router(app).await,
            client: client(),
        }
    }

    /// Serves a gate with `policies` besides those of every world.
    pub async fn new(policies: &str) -> Self {
        Self::at(World::new(policies), "192.0.2.1:443").await
    }

    /// A token of an agent, for its operator.
    pub async fn agent(&self, name: &str) -> String {
        self.token(Uid::new(Kind::Agent, name), None).await
    }

    /// A token of a user.
    pub async fn user(&self, name: &str) -> String {
        self.token(Uid::new(Kind::User, name), None).await
    }

    /// A token of any principal.
    pub async fn token(&self, principal: Uid, on_behalf_of: Option<&str>) -> String {
        let purpose = Purpose {
            principal,
            on_behalf_of: on_behalf_of.map(str::to_owned),
            name: "test".into(),
            expires: None,
            makers: Default::default(),
        };
        token::create(&self.gate, purpose, false).await.unwrap().1
    }

    /// A request to `path`, not sent yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Response {
            status,
            headers,
            body,
        }
    }

    /// Sends a GET request.
    pub async fn get(&self, token: &str, path: &str) -> Response {
        self.send(self.request(Method::GET, path).bearer_auth(token))
            .await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, token: &str, path: &str, body: Value) -> Response {
        let request = self.request(Method::POST, path).bearer_auth(token);
        self.send(request.json(&body)).await
    }

    /// Calls a tool in the run `r`.
    pub async fn call(&self, token: &str, tool: &str, arguments: Value) -> Response {
        let body = json!({ "tool": tool, "arguments": arguments, "run": "r" });
        self.post(token, "/v1/calls", body).await
    }

    /// Calls for a refund of `order`, which waits for an approval. Returns the approval's id.
    pub async fn waits(&self, token: &str, order: &str) -> String {
        let arguments =
            json!({ "order": order, "amount": 6000, "currency": "EUR", "reason": "broken" });
        let reply = self
            .call(token, "payments__refund", arguments)
            .await
            .is(202);
        reply["approval"]["id"].as_str().unwrap().to_owned()
    }
}

fn client() -> Client {
    certificate::install_provider();
    Client::builder().no_proxy().build().unwrap()
}
