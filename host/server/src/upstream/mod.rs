//! Upstream MCP servers: their tools, and where configured their prompts, resources and instructions, offered through the gate, outside the sandbox.
//!
//! [`Servers`] reaches them for [`tollgate::upstream`], as child processes or over HTTP. Each leg has a
//! protocol, an identity and a life of its own: nothing of a caller's connection reaches a server but the
//! call that was decided and its `_meta`, least of all a token. What a server may ask of its client
//! (sampling, elicitation, roots) is refused, except for roots and for questions to people where the operator
//! configured them. A server that is gone is reached again by the next call, and never more often than a growing pause allows.

mod child;
mod connection;
mod content;
mod failure;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handler;
mod http;
mod inputs;
mod lists;
mod mend;
mod oauth;
mod personal;
mod pipe;
mod server;
mod sse;
mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tollgate::{
    config::ConfigValue, config::OauthGrant, config::UpstreamConfig, config::UpstreamTransport,
    egress::Network, secrets::Vault, upstream::ConnectError, upstream::Connector,
    upstream::LoginStore, upstream::Upstream,
};

use self::{
    oauth::{AccessTokens, LoginSlot, OauthClient},
    personal::PersonalServer,
    server::Server,
};

/// A server, and the configuration that it was made for.
type KnownServer = (UpstreamConfig, Weak<dyn Upstream>);

/// The upstream servers that this process has reached.
#[derive(Debug, Default)]
pub struct Servers {
    known: Mutex<HashMap<String, KnownServer>>,
    logins: Arc<LoginSlot>,
}

impl Servers {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn server(
        &self,
        name: &str,
        config: &UpstreamConfig,
        secrets: &Arc<Vault>,
        network: &Network,
    ) -> Arc<dyn Upstream> {
        let UpstreamTransport::Http {
            url,
            oauth: Some(oauth),
            ..
        } = &config.transport
        else {
            return Server::new(config, secrets, network, None);
        };
        let client = OauthClient::new(name, url, oauth, secrets, network);
        match oauth.grant {
            OauthGrant::ClientCredentials => {
                let secrets = Arc::new(secrets.for_connection());
                let tokens = AccessTokens::of_gate(Arc::new(client), &self.logins, &secrets);
                Server::new(config, &secrets, network, Some(tokens))
            }
            OauthGrant::AuthorizationCode => {
                PersonalServer::new(config, client, secrets, network, &self.logins)
            }
        }
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
        let server = self.server(name, config, secrets, network);
        known.insert(name.into(), (config.clone(), Arc::downgrade(&server)));
        server
    }

    fn attach(&self, logins: LoginStore) {
        self.logins.fill(logins);
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
