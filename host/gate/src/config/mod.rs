//! `tollgate.toml`, parsed once: raw, then validated.
//!
//! An unknown key is an error with its position and the nearest valid key. Paths are relative to the file.
//! Each part of the gate owns its settings; this module only parses into them.

mod answers;
mod budgets;
mod capture;
mod carried;
mod component_config;
mod error;
mod export;
mod external;
mod facts;
mod hook;
mod identity;
mod network;
mod policy_files;
mod preview;
mod provenance;
mod raw;
mod salvage;
mod serve;
mod trace;
mod upstream;
mod upstream_oauth;
mod validate;
mod webhook;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::tz::TimeZone;
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    time::{LocalTime, Timestamp, micros},
};
use tollgate_policy::{policy::PolicyFile, tool_input::NumberMapping};

pub use answers::{LinkConfig, SlackConfig};
pub use budgets::{Budget, BudgetConfig};
pub use carried::{CarriedFeatures, Selection};
pub use error::ConfigError;
use error::{line_and_column, syntax};
pub use external::{ExternalConfig, ExternalPreset, ExternalTools};
pub use hook::HookConfig;
pub use identity::{
    ApprovalConfig, Claims, JwksSource, OauthConfig, RateConfig, SecondGroup, StandingLimits,
    TlsConfig,
};
pub use policy_files::{misnamed_policy_files, policy_file, policy_files, policy_paths};
pub use preview::PreviewConfig;
pub use provenance::{RequestChannel, ToolProvenanceConfig};
pub use serve::ServeConfig;
pub use trace::TraceConfig;
pub use upstream::{HttpProtocol, UpstreamConfig, UpstreamTransport};
pub use upstream_oauth::{AuthorizationServer, ClientAuthentication, OauthGrant, UpstreamOauth};
pub use webhook::{WebhookConfig, WebhookFormat};

use tollgate_ledger::IdleLimits;
pub use tollgate_model::settings::{
    ConfigValue, ExportCompression, ExportConfig, ExportFrom, ExportProfile, ExportProtocol, Price,
    PricedTokens, PricesConfig,
};

use crate::history::HistoryFact;
use crate::tool::{Limits, Size};
pub use crate::{
    capture::{CaptureConfig, TenantCapture, ToolCapture},
    egress::{HostConfig, NetworkConfig},
    sandbox::{ConfigEntry, GuestEnvironment},
    secrets::SecretConfig,
};

/// The file's name, searched upwards from the working directory.
pub const FILE_NAME: &str = "tollgate.toml";

/// Labels that always exist.
pub const BUILT_IN_LABELS: &[&str] = &[
    "destructive",
    "egress",
    PRIVATE,
    PRIVATE_NETWORK,
    UNLABELLED,
    UNTRUSTED,
];

/// The label of a tool to which the operator has given none. It counts as every other label.
pub const UNLABELLED: &str = "unlabelled";

/// The label of content that strangers can write.
pub const UNTRUSTED: &str = "untrusted";

/// The label of private data.
pub const PRIVATE: &str = "private";

/// The label that the gate adds to a host with an address that is not publicly reachable.
pub const PRIVATE_NETWORK: &str = "private-network";

/// The agent through which a person acts at the command line.
pub const CLI_AGENT: &str = "cli";

