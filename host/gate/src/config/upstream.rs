//! The operator's settings for upstream MCP servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use tollgate_model::settings::ConfigValue;
use tollgate_policy::policy;
use url::{Host, Url};

use super::{
    CarriedFeatures, ConfigError, raw, upstream_oauth::OauthTable, upstream_oauth::UpstreamOauth,
    validate::Validation,
};
use crate::{
    secrets::SecretConfig,
    tool::{Limits, Size},
};

/// Bytes of a result, unless configured: a picture of a whole page passes.
const OUTPUT: u64 = 4 << 20;

/// An upstream server, and what is sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// How it is reached.
    pub transport: UpstreamTransport,
    /// Directories that it gets when it asks for roots; without any it is refused.
    pub roots: Vec<PathBuf>,
    /// Keys of the caller's `_meta` that it gets. Policies do not see them.
    pub meta: BTreeSet<String>,
    /// Those of its tools that agents may use; all by default.
    pub tools: Option<BTreeSet<String>>,
    /// What else of it agents may have.
    pub carried: CarriedFeatures,
    /// Names that agents see, by the server's own.
    pub rename: BTreeMap<String, String>,
    /// What its tools are where they say nothing else; `None` means `unlabelled`.
    pub labels: Option<BTreeSet<String>>,
    /// What their content adds to a run where they say nothing else; `None` means `untrusted`.
    pub taints: Option<BTreeSet<String>>,
    /// What a call may take. Only time and output mean anything outside the sandbox.
    pub limits: Limits,
}

/// How an upstream server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTransport {
    /// As a child process, over its standard input and output.
    Command {
        /// The program and its arguments. No shell.
        command: Vec<String>,
        /// All of its environment.
        env: BTreeMap<String, ConfigValue>,
        /// Its working directory; made, unless `user` is named.
        dir: PathBuf,
        /// The operating system's user that it runs as, in a directory that it can use; the gate's own where
        /// nothing is said.
        user: Option<String>,
    },
    /// Over HTTP.
    Http {
        /// The endpoint.
        url: Url,
        /// Which of MCP's two transports over HTTP.
        protocol: HttpProtocol,
        /// Headers of every request.
        headers: BTreeMap<String, ConfigValue>,
        /// How access tokens are obtained, if they are.
        oauth: Option<Box<UpstreamOauth>>,
    },
}

/// How messages go over HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpProtocol {
    /// Streamable HTTP; HTTP with SSE where the server does not take that.
    #[default]
    Either,
    /// Streamable HTTP (MCP since 2025-03-26).
    Streamable,
    /// HTTP with SSE (MCP 2024-11-05).
    EventStream,
}

impl UpstreamConfig {
    /// The secrets that are sent to it.
    pub fn secrets(&self) -> impl Iterator<Item = &String> {
        let (sent, oauth) = match &self.transport {
            UpstreamTransport::Command { env, .. } => (env, None),
            UpstreamTransport::Http { headers, oauth, .. } => (headers, oauth.as_deref()),
        };
        let named = sent.values().filter_map(|value| match value {
            ConfigValue::Secret { name, .. } => Some(name),
            ConfigValue::Literal(_) => None,
        });
        named.chain(oauth.and_then(UpstreamOauth::secret))
    }
}

/// What an upstream server has that runs as a child process.
struct ChildSettings {
    env: BTreeMap<String, raw::ConfigValue>,
    dir: Option<String>,
    user: Option<String>,
}

impl ChildSettings {
    fn is_empty(&self) -> bool {
        self.env.is_empty() && self.dir.is_none() && self.user.is_none()
    }
}

/// What an upstream server has that is reached over HTTP.
struct HttpSettings {
    protocol: Option<HttpProtocol>,
    headers: BTreeMap<String, raw::ConfigValue>,
    secret: Option<String>,
    oauth: Option<raw::UpstreamOauth>,
}

impl HttpSettings {
    fn is_empty(&self) -> bool {
        self.protocol.is_none()
            && self.headers.is_empty()
            && self.secret.is_none()
            && self.oauth.is_none()
    }
}

