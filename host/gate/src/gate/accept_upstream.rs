//! Compares the offers of upstream servers with the accepted definitions, and accepts them.
//!
//! Accepting is bound to the digest that was shown. It is an operator's action: decided and recorded before a
//! server is asked, and done only if the whole gate loads with it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use tollgate_model::{canonical::Sha256Digest, entity::Uid, record::AdminAction, request::Action};
use tollgate_policy::pdp::Bundle;

use super::{Gate, GateOptions, OperateError};
use crate::{
    config::{Config, ConfigError, UpstreamConfig},
    egress::{Network, Resolver},
    enforce::{Refusal, Ruleset},
    load::{self, LoadError, read_lock},
    lock::{Lock, LockedUpstream},
    secrets::Vault,
    tool::{SourceKind, Tool},
    upstream::{Connector, Difference, LoadedUpstream, Offer},
};

/// The offers of the upstream servers of a configuration, compared with the accepted definitions: of all,
/// or of the named one. Opens no gate, so it asks no server that users log in to: see [`Gate::compare_offer`].
///
/// # Errors
/// [`LoadError`] if there is no server with this name, or it cannot be asked.
pub async fn compare_offers(
    config: &Config,
    connector: &dyn Connector,
    only: Option<&str>,
) -> Result<Vec<(String, Difference)>, LoadError> {
    let lock = read_lock(config)?;
    let mut differences = Vec::new();
    for (name, settings) in named(config, only)? {
        if settings.is_per_user() {
            continue;
        }
        let accepted = lock
            .upstream
            .get(name)
            .and_then(LockedUpstream::definitions);
        let (upstream, offer) = ask(config, connector, name, settings, None).await?;
        upstream.upstream().close().await;
        let offer = offer?;
        let mut difference = Difference::between(accepted.as_ref(), &offer);
        let unusable = load::unusable_tools(config, name, settings, offer.definitions());
        difference.left_out.extend(unusable);
        differences.push((name.clone(), difference));
    }
    Ok(differences)
}

/// The lock, completed by what servers offer that were never accepted; and the names of those. For checks before the
/// first acceptance, of which nothing is kept.
///
/// # Errors
/// [`LoadError`] if the lock cannot be read, or such a server cannot be asked.
pub async fn lock_with_offers(
    config: &Config,
    connector: &dyn Connector,
) -> Result<(Lock, Vec<String>), LoadError> {
    let mut lock = read_lock(config)?;
    let mut asked = Vec::new();
    for (name, settings) in &config.upstreams {
        if settings.is_per_user() || lock.upstream.contains_key(name) {
            continue;
        }
        let (upstream, offer) = ask(config, connector, name, settings, None).await?;
        upstream.upstream().close().await;
        lock.upstream
            .insert(name.clone(), LockedUpstream::of(&*offer?));
        asked.push(name.clone());
    }
    Ok((lock, asked))
}

async fn ask(
    config: &Config,
    connector: &dyn Connector,
    name: &str,
    settings: &UpstreamConfig,
    user: Option<&Uid>,
) -> Result<(LoadedUpstream, Result<Arc<Offer>, LoadError>), LoadError> {
    let secrets = Arc::new(Vault::new(&config.secrets));
    let network = Network::new(Resolver::system(), &config.network.trust)?;
    let connection = connector.connect(name, settings, &secrets, &network);
    let upstream = LoadedUpstream::new(name, Default::default(), settings, &secrets, connection);
    let offer = upstream.offer(user).await;
    let offer = offer.map_err(|unreachable| LoadError::UpstreamUnreachable {
        name: name.into(),
        reason: unreachable.to_string(),
    });
    Ok((upstream, offer))
}

fn named<'a>(
    config: &'a Config,
    only: Option<&'a str>,
) -> Result<impl Iterator<Item = (&'a String, &'a UpstreamConfig)>, LoadError> {
    if let Some(name) = only.filter(|name| !config.upstreams.contains_key(*name)) {
        let names = config.upstreams.keys().map(String::as_str);
        let help = match tollgate_policy::policy::nearest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add a table [upstream.{name}]"),
        };
        return Err(LoadError::Config(ConfigError {
            file: config.file.clone(),
            line: 0,
            column: 0,
            message: format!("there is no upstream server `{name}`"),
            help,
        }));
    }
    let all = config.upstreams.iter();
    Ok(all.filter(move |(name, _)| only.is_none_or(|only| only == name.as_str())))
}

/// The definitions to be accepted, and the resulting lock.
struct Candidate {
    lock: Lock,
    /// For the record: each name with its digest.
    target: String,
}

async fn candidate(
    config: &Config,
    connector: &dyn Connector,
    user: &Uid,
    seen: &[(String, Sha256Digest)],
) -> Result<Candidate, LoadError> {
    let mut lock = read_lock(config)?;
    let mut target = Vec::new();
    for (name, digest) in seen {
        for (name, settings) in named(config, Some(name))? {
            let (_, offer) = ask(config, connector, name, settings, Some(user)).await?;
            let locked = LockedUpstream::of(&*offer?);
            if locked.digest != *digest {
                return Err(LoadError::UpstreamMoved {
                    name: name.clone(),
                    seen: *digest,
                    found: locked.digest,
                });
            }
            target.push(format!("{name} {digest}"));
            lock.upstream.insert(name.clone(), locked);
        }
    }
    lock.upstream
        .retain(|name, _| config.upstreams.contains_key(name));
    Ok(Candidate {
        lock,
        target: target.join(", "),
    })
}

