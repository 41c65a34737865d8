//! What an exporter reads, and what of it may leave.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use tollgate::{
    capture,
    capture::Capture,
    config::Config,
    config::ConfigValue,
    config::ExportConfig,
    egress::{Network, Resolver},
    gate::Gate,
    secrets::Vault,
};
use tollgate_ledger::{LedgerError, LedgerReader};
use tollgate_model::{
    entity::Uid,
    ids::RunId,
    record::{KeyedDigest, PayloadRef},
    span::{Span, names::attribute as a},
};

use super::ExportError;
use crate::{
    self_report::SelfReportTopic,
    store::{Reader, StoreOptions},
};

/// What the hash of a principal or resource is made of, besides its type and id.
pub(crate) const PURPOSE: &[u8] = b"trace";

/// What agents tell of their runs that stands on the runs' roots.
const TOLD: &[(SelfReportTopic, &str)] = &[
    (SelfReportTopic::TaskType, a::RUN_TASK_TYPE),
    (SelfReportTopic::AgentVersion, a::AGENT_VERSION),
    (SelfReportTopic::WorkflowVersion, a::WORKFLOW_VERSION),
    (SelfReportTopic::PromptVersion, a::PROMPT_VERSION),
];

/// What an exporter reads: the ledger's records, its keys, the configuration's secrets, and what agents tell.
pub struct Source {
    pub(super) ledger: LedgerReader,
    digests: Box<Digests>,
    payloads: Box<Payloads>,
    secrets: Arc<Vault>,
    /// Finds secrets in what is sent.
    pub(super) capture: Arc<Capture>,
    /// The trace store, once there is one.
    told: OnceLock<Reader>,
    pub(super) network: Network,
    pub(super) config: Config,
    /// What authors say about their tools, by name.
    pub(super) descriptions: BTreeMap<String, String>,
}

type Payloads = dyn Fn(u64, PayloadRef) -> Result<Option<String>, LedgerError> + Send + Sync;
type Digests = dyn Fn(&str, &[&[u8]]) -> Result<KeyedDigest, LedgerError> + Send + Sync;

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.ledger).finish()
    }
}

impl Source {
    /// What the owner of a ledger has.
    #[must_use]
    pub fn of_gate(gate: &Gate) -> Self {
        let (ruleset, owner, keeper) = (gate.ruleset(), gate.clone(), gate.clone());
        let described = |tool: &Arc<tollgate::tool::Tool>| {
            let description = tollgate::text::printable(&tool.description, 1024);
            let description = ruleset.capture.text(&description).into_owned();
            (tool.name.clone(), description)
        };
        Self {
            ledger: gate.ledger().reader().clone(),
            digests: Box::new(move |tenant, parts| owner.ledger().digest(tenant, parts)),
            payloads: Box::new(move |index, kept| keeper.captured(index, kept)),
            secrets: Arc::clone(&ruleset.secrets),
            capture: Arc::clone(&ruleset.capture),
            told: OnceLock::new(),
            network: gate.executors().network.clone(),
            config: ruleset.config.clone(),
            descriptions: ruleset.tools.values().map(described).collect(),
        }
    }

    /// What anybody has who may read the ledger and its key; whoever owns it goes on.
    ///
    /// # Errors
    /// [`ExportError`] if either cannot be read, or a trusted certificate cannot.
    pub fn of_store(config: &Config) -> Result<Self, ExportError> {
        let ledger = LedgerReader::open(&config.store.path)?;
        let keys = Arc::new(ledger.keys(&config.store.key)?);
        let (reader, opener) = (ledger.clone(), Arc::clone(&keys));
        let network = Network::new(Resolver::system(), &config.network.trust)
            .map_err(|e| ExportError::Setup(e.to_string()))?;
        let secrets = Arc::new(Vault::new(&config.secrets));
        let capture = Capture::new(&config.capture, &config.gate.tenant, &secrets)
            .map_err(|e| ExportError::Setup(e.to_string()))?;
        Ok(Self {
            ledger,
            digests: Box::new(move |tenant, parts| keys.digest(tenant, parts)),
            payloads: Box::new(move |index, kept| capture::kept(&reader, &opener, index, kept)),
            secrets,
            capture: Arc::new(capture),
            told: OnceLock::new(),
            network,
            config: config.clone(),
            descriptions: BTreeMap::new(),
        })
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &LedgerReader {
        &self.ledger
    }

    /// The keyed hash that stands for a principal, resource or person.
    pub(super) fn hash(&self, tenant: &str, who: &Uid) -> Option<KeyedDigest> {
        let parts: [&[u8]; 3] = [PURPOSE, who.kind.name().as_bytes(), who.id.as_bytes()];
        (self.digests)(tenant, &parts).ok()
    }

    /// What capture keeps of a payload that the record at `index` refers to; nothing where it keeps
    /// nothing, or no longer can.
    pub(super) fn payload(&self, index: u64, kept: PayloadRef) -> Option<String> {
        kept.payload?;
        (self.payloads)(index, kept).ok().flatten()
    }

    /// Say on the root of a run what its agent has told of it by now. Nobody waits for an agent's word, so what
    /// cannot be read now is left out.
    pub(super) fn tell(&self, tenant: &str, run: RunId, root: &mut Span) {
        let store = match self.told.get() {
            Some(store) => store,
            None => {
                let path = StoreOptions::beside(&self.config.store.path).path;
                match Reader::open(&path) {
                    Ok(Some(store)) => self.told.get_or_init(|| store),
                    _ => return,
                }
            }
        };
        let all = store.self_reports(tenant, run).unwrap_or_default();
        for told in all.into_iter().filter(|told| told.call.is_none()) {
            let name = TOLD.iter().find(|(topic, _)| *topic == told.topic);
            if let Some((_, name)) = name {
                root.set(name, told.text.into());
            }
        }
    }

    /// The headers of an exporter's requests.
    pub(super) async fn headers(
        &self,
        export: &ExportConfig,
    ) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
        let mut headers = Vec::new();
        for (name, sent) in &export.headers {
            let value = match sent {
                ConfigValue::Literal(text) => text.clone().into_bytes(),
                ConfigValue::Secret { name, prefix } => {
                    let secret = self.secrets.secret(name).await;
                    let secret = secret.map_err(|e| ExportError::Setup(e.to_string()))?;
                    [prefix.as_bytes(), secret.value()].concat()
                }
            };
            headers.push((name.to_ascii_lowercase(), value));
        }
        Ok(headers)
    }
}
