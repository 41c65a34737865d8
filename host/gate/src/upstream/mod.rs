//! Upstream MCP servers: tools that run outside the sandbox, behind the same pipeline.
//!
//! The gate knows a server by its accepted definitions, which are pinned in `tollgate.lock`: of tools and, where the
//! operator wants them, of prompts, listed resources and the server's instructions. A
//! [`Connector`] reaches it; that is protocol code in another crate. A call is sent only as a
//! [`Permitted`], and only over the session whose offer was compared with the pinned definitions. Nothing
//! here retries: once a request may have been sent, the answer is the outcome, or that the outcome is not
//! known.

mod bounds;
mod call;
mod definition;
mod definitions;
mod elicitor;
mod login;
mod offer;
mod prompt;
mod resource;
mod scrubber;
mod timer;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::sync::watch;
use tollgate_model::{canonical::Sha256Digest, entity::Uid};

pub use call::Reporter;
pub use definition::Definition;
pub use definitions::Definitions;
pub use elicitor::Elicitor;
pub use login::{IssuedLogin, LoginAnswer, LoginError, LoginRequest, LoginStore, UserLogins};
pub use offer::{Changes, Difference, Listings, MAX_INSTRUCTIONS, MAX_TOOLS, Offer, TextChange};
pub use prompt::{PromptArgument, PromptDefinition};
pub use resource::{ResourceDefinition, TemplateDefinition};

use self::timer::CallTimer;
use crate::{
    config::{CarriedFeatures, UpstreamConfig},
    egress::Network,
    enforce::{Permitted, ToolCall},
    secrets::Vault,
    tool::{Content, Feature},
};

/// A future of a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long a server may take to start and to list its tools, if no call has a shorter limit.
pub const READY: Duration = Duration::from_secs(60);

/// Connects to upstream servers.
pub trait Connector: Send + Sync + fmt::Debug {
    /// The server called `name`. Nothing is started or sent yet. If its configuration is unchanged, it is
    /// the same server as before, so a reload does not restart it.
    fn connect(
        &self,
        name: &str,
        config: &UpstreamConfig,
        secrets: &Arc<Vault>,
        network: &Network,
    ) -> Arc<dyn Upstream>;

    /// Takes the store of users' logins, once the gate has opened it.
    fn attach(&self, _logins: LoginStore) {}
}

/// One upstream server, running or not.
pub trait Upstream: Send + Sync + fmt::Debug {
    /// A session with it: the open one, or a new one.
    fn session(&self) -> BoxFuture<'_, Result<Arc<dyn Session>, ConnectError>>;

    /// Its offer when it was last asked, if it was.
    fn last_offer(&self) -> Option<Arc<Offer>>;

    /// The same server as this user reaches it, if each user does so with their own rights: another connection.
    fn of_user(&self, _user: &str) -> Option<Arc<dyn Upstream>> {
        None
    }

    /// How users log in to it, if each user reaches it with their own rights.
    fn logins(&self) -> Option<&dyn UserLogins> {
        None
    }

    /// Why a call could not be sent now, as far as that is known without asking anyone: a text for the agent and the
    /// user.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// The secrets that it has been sent, if it keeps its own.
    fn secrets(&self) -> Option<&Arc<Vault>> {
        None
    }

    /// Ends the session, and the process if there is one.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// One connection to a server, after its handshake.
pub trait Session: Send + Sync + fmt::Debug {
    /// The server's offer: the last known one, unless the server has announced a change or `again` is true.
    fn offer(&self, again: bool) -> BoxFuture<'_, Result<Arc<Offer>, ConnectError>>;

    /// Sends the call, once, over this session only.
    fn call<'a>(
        &'a self,
        permitted: Permitted<ToolCall>,
        terms: CallParams,
    ) -> BoxFuture<'a, CallResult>;
}

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}{}", said.as_ref().map(|said| format!("; its last output was “{said}”")).unwrap_or_default())]
pub struct ConnectError {
    /// For operators and agents: printable, without secrets and without the server's text.
    pub why: String,
    /// The server's own text, for operators: untrusted, printable, without the secrets that it was sent.
    pub said: Option<String>,
}

