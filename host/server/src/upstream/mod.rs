//! Upstream MCP servers: their tools, and where configured their prompts, resources and instructions, offered through the gate, outside the sandbox.
//!
//! [`Servers`] reaches them for [`tollgate::upstream`], as child processes or over HTTP. Each leg has a
//! protocol, an identity and a life of its own: nothing of a caller's connection reaches a server but the
//! call that was decided and its `_meta`, least of all a token. What a server may ask of its client
//! (sampling, elicitation, roots) is refused, except for roots that the operator configured. A server that
//! is gone is reached again by the next call, and never more often than a growing pause allows.

mod child;
mod connection;
mod content;
mod failure;
mod handler;
mod http;
mod lists;
mod mend;
mod pipe;
mod server;
mod sse;
mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tollgate::{
    config::ConfigValue, config::UpstreamConfig, egress::Network, secrets::Vault,
    upstream::ConnectError, upstream::Connector, upstream::Upstream,
};

use self::server::Server;

/// The upstream servers that this process has reached.
#[derive(Debug, Default)]
pub struct Servers {
    known: Mutex<HashMap<String, (UpstreamConfig, Weak<Server>)>>,
}

impl Servers {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
}

impl Connector for Servers {
    fn connect(
        &self,
        name: &str,
        config: &UpstreamConfig,
        secrets: &Arc<Vault>,
        network: &Network,
    ) -> Arc<dyn Upstream> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, server)) = known.get(name)
            && before == config
            && let Some(server) = server.upgrade()
        {
            return server;
        }
        let server = Server::new(config, secrets, network);
        known.insert(name.into(), (config.clone(), Arc::downgrade(&server)));
        server
    }
}

/// What is sent to a server: text, or a secret's value.
async fn value(sent: &ConfigValue, secrets: &Vault) -> Result<Vec<u8>, ConnectError> {
    match sent {
        ConfigValue::Literal(text) => Ok(text.clone().into_bytes()),
        ConfigValue::Secret { name, prefix } => {
            let secret = secrets.secret(name).await;
            let secret = secret.map_err(|error| ConnectError::new(error.to_string()))?;
            Ok([prefix.as_bytes(), secret.value()].concat())
        }
    }
}
