//! `tollgate.toml`, parsed once: raw, then validated.
//!
//! An unknown key is an error with its place and the nearest valid one. Paths are relative to the
//! file. Nothing else in the gate reads a configuration or the environment.

mod budgets;
mod capture;
mod error;
mod export;
mod external;
mod identity;
mod network;
mod policy_files;
mod raw;
mod serve;
mod trace;
mod upstream;
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
    time::{LocalTime, Timestamp},
};
use tollgate_policy::{policy::PolicyFile, tool_input::NumberMapping};

pub use budgets::{Budget, BudgetConfig};
pub use error::ConfigError;
use error::{line_and_column, syntax};
pub use external::{ExternalConfig, ExternalPreset, ExternalTools};
pub use identity::{
    ApprovalConfig, Claims, JwksSource, OauthConfig, RateConfig, SecondGroup, TlsConfig,
};
pub use policy_files::{policy_file, policy_files};
pub use serve::ServeConfig;
pub use trace::TraceConfig;
pub use upstream::{UpstreamConfig, UpstreamTransport};
pub use webhook::{WebhookConfig, WebhookFormat};

use tollgate_ledger::IdleLimits;
pub use tollgate_model::settings::{
    ConfigValue, ExportCompression, ExportConfig, ExportFrom, ExportProfile, ExportProtocol, Price,
    PricedTokens, PricesConfig,
};

use crate::tool::{Limits, Size};
pub use crate::{
    capture::{CaptureConfig, TenantCapture, ToolCapture},
    egress::{HostConfig, NetworkConfig},
    sandbox::GuestEnvironment,
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
    "unlabelled",
    "untrusted",
];

/// The label of private data.
pub const PRIVATE: &str = "private";

/// The label that the gate gives to a host with an address that is not reachable from everywhere.
pub const PRIVATE_NETWORK: &str = "private-network";

/// The agent through which a person acts at the command line.
pub const CLI_AGENT: &str = "cli";

/// A validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// The gate itself.
    pub gate: GateConfig,
    /// Where the ledger lies.
    pub store: StoreConfig,
    /// Where policies lie.
    pub policies: PathBuf,
    /// The directory of a candidate set, which is evaluated as well and changes nothing.
    pub candidate: Option<PathBuf>,
    /// How long an approval may be waited for, and used.
    pub approval_expires: Duration,
    /// How long a surface may hold a call that waits for a human.
    pub approval_wait_timeout: Duration,
    /// The same where the caller hears of progress meanwhile.
    pub approval_wait_timeout_with_progress: Duration,
    /// Executors of tools that the gate only decides about, by name.
    pub external: BTreeMap<String, ExternalConfig>,
    /// Who else is asked, and who is told.
    pub approvals: ApprovalConfig,
    /// How the gate is served, and to whom.
    pub serve: ServeConfig,
    /// How much agents may report.
    pub trace: TraceConfig,
    /// What models cost.
    pub prices: PricesConfig,
    /// After how long without a call a run without a key is over.
    pub run_idle_timeout: Duration,
    /// After how long without a call a run with a key is over.
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
    /// What requests are sent to, and how.
    pub network: NetworkConfig,
    /// By name.
    pub secrets: BTreeMap<String, SecretConfig>,
    /// By name.
    pub upstreams: BTreeMap<String, UpstreamConfig>,
    /// Collectors that the gate's spans are sent to, by name.
    pub exports: BTreeMap<String, ExportConfig>,
    /// What is kept of payloads.
    pub capture: CaptureConfig,
    /// What runs and agents may use up.
    pub budgets: BudgetConfig,
}

/// The gate itself.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// Its name: the origin of its ledger.
    pub name: String,
    /// Such as `production`.
    pub environment: String,
    /// Whose gate it is.
    pub tenant: String,
    /// In which policies see local time.
    pub timezone: TimeZone,
    /// Calls that execute at once.
    pub concurrency: usize,
}

/// Where the ledger lies.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The SQLite file.
    pub path: PathBuf,
    /// The key that wraps all others.
    pub key: PathBuf,
}

