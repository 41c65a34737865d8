//! Runs: looked up by the caller's key, started, ended, and sharing labels.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tollgate_ledger::{Batch, LastRefusal, LedgerError, RunRow};
use tollgate_model::{
    entity::Kind,
    ids::{RunId, SpanId},
    provenance::RestoredParts,
    record::{
        AdminAction, AdministrativeAct, Event, LabelsJoined, Origin, Record, RunEnded, RunOutcome,
        RunStarted,
    },
};

use super::{
    CallOptions, Pep, Refusal, Ruleset, UserRequest,
    memory::RunScope,
    reads::{ReadScope, SharedIndex},
    restore::{Restoration, RestorationEnd},
};
use crate::{
    config::AgentMemory,
    identity::{Caller, Identity, RunKey},
    text::printable,
};

/// An open run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenRun {
    /// Its id, which is its trace.
    pub(crate) id: RunId,
    /// Its root span.
    pub(crate) root: SpanId,
}

fn unread(error: LedgerError) -> Refusal {
    Refusal::Unrecorded {
        reason: error.to_string(),
    }
}

impl Pep {
    /// The caller's run with this key; a new one if there is none and this kind of key may begin one.
    pub(crate) async fn find_or_start_run(
        &self,
        ruleset: &Arc<Ruleset>,
        identity: &Identity,
        caller: &Caller,
        key: &RunKey,
        origin: &Origin,
    ) -> Result<OpenRun, Refusal> {
        if let RunKey::Id(id) = key {
            return self.own_run(ruleset, identity, *id);
        }
        if let Some(found) = self.find_run(ruleset, identity, key)? {
            return Ok(found);
        }
        let _one_at_a_time = self.new_runs.lock().await;
        if let Some(found) = self.find_run(ruleset, identity, key)? {
            return Ok(found);
        }
        self.start_run(ruleset, identity, caller, key, origin).await
    }

    /// The caller's own run with this id.
    fn own_run(
        &self,
        ruleset: &Ruleset,
        identity: &Identity,
        id: RunId,
    ) -> Result<OpenRun, Refusal> {
        let run = self.ledger.run(id, None).map_err(unread)?;
        let own = run.filter(|run| {
            run.tenant == ruleset.config.gate.tenant
                && run.principal == identity.principal
                && run.on_behalf_of == identity.on_behalf_of
        });
        match own {
            Some(run) if !run.ended => Ok(OpenRun {
                id: run.id,
                root: run.root,
            }),
            _ => Err(Refusal::RunEnded),
        }
    }

    /// The caller's run with this key, if it is open.
    pub(crate) fn known_run(
        &self,
        ruleset: &Ruleset,
        caller: &Caller,
        key: &RunKey,
    ) -> Result<Option<RunId>, Refusal> {
        let identity = Identity::of(&ruleset.config, caller)?;
        match key {
            RunKey::Id(id) => Ok(self.own_run(ruleset, &identity, *id).ok().map(|run| run.id)),
            key => match self.find_run(ruleset, &identity, key) {
                Ok(found) => Ok(found.map(|run| run.id)),
                Err(Refusal::RunEnded) => Ok(None),
                Err(other) => Err(other),
            },
        }
    }

    fn find_run(
        &self,
        ruleset: &Ruleset,
        identity: &Identity,
        key: &RunKey,
    ) -> Result<Option<OpenRun>, Refusal> {
        let tenant = &ruleset.config.gate.tenant;
        let not_before = self.now().before(ruleset.config.run_idle_timeout);
        let name = self.run_name(tenant, key)?;
        let name = name.as_deref();
        let open = self.ledger.open_run(
            tenant,
            &identity.principal,
            &identity.on_behalf_of,
            name,
            not_before,
        );
        if let Some(run) = open.map_err(unread)? {
            return if run.ended {
                Err(Refusal::RunEnded)
            } else {
                Ok(Some(OpenRun {
                    id: run.id,
                    root: run.root,
                }))
            };
        }
        // A name is used for one run. When that has ended, the name is used up, unless the run was
        // abandoned.
        let Some(name) = name else { return Ok(None) };
        let used = self.ledger.reader().run_by_key(
            tenant,
            &identity.principal,
            &identity.on_behalf_of,
            name,
        );
        match used.map_err(unread)? {
            // Another call has begun it since the first look.
            Some(run) if run.ended.is_none() => Ok(Some(OpenRun {
                id: run.id,
                root: run.root,
            })),
            Some(run) if run.outcome != Some(RunOutcome::Abandoned) => Err(Refusal::RunEnded),
            _ => Ok(None),
        }
    }

