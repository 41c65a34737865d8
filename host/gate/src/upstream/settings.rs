//! Settings of `[upstream.NAME]`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use url::Url;

use crate::tool::Limits;

/// An upstream server, and the secrets that it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// How it is reached.
    pub transport: UpstreamTransport,
    /// Directories that it gets when it asks for roots; if empty, such requests are refused.
    pub roots: Vec<PathBuf>,
    /// Those of its tools that agents may use; all by default.
    pub tools: Option<BTreeSet<String>>,
    /// Names that agents see, by the server's own.
    pub rename: BTreeMap<String, String>,
    /// Default labels of its tools; `None` means `unlabelled`.
    pub labels: Option<BTreeSet<String>>,
    /// Default taints of its tools; `None` means `untrusted`.
    pub taints: Option<BTreeSet<String>>,
    /// Limits of a call. Only time and output apply outside the sandbox.
    pub limits: Limits,
}

/// How an upstream server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTransport {
    /// As a child process, over its standard input and output.
    Command {
        /// The program and its arguments. No shell.
        command: Vec<String>,
        /// Its whole environment.
        env: BTreeMap<String, ConfigValue>,
        /// Its working directory; created, unless `user` is named.
        dir: PathBuf,
        /// The operating system's user that it runs as, in a directory that it can use; the gate's own by
        /// default.
        user: Option<String>,
    },
    /// By streamable HTTP.
    Http {
        /// The endpoint.
        url: Url,
        /// Headers of every request.
        headers: BTreeMap<String, ConfigValue>,
    },
}

/// A value of a header or an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigValue {
    /// A literal value.
    Literal(String),
    /// The value of a secret.
    Secret {
        /// Its name.
        name: String,
        /// A prefix, such as `Bearer `.
        prefix: &'static str,
    },
}

impl UpstreamConfig {
    /// The secrets that are sent to it.
    pub fn secrets(&self) -> impl Iterator<Item = &String> {
        let sent = match &self.transport {
            UpstreamTransport::Command { env, .. } => env,
            UpstreamTransport::Http { headers, .. } => headers,
        };
        sent.values().filter_map(|value| match value {
            ConfigValue::Secret { name, .. } => Some(name),
            ConfigValue::Literal(_) => None,
        })
    }
}
