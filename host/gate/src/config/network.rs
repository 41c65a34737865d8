//! The operator's settings for hosts and secrets.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_policy::policy;

use super::{ConfigError, PRIVATE_NETWORK, raw, validate::Validation};
use crate::{
    egress::{HostConfig, NetworkConfig, host_name},
    secrets::{SecretConfig, SecretSource},
};

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

    /// A host must be written as policies see it, so that one host is not configured twice.
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
                    format!("`{name}` is not the normal form of this host"),
                    &help,
                ))
            }
            _ => {
                let help = "write a name such as \"api.example.com\", \"*.example.com\" for all below, or an address";
                Err(self.error(
                    &table,
                    format!("`{}` is not a host", name.escape_debug()),
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

    /// Labels that an operator may set: those that the gate determines are not among them.
    fn labels(&self, labels: Vec<String>) -> Result<BTreeSet<String>, ConfigError> {
        let labels = self.names("label", labels)?;
        if labels.contains(PRIVATE_NETWORK) {
            let message = format!("the label `{PRIVATE_NETWORK}` is set by the gate itself");
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
                let message = format!("the secret `{name}` has no source, or more than one");
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
