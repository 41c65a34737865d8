//! A gate that is served on a socket, and those who call it.

use std::{net::SocketAddr, sync::Arc};

use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate::{gate::Gate, identity::Caller};
use tollgate_model::entity::{Kind, Uid};
use tollgate_server::{
    auth::{
        Auth,
        token::{self, Purpose},
    },
    http, mcp,
};

use crate::world::World;

/// A gate that is served.
pub(crate) struct Served {
    pub(crate) world: World,
    pub(crate) gate: Gate,
    pub(crate) server: mcp::Server,
    pub(crate) address: SocketAddr,
    client: Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Got {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// It is a problem with this status and code.
    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) -> Self {
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

impl Served {
    /// A gate with these policies besides those of every story, served as on `listener`.
    pub(crate) async fn at(world: World, listens: &str) -> Self {
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            world,
            gate,
            server,
            address,
            client: client(),
        }
    }

    pub(crate) async fn new(policies: &str) -> Self {
        Self::at(World::new(policies), "192.0.2.1:443").await
    }

    /// A token of an agent, for its operator.
    pub(crate) async fn agent(&self, name: &str) -> String {
        self.token(Uid::new(Kind::Agent, name), None).await
    }

    pub(crate) async fn user(&self, name: &str) -> String {
        self.token(Uid::new(Kind::User, name), None).await
    }

    pub(crate) async fn token(&self, principal: Uid, on_behalf_of: Option<&str>) -> String {
        let purpose = Purpose {
            principal,
            on_behalf_of: on_behalf_of.map(str::to_owned),
            name: "test".into(),
            expires: None,
            makers: Default::default(),
        };
        token::create(&self.gate, purpose, false).await.unwrap().1
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Got {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Got {
            status,
            headers,
            body,
        }
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Got {
        self.send(self.request(Method::GET, path).bearer_auth(token))
            .await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> Got {
        let request = self.request(Method::POST, path).bearer_auth(token);
        self.send(request.json(&body)).await
    }

    pub(crate) async fn call(&self, token: &str, tool: &str, arguments: Value) -> Got {
        let body = json!({ "tool": tool, "arguments": arguments, "run": "r" });
        self.post(token, "/v1/calls", body).await
    }

    /// A call that waits for an approval: its id.
    pub(crate) async fn waits(&self, token: &str, order: &str) -> String {
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
    // The provider of the process is the one that is set first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}