/// A validated configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// The gate itself.
    pub gate: GateConfig,
    /// The location of the ledger.
    pub store: StoreConfig,
    /// The directory of policies.
    pub policies: PathBuf,
    /// The directory of a shadow policy set, which is evaluated as well and changes nothing.
    pub candidate: Option<PathBuf>,
    /// How long an approval is valid.
    pub approval_expires: Duration,
    /// How long a surface may hold a call that waits for an approval.
    pub approval_wait_timeout: Duration,
    /// The same if the caller receives progress meanwhile.
    pub approval_wait_timeout_with_progress: Duration,
    /// External executors, by name.
    pub external: BTreeMap<String, ExternalConfig>,
    /// Escalation and notification of approvals.
    pub approvals: ApprovalConfig,
    /// Listeners and callers.
    pub serve: ServeConfig,
    /// Limits of what agents report.
    pub trace: TraceConfig,
    /// Prices of models.
    pub prices: PricesConfig,
    /// The idle timeout of a run without a key.
    pub run_idle_timeout: Duration,
    /// The idle timeout of a run with a key.
    pub named_run_idle_timeout: Duration,
    /// How long a principal's labels outlive its runs.
    pub label_window: Duration,
    /// By name.
    pub components: BTreeMap<String, ComponentConfig>,
    /// By the name that agents see.
    pub tools: BTreeMap<String, ToolConfig>,
    /// By name.
    pub agents: BTreeMap<String, AgentConfig>,
    /// By name.
    pub users: BTreeMap<String, UserConfig>,
    /// Hosts and trusted certificates.
    pub network: NetworkConfig,
    /// By name.
    pub secrets: BTreeMap<String, SecretConfig>,
    /// By name.
    pub upstreams: BTreeMap<String, UpstreamConfig>,
    /// Collectors of the gate's spans, by name.
    pub exports: BTreeMap<String, ExportConfig>,
    /// What is kept of payloads.
    pub capture: CaptureConfig,
    /// Budgets of runs and agents.
    pub budgets: BudgetConfig,
    /// History facts, by name.
    pub facts: BTreeMap<String, HistoryFact>,
    /// The socket for coding agents' accounts; absent: there is none.
    pub hook: Option<HookConfig>,
    /// The error for which only the names of the gate and of its store were read. Nothing loads with it.
    pub error: Option<ConfigError>,
}

/// The gate itself.
#[derive(Debug, Clone, PartialEq)]
pub struct GateConfig {
    /// Its name: the origin of its ledger.
    pub name: String,
    /// Such as `production`.
    pub environment: String,
    /// The tenant.
    pub tenant: String,
    /// The time zone in which policies see local time.
    pub timezone: TimeZone,
    /// The most calls that execute at once.
    pub concurrency: usize,
}

/// The location of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreConfig {
    /// The SQLite file.
    pub path: PathBuf,
    /// The key that wraps all others.
    pub key: PathBuf,
}

/// A component and its grants.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentConfig {
    /// The file.
    pub path: PathBuf,
    /// The engine that it runs in.
    pub size: Size,
    /// Directories, by the name that the component uses.
    pub grants: BTreeMap<String, GrantConfig>,
    /// Secrets that may be attached to its requests.
    pub secrets: BTreeSet<String>,
    /// Names that agents see, by the component's own.
    pub rename: BTreeMap<String, String>,
    /// Values that it may read, by key.
    pub config: BTreeMap<String, ConfigEntry>,
    /// What a component that was made for WASI is started with.
    pub environment: GuestEnvironment,
    /// Default limits of its tools.
    pub limits: Limits,
}

/// A granted directory.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantConfig {
    /// The directory.
    pub path: PathBuf,
    /// Whether it may be written.
    pub read_write: bool,
    /// Labels of its contents.
    pub labels: BTreeSet<String>,
}

/// The operator's settings for a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolConfig {
    /// Its labels; `None` means `unlabelled`.
    pub labels: Option<BTreeSet<String>>,
    /// Labels that its content adds to a run; `None` means `untrusted`.
    pub taints: Option<BTreeSet<String>>,
    /// Numbers that policies do not see as decimals, by JSON pointer.
    pub numbers: BTreeMap<String, NumberMapping>,
    /// Where its values come from and go.
    pub provenance: ToolProvenanceConfig,
    /// What approvers may see before they answer.
    pub preview: Option<PreviewConfig>,
    /// Its limits; absent: those of its component.
    pub(crate) limits: LimitOverrides,
}

