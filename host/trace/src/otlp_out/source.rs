//! What an exporter reads, and what of it may leave.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tollgate::{
    config::{Config, ExportConfig, Sent},
    gate::Gate,
    ledger::{Keys, LedgerError, LedgerReader},
    sandbox::{Network, Resolver},
    secrets::Vault,
};
use tollgate_core::{entity::Uid, record::KeyedDigest};

use super::ExportError;

/// What the hash of a principal or resource is made of, besides its type and id.
const PURPOSE: &[u8] = b"trace";

/// What an exporter reads: the ledger's records, its keys, the configuration's secrets.
pub struct Source {
    pub(super) ledger: LedgerReader,
    digests: Box<Digests>,
    pub(super) secrets: Arc<Vault>,
    pub(super) network: Network,
    pub(super) config: Config,
    /// What authors say about their tools, by name.
    pub(super) descriptions: BTreeMap<String, String>,
}

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
        let (snapshot, owner) = (gate.snapshot(), gate.clone());
        let described = |tool: &Arc<tollgate::snapshot::Tool>| {
            let description = tollgate::text::printable(&tool.description, 1024);
            (tool.name.clone(), description)
        };
        Self {
            ledger: gate.ledger().reader().clone(),
            digests: Box::new(move |tenant, parts| owner.ledger().digest(tenant, parts)),
            secrets: Arc::clone(&snapshot.secrets),
            network: snapshot.network.clone(),
            config: snapshot.config.clone(),
            descriptions: snapshot.tools.values().map(described).collect(),
        }
    }

    /// What anybody has who may read the ledger and its key; whoever owns it goes on.
    ///
    /// # Errors
    /// [`ExportError`] if either cannot be read, or a trusted certificate cannot.
    pub fn of_store(config: &Config) -> Result<Self, ExportError> {
        let ledger = LedgerReader::open(&config.store.path)?;
        let keys: Keys = ledger.keys(&config.store.key)?;
        let network = Network::new(Resolver::system(), &config.network.trust)
            .map_err(|e| ExportError::Setup(e.to_string()))?;
        Ok(Self {
            ledger,
            digests: Box::new(move |tenant, parts| keys.digest(tenant, parts)),
            secrets: Arc::new(Vault::new(&config.secrets)),
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

    /// The headers of an exporter's requests.
    pub(super) async fn headers(
        &self,
        export: &ExportConfig,
    ) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
        let mut headers = Vec::new();
        for (name, sent) in &export.headers {
            let value = match sent {
                Sent::Text(text) => text.clone().into_bytes(),
                Sent::Secret { name, prefix } => {
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