impl Gate {
    /// Accepts the offers of upstream servers, each by the digest that was shown, and puts them into force. Where
    /// more than these offers differs from what is in force, that takes the permission to activate policies.
    ///
    /// # Errors
    /// [`LoadError`]; nothing has changed.
    pub async fn accept_upstream(
        &self,
        user: &Uid,
        seen: &[(String, Sha256Digest)],
    ) -> Result<(), LoadError> {
        let _one_at_a_time = self.0.reloading.lock().await;
        self.operate(user, Action::Administer)
            .await
            .map_err(refused)?;
        let before = self.ruleset();
        let config = Config::read(&before.config.file)?;
        load::ensure_reloadable(&before.config, &config)?;
        if seen.is_empty() {
            return Err(LoadError::NothingToAccept);
        }
        // Servers of another configuration are started only for a user who may activate it.
        let differs = before.config != config || reads_unseen_files(&config);
        if differs {
            self.permit_activation(user).await?;
        }
        let path = Lock::path(&config.file);
        let candidate = candidate(&config, self.connector(), user, seen).await?;
        let snapshot = self.load(config, &candidate.lock).await?;
        if !differs && differ_beyond(&before, &snapshot.ruleset, seen) {
            self.permit_activation(user).await?;
        }
        self.record_acceptance(user, &candidate.target).await?;
        candidate.lock.write(&path)?;
        self.put_into_force(snapshot, &user.id).await
    }

    /// Opens a gate that does not open before its upstream servers are accepted.
    ///
    /// # Errors
    /// [`LoadError`]; nothing has changed.
    pub async fn open_accepting(
        config: Config,
        options: GateOptions,
        user: &Uid,
        seen: &[(String, Sha256Digest)],
    ) -> Result<Self, LoadError> {
        let path = Lock::path(&config.file);
        let candidate = candidate(&config, options.connector.as_ref(), user, seen).await?;
        let gate = Self::prepare(config, &options, &candidate.lock).await?;
        let permitted = gate.permit_acceptance(user, &candidate.target).await;
        let accepted = match permitted.and_then(|()| Ok(candidate.lock.write(&path)?)) {
            Ok(()) => gate.activate(&gate.ruleset(), &options.by).await,
            Err(error) => Err(error),
        };
        match accepted {
            Ok(()) => Ok(gate),
            Err(error) => {
                gate.close().await;
                Err(error)
            }
        }
    }

    async fn permit_acceptance(&self, user: &Uid, target: &str) -> Result<(), LoadError> {
        self.operate(user, Action::Administer)
            .await
            .map_err(refused)?;
        self.record_acceptance(user, target).await
    }

    /// Decides, and records, that more comes into force than what is accepted.
    async fn permit_activation(&self, user: &Uid) -> Result<(), LoadError> {
        self.operate(user, Action::ActivatePolicies)
            .await
            .map_err(refused)?;
        Ok(())
    }

    async fn record_acceptance(&self, user: &Uid, target: &str) -> Result<(), LoadError> {
        self.record_administration(user, AdminAction::UpstreamAccepted, target)
            .await
            .map_err(|error| match error {
                OperateError::Refused(refusal) => LoadError::Refused(refusal),
                other => LoadError::Refused(Box::new(Refusal::Unrecorded {
                    reason: other.to_string(),
                })),
            })
    }
}

fn refused(refusal: Refusal) -> LoadError {
    LoadError::Refused(Box::new(refusal))
}

/// Whether the configuration names files whose content no comparison of rulesets shows.
fn reads_unseen_files(config: &Config) -> bool {
    !config.capture.rules.is_empty() || !config.network.trust.is_empty()
}

/// Whether two rulesets differ in more than what the upstream servers in `seen` offer.
fn differ_beyond(before: &Ruleset, after: &Ruleset, seen: &[(String, Sha256Digest)]) -> bool {
    let parts = |ruleset: &Ruleset| {
        let is_accepted = |tool: &Tool| {
            tool.source.kind == SourceKind::Upstream
                && seen.iter().any(|(name, _)| *name == tool.source.name)
        };
        let mut bundle: Bundle = serde_json::from_slice(&ruleset.bundle).ok()?;
        let mut sources = BTreeMap::new();
        for tool in ruleset.callables() {
            if is_accepted(tool) {
                bundle.tools.remove(&tool.name);
                bundle.prompts.remove(&tool.prompt_name());
                let uid = tool.entity(&Value::Null).uid;
                bundle.entities.retain(|entity| entity.uid != uid);
            } else {
                sources.insert(tool.name.clone(), tool.source.clone());
            }
        }
        Some((bundle, sources))
    };
    match (parts(before), parts(after)) {
        (Some(before), Some(after)) => before != after,
        // What cannot be compared is taken to differ.
        _ => true,
    }
}
