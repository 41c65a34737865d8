//! Upstream MCP servers: tools that run outside the sandbox, behind the same line.
//!
//! The gate knows such a server by what was accepted of it: its tools' definitions, pinned in
//! `tollgate.lock`. A [`Connector`] reaches it; that is a protocol's business and lies in another crate.
//! A call goes out as a [`Permitted`] and nothing else, to the very session whose offer was compared with
//! what is pinned. Nothing here retries: once a request may have been sent, the answer is the outcome or
//! that it is not known.

mod call;
mod definition;
mod offer;
mod settings;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::{sync::watch, time::Instant};
use tollgate_model::canonical::Sha256Digest;

pub use call::Reporter;
pub use definition::{Definition, digest_of};
pub use offer::{Difference, MAX_TOOLS, Offer};
pub use settings::{ConfigValue, HttpProtocol, UpstreamConfig, UpstreamTransport};

use crate::{
    egress::Network,
    enforce::{Permitted, ToolCall},
    secrets::Vault,
    tool::Content,
};

/// A future that a trait object returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long a server may take to start and to say what it offers, where no call's limit is shorter.
pub const READY: Duration = Duration::from_secs(60);

/// What reaches upstream servers.
pub trait Connector: Send + Sync + fmt::Debug {
    /// The server called `name`. Starts and sends nothing yet. The same server as before, if it is
    /// configured as before: a reload does not restart what has not changed.
    fn connect(
        &self,
        name: &str,
        config: &UpstreamConfig,
        secrets: &Arc<Vault>,
        network: &Network,
    ) -> Arc<dyn Upstream>;
}

/// One upstream server, whether it runs or not.
pub trait Upstream: Send + Sync + fmt::Debug {
    /// A session with it: the one that is open, or a new one.
    fn session(&self) -> BoxFuture<'_, Result<Arc<dyn Session>, ConnectError>>;

    /// What it offered when it was last asked, if it was.
    fn last_offer(&self) -> Option<Arc<Offer>>;

    /// End it, and the process where there is one.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// One connection to a server, from its handshake on.
pub trait Session: Send + Sync + fmt::Debug {
    /// What the server offers: as it was last asked, unless it has said since that this has changed, or
    /// `again` is true.
    fn offer(&self, again: bool) -> BoxFuture<'_, Result<Arc<Offer>, ConnectError>>;

    /// Send the call, once, over this session and no other.
    fn call<'a>(
        &'a self,
        permitted: Permitted<ToolCall>,
        terms: CallParams,
    ) -> BoxFuture<'a, CallResult>;
}

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}{}", said.as_ref().map(|said| format!("; its last words were “{said}”")).unwrap_or_default())]
pub struct ConnectError {
    /// In words for operators and agents: printable, without secrets and without a word of the server's.
    pub why: String,
    /// The server's own words, for operators: untrusted, printable, without the secrets that it was sent.
    pub said: Option<String>,
}

impl ConnectError {
    /// In the gate's words alone.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            said: None,
        }
    }
}

/// On what terms a call goes out.
#[derive(Debug)]
pub struct CallParams {
    /// Hears how far the server says that it has come.
    pub reports: Reporter,
    /// What ends it from here.
    pub stop: Stop,
    /// The caller's `_meta`, without what belongs to the caller's own connection.
    pub meta: Map<String, Value>,
}

/// What ends a call from here: a halt, the caller, or its time.
#[derive(Debug, Clone)]
pub struct Stop {
    pub(crate) halted: watch::Receiver<bool>,
    pub(crate) cancelled: Option<watch::Receiver<bool>>,
    pub(crate) deadline: Instant,
}

/// What ended a call from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallInterruption {
    /// An operator halted it.
    Halted,
    /// The caller cancelled it.
    Cancelled,
    /// Its time was up.
    Timeout,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum CallResult {
    /// The server answered.
    Returned {
        /// What with: untrusted, and of any size.
        content: Vec<Content>,
        /// Whether it says that it failed.
        failed: bool,
    },
    /// The server refused the request, as JSON-RPC has it.
    Refused {
        /// The error's code.
        code: i32,
        /// In its own words: untrusted.
        message: String,
    },
    /// The server answered with something that is no result of a call.
    Unusable(String),
    /// Not a byte of the request was sent.
    NotSent(String),
    /// The server has refused to take the request: nothing of it was done.
    NotTaken(String),
    /// It was sent, or may have been, and no answer came.
    Lost(String),
    /// It was ended from here after it was sent, or may have been.
    Stopped(CallInterruption),
}

/// An upstream server with what was accepted of it.
#[derive(Debug)]
pub struct LoadedUpstream {
    name: String,
    digest: Sha256Digest,
    /// By the server's own names.
    pinned: BTreeMap<String, Definition>,
    /// Those of its tools that agents may have; all where nothing is said.
    only: Option<BTreeSet<String>>,
    /// The secrets that it is sent: what comes back is without them.
    sent: Arc<BTreeSet<String>>,
    secrets: Arc<Vault>,
    upstream: Arc<dyn Upstream>,
}

impl LoadedUpstream {
    pub(crate) fn new(
        name: &str,
        pinned: BTreeMap<String, Definition>,
        config: &UpstreamConfig,
        secrets: &Arc<Vault>,
        upstream: Arc<dyn Upstream>,
    ) -> Self {
        Self {
            name: name.into(),
            only: config.tools.clone(),
            sent: Arc::new(config.secrets().cloned().collect()),
            secrets: Arc::clone(secrets),
            digest: digest_of(&pinned),
            pinned,
            upstream,
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Digest of the accepted definitions.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// The accepted definitions, by the server's own names.
    #[must_use]
    pub fn pinned(&self) -> &BTreeMap<String, Definition> {
        &self.pinned
    }

    /// The connection to it.
    #[must_use]
    pub fn upstream(&self) -> &Arc<dyn Upstream> {
        &self.upstream
    }

    /// Whether agents may have this one of its tools.
    pub(crate) fn offers(&self, own_name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.contains(own_name))
    }

    /// Whether the tool is still what was accepted, as far as is known without asking the server.
    ///
    /// # Errors
    /// What is wrong, in words for the agent and the operator.
    pub(crate) fn check_last_offer(&self, own_name: &str) -> Result<(), String> {
        match self.upstream.last_offer() {
            Some(offer) => self.compare(own_name, &offer),
            None => Ok(()),
        }
    }

    fn compare(&self, own_name: &str, offer: &Offer) -> Result<(), String> {
        let name = &self.name;
        let what = match (self.pinned.get(own_name), offer.get(own_name)) {
            (Some(pinned), Some(Ok(offered))) if pinned == offered => return Ok(()),
            (_, None) => "no longer offers this tool",
            (_, Some(_)) => "has changed this tool's definition since it was accepted",
        };
        Err(format!(
            "the upstream server `{name}` {what}; an operator looks at it with `tollgate upstream show {name}` and \
             takes it with `tollgate upstream accept {name}`"
        ))
    }
}

/// A connector for programs that reach no upstream servers: every call ends before anything is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoUpstreams;

impl Connector for NoUpstreams {
    fn connect(
        &self,
        _: &str,
        _: &UpstreamConfig,
        _: &Arc<Vault>,
        _: &Network,
    ) -> Arc<dyn Upstream> {
        Arc::new(Self)
    }
}

impl Upstream for NoUpstreams {
    fn session(&self) -> BoxFuture<'_, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async {
            Err(ConnectError::new(
                "this program does not reach upstream servers",
            ))
        })
    }

    fn last_offer(&self) -> Option<Arc<Offer>> {
        None
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
