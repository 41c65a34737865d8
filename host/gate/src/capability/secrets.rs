//! Secrets of requests: the decision about attaching one, its value, and its removal from responses.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde_json::Value;
use tollgate_ledger::Ledger;
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    request::{Action, ActionContext, Request},
};
use tollgate_sandbox::{
    capability::secrets::SecretAct,
    port::{PortFuture, SecretStore, SecretValue},
};
use zeroize::Zeroizing;

use super::{
    EffectAction, EffectCaller,
    http::{host_entities, host_uid, request_detail},
};
use crate::{
    enforce::CallContext,
    secrets::{Secret, Vault},
};

impl EffectAction for SecretAct {
    fn request(&self, caller: &EffectCaller) -> Request {
        Request {
            principal: Uid::new(Kind::Component, &caller.component),
            action: Action::UseSecret,
            resource: Uid::new(Kind::Secret, &self.secret),
            context: ActionContext::Secret {
                guest: caller.guest(),
                host: host_uid(&self.destination),
                method: self.request.method.clone(),
                scheme: self.destination.scheme.clone(),
                port: self.destination.port,
                path: self.path.clone(),
            },
        }
    }

    fn entities(&self, _: &EffectCaller) -> Vec<Entity> {
        host_entities(&self.destination)
    }

    fn changes_the_world(&self) -> bool {
        true
    }

    fn target(&self) -> String {
        format!("{} for {}", self.secret, self.destination.host)
    }

    fn summary(&self) -> String {
        format!(
            "{} to {} {}",
            self.secret, self.request.method, self.destination.host
        )
    }

    fn approval_detail(&self) -> Value {
        request_detail(&self.request)
    }

    fn result_labels(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }
}

/// The secrets of a call's configuration.
pub(super) struct CallSecrets {
    vault: Arc<Vault>,
    tenant: String,
    ledger: Ledger,
}

impl fmt::Debug for CallSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallSecrets").field(&self.vault).finish()
    }
}

impl CallSecrets {
    pub(super) fn new(cx: &CallContext, ledger: Ledger) -> Self {
        Self {
            vault: Arc::clone(&cx.ruleset.secrets),
            tenant: cx.ruleset.config.gate.tenant.clone(),
            ledger,
        }
    }

    /// A prefix of a digest of the value, keyed by tenant.
    fn version(&self, secret: &Secret) -> String {
        let parts: [&[u8]; 3] = [b"secret", secret.name().as_bytes(), secret.value()];
        let digest = self.ledger.digest(&self.tenant, &parts).ok();
        let digest = digest.as_ref().map_or("", |digest| digest.as_str());
        let hex = digest.rsplit(':').next().unwrap_or_default();
        hex.get(..12).unwrap_or_default().to_owned()
    }
}

impl SecretStore for CallSecrets {
    fn load<'a>(&'a self, names: &'a BTreeSet<String>) -> PortFuture<'a, ()> {
        Box::pin(self.vault.know(names))
    }

    fn value<'a>(&'a self, name: &'a str) -> PortFuture<'a, Result<SecretValue, String>> {
        Box::pin(async move {
            let secret = self.vault.secret(name).await.map_err(|e| e.to_string())?;
            Ok(SecretValue {
                name: secret.name().to_owned(),
                bytes: Zeroizing::new(secret.value().to_vec()),
                version: self.version(&secret),
            })
        })
    }

    fn scrub(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.vault.scrub(bytes)
    }

    fn scrub_text(&self, text: &str) -> String {
        self.vault.scrub_text(text)
    }
}