/// Limits in a tool's configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LimitOverrides {
    memory: Option<u64>,
    fuel: Option<u64>,
    wall: Option<Duration>,
    cpu: Option<Duration>,
    output: Option<u64>,
}

impl LimitOverrides {
    /// `base` with these values.
    pub(crate) fn over(&self, base: &Limits) -> Limits {
        let mut limits = base.clone();
        limits.memory = self.memory.unwrap_or(limits.memory);
        limits.fuel = self.fuel.unwrap_or(limits.fuel);
        limits.wall = self.wall.unwrap_or(limits.wall);
        limits.cpu = self.cpu.unwrap_or(limits.cpu);
        limits.output = self.output.unwrap_or(limits.output);
        limits
    }
}

/// An agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentConfig {
    /// Its operator: the user for whom it acts unless the caller's credentials say otherwise.
    pub operator: String,
    /// Its roles.
    pub roles: BTreeSet<String>,
    /// The runs that share their labels.
    pub memory: AgentMemory,
    /// The channels that tell the gate what the user asks for.
    pub request_from: BTreeSet<RequestChannel>,
    /// Values that the operator vouches for, such as addresses; `*@example.com` stands for all that end so.
    pub values: Vec<String>,
    /// Its account on this machine, by which it is known at the hook socket.
    pub login: Option<String>,
}

/// Which runs of an agent share memory, and therefore labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentMemory {
    /// None: each run begins without labels.
    Run,
    /// Runs of one conversation, for one user.
    Conversation,
    /// Runs for one user.
    #[default]
    User,
    /// All runs.
    Agent,
}

/// A person.
#[derive(Debug, Clone, PartialEq)]
pub struct UserConfig {
    /// Their roles.
    pub roles: BTreeSet<String>,
    /// Their account on this machine.
    pub login: Option<String>,
}

impl Config {
    /// Idle timeouts of runs.
    #[must_use]
    pub fn idle(&self) -> IdleLimits {
        IdleLimits {
            unnamed: micros(self.run_idle_timeout),
            named: micros(self.named_run_idle_timeout),
        }
    }

    /// The configuration file at or above `from`.
    ///
    /// # Errors
    /// If there is none; the message names the command that creates one.
    pub fn find(from: &Path) -> Result<PathBuf, ConfigError> {
        from.ancestors()
            .map(|dir| dir.join(FILE_NAME))
            .find(|path| path.is_file())
            .ok_or_else(|| ConfigError {
                file: from.join(FILE_NAME),
                line: 0,
                column: 0,
                message: "there is no tollgate.toml here or above".into(),
                help: "make one with `tollgate init`, or name one with --config FILE".into(),
            })
    }