impl ConnectError {
    /// An error without text of the server.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            said: None,
        }
    }
}

/// Parameters of a call.
#[derive(Debug)]
pub struct CallParams {
    /// Receives the server's progress.
    pub reports: Reporter,
    /// Puts the server's questions to people, if the operator wants them carried.
    pub elicitor: Option<Arc<Elicitor>>,
    /// Interrupts the call.
    pub stop: Stop,
    /// The caller's `_meta`, without the parts of the caller's own connection.
    pub meta: Map<String, Value>,
    /// What the server is asked for, as it writes it: the name of the tool or the prompt, or the resource's URI.
    pub target: String,
}

/// Possible interruptions of a call: a halt, the caller, or its timeout.
#[derive(Debug, Clone)]
pub struct Stop {
    pub(crate) halted: watch::Receiver<bool>,
    pub(crate) cancelled: Option<watch::Receiver<bool>>,
    pub(crate) timer: CallTimer,
}

/// The interruption of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallInterruption {
    /// An operator halted it.
    Halted,
    /// The caller cancelled it.
    Cancelled,
    /// It timed out.
    Timeout,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum CallResult {
    /// The server answered.
    Returned {
        /// The result: untrusted, and of any size.
        content: Vec<Content>,
        /// Whether the server reports a failure.
        failed: bool,
    },
    /// The server refused the request with a JSON-RPC error.
    Refused {
        /// The error's code.
        code: i32,
        /// The server's own text: untrusted.
        message: String,
    },
    /// The server answered with something that is not the result of a call.
    Unusable(String),
    /// Not a byte of the request was sent.
    NotSent(String),
    /// The server has refused to take the request: nothing of it was done.
    NotTaken(String),
    /// It was sent, or may have been, and no answer came.
    Lost(String),
    /// It was interrupted after it was sent, or may have been.
    Stopped(CallInterruption),
}

/// An upstream server with its accepted definitions.
#[derive(Debug)]
pub struct LoadedUpstream {
    name: String,
    digest: Sha256Digest,
    pinned: Definitions,
    /// Tools that agents cannot have, by the server's own names, and why.
    left_out: BTreeMap<String, String>,
    /// Those of its tools that agents may have; all by default.
    only: Option<BTreeSet<String>>,
    /// Keys of the caller's `_meta` that it gets.
    meta: BTreeSet<String>,
    carried: CarriedFeatures,
    /// The secrets that it is sent, which are removed from its output.
    sent: Arc<BTreeSet<String>>,
    secrets: Arc<Vault>,
    upstream: Arc<dyn Upstream>,
}

impl LoadedUpstream {
    pub(crate) fn new(
        name: &str,
        pinned: Definitions,
        config: &UpstreamConfig,
        secrets: &Arc<Vault>,
        upstream: Arc<dyn Upstream>,
    ) -> Self {
        Self {
            name: name.into(),
            left_out: BTreeMap::new(),
            only: config.tools.clone(),
            meta: config.meta.clone(),
            carried: config.carried.clone(),
            sent: Arc::new(config.secrets().cloned().collect()),
            secrets: Arc::clone(secrets),
            digest: pinned.digest(),
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

    /// The accepted definitions.
    #[must_use]
    pub fn pinned(&self) -> &Definitions {
        &self.pinned
    }

    /// The server with these tools left out.
    pub(crate) fn without(mut self, left_out: BTreeMap<String, String>) -> Self {
        self.left_out = left_out;
        self
    }

    /// Tools that agents cannot have, by the server's own names, and why.
    #[must_use]
    pub fn left_out(&self) -> &BTreeMap<String, String> {
        &self.left_out
    }

    /// The connection to it.
    #[must_use]
    pub fn upstream(&self) -> &Arc<dyn Upstream> {
        &self.upstream
    }

    /// The connection to it for calls on behalf of this user.
    pub(crate) fn of_user(&self, user: &Uid) -> Arc<dyn Upstream> {
        let own = self.upstream.of_user(&user.id);
        own.unwrap_or_else(|| Arc::clone(&self.upstream))
    }

    /// Why no call of this user could be sent to it now.
    pub(crate) fn obstacle(&self, user: &Uid) -> Option<String> {
        self.of_user(user).obstacle()
    }

    /// Whether agents may have this tool.
    pub(crate) fn offers(&self, own_name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.contains(own_name))
    }

    /// Prompts that agents may have, as they were accepted.
    pub fn prompts(&self) -> impl Iterator<Item = &PromptDefinition> {
        let prompts = self.pinned.prompts.values();
        prompts.filter(|prompt| self.carried.prompts.takes(&prompt.name))
    }

    /// Resources that agents see in lists, as they were accepted.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceDefinition> {
        let resources = self.pinned.resources.values();
        resources.filter(|resource| self.carries_resource(&resource.uri))
    }