    /// A key's form in the ledger: without secrets, and distinct from all others.
    fn run_name(&self, tenant: &str, key: &RunKey) -> Result<Option<String>, Refusal> {
        let Some(name) = key.name() else {
            return Ok(None);
        };
        let capture = self.capture.load();
        let clean = match capture.text(&name) {
            clean if *clean == *name => return Ok(Some(name)),
            clean => clean.into_owned(),
        };
        let parts: [&[u8]; 2] = [b"run", name.as_bytes()];
        let digest = self.ledger.digest(tenant, &parts).map_err(unread)?;
        let hex = digest.as_str().rsplit(':').next().unwrap_or_default();
        let hex = hex.get(..12).unwrap_or(hex);
        Ok(Some(format!("{clean}#{hex}")))
    }

    async fn start_run(
        &self,
        ruleset: &Arc<Ruleset>,
        identity: &Identity,
        caller: &Caller,
        key: &RunKey,
        origin: &Origin,
    ) -> Result<OpenRun, Refusal> {
        let now = self.now();
        let tenant = &ruleset.config.gate.tenant;
        let name = self.run_name(tenant, key)?;
        let traced = match key {
            // The run's id is that of the caller's trace, unless another run has it.
            RunKey::Traced(trace) if self.ledger.run(*trace, None).map_err(unread)?.is_none() => {
                Some(*trace)
            }
            _ => None,
        };
        let run = OpenRun {
            id: traced.unwrap_or_else(|| self.ids.run(now)),
            root: self.ids.span(),
        };
        let conversation = origin.conversation.clone();
        let mut inherited = self.labels_of_abandoned(ruleset, identity, name.as_deref())?;
        let remembered = self.remembered_labels(ruleset, identity, run.id, conversation)?;
        inherited.extend(remembered.into_values().flatten());
        let started = RunStarted {
            inherited,
            key: name,
            on_behalf_of: identity.on_behalf_of.clone(),
            origin: origin.clone(),
            principal: identity.principal.clone(),
            span: run.root,
        };
        let record = |event| Record::new(tenant.clone(), Some(run.id), now, event);
        let mut batch = Batch {
            records: vec![record(Event::RunStarted(started))],
            ..Batch::default()
        };
        if let Caller::Spoken { agent, by, .. } = caller {
            batch
                .records
                .push(record(Event::Administered(AdministrativeAct {
                    action: AdminAction::AgentImpersonated,
                    by: by.clone(),
                    target: agent.clone(),
                })));
        }
        self.commit(batch).await?;
        Ok(run)
    }

    /// Labels of an abandoned run of the same name: a caller that returns to it knows its data.
    fn labels_of_abandoned(
        &self,
        ruleset: &Ruleset,
        identity: &Identity,
        name: Option<&str>,
    ) -> Result<BTreeSet<String>, Refusal> {
        let Some(name) = name else {
            return Ok(BTreeSet::new());
        };
        let tenant = &ruleset.config.gate.tenant;
        let (principal, behalf) = (&identity.principal, &identity.on_behalf_of);
        let reader = self.ledger.reader();
        let before = reader.run_by_key(tenant, principal, behalf, name);
        let before = before.map_err(unread)?;
        Ok(before.into_iter().flat_map(|run| run.labels).collect())
    }

    /// Labels that the principal remembers in this run from other runs, by run.
    fn remembered_labels(
        &self,
        ruleset: &Ruleset,
        identity: &Identity,
        run: RunId,
        conversation: Option<String>,
    ) -> Result<BTreeMap<RunId, BTreeSet<String>>, Refusal> {
        let config = &ruleset.config;
        let agent = match identity.principal.kind {
            Kind::Agent => config.agents.get(&identity.principal.id),
            _ => None,
        };
        let memory = agent.map_or(AgentMemory::User, |agent| agent.memory);
        // The window begins when the last run ended: when it had idled for a while.
        let window = config.label_window.saturating_add(config.run_idle_timeout);
        let since = self.now().before(window);
        let scope = RunScope {
            run,
            principal: identity.principal.clone(),
            on_behalf_of: identity.on_behalf_of.clone(),
            conversation,
        };
        let (ledger, tenant) = (&self.ledger, &config.gate.tenant);
        let known = self.memory.recall(ledger, tenant, memory, &scope, since);
        known.map_err(unread)
    }

    /// Adds the labels that the principal remembers from other runs to a run, before anything in it is
    /// decided.
    pub(crate) async fn join_remembered_labels(
        &self,
        ruleset: &Ruleset,
        identity: &Identity,
        run: RunId,
        conversation: Option<String>,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let remembered = self.remembered_labels(ruleset, identity, run, conversation.clone())?;
        let mut held = self.run_state(run, None)?.labels;
        let scope = RunScope {
            run,
            principal: identity.principal.clone(),
            on_behalf_of: identity.on_behalf_of.clone(),
            conversation,
        };
        self.memory.note(scope, held.clone(), now);
        let mut records = Vec::new();
        for (from, labels) in remembered {
            let labels: BTreeSet<String> = labels.difference(&held).cloned().collect();
            if labels.is_empty() {
                continue;
            }
            held.extend(labels.iter().cloned());
            let joined = Event::LabelsJoined(LabelsJoined { from, labels });
            let tenant = ruleset.config.gate.tenant.clone();
            records.push(Record::new(tenant, Some(run), now, joined));
        }
        if !records.is_empty() {
            let batch = Batch {
                records,
                ..Batch::default()
            };
            self.commit(batch).await?;
        }
        Ok(())
    }

