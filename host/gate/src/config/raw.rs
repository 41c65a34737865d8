//! The contents of `tollgate.toml`: every key, not validated yet.

mod capture;

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

pub(super) use capture::Capture;

use crate::tool::Size;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) gate: Gate,
    pub(super) store: Store,
    pub(super) policies: Policies,
    pub(super) approvals: Approvals,
    pub(super) runs: Runs,
    pub(super) serve: Serve,
    pub(super) components: BTreeMap<String, Component>,
    pub(super) tools: BTreeMap<String, Tool>,
    pub(super) agents: BTreeMap<String, Agent>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) hosts: BTreeMap<String, Host>,
    pub(super) network: Network,
    pub(super) secrets: BTreeMap<String, Secret>,
    pub(super) upstream: BTreeMap<String, Upstream>,
    pub(super) external: BTreeMap<String, External>,
    pub(super) trace: Trace,
    pub(super) prices: Prices,
    pub(super) export: BTreeMap<String, Export>,
    pub(super) capture: Capture,
    pub(super) budgets: Budgets,
    pub(super) facts: BTreeMap<String, Fact>,
    pub(super) hook: Hook,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    pub(super) url: String,
    #[serde(default)]
    pub(super) protocol: super::ExportProtocol,
    #[serde(default)]
    pub(super) profile: super::ExportProfile,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, ConfigValue>,
    pub(super) secret: Option<String>,
    #[serde(default)]
    pub(super) compression: super::ExportCompression,
    pub(super) timeout: Option<String>,
    pub(super) batch: Option<usize>,
    #[serde(default)]
    pub(super) from: super::ExportFrom,
    #[serde(default)]
    pub(super) resource: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Trace {
    pub(super) quota: Option<String>,
    pub(super) spans: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Prices {
    pub(super) currency: Option<String>,
    pub(super) models: BTreeMap<String, ModelPrice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelPrice {
    pub(super) input: f64,
    pub(super) output: f64,
    pub(super) cached_input: Option<f64>,
    pub(super) cache_write: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Budgets {
    pub(super) window: Option<String>,
    pub(super) run: Budget,
    pub(super) agents: BTreeMap<String, Budget>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Budget {
    pub(super) calls: Option<u64>,
    pub(super) elapsed: Option<String>,
    pub(super) tokens: Option<u64>,
    pub(super) cost: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fact {
    pub(super) kind: Option<String>,
    pub(super) of: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) outcome: Option<String>,
    pub(super) argument: Option<String>,
    pub(super) number: Option<String>,
    pub(super) negative: Option<bool>,
    pub(super) fold: Option<String>,
    pub(super) by: Vec<String>,
    pub(super) within: Option<String>,
    pub(super) since: Option<String>,
    pub(super) with_call: bool,
    #[serde(rename = "where")]
    pub(super) conditions: BTreeMap<String, toml::Value>,
    pub(super) places: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct External {
    pub(super) preset: Option<String>,
    pub(super) tools: Option<String>,
    pub(super) labels: Option<Vec<String>>,
    pub(super) taints: Option<Vec<String>>,
    pub(super) time: Option<String>,
    pub(super) trust_outcomes: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Upstream {
    pub(super) command: Option<Vec<String>>,
    pub(super) env: BTreeMap<String, ConfigValue>,
    pub(super) dir: Option<String>,
    pub(super) user: Option<String>,
    pub(super) url: Option<String>,
    pub(super) transport: Option<String>,
    pub(super) headers: BTreeMap<String, ConfigValue>,
    pub(super) secret: Option<String>,
    pub(super) oauth: Option<UpstreamOauth>,
    pub(super) roots: Vec<String>,
    pub(super) meta: Vec<String>,
    pub(super) tools: Option<Vec<String>>,
    pub(super) elicitation: bool,
    pub(super) instructions: bool,
    pub(super) prompts: Selection,
    pub(super) resources: Selection,
    pub(super) rename: BTreeMap<String, String>,
    pub(super) labels: Option<Vec<String>>,
    pub(super) taints: Option<Vec<String>>,
    pub(super) limits: UpstreamLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UpstreamOauth {
    pub(super) grant: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<ConfigValue>,
    pub(super) private_key: Option<ConfigValue>,
    pub(super) key_id: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) resource: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) token_url: Option<String>,
    pub(super) authorization_url: Option<String>,
}

/// All of something, none of it, or what is named.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Selection {
    Whole(bool),
    Named(Vec<String>),
}

impl Default for Selection {
    fn default() -> Self {
        Self::Whole(false)
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ConfigValue {
    Literal(String),
    Secret(SentSecret),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentSecret {
    pub(super) secret: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UpstreamLimits {
    pub(super) time: Option<String>,
    pub(super) output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Gate {
    pub(super) name: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) concurrency: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) url: Option<String>,
    pub(super) key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Policies {
    pub(super) dir: Option<String>,
    pub(super) shadow: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Approvals {
    pub(super) expires: Option<String>,
    pub(super) elicitation_expires: Option<String>,
    pub(super) wait_timeout: Option<String>,
    pub(super) wait_timeout_with_progress: Option<String>,
    pub(super) max_pending: Option<u64>,
    pub(super) escalate_after: Option<String>,
    pub(super) escalate_to: Vec<String>,
    pub(super) standing: Option<StandingApprovals>,
    pub(super) webhook: Option<Webhook>,
    pub(super) slack: Option<Slack>,
    pub(super) links: Option<Links>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slack {
    pub(super) signing_secret: String,
    pub(super) app: String,
    pub(super) team: String,
    pub(super) enterprise: Option<String>,
    pub(super) channels: Vec<String>,
    #[serde(default)]
    pub(super) show_arguments: bool,
    #[serde(default)]
    pub(super) users: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Links {
    pub(super) base_url: String,
    pub(super) users: Vec<String>,
    pub(super) expires: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StandingApprovals {
    pub(super) max_lifetime: String,
    pub(super) max_uses: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) url: String,
    pub(super) secret: Option<String>,
    #[serde(default)]
    pub(super) format: super::WebhookFormat,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Serve {
    pub(super) listen: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) origins: Vec<String>,
    pub(super) conversation: Option<Vec<String>>,
    pub(super) watch: Option<bool>,
    pub(super) oauth: Option<Oauth>,
    pub(super) tls: Option<Tls>,
    pub(super) rate: Rate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oauth {
    pub(super) resource: String,
    pub(super) issuer: String,
    pub(super) audience: Option<String>,
    pub(super) jwks: String,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) leeway: Option<String>,
    pub(super) refresh: Option<String>,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    pub(super) claims: OauthClaims,
    #[serde(default)]
    pub(super) agents: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) users: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) user_clients: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OauthClaims {
    pub(super) agent: Option<String>,
    pub(super) user: Option<String>,
    pub(super) tenant: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) cert: String,
    pub(super) key: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rate {
    pub(super) per_second: Option<u32>,
    pub(super) burst: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Runs {
    pub(super) idle_timeout: Option<String>,
    pub(super) named_idle_timeout: Option<String>,
    pub(super) label_window: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Component {
    pub(super) path: String,
    #[serde(default)]
    pub(super) size: Size,
    #[serde(default)]
    pub(super) grants: BTreeMap<String, Grant>,
    #[serde(default)]
    pub(super) secrets: Vec<String>,
    #[serde(default)]
    pub(super) rename: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// A value, or a table of `value` and `labels`.
    #[serde(default)]
    pub(super) config: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    pub(super) limits: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub(super) path: String,
    #[serde(default)]
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) labels: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(super) enum Mode {
    #[default]
    #[serde(rename = "r")]
    Read,
    #[serde(rename = "rw")]
    ReadWrite,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tool {
    pub(super) labels: Option<Vec<String>>,
    pub(super) taints: Option<Vec<String>>,
    pub(super) numbers: BTreeMap<String, String>,
    pub(super) asked_by: Option<Vec<String>>,
    pub(super) arguments: BTreeMap<String, String>,
    pub(super) results: BTreeMap<String, String>,
    pub(super) trust_schema: bool,
    pub(super) preview: Option<Preview>,
    pub(super) limits: Limits,
}

/// `"dry-run"`, the name of a tool, or that with its arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Preview {
    Name(String),
    Tool(PreviewTool),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewTool {
    pub(super) tool: String,
    /// Names of its arguments, with pointers into those of the call.
    pub(super) arguments: BTreeMap<String, String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) memory: Option<String>,
    pub(super) fuel: Option<u64>,
    pub(super) time: Option<String>,
    pub(super) cpu: Option<String>,
    pub(super) output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Agent {
    pub(super) memory: super::AgentMemory,
    pub(super) request_from: Vec<String>,
    pub(super) values: Vec<String>,
    pub(super) login: Option<String>,
    pub(super) operator: Option<String>,
    pub(super) roles: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hook {
    pub(super) socket: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) group: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct User {
    pub(super) roles: Vec<String>,
    pub(super) login: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Host {
    pub(super) labels: Option<Vec<String>>,
    pub(super) taints: Option<Vec<String>>,
    pub(super) allow_private: bool,
    pub(super) trace: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Network {
    pub(super) trust: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Secret {
    pub(super) env: Option<String>,
    pub(super) file: Option<String>,
    pub(super) command: Option<Vec<String>>,
    pub(super) labels: Option<Vec<String>>,
}