    /// Read and validate a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] with the position of the first error.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        let text = fs::read_to_string(&file).map_err(|e| ConfigError {
            file: file.clone(),
            line: 0,
            column: 0,
            message: format!("it cannot be read: {e}"),
            help: "name another file with --config, or make one with `tollgate init`".into(),
        })?;
        Self::parse(&file, &text)
    }

    /// Validate a configuration's text. Paths in it are relative to `file`.
    ///
    /// # Errors
    /// The errors of [`Config::read`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let raw: raw::File = toml::from_str(text).map_err(|e| syntax(file, text, &e))?;
        validate::Validation {
            file,
            text,
            base: file.parent().unwrap_or(Path::new(".")),
        }
        .config(raw)
    }

    /// `time` in the configured zone.
    #[must_use]
    pub fn local_time(&self, time: Timestamp) -> LocalTime {
        let instant = jiff::Timestamp::from_microsecond(time.0).unwrap_or_default();
        let local = instant.to_zoned(self.gate.timezone.clone());
        LocalTime {
            minute: u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()))
                .unwrap_or(0),
            weekday: u8::try_from(local.weekday().to_monday_one_offset()).unwrap_or(1),
        }
    }

    /// Entities that the configuration names, except components and tools.
    #[must_use]
    pub fn entities(&self) -> Vec<Entity> {
        let tenant = Uid::new(Kind::Tenant, &self.gate.tenant);
        let role = |r: &String| Uid::new(Kind::Role, r);
        let mut entities = vec![
            Entity::new(tenant.clone(), []),
            Entity::new(Uid::new(Kind::Gate, "gate"), []),
            Entity::new(Uid::new(Kind::Agent, CLI_AGENT), [tenant.clone()]),
        ];
        let second = self.approvals.second_group.iter().map(|group| &group.roles);
        let held = self
            .agents
            .values()
            .map(|a| &a.roles)
            .chain(self.users.values().map(|u| &u.roles));
        let roles: BTreeSet<&String> = held.chain(second).flatten().collect();
        entities.extend(roles.into_iter().map(|r| Entity::new(role(r), [])));
        entities.extend(
            self.labels()
                .iter()
                .map(|l| Entity::new(Uid::new(Kind::Label, l), [])),
        );
        entities.extend(
            self.secrets
                .iter()
                .map(|(name, secret)| secret.entity(name)),
        );
        let principal = |kind, name: &String, roles: &BTreeSet<String>| {
            Entity::new(
                Uid::new(kind, name),
                roles.iter().map(role).chain([tenant.clone()]),
            )
        };
        entities.extend(
            self.agents
                .iter()
                .map(|(n, a)| principal(Kind::Agent, n, &a.roles)),
        );
        entities.extend(
            self.users
                .iter()
                .map(|(n, u)| principal(Kind::User, n, &u.roles)),
        );
        entities
    }

    /// Every label that can occur.
    #[must_use]
    pub fn labels(&self) -> BTreeSet<String> {
        let built_in = BUILT_IN_LABELS.iter().map(|label| (*label).to_owned());
        self.label_uses().into_iter().chain(built_in).collect()
    }

    /// The label of each place that names one.
    #[must_use]
    pub fn label_uses(&self) -> Vec<String> {
        let grants = self
            .components
            .values()
            .flat_map(|c| c.grants.values())
            .flat_map(|g| &g.labels);
        let entries = self
            .components
            .values()
            .flat_map(|c| c.config.values())
            .flat_map(|e| &e.labels);
        let tools = self
            .tools
            .values()
            .flat_map(|t| t.labels.iter().chain(&t.taints).flatten());
        let network = self.network.labels().chain(
            self.secrets
                .values()
                .flat_map(|s| s.labels.iter().flatten()),
        );
        let upstreams = self
            .upstreams
            .values()
            .flat_map(|u| u.labels.iter().chain(&u.taints).flatten());
        let external = self
            .external
            .values()
            .flat_map(|e| e.labels.iter().chain(&e.taints).flatten());
        grants
            .chain(entries)
            .chain(tools)
            .chain(upstreams)
            .chain(external)
            .chain(network)
            .cloned()
            .collect()
    }

    /// The policy files, by name.
    ///
    /// # Errors
    /// If the directory or a file in it cannot be read.
    pub fn policy_files(&self) -> Result<Vec<PolicyFile>, ConfigError> {
        policy_files(&self.policies)
    }

    /// The files of the shadow set, if there is one.
    ///
    /// # Errors
    /// The errors of [`Config::policy_files`].
    pub fn candidate_files(&self) -> Result<Option<Vec<PolicyFile>>, ConfigError> {
        self.candidate.as_deref().map(policy_files).transpose()
    }
}

impl UpstreamConfig {
    /// Whether each user has a login of their own to it.
    #[must_use]
    pub fn is_per_user(&self) -> bool {
        let oauth = match &self.transport {
            UpstreamTransport::Command { .. } => None,
            UpstreamTransport::Http { oauth, .. } => oauth.as_deref(),
        };
        oauth.is_some_and(|oauth| oauth.grant == OauthGrant::AuthorizationCode)
    }
}

#[cfg(test)]
mod tests;
