//! The policy information point: who calls, and in which run.
//!
//! What it says comes from the configuration and the ledger, never from a guest or a model. A run's
//! key comes from the caller and proves nothing, so a run belongs to one tenant, one principal
//! and one user for whom it acts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::{RunId, SpanId},
    record::{
        AdminAction, Administered, Arrival, Event, Origin, Record, RunEnded, RunOutcome, RunStarted,
    },
    time::Timestamp,
};

use crate::{
    enforce::{CallContext, Pep, Refusal},
    snapshot::Snapshot,
    text::printable,
};
use tollgate_ledger::{Batch, LastRefusal, LedgerError, RunRow};

/// Who calls, by names that the configuration has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Caller {
    /// A person.
    User(String),
    /// An agent, as whoever serves it has authenticated it.
    Agent {
        /// Its name.
        name: String,
        /// On whose behalf it acts, if its token says so; else its operator's.
        on_behalf_of: Option<String>,
    },
    /// A person who speaks for an agent at the command line, which is recorded as an act of that person.
    Spoken {
        /// The agent.
        agent: String,
        /// Who speaks.
        by: String,
    },
}

impl Caller {
    /// The principal whose calls these are.
    #[must_use]
    pub fn principal(&self) -> Uid {
        match self {
            Self::User(name) => Uid::new(Kind::User, name),
            Self::Agent { name, .. } | Self::Spoken { agent: name, .. } => {
                Uid::new(Kind::Agent, name)
            }
        }
    }
}

/// In which run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunKey {
    /// The one that the caller calls by this name; a new one if there is none.
    Named(String),
    /// The one of the caller's own trace; a new one if there is none.
    Traced(RunId),
    /// The caller's last one without a name, if something happened in it lately; else a new one.
    Ambient,
    /// The caller's own one with this id, for what goes on in it.
    Id(RunId),
}

impl RunKey {
    /// How the ledger spells it; nothing where the gate names the run.
    fn name(&self) -> Option<String> {
        match self {
            Self::Named(name) => Some(name.clone()),
            Self::Traced(trace) => Some(format!("trace:{trace}")),
            Self::Ambient | Self::Id(_) => None,
        }
    }
}

/// The principals of a call.
struct Identity {
    principal: Uid,
    agent: Uid,
    on_behalf_of: Uid,
    operator: Uid,
}

fn identity(snapshot: &Snapshot, caller: &Caller) -> Result<Identity, Refusal> {
    let invalid = |problem: String, nearest: Option<&str>| Refusal::Invalid {
        problem,
        nearest: nearest.map(str::to_owned),
    };
    let config = &snapshot.config;
    let known = |name: &str| {
        if config.users.contains_key(name) {
            return Ok(Uid::new(Kind::User, name));
        }
        let name = printable(name, 80);
        let problem = format!("there is no user `{name}`; add [users.{name}] to tollgate.toml");
        Err(invalid(problem, None))
    };
    let (name, on_behalf_of) = match caller {
        Caller::User(name) => {
            let user = known(name)?;
            return Ok(Identity {
                principal: user.clone(),
                agent: crate::enforce::cli_agent(),
                on_behalf_of: user.clone(),
                operator: user,
            });
        }
        Caller::Spoken { agent, by } => {
            known(by)?;
            (agent, None)
        }
        Caller::Agent { name, on_behalf_of } => {
            (name, on_behalf_of.as_deref().map(known).transpose()?)
        }
    };
    let Some(agent) = config.agents.get(name) else {
        let names = config.agents.keys().map(String::as_str);
        let nearest = tollgate_policy::policy::nearest(name, names);
        return Err(invalid(
            format!(
                "there is no agent `{}` in tollgate.toml",
                printable(name, 80)
            ),
            nearest,
        ));
    };
    let operator = Uid::new(Kind::User, &agent.operator);
    let principal = caller.principal();
    Ok(Identity {
        agent: principal.clone(),
        principal,
        on_behalf_of: on_behalf_of.unwrap_or_else(|| operator.clone()),
        operator,
    })
}

/// On whose behalf the caller acts, if the configuration knows both.
pub(crate) fn on_behalf_of(snapshot: &Snapshot, caller: &Caller) -> Option<Uid> {
    identity(snapshot, caller)
        .ok()
        .map(|identity| identity.on_behalf_of)
}

fn unread(error: LedgerError) -> Refusal {
    Refusal::Unrecorded {
        reason: error.to_string(),
    }
}

impl Pep {
    /// Find or start the caller's run. `call` is the span of the call that arrives.
    pub(crate) async fn arrive(
        &self,
        snapshot: &Arc<Snapshot>,
        caller: &Caller,
        key: &RunKey,
        origin: &Origin,
        call: SpanId,
    ) -> Result<CallContext, Refusal> {
        let identity = identity(snapshot, caller)?;
        let (run, root) = self.run(snapshot, &identity, caller, key, origin).await?;
        let Identity {
            principal,
            agent,
            on_behalf_of,
            operator,
        } = identity;
        Ok(CallContext {
            snapshot: Arc::clone(snapshot),
            principal,
            agent,
            on_behalf_of,
            operator,
            run,
            root,
            call,
            own: call,
            caller: origin.parent,
            arrival: Arrival::default(),
            within: Vec::new(),
            carried: std::collections::BTreeSet::new(),
            arguments: None,
            attempt: 1,
            lately: crate::enforce::Lately::default(),
        })
    }

