//! The inputs of an exporter: ledger, keys, secrets, settings; and what may be exported of them.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_rustls::rustls::ClientConfig;
use tollgate_ledger::{LedgerError, LedgerReader};
use tollgate_model::{
    capture::Redactor,
    entity::Uid,
    ids::RunId,
    record::{KeyedDigest, PayloadRef},
    settings::{ConfigValue, ExportConfig},
    span::{Span, names::attribute as a},
};

use super::ExportError;
use crate::{
    self_report::SelfReportTopic,
    store::{Reader, StoreOptions},
};

/// The domain separator of hashes of principals and resources.
pub(crate) const PURPOSE: &[u8] = b"trace";

/// Self-reports that are attributes of the roots of runs.
const TOLD: &[(SelfReportTopic, &str)] = &[
    (SelfReportTopic::TaskType, a::RUN_TASK_TYPE),
    (SelfReportTopic::AgentVersion, a::AGENT_VERSION),
    (SelfReportTopic::WorkflowVersion, a::WORKFLOW_VERSION),
    (SelfReportTopic::PromptVersion, a::PROMPT_VERSION),
];

/// The bytes of a configured value, or the error.
pub type ValueFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>>;

/// The keys and secrets that an exporter needs, from a running gate or from its files.
pub trait Keyholder: Redactor {
    /// The keyed digest of these parts, for a tenant.
    ///
    /// # Errors
    /// [`LedgerError`] if the key cannot be read.
    fn digest(&self, tenant: &str, parts: &[&[u8]]) -> Result<KeyedDigest, LedgerError>;

    /// The captured form of a payload to which the record at `index` refers.
    ///
    /// # Errors
    /// [`LedgerError::Sealed`] once its day's key was destroyed.
    fn payload(&self, index: u64, kept: PayloadRef) -> Result<Option<String>, LedgerError>;

    /// The bytes of a configured value, with its secret inserted.
    fn value<'a>(&'a self, value: &'a ConfigValue) -> ValueFuture<'a>;
}

/// The configuration of exporters.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// The ledger's file. The exporters' state and the trace store are in the same directory.
    pub store: PathBuf,
    /// The resource's `service.name`.
    pub service: String,
    /// The resource's `deployment.environment.name`.
    pub environment: String,
    /// The idle time after which a run is over.
    pub run_idle_timeout: Duration,
    /// The exporters by name.
    pub exports: BTreeMap<String, ExportConfig>,
    /// Descriptions of tools by their authors, without secrets, by the name of the tool.
    pub descriptions: BTreeMap<String, String>,
    /// The TLS settings with trusted certificates.
    pub tls: Arc<ClientConfig>,
}

/// The inputs of an exporter: records, keys, secrets, and self-reports.
pub struct Source {
    pub(super) ledger: LedgerReader,
    keyholder: Box<dyn Keyholder>,
    pub(super) settings: ExportSettings,
    /// The trace store, once it exists.
    told: OnceLock<Reader>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.ledger).finish()
    }
}

impl Source {
    /// The source of a ledger.
    #[must_use]
    pub fn new(
        ledger: LedgerReader,
        keyholder: Box<dyn Keyholder>,
        settings: ExportSettings,
    ) -> Self {
        Self {
            ledger,
            keyholder,
            settings,
            told: OnceLock::new(),
        }
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &LedgerReader {
        &self.ledger
    }

    /// The keyed hash of a principal, resource or user.
    pub(super) fn hash(&self, tenant: &str, who: &Uid) -> Option<KeyedDigest> {
        let parts: [&[u8]; 3] = [PURPOSE, who.kind.name().as_bytes(), who.id.as_bytes()];
        self.keyholder.digest(tenant, &parts).ok()
    }

    /// The captured form of a payload to which the record at `index` refers; `None` if there is none, or if its key was
    /// destroyed.
    pub(super) fn payload(&self, index: u64, kept: PayloadRef) -> Option<String> {
        kept.payload?;
        self.keyholder.payload(index, kept).ok().flatten()
    }

    /// Text without secrets.
    pub(super) fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.keyholder.redact(text)
    }

    /// Adds the self-reports of a run to its root. The export does not wait for an agent, so later self-reports are not
    /// included.
    pub(super) fn tell(&self, tenant: &str, run: RunId, root: &mut Span) {
        let store = match self.told.get() {
            Some(store) => store,
            None => {
                let path = StoreOptions::for_ledger(&self.settings.store).path;
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
        for (name, value) in &export.headers {
            let value = self.keyholder.value(value).await;
            let value = value.map_err(ExportError::Setup)?;
            headers.push((name.to_ascii_lowercase(), value));
        }
        Ok(headers)
    }
}
