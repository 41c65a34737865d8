//! What exporters need of the gate (keys, secrets, settings), from a running gate or from its files.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use tollgate::{
    capture::{self, Capture},
    config::{Config, ConfigValue},
    egress::{Network, Resolver},
    gate::Gate,
    secrets::Vault,
    text::printable,
};
use tollgate_ledger::{Keys, LedgerError, LedgerReader};
use tollgate_model::{
    capture::Redactor,
    record::{KeyedDigest, PayloadRef},
};
use tollgate_trace::export::{
    ExportError, ExportLease, ExportSettings, Keyholder, Source, ValueFuture, run_all,
};

/// The longest description of a tool, in bytes.
const MAX_DESCRIPTION: usize = 1024;
/// The pause before another attempt to take the lease from another process.
const LEASE_PAUSE: Duration = Duration::from_secs(5);

/// The source of a running gate.
#[must_use]
pub fn source_of_gate(gate: &Gate) -> Source {
    let ruleset = gate.ruleset();
    let tools = ruleset.tools.values();
    let descriptions = tools.map(|tool| {
        let description = printable(&tool.description, MAX_DESCRIPTION);
        let description = ruleset.capture.text(&description).into_owned();
        (tool.name.clone(), description)
    });
    let settings = settings(
        &ruleset.config,
        descriptions.collect(),
        &gate.executors().network,
    );
    let keyholder = GateKeys {
        gate: gate.clone(),
        capture: Arc::clone(&ruleset.capture),
        secrets: Arc::clone(&ruleset.secrets),
    };
    Source::new(
        gate.ledger().reader().clone(),
        Box::new(keyholder),
        settings,
    )
}

/// The source of any process that may read the ledger and its key.
///
/// # Errors
/// [`ExportError`] if either cannot be read, or a trusted certificate cannot.
pub fn source_of_store(config: &Config) -> Result<Source, ExportError> {
    let setup = |error: &dyn std::fmt::Display| ExportError::Setup(error.to_string());
    let ledger = LedgerReader::open(&config.store.path)?;
    let keys = ledger.keys(&config.store.key)?;
    let network = Network::new(Resolver::system(), &config.network.trust).map_err(|e| setup(&e))?;
    let secrets = Arc::new(Vault::new(&config.secrets));
    let capture =
        Capture::new(&config.capture, &config.gate.tenant, &secrets).map_err(|e| setup(&e))?;
    let keyholder = StoreKeys {
        ledger: ledger.clone(),
        keys,
        capture,
        secrets,
    };
    let settings = settings(config, BTreeMap::new(), &network);
    Ok(Source::new(ledger, Box::new(keyholder), settings))
}

fn settings(
    config: &Config,
    descriptions: BTreeMap<String, String>,
    network: &Network,
) -> ExportSettings {
    ExportSettings {
        store: config.store.path.clone(),
        service: config.gate.name.clone(),
        environment: config.gate.environment.clone(),
        run_idle_timeout: config.run_idle_timeout,
        exports: config.exports.clone(),
        descriptions,
        tls: Arc::clone(network.tls()),
    }
}

/// The keys of a running gate.
struct GateKeys {
    gate: Gate,
    capture: Arc<Capture>,
    secrets: Arc<Vault>,
}

impl Redactor for GateKeys {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.capture.text(text)
    }
}

impl Keyholder for GateKeys {
    fn digest(&self, tenant: &str, parts: &[&[u8]]) -> Result<KeyedDigest, LedgerError> {
        self.gate.ledger().digest(tenant, parts)
    }

    fn payload(&self, index: u64, kept: PayloadRef) -> Result<Option<String>, LedgerError> {
        self.gate.captured(index, kept)
    }

    fn value<'a>(&'a self, value: &'a ConfigValue) -> ValueFuture<'a> {
        Box::pin(value_bytes(value, &self.secrets))
    }
}

/// The keys in the files of a gate.
struct StoreKeys {
    ledger: LedgerReader,
    keys: Keys,
    capture: Capture,
    secrets: Arc<Vault>,
}

impl Redactor for StoreKeys {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.capture.text(text)
    }
}

impl Keyholder for StoreKeys {
    fn digest(&self, tenant: &str, parts: &[&[u8]]) -> Result<KeyedDigest, LedgerError> {
        self.keys.digest(tenant, parts)
    }

    fn payload(&self, index: u64, kept: PayloadRef) -> Result<Option<String>, LedgerError> {
        capture::kept(&self.ledger, &self.keys, index, kept)
    }

    fn value<'a>(&'a self, value: &'a ConfigValue) -> ValueFuture<'a> {
        Box::pin(value_bytes(value, &self.secrets))
    }
}

async fn value_bytes(value: &ConfigValue, secrets: &Vault) -> Result<Vec<u8>, String> {
    match value {
        ConfigValue::Literal(text) => Ok(text.clone().into_bytes()),
        ConfigValue::Secret { name, prefix } => {
            let secret = secrets.secret(name).await.map_err(|e| e.to_string())?;
            Ok([prefix.as_bytes(), secret.value()].concat())
        }
    }
}

/// Runs the exporters of the configuration in force while this is polled. `told` is called when an exporter
/// fails, and when it works again.
pub async fn attend(gate: Gate, told: impl Fn(&str, Option<&str>)) {
    let mut reloads = gate.reloads();
    let mut held_up = false;
    loop {
        reloads.borrow_and_update();
        let ruleset = gate.ruleset();
        if ruleset.config.exports.is_empty() {
            drop(ruleset);
            if reloads.changed().await.is_err() {
                return;
            }
            continue;
        }
        let lease = match ExportLease::take(&ruleset.config.store.path) {
            Ok(lease) => lease,
            Err(error) => {
                if !std::mem::replace(&mut held_up, true) {
                    told("of everything", Some(&error.to_string()));
                }
                tokio::time::sleep(LEASE_PAUSE).await;
                continue;
            }
        };
        if std::mem::take(&mut held_up) {
            told("of everything", None);
        }
        let source = Arc::new(source_of_gate(&gate));
        tokio::select! {
            () = run_all(source, || gate.now(), &told) => {}
            changed = reloads.changed() => if changed.is_err() { return },
        }
        drop(lease);
    }
}
