//! What the operator says about hosts and secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use tollgate_model::entity::{Entity, Kind, Uid};
use tollgate_policy::policy;

use super::{ConfigError, PRIVATE_NETWORK, raw, validate::Validation};
use crate::{sandbox::host_name, secrets::SecretSource};

/// What requests are sent to, and how.
#[derive(Debug, Clone, Default)]
pub struct NetworkConfig {
    /// By the host's name or address; `*.example.com` stands for all below `example.com`.
    pub hosts: BTreeMap<String, HostConfig>,
    /// PEM files with certificates that are trusted besides the public ones.
    pub trust: Vec<PathBuf>,
}

/// What the operator says about a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// What it is; `unlabelled` where nothing is said.
    pub labels: BTreeSet<String>,
    /// What its responses add to a run, besides its labels; `untrusted` where nothing is said.
    pub taints: BTreeSet<String>,
    /// Whether it may have an address that is not reachable from everywhere.
    pub allow_private: bool,
    /// Whether requests carry the run's trace context.
    pub trace: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            labels: BTreeSet::from(["unlabelled".to_owned()]),
            taints: BTreeSet::from(["untrusted".to_owned()]),
            allow_private: false,
            trace: true,
        }
    }
}

impl NetworkConfig {
    /// What is said about a host: under its own name, else under the nearest `*.` above it.
    #[must_use]
    pub fn host(&self, name: &str) -> HostConfig {
        let above = name
            .match_indices('.')
            .filter_map(|(dot, _)| name.get(dot..));
        self.hosts
            .get(name)
            .or_else(|| {
                above
                    .into_iter()
                    .find_map(|suffix| self.hosts.get(&format!("*{suffix}")))
            })
            .cloned()
            .unwrap_or_default()
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = &String> {
        self.hosts
            .values()
            .flat_map(|host| host.labels.iter().chain(&host.taints))
    }
}

/// A secret: where its value comes from, never the value.
#[derive(Debug, Clone)]
pub struct SecretConfig {
    /// Where its value comes from.
    pub source: SecretSource,
    /// What it is; `None` means `unlabelled`.
    pub labels: Option<BTreeSet<String>>,
}

impl SecretConfig {
    pub(super) fn entity(&self, name: &str) -> Entity {
        let label = |label: &str| Uid::new(Kind::Label, label);
        let labels = match &self.labels {
            Some(labels) => labels.iter().map(|l| label(l)).collect(),
            None => vec![label("unlabelled")],
        };
        Entity::new(Uid::new(Kind::Secret, name), labels)
    }
}

impl Validation<'_> {
    pub(super) fn network(
        &self,
        network: raw::Network,
        hosts: BTreeMap<String, raw::Host>,
    ) -> Result<NetworkConfig, ConfigError> {
        let mut valid = BTreeMap::new();
        for (name, host) in hosts {
            self.host_name(&name)?;
            valid.insert(name, self.host(host)?);
        }
        Ok(NetworkConfig {
            hosts: valid,
            trust: network
                .trust
                .iter()
                .map(|path| self.base.join(path))
                .collect(),
        })
    }

    /// A host is written as policies see it, so that one host is not configured twice.
    fn host_name(&self, name: &str) -> Result<(), ConfigError> {
        let (prefix, own) = match name.strip_prefix("*.") {
            Some(own) => ("*.", own),
            None => ("", name),
        };
        let table = format!("[hosts.\"{name}\"]");
        match host_name(own) {
            Some(normal)
                if normal == own
                    && (prefix.is_empty() || own.parse::<std::net::IpAddr>().is_err()) =>
            {
                Ok(())
            }
            Some(normal) if prefix.is_empty() || normal.parse::<std::net::IpAddr>().is_err() => {
                let help = format!("write it as [hosts.\"{prefix}{normal}\"]");
                Err(self.error(
                    &table,
                    format!("`{name}` is not how this host is written"),
                    &help,
                ))
            }
            _ => {
                let help = "write a name such as \"api.example.com\", \"*.example.com\" for all below, or an address";
                Err(self.error(
                    &table,
                    format!("`{}` is no host", name.escape_debug()),
                    help,
                ))
            }
        }
    }

    fn host(&self, host: raw::Host) -> Result<HostConfig, ConfigError> {
        let default = HostConfig::default();
        let labels = |labels: Option<Vec<String>>, default| match labels {
            Some(labels) => self.labels(labels),
            None => Ok(default),
        };
        Ok(HostConfig {
            labels: labels(host.labels, default.labels)?,
            taints: labels(host.taints, default.taints)?,
            allow_private: host.allow_private,
            trace: host.trace.unwrap_or(true),
        })
    }

    /// Labels that an operator may give: what the gate finds out is not among them.
    fn labels(&self, labels: Vec<String>) -> Result<BTreeSet<String>, ConfigError> {
        let labels = self.names("label", labels)?;
        if labels.contains(PRIVATE_NETWORK) {
            let message = format!("the label `{PRIVATE_NETWORK}` is the gate's to give");
            return Err(self.error(
                PRIVATE_NETWORK,
                message,
                "use allow_private = true, or a label of your own",
            ));
        }
        Ok(labels)
    }

    pub(super) fn secret(
        &self,
        name: &str,
        secret: raw::Secret,
    ) -> Result<SecretConfig, ConfigError> {
        self.name("secret", name)?;
        let source = match (secret.env, secret.file, secret.command) {
            (Some(env), None, None) if !env.is_empty() => SecretSource::Env(env),
            (None, Some(file), None) => SecretSource::File(self.base.join(file)),
            (None, None, Some(command)) if !command.is_empty() => SecretSource::Command(command),
            _ => {
                let message =
                    format!("the secret `{name}` does not say where its value comes from");
                let help = "give it exactly one of env = \"NAME\", file = \"PATH\" and command = [\"PROGRAM\", ..]";
                return Err(self.error(&format!("[secrets.{name}]"), message, help));
            }
        };
        let labels = secret
            .labels
            .map(|labels| self.labels(labels))
            .transpose()?;
        Ok(SecretConfig { source, labels })
    }

    /// The secrets of a component, each of which must be configured.
    pub(super) fn secrets_of(
        &self,
        component: &str,
        names: Vec<String>,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<BTreeSet<String>, ConfigError> {
        for name in &names {
            if !secrets.contains_key(name) {
                let help = match policy::nearest(name, secrets.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add a table [secrets.{name}]"),
                };
                let message = format!(
                    "component `{component}` is granted the secret `{name}`, which is not configured"
                );
                return Err(self.error(&format!("\"{name}\""), message, &help));
            }
        }
        Ok(names.into_iter().collect())
    }
}