    /// Templates of URIs that agents see in lists, as they were accepted.
    pub fn templates(&self) -> impl Iterator<Item = &TemplateDefinition> {
        let templates = self.pinned.templates.values();
        templates.filter(|_| self.carried.resources.is_any())
    }

    /// Whether agents may read the resource with this canonical URI, if policy lets them.
    #[must_use]
    pub fn carries_resource(&self, uri: &str) -> bool {
        self.carried.resources.takes_uri(uri)
    }

    /// Whether it lists the resource with this canonical URI, or a template that fits it.
    #[must_use]
    pub fn lists(&self, uri: &str) -> bool {
        let fits = |template: &TemplateDefinition| uri.starts_with(template.prefix());
        self.pinned.resources.contains_key(uri) || self.pinned.templates.values().any(fits)
    }

    /// The accepted instructions, unless the server is known to have others now.
    #[must_use]
    pub fn instructions(&self) -> Option<&str> {
        let accepted = self.pinned.instructions.as_deref();
        let accepted = accepted.filter(|_| self.carried.instructions)?;
        match self.upstream.last_offer() {
            Some(offer) if offer.instructions() != Some(accepted) => None,
            _ => Some(accepted),
        }
    }

    /// What the server is asked for: the name by which it knows a tool or a prompt, or the URI of a resource as it
    /// writes it.
    fn target(&self, call: &ToolCall) -> String {
        match (call.tool().feature, call.uri()) {
            (Feature::Resources, Some(uri)) => {
                let listed = self.pinned.resources.get(uri);
                listed.map_or(uri, ResourceDefinition::own_uri).to_owned()
            }
            _ => call.tool().own_name.clone(),
        }
    }

    /// Whether the tool or prompt is still the accepted one, as far as known without asking the server.
    ///
    /// # Errors
    /// What is wrong, as a text for the agent and the operator.
    pub(crate) fn check_last_offer(
        &self,
        feature: Feature,
        own_name: &str,
        user: &Uid,
    ) -> Result<(), String> {
        match self.of_user(user).last_offer() {
            Some(offer) => self.compare(feature, own_name, &offer),
            None => Ok(()),
        }
    }

    fn compare(&self, feature: Feature, own_name: &str, offer: &Offer) -> Result<(), String> {
        let name = &self.name;
        let (noun, offered) = match feature {
            Feature::Tool => {
                let (pinned, now) = (self.pinned.tools.get(own_name), offer.tool(own_name));
                ("tool", now.map(|now| now.as_ref().ok() == pinned))
            }
            Feature::Prompt => {
                let (pinned, now) = (self.pinned.prompts.get(own_name), offer.prompt(own_name));
                ("prompt", now.map(|now| now.as_ref().ok() == pinned))
            }
            // What is read is decided by its URI; previews are of components.
            Feature::Resources | Feature::Preview => return Ok(()),
        };
        let what = match offered {
            Some(true) => return Ok(()),
            None => format!("no longer offers this {noun}"),
            Some(false) => format!("has changed this {noun}'s definition since it was accepted"),
        };
        Err(format!(
            "the upstream server `{name}` {what}; an operator looks at it with `tollgate upstream show {name}` and \
             takes it with `tollgate upstream accept {name}`"
        ))
    }
}

/// A connector for programs without upstream servers: every call ends before anything is sent.
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