    /// Puts a run into its scope of memory, so that what it reads is found again, and adds what the user asks
    /// for, if the channel that tells it is trusted for the agent.
    pub(crate) async fn enter_scope(
        &self,
        ruleset: &Arc<Ruleset>,
        identity: &Identity,
        run: RunId,
        options: &CallOptions,
    ) -> Result<(), Refusal> {
        let agent = match identity.principal.kind {
            Kind::Agent => ruleset.config.agents.get(&identity.principal.id),
            _ => None,
        };
        let of_run = RunScope {
            run,
            principal: identity.principal.clone(),
            on_behalf_of: identity.on_behalf_of.clone(),
            conversation: options.origin.conversation.clone(),
        };
        let memory = agent.map_or(AgentMemory::User, |agent| agent.memory);
        let scope = ReadScope::of(memory, &of_run);
        let values = agent.map_or(&[][..], |agent| &agent.values);
        let labels = self.run_state(run, None)?.labels;
        let entered = self.reads.enter(&self.ids, run, scope, values, &labels);
        let (index, is_new) = entered.await;
        if is_new {
            let restoration = Restoration {
                pep: self.clone(),
                ruleset: Arc::clone(ruleset),
                run: of_run.clone(),
                memory,
                labels,
            };
            self.restore(restoration, &index);
        }
        // Also for who comes second: until then, no one knows what the scope has passed on.
        index.restored().await;
        if memory == AgentMemory::Conversation {
            let conversation = options.origin.conversation.clone();
            let remembered = self.remembered_labels(ruleset, identity, run, conversation)?;
            let remembered = remembered.keys();
            let is_strange = self.memory.has_strange(&self.ledger, &of_run, remembered);
            if is_strange.map_err(unread)? {
                self.reads.lose(run);
            }
        }
        let is_trusted = |request: &&UserRequest| {
            agent.is_some_and(|agent| agent.request_from.contains(&request.channel))
        };
        for request in options.user_requests.iter().filter(is_trusted) {
            self.reads.read_request(run, &request.text);
        }
        Ok(())
    }

    /// Fills a new index with what was read before it began. It continues if its caller does not wait.
    fn restore(&self, restoration: Restoration, index: &Arc<SharedIndex>) {
        let (run, reads) = (restoration.run.run, Arc::clone(&self.reads));
        let mut end = RestorationEnd {
            index: Arc::clone(index),
            parts: RestoredParts::default(),
        };
        // Reading many results belongs on a thread of its own.
        drop(tokio::task::spawn_blocking(move || {
            end.parts = restoration.restore(&end.index);
            drop(end);
            reads.note_size(run);
        }));
    }

    /// Adds the labels of one run to another: content of the one is about to reach the other.
    pub(crate) async fn share_labels(
        &self,
        tenant: &str,
        from: RunId,
        into: RunId,
    ) -> Result<(), Refusal> {
        let held = self.run_state(into, None)?.labels;
        let shared = self.run_state(from, None)?.labels;
        let labels: BTreeSet<String> = shared.difference(&held).cloned().collect();
        self.reads.share(from, into);
        if labels.is_empty() {
            return Ok(());
        }
        let joined = Event::LabelsJoined(LabelsJoined { from, labels });
        let record = Record::new(tenant.to_owned(), Some(into), self.now(), joined);
        self.commit(Batch {
            records: vec![record],
            ..Batch::default()
        })
        .await?;
        Ok(())
    }

    /// Ends a run. Without an outcome, it follows from the refusal of the last call, or is success.
    pub(crate) async fn end_run(
        &self,
        row: &RunRow,
        by: &str,
        outcome: Option<RunOutcome>,
        stop_reason: &str,
    ) -> Result<(), Refusal> {
        let refusal = match outcome {
            Some(RunOutcome::Failed) | None => {
                self.ledger.reader().last_refusal(row.id).map_err(unread)?
            }
            _ => None,
        };
        let (outcome, why) = match (outcome, refusal) {
            (None, Some(refusal)) => refusal.ended(),
            (None, None) => (RunOutcome::Success, String::new()),
            // A run that was stopped for a budget has not failed for another reason.
            (Some(RunOutcome::Failed), Some(refusal @ LastRefusal::Budget(_))) => refusal.ended(),
            (Some(outcome), _) => (outcome, String::new()),
        };
        let stop_reason = if stop_reason.is_empty() {
            &why
        } else {
            stop_reason
        };
        let event = Event::RunEnded(RunEnded {
            by: by.into(),
            outcome,
            stop_reason: printable(stop_reason, 200),
        });
        let record = Record::new(row.tenant.clone(), Some(row.id), self.now(), event);
        self.commit(Batch {
            records: vec![record],
            ..Batch::default()
        })
        .await?;
        Ok(())
    }
}