    async fn run(
        &self,
        snapshot: &Arc<Snapshot>,
        identity: &Identity,
        caller: &Caller,
        key: &RunKey,
        origin: &Origin,
    ) -> Result<(RunId, SpanId), Refusal> {
        if let RunKey::Id(id) = key {
            return self.own_run(snapshot, identity, *id);
        }
        if let Some(found) = self.find_run(snapshot, identity, key)? {
            return Ok(found);
        }
        let _one_at_a_time = self.new_runs.lock().await;
        if let Some(found) = self.find_run(snapshot, identity, key)? {
            return Ok(found);
        }
        self.start_run(snapshot, identity, caller, key, origin)
            .await
    }

    /// The caller's own run with this id.
    fn own_run(
        &self,
        snapshot: &Snapshot,
        identity: &Identity,
        id: RunId,
    ) -> Result<(RunId, SpanId), Refusal> {
        let run = self.ledger.run(id, None).map_err(unread)?;
        let own = run.filter(|run| {
            run.tenant == snapshot.config.gate.tenant
                && run.principal == identity.principal
                && run.on_behalf_of == identity.on_behalf_of
        });
        match own {
            Some(run) if !run.ended => Ok((run.id, run.root)),
            _ => Err(Refusal::RunEnded),
        }
    }

    /// The caller's run by this key, if it goes on.
    pub(crate) fn known_run(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        key: &RunKey,
    ) -> Result<Option<RunId>, Refusal> {
        let identity = identity(snapshot, caller)?;
        match key {
            RunKey::Id(id) => Ok(self
                .own_run(snapshot, &identity, *id)
                .ok()
                .map(|(run, _)| run)),
            key => match self.find_run(snapshot, &identity, key) {
                Ok(found) => Ok(found.map(|(run, _)| run)),
                Err(Refusal::RunEnded) => Ok(None),
                Err(other) => Err(other),
            },
        }
    }

    fn find_run(
        &self,
        snapshot: &Snapshot,
        identity: &Identity,
        key: &RunKey,
    ) -> Result<Option<(RunId, SpanId)>, Refusal> {
        let tenant = &snapshot.config.gate.tenant;
        let idle = i64::try_from(snapshot.config.run_idle.as_micros()).unwrap_or(i64::MAX);
        let not_before = Timestamp(self.now().0.saturating_sub(idle));
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
                Ok(Some((run.id, run.root)))
            };
        }
        // A name is for one run: when that has ended, the name is used up, unless nobody ended it.
        let Some(name) = name else { return Ok(None) };
        let used = self.ledger.reader().run_by_key(
            tenant,
            &identity.principal,
            &identity.on_behalf_of,
            name,
        );
        match used.map_err(unread)? {
            Some(run) if run.outcome != Some(RunOutcome::Abandoned) => Err(Refusal::RunEnded),
            _ => Ok(None),
        }
    }

    /// How the ledger spells a key: without secrets, and yet as no other.
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
        snapshot: &Arc<Snapshot>,
        identity: &Identity,
        caller: &Caller,
        key: &RunKey,
        origin: &Origin,
    ) -> Result<(RunId, SpanId), Refusal> {
        let now = self.now();
        let tenant = &snapshot.config.gate.tenant;
        let config = &snapshot.config;
        // The window begins when the last run was over, which is when nothing has happened in it for a while.
        let window = config.label_window.saturating_add(config.run_idle);
        let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp(now.0.saturating_sub(window));
        let mut inherited = self
            .ledger
            .labels_held(tenant, &identity.principal, since)
            .map_err(unread)?;
        let name = self.run_name(tenant, key)?;
        // Whoever comes back to a run that was abandoned still knows what was read there.
        if let Some(name) = &name {
            let (principal, behalf) = (&identity.principal, &identity.on_behalf_of);
            let reader = self.ledger.reader();
            let before = reader.run_by_key(tenant, principal, behalf, name);
            inherited.extend(
                before
                    .map_err(unread)?
                    .into_iter()
                    .flat_map(|run| run.labels),
            );
        }
        let traced = match key {
            // The run's id is that of the caller's trace, unless somebody else's run has it.
            RunKey::Traced(trace) if self.ledger.run(*trace, None).map_err(unread)?.is_none() => {
                Some(*trace)
            }
            _ => None,
        };
        let run = traced.unwrap_or_else(|| self.ids.run(now));
        let root = self.ids.span();
        let started = RunStarted {
            inherited,
            key: name,
            on_behalf_of: identity.on_behalf_of.clone(),
            origin: origin.clone(),
            principal: identity.principal.clone(),
            span: root,
        };
        let record = |event| Record::new(tenant.clone(), Some(run), now, event);
        let mut batch = Batch {
            records: vec![record(Event::RunStarted(started))],
            ..Batch::default()
        };
        if let Caller::Spoken { agent, by } = caller {
            batch.records.push(record(Event::Administered(Administered {
                action: AdminAction::AgentImpersonated,
                by: by.clone(),
                target: agent.clone(),
            })));
        }
        self.commit(batch).await?;
        Ok((run, root))
    }

    /// End a run.
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
            // A run that was stopped for a budget has not failed otherwise.
            (Some(RunOutcome::Failed), Some(refusal @ LastRefusal::Budget(_))) => refusal.ended(),
            (Some(outcome), _) => (outcome, String::new()),
        };
        let stop_reason = match stop_reason {
            "" => &why,
            said => said,
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