impl Validation<'_> {
    pub(super) fn upstream(
        &self,
        name: &str,
        mut upstream: raw::Upstream,
        secrets: &BTreeMap<String, SecretConfig>,
        store: &Path,
    ) -> Result<UpstreamConfig, ConfigError> {
        self.provider_name("upstream server", name)?;
        let carried = self.carried(&mut upstream)?;
        for new in upstream.rename.values() {
            self.name("tool", new)?;
        }
        let labels =
            |labels: Option<Vec<String>>| labels.map(|l| self.names("label", l)).transpose();
        let limits = raw::Limits {
            time: upstream.limits.time,
            output: upstream.limits.output,
            ..raw::Limits::default()
        };
        let http = HttpSettings {
            protocol: self.http_protocol(name, upstream.transport.as_deref())?,
            headers: upstream.headers,
            secret: upstream.secret,
            oauth: upstream.oauth,
        };
        let child = ChildSettings {
            env: upstream.env,
            dir: upstream.dir,
            user: upstream.user,
        };
        let transport = match (upstream.command, upstream.url) {
            (Some(_), None) if !http.is_empty() => {
                return Err(self.refuse_upstream(
                    name,
                    "is a command, which has none of `headers`, `secret`, `oauth` and `transport`",
                    "put what it needs into `env`",
                ));
            }
            (Some(command), None) => self.child(name, command, child, secrets, store)?,
            (None, Some(_)) if !child.is_empty() => {
                return Err(self.refuse_upstream(
                    name,
                    "is a URL, which has none of `env`, `dir` and `user`",
                    "put its settings into `headers` or `secret`",
                ));
            }
            (None, Some(url)) => self.remote(name, &url, http, secrets)?,
            _ => return Err(self.refuse_unreachable(name)),
        };
        Ok(UpstreamConfig {
            transport,
            roots: upstream
                .roots
                .iter()
                .map(|root| self.base.join(root))
                .collect(),
            meta: upstream.meta.into_iter().collect(),
            tools: upstream.tools.map(|tools| tools.into_iter().collect()),
            carried,
            rename: upstream.rename,
            labels: labels(upstream.labels)?,
            taints: labels(upstream.taints)?,
            limits: self.limits(limits, Size::Standard)?.over(&Limits {
                output: OUTPUT,
                ..Limits::default()
            }),
        })
    }

    fn refuse_upstream(&self, name: &str, problem: &str, help: &str) -> ConfigError {
        let table = format!("[upstream.{name}]");
        let message = format!("{} {problem}", upstream_named(name));
        self.error(&table, message, help)
    }

    fn refuse_unreachable(&self, name: &str) -> ConfigError {
        self.refuse_upstream(
            name,
            "has neither a command nor a URL",
            "give it either command = [\"PROGRAM\", ..] or url = \"https://..\"",
        )
    }

    fn http_protocol(
        &self,
        name: &str,
        transport: Option<&str>,
    ) -> Result<Option<HttpProtocol>, ConfigError> {
        match transport {
            None => Ok(None),
            Some("http") => Ok(Some(HttpProtocol::Streamable)),
            Some("sse") => Ok(Some(HttpProtocol::EventStream)),
            Some(_) => Err(self.refuse_upstream(
                name,
                "has a `transport` that is neither \"http\" nor \"sse\"",
                "leave it out, and both are tried",
            )),
        }
    }

    fn child(
        &self,
        name: &str,
        command: Vec<String>,
        settings: ChildSettings,
        secrets: &BTreeMap<String, SecretConfig>,
        store: &Path,
    ) -> Result<UpstreamTransport, ConfigError> {
        if settings.user.is_some() && settings.dir.is_none() {
            return Err(self.refuse_upstream(
                name,
                "runs as another account, which cannot enter the default directory",
                "name a directory that the account may use: dir = \"..\"",
            ));
        }
        if command.first().is_none_or(String::is_empty) {
            return Err(self.refuse_unreachable(name));
        }
        let data = store.parent().unwrap_or(self.base);
        Ok(UpstreamTransport::Command {
            command,
            env: self.sent(&upstream_named(name), settings.env, secrets)?,
            dir: match settings.dir {
                Some(dir) => self.base.join(dir),
                None => data.join("upstream").join(name),
            },
            user: settings.user,
        })
    }

    fn remote(
        &self,
        name: &str,
        url: &str,
        settings: HttpSettings,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<UpstreamTransport, ConfigError> {
        let what = upstream_named(name);
        let mut headers = self.sent(&what, settings.headers, secrets)?;
        if let Some(secret) = settings.secret {
            let bearer = self.bearer(&what, secret, secrets)?;
            headers.insert("authorization".into(), bearer);
        }
        let table = OauthTable::new(self, name, secrets);
        let oauth = settings.oauth.map(|oauth| table.read(oauth, &headers));
        let oauth = oauth.transpose()?.map(Box::new);
        Ok(UpstreamTransport::Http {
            url: self.endpoint(url, holds_secret(&headers) || oauth.is_some())?,
            protocol: settings.protocol.unwrap_or_default(),
            headers,
            oauth,
        })
    }

    /// The value of `authorization` that sends a secret.
    pub(super) fn bearer(
        &self,
        whose: &str,
        secret: String,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<ConfigValue, ConfigError> {
        self.known_secret(whose, &secret, secrets)?;
        Ok(ConfigValue::Secret {
            name: secret,
            prefix: "Bearer ",
        })
    }

    pub(super) fn sent(
        &self,
        whose: &str,
        values: BTreeMap<String, raw::ConfigValue>,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<BTreeMap<String, ConfigValue>, ConfigError> {
        let mut sent = BTreeMap::new();
        for (key, value) in values {
            if key.is_empty()
                || !key
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && b != b'=' && b != b':')
            {
                let message = format!(
                    "`{}` is not the name of a variable or header",
                    key.escape_debug()
                );
                return Err(self.error(&key, message, "use letters, digits, `_` and `-`"));
            }
            let value = match value {
                raw::ConfigValue::Literal(text) if text.contains(['\0', '\n', '\r']) => {
                    let message =
                        format!("the value of `{key}` contains a line feed or a zero byte");
                    return Err(self.error(&key, message, "remove it"));
                }
                raw::ConfigValue::Literal(text) => ConfigValue::Literal(text),
                raw::ConfigValue::Secret(raw::SentSecret { secret }) => {
                    self.known_secret(whose, &secret, secrets)?;
                    ConfigValue::Secret {
                        name: secret,
                        prefix: "",
                    }
                }
            };
            sent.insert(key, value);
        }
        Ok(sent)
    }

    pub(super) fn known_secret(
        &self,
        whose: &str,
        secret: &str,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<(), ConfigError> {
        if secrets.contains_key(secret) {
            return Ok(());
        }
        let help = match policy::nearest(secret, secrets.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add a table [secrets.{secret}]"),
        };
        let message = format!("{whose} is sent the secret `{secret}`, which is not configured");
        Err(self.error(&format!("\"{secret}\""), message, &help))
    }

    /// A secret must not leave this machine unencrypted.
    pub(super) fn endpoint(&self, url: &str, confidential: bool) -> Result<Url, ConfigError> {
        let wrong = |message: &str, help: &str| {
            Err(self.error(url, format!("`{}` {message}", url.escape_debug()), help))
        };
        let Ok(parsed) = Url::parse(url) else {
            return wrong(
                "is not a URL",
                "write it as in \"https://mcp.example.com/mcp\"",
            );
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return wrong(
                "holds credentials",
                "name a secret instead: secret = \"NAME\"",
            );
        }
        let here = match parsed.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match parsed.scheme() {
            "https" => Ok(parsed),
            "http" if here || !confidential => Ok(parsed),
            "http" => wrong(
                "would carry a secret unencrypted to another machine",
                "use https",
            ),
            _ => wrong("is not an HTTP URL", "use an https URL"),
        }
    }
}

/// How messages name it.
fn upstream_named(name: &str) -> String {
    format!("the upstream server `{name}`")
}

/// Whether one of these headers is a secret.
pub(super) fn holds_secret(headers: &BTreeMap<String, ConfigValue>) -> bool {
    headers
        .values()
        .any(|header| matches!(header, ConfigValue::Secret { .. }))
}

#[cfg(test)]
mod tests;