/// A component and what it is granted.
#[derive(Debug, Clone)]
pub struct ComponentConfig {
    /// The file.
    pub path: PathBuf,
    /// The engine that it runs in.
    pub size: Size,
    /// Directories, by the name that the component uses.
    pub grants: BTreeMap<String, GrantConfig>,
    /// Secrets that it may have attached to requests.
    pub secrets: BTreeSet<String>,
    /// Names that agents see, by the component's own.
    pub rename: BTreeMap<String, String>,
    /// What a component that was made for WASI is started with.
    pub environment: GuestEnvironment,
    /// What its tools may use where they say nothing else.
    pub limits: Limits,
}

/// A directory that a component is granted.
#[derive(Debug, Clone)]
pub struct GrantConfig {
    /// The directory.
    pub path: PathBuf,
    /// Whether it may be written.
    pub read_write: bool,
    /// What its contents are.
    pub labels: BTreeSet<String>,
}

/// What the operator says about a tool.
#[derive(Debug, Clone)]
pub struct ToolConfig {
    /// What it is; `None` means `unlabelled`.
    pub labels: Option<BTreeSet<String>>,
    /// What its content adds to a run; `None` means `untrusted`.
    pub taints: Option<BTreeSet<String>>,
    /// Numbers that are no decimals to policies, by JSON pointer.
    pub numbers: BTreeMap<String, NumberMapping>,
    /// What it may use; absent: as its component.
    pub(crate) limits: LimitOverrides,
}

/// Limits that a tool's configuration names.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitOverrides {
    memory: Option<u64>,
    fuel: Option<u64>,
    wall: Option<Duration>,
    cpu: Option<Duration>,
    output: Option<u64>,
}

impl LimitOverrides {
    /// `base` with what is named here.
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
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The user who runs it, and on whose behalf it acts unless the caller's credentials say otherwise.
    pub operator: String,
    /// What it may be trusted with.
    pub roles: BTreeSet<String>,
    /// Which of its runs know what others have read.
    pub memory: AgentMemory,
}

/// Which runs of an agent share what they know, and so their labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentMemory {
    /// None: each run begins with nothing.
    Run,
    /// Those of one conversation, on behalf of one user.
    Conversation,
    /// Those on behalf of one user.
    #[default]
    User,
    /// All.
    Agent,
}

/// A person.
#[derive(Debug, Clone)]
pub struct UserConfig {
    /// What they may be trusted with.
    pub roles: BTreeSet<String>,
    /// Their account on this machine.
    pub login: Option<String>,
}

impl Config {
    /// After how long without anything runs are over.
    #[must_use]
    pub fn idle(&self) -> IdleLimits {
        let micros = |of: Duration| u64::try_from(of.as_micros()).unwrap_or(u64::MAX);
        IdleLimits {
            unnamed: micros(self.run_idle_timeout),
            named: micros(self.named_run_idle_timeout),
        }
    }

    /// The configuration file at or above `from`.
    ///
    /// # Errors
    /// If there is none, with the command that makes one.
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
    /// [`ConfigError`] with the place, for the first thing that is wrong.
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
    /// As [`Config::read`].
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
        let grants = self
            .components
            .values()
            .flat_map(|c| c.grants.values())
            .flat_map(|g| &g.labels);
        let tools = self
            .tools
            .values()
            .flat_map(|t| t.labels.iter().chain(&t.taints).flatten());
        let built_in = BUILT_IN_LABELS.iter().map(|l| (*l).to_owned());
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
            .chain(tools)
            .chain(upstreams)
            .chain(external)
            .chain(network)
            .cloned()
            .chain(built_in)
            .collect()
    }

    /// The policy files, by name.
    ///
    /// # Errors
    /// If the directory or a file in it cannot be read.
    pub fn policy_files(&self) -> Result<Vec<PolicyFile>, ConfigError> {
        policy_files(&self.policies)
    }

    /// The files of the candidate set, if there is one.
    ///
    /// # Errors
    /// As [`Config::policy_files`].
    pub fn candidate_files(&self) -> Result<Option<Vec<PolicyFile>>, ConfigError> {
        self.candidate.as_deref().map(policy_files).transpose()
    }
}

#[cfg(test)]
mod tests;
