//! What `[upstream.NAME]` says.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use url::Url;

use crate::tool::Limits;

/// An upstream server, and what is sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// How it is reached.
    pub transport: UpstreamTransport,
    /// Directories that it gets when it asks for roots; without any it is refused.
    pub roots: Vec<PathBuf>,
    /// Those of its tools that agents may use; all by default.
    pub tools: Option<BTreeSet<String>>,
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
        /// Which of MCP's two ways over HTTP.
        protocol: HttpProtocol,
        /// Headers of every request.
        headers: BTreeMap<String, ConfigValue>,
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

/// A value of a header or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigValue {
    /// As it is written.
    Literal(String),
    /// The value of a secret.
    Secret {
        /// Its name.
        name: String,
        /// What stands before it, such as `Bearer `.
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
