//! `[serve]`, and how long a surface holds a waiting call.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tollgate_policy::policy;

use super::{
    AgentConfig, ConfigError, OauthConfig, RateConfig, TlsConfig, UserConfig, raw,
    validate::Validation,
};

/// The longest time that a call is held: many clients give up after a minute.
const MAX_HOLD: Duration = Duration::from_secs(40);

/// Settings of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeConfig {
    /// The address of the HTTP listener.
    pub listen: SocketAddr,
    /// The agent that calls over stdio, and over HTTP without credentials, on loopback.
    pub agent: Option<String>,
    /// Names by which HTTP is reached, besides loopback names.
    pub hosts: Vec<String>,
    /// Origins of browser pages that may call.
    pub origins: Vec<String>,
    /// Keys of `_meta` that name the conversation, in order.
    pub conversation: Vec<String>,
    /// Whether changed files take effect automatically, as far as policy lets their owners activate policies.
    pub watch: bool,
    /// Tokens of an authorization server; absent: only the gate's own tokens are accepted.
    pub oauth: Option<OauthConfig>,
    /// Certificate and key; absent: no TLS.
    pub tls: Option<TlsConfig>,
    /// The rate limit of each caller.
    pub rate: RateConfig,
}

impl Validation<'_> {
    pub(super) fn serve(
        &self,
        serve: raw::Serve,
        agents: &BTreeMap<String, AgentConfig>,
        users: &BTreeMap<String, UserConfig>,
    ) -> Result<ServeConfig, ConfigError> {
        let listen = serve.listen.unwrap_or_else(|| "127.0.0.1:8420".into());
        let address = listen.parse().map_err(|_| {
            self.error(
                &listen,
                format!("`{listen}` is not an address to listen on"),
                "write an IP address and a port, as in \"127.0.0.1:8420\"",
            )
        })?;
        if let Some(agent) = serve.agent.as_ref().filter(|a| !agents.contains_key(*a)) {
            let near = policy::nearest(agent, agents.keys().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add a table [agents.{agent}]"),
            };
            let message = format!("[serve] names the agent `{agent}`, which is not configured");
            return Err(self.error(&format!("\"{agent}\""), message, &help));
        }
        for origin in &serve.origins {
            if !origin.contains("://") || origin.ends_with('/') {
                return Err(self.error(
                    origin,
                    format!("`{origin}` is not an origin"),
                    "write scheme, host and port, as in \"https://app.example.com:443\"",
                ));
            }
        }
        Ok(ServeConfig {
            listen: address,
            agent: serve.agent,
            hosts: serve.hosts,
            origins: serve.origins,
            conversation: serve
                .conversation
                .unwrap_or_else(|| vec!["dev.tollgate/conversation".into()]),
            watch: serve.watch.unwrap_or(false),
            oauth: serve
                .oauth
                .map(|oauth| self.oauth(oauth, agents, users))
                .transpose()?,
            tls: serve.tls.map(|tls| TlsConfig {
                cert: self.base.join(tls.cert),
                key: self.base.join(tls.key),
            }),
            rate: self.rate(&serve.rate)?,
        })
    }

    /// How long a call is held, without and with progress.
    pub(super) fn holds(
        &self,
        approvals: &raw::Approvals,
    ) -> Result<(Duration, Duration), ConfigError> {
        let hold = |text: &Option<String>, default| match text {
            None => Ok(default),
            Some(text) => match self.duration(text)? {
                long if long > MAX_HOLD => Err(self.error(
                    text,
                    format!("a call is not held for `{text}`"),
                    "use at most \"40s\": clients give up after a while",
                )),
                hold => Ok(hold),
            },
        };
        let short = hold(&approvals.wait_timeout, Duration::from_secs(3))?;
        let long = hold(&approvals.wait_timeout_with_progress, MAX_HOLD.max(short))?;
        Ok((short, long))
    }
}
