//! Reloads the configuration and puts it into force.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;
use tollgate_ledger::Batch;
use tollgate_model::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::DecisionId,
    record::{AdminAction, AdministrativeAct, BundleActivated, Event, Record},
    request::Action,
};

use super::{Gate, OperateError};
use crate::{
    config::Config,
    enforce::Ruleset,
    executors::Snapshot,
    load::{self, LoadError},
    lock::Lock,
    text::printable,
};

impl Gate {
    /// Records that a bundle is in force, unless it already was.
    pub(super) async fn activate(&self, ruleset: &Ruleset, by: &str) -> Result<(), LoadError> {
        let ledger = self.ledger();
        let components: BTreeMap<String, Sha256Digest> = ruleset
            .tools
            .values()
            .map(|tool| (tool.source.name.clone(), tool.source.digest))
            .collect();
        let activated = BundleActivated {
            bundle: ruleset.pdp.digest(),
            by: by.into(),
            components,
            policies: ruleset.pdp.policies().len() as u64,
            tools: ruleset.tools.len() as u64,
        };
        let last = ledger.reader().active_bundle()?;
        if last.is_some_and(|last| {
            last.bundle == activated.bundle && last.components == activated.components
        }) {
            return Ok(());
        }
        ledger
            .store_bundle(ruleset.pdp.digest(), &ruleset.bundle)
            .await?;
        let tenant = ruleset.config.gate.tenant.clone();
        let event = Event::BundleActivated(activated);
        let batch = Batch {
            records: vec![Record::new(tenant, None, self.now(), event)],
            ..Batch::default()
        };
        self.pep().commit(batch).await?;
        Ok(())
    }

    /// Reloads the configuration and puts it into force for calls that arrive from now on. If it does not
    /// load, nothing changes, and the refusal is recorded.
    ///
    /// # Errors
    /// [`LoadError`]; the old configuration stays in force.
    pub async fn reload(&self, by: &str) -> Result<(), LoadError> {
        self.reload_if(by, |_| true).await.map(drop)
    }

    /// As [`Gate::reload`], unless `is_permitted`, which is asked once all files are read, does not permit the
    /// configuration. Returns whether it is in force.
    ///
    /// # Errors
    /// [`LoadError`]; the old configuration stays in force.
    pub async fn reload_if(
        &self,
        by: &str,
        is_permitted: impl FnOnce(&Config) -> bool,
    ) -> Result<bool, LoadError> {
        let _one_at_a_time = self.0.reloading.lock().await;
        let loaded = self.load_again(by, is_permitted).await;
        if let Err(error) = &loaded {
            self.refuse_reload(by, &error.to_string()).await;
        }
        loaded
    }

    /// Records that a changed configuration was not put into force.
    pub async fn refuse_reload(&self, by: &str, problem: &str) {
        let refused = Event::Administered(AdministrativeAct {
            action: AdminAction::ReloadRefused,
            by: by.into(),
            target: printable(problem, 500),
        });
        // The caller gets the error in any case. A ledger that refuses the record reports that itself.
        let _ = self.record_event(refused).await;
    }

    /// Decides whether `user` may activate policies, and reloads the configuration.
    ///
    /// # Errors
    /// [`OperateError`] if they may not; the inner [`LoadError`] if it does not load, and the old one stays
    /// in force.
    pub async fn reload_as(&self, user: &Uid) -> Result<Result<(), LoadError>, OperateError> {
        self.authorize_reload(user).await?;
        Ok(self.reload(&user.id).await)
    }

    /// Decides, and records, whether `user` may put the current configuration into force.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn authorize_reload(&self, user: &Uid) -> Result<DecisionId, OperateError> {
        Ok(self.operate(user, Action::ActivatePolicies).await?)
    }

    /// Changes whenever another snapshot is in force.
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.0.reloads.subscribe()
    }

    async fn load_again(
        &self,
        by: &str,
        is_permitted: impl FnOnce(&Config) -> bool,
    ) -> Result<bool, LoadError> {
        let before = self.ruleset();
        let config = Config::read(&before.config.file)?;
        load::ensure_reloadable(&before.config, &config)?;
        let lock = load::read_lock(&config)?;
        let snapshot = self.load(config, &lock).await?;
        if !is_permitted(&snapshot.ruleset.config) {
            return Ok(false);
        }
        self.put_into_force(snapshot, by).await.map(|()| true)
    }

    /// The snapshot that `config` and `lock` describe.
    pub(super) async fn load(&self, config: Config, lock: &Lock) -> Result<Snapshot, LoadError> {
        load::snapshot(&self.0.sandbox, self.connector(), config, lock).await
    }

    /// Uses `snapshot` for calls that arrive from now on.
    pub(super) async fn put_into_force(
        &self,
        snapshot: Snapshot,
        by: &str,
    ) -> Result<(), LoadError> {
        self.activate(&snapshot.ruleset, by).await?;
        let capture = &self.pep().capture;
        capture.store(Arc::clone(&snapshot.ruleset.capture));
        let old = self.0.snapshot.swap(Arc::new(snapshot));
        self.0.reloads.send_modify(|n| *n = n.wrapping_add(1));
        let now = self.executors();
        for (name, upstream) in &old.executors.upstreams {
            let stays = now.upstreams.get(name);
            if !stays.is_some_and(|now| Arc::ptr_eq(now.upstream(), upstream.upstream())) {
                upstream.upstream().close().await;
            }
        }
        Ok(())
    }
}
