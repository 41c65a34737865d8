//! The three steps for every kind of act: collect facts, decide, record.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Instant,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tollgate_model::{
    decision::Decision,
    entity::{Entity, Kind, Uid},
    ids::{RunId, SpanId},
    provenance::ProvenanceFacts,
    record::{Arrival, DecisionRecord, Event, KeyedDigest, Record},
    request::{Facts, Request, RunFacts, WindowFacts},
    run::{RunDelta, RunState},
    time::{Timestamp, micros},
};

use super::memory::RunScope;
use super::{
    CallContext, Draft, InFlightCalls, LabelMemory, ReadIndexes, RecentUsage, Refusal, Ruleset,
    Turns,
};
use crate::{
    capture::{Capture, CaptureSession},
    elicitation::OpenElicitations,
    ids::{Clock, Ids},
    usage::Usage,
};
use tollgate_ledger::{
    Batch, CommitError, Condition, Ledger, Payload, Receipt, StateUpdate, StateUpdateResult, Window,
};
use tollgate_model::two_generation_cache::TwoGenerationCache;

/// The policy enforcement point.
#[derive(Debug, Clone)]
pub(crate) struct Pep {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    /// Held while a run is started, so that two calls never start the same one.
    pub(crate) new_runs: Arc<tokio::sync::Mutex<()>>,
    /// Running calls that an approval allowed.
    pub(crate) in_flight: InFlightCalls,
    /// Questions of upstream servers that wait for a person.
    pub(crate) elicitations: OpenElicitations,
    /// Changes whenever an approval does.
    pub(crate) approval_changes: Arc<watch::Sender<u64>>,
    /// Keeps payloads, and removes secrets from free text.
    pub(crate) capture: Arc<ArcSwap<Capture>>,
    /// Labels that principals remember from run to run.
    pub(crate) memory: Arc<LabelMemory>,
    /// What runs have read.
    pub(crate) reads: Arc<ReadIndexes>,
    /// Tokens and cost that agents report.
    pub(crate) usage: Arc<Usage>,
    /// Who decides again first, after others came first.
    pub(crate) turns: Arc<Turns>,
    /// Users to whom the arguments of an approval, or the pattern of a standing one, were shown, as recorded.
    pub(crate) shown: Arc<Mutex<TwoGenerationCache<String, BTreeSet<Uid>>>>,
}

impl Pep {
    /// The current time, never before the latest record.
    pub(crate) fn now(&self) -> Timestamp {
        self.ledger.now(self.clock.now())
    }

    pub(crate) fn span_id(&self) -> SpanId {
        self.ids.span()
    }

    /// Wakes those who wait for a change of an approval.
    pub(crate) fn approvals_changed(&self) {
        self.approval_changes
            .send_modify(|n| *n = n.wrapping_add(1));
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Receipt, CommitError> {
        let joined = joined_labels(&batch);
        let receipt = self.ledger.commit(self.clean(batch)).await?;
        self.remember(joined);
        Ok(receipt)
    }

    /// Remembers the labels that joined these runs for their principals.
    fn remember(&self, joined: BTreeMap<RunId, BTreeSet<String>>) {
        for (id, labels) in joined {
            // The run was just written, so it is in memory.
            if let Ok(Some(run)) = self.ledger.run(id, None) {
                let scope = RunScope {
                    run: id,
                    principal: run.principal,
                    on_behalf_of: run.on_behalf_of,
                    conversation: None,
                };
                self.memory.note(scope, labels, run.last);
            }
        }
    }

    /// The same, together with an update of component state.
    pub(crate) async fn commit_with(
        &self,
        batch: Batch,
        change: StateUpdate,
    ) -> Result<(Receipt, StateUpdateResult), CommitError> {
        let joined = joined_labels(&batch);
        let committed = self.ledger.commit_with(self.clean(batch), change).await?;
        self.remember(joined);
        Ok(committed)
    }

    /// Removes secrets from free text.
    fn clean(&self, mut batch: Batch) -> Batch {
        let capture = self.capture.load();
        for record in &mut batch.records {
            capture.clean(&mut record.event);
        }
        batch
    }

    /// The capture session of a call's run.
    pub(crate) fn capturing(&self, cx: &CallContext) -> CaptureSession {
        let tenant = &cx.ruleset.config.gate.tenant;
        let (capture, keys) = (&cx.ruleset.capture, self.ledger.keys());
        CaptureSession::new(capture, keys, tenant, self.now(), Some(cx.run))
    }

    /// A run's counts, with the repeats of the call with these arguments.
    pub(crate) fn run_state(
        &self,
        run: RunId,
        arguments: Option<&KeyedDigest>,
    ) -> Result<RunState, Refusal> {
        match self.ledger.run_state(run, arguments) {
            Ok(Some(state)) => Ok(state),
            Ok(None) => Err(Refusal::RunEnded),
            Err(e) => Err(Refusal::Unrecorded {
                reason: e.to_string(),
            }),
        }
    }

    /// A run's facts for this call: the gate's counts for the run, and for all runs of the principal within
    /// the window. `arguments` and `own` as for [`RunState::facts`].
    pub(crate) fn run_facts(
        cx: &CallContext,
        state: &RunState,
        arguments: Option<&KeyedDigest>,
        own: bool,
        now: Timestamp,
    ) -> RunFacts {
        let mut facts = state.facts(arguments, own, now);
        facts.reported = cx.recent_usage.run.clone();
        facts.window = cx.recent_usage.window.clone();
        facts.window.calls = facts.window.calls.saturating_sub(u64::from(own));
        facts
    }

    /// The recent usage of a call's principal.
    pub(crate) fn recent_usage(&self, cx: &CallContext) -> Result<RecentUsage, Refusal> {
        let window = self.window(cx);
        let used = self.ledger.used(&window).map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })?;
        let (run, reported) = self.usage.of(&cx.principal, cx.run, window.since);
        let window = WindowFacts {
            calls: used.calls,
            elapsed: used.active,
            reported,
        };
        Ok(RecentUsage { run, window })
    }

    /// The window in which a principal's calls are counted together.
    fn window(&self, cx: &CallContext) -> Window {
        let config = &cx.ruleset.config;
        Window {
            tenant: config.gate.tenant.clone(),
            principal: cx.principal.clone(),
            since: self.now().before(config.budgets.window),
        }
    }

    /// Requires that concurrent calls have not used up the principal's budget of calls.
    pub(crate) fn within_budget(&self, cx: &CallContext) -> Option<Condition> {
        let budgets = &cx.ruleset.config.budgets.agents;
        let budget = budgets
            .get(&cx.principal.id)
            .filter(|_| cx.principal.kind == Kind::Agent);
        let most = budget.and_then(|budget| budget.calls)?;
        Some(Condition::CallsBelow(self.window(cx), most))
    }

    /// The facts of a request outside a call, or with a run's counts.
    ///
    /// Labels and tools that the run, a file, a value or an approval has stay known even if the configuration
    /// no longer has them: otherwise no request about them could be decided.
    pub(crate) fn facts(
        ruleset: &Ruleset,
        now: Timestamp,
        run: RunFacts,
        mut entities: Vec<Entity>,
    ) -> Facts {
        let config = &ruleset.config;
        let labels = run.labels.iter().map(|label| Uid::new(Kind::Label, label));
        let tools = run.tools.iter().map(|tool| Uid::new(Kind::Tool, tool));
        let parents = entities
            .iter()
            .flat_map(|entity| entity.parents.iter().cloned());
        let parents = parents.filter(|uid| matches!(uid.kind, Kind::Label | Kind::Tool));
        let met: BTreeSet<Uid> = labels.chain(tools).chain(parents).collect();
        let retired = met.into_iter().filter(|uid| !ruleset.pdp.knows(uid));
        let is_given = |uid: &Uid| entities.iter().any(|entity| entity.uid == *uid);
        let retired: Vec<Uid> = retired.filter(|uid| !is_given(uid)).collect();
        entities.extend(retired.into_iter().map(|uid| Entity::new(uid, [])));
        Facts {
            approval: None,
            entities,
            environment: config.gate.environment.clone(),
            history: BTreeMap::new(),
            local: config.local_time(now),
            now,
            provenance: ProvenanceFacts::default(),
            run,
        }
    }

    /// A record of a decision, with its request and facts sealed for replay.
    pub(crate) fn decision_record(
        &self,
        ruleset: &Ruleset,
        request: &Request,
        facts: &Facts,
        decision: &Decision,
        span: SpanId,
        begun: Instant,
    ) -> Result<(Draft, Payload), Refusal> {
        let payload = self.seal(ruleset, facts.now, &(request, facts), "facts")?;
        let basis = decision.basis().clone();
        let on_behalf_of = request.context.on_behalf_of().cloned();
        let requirement = match decision {
            Decision::Escalate(_, requirement) => Some(requirement.clone()),
            _ => None,
        };
        let draft = Draft(DecisionRecord {
            action: request.action.clone(),
            approval: None,
            arguments: None,
            arguments_size: None,
            is_secondary: false,
            bundle: basis.bundle,
            call: None,
            arrival: Arrival::default(),
            capture: None,
            caller_span: None,
            component: None,
            determining: basis.determining,
            errors: basis.errors,
            facts_digest: Some(payload.digest),
            history: Vec::new(),
            label_target: None,
            propagated_labels: BTreeSet::new(),
            decide_micros: micros(begun.elapsed()),
            on_behalf_of,
            outcome: decision.outcome(),
            parent: None,
            principal: request.principal.clone(),
            provenance: None,
            redaction: basis.redacted,
            requirement,
            resource: request.resource.clone(),
            resumption: false,
            shadow: basis.shadow,
            span,
            standing: BTreeSet::new(),
        });
        Ok((draft, payload))
    }

    pub(crate) fn seal<T: serde::Serialize>(
        &self,
        ruleset: &Ruleset,
        now: Timestamp,
        value: &T,
        kind: &str,
    ) -> Result<Payload, Refusal> {
        let unrecorded = |reason: String| Refusal::Unrecorded { reason };
        let plain = serde_json::to_vec(value).map_err(|e| unrecorded(e.to_string()))?;
        let tenant = &ruleset.config.gate.tenant;
        self.ledger
            .seal(tenant, now, &plain, kind)
            .map_err(|e| unrecorded(e.to_string()))
    }

    /// Keyed digest of a call: tool and canonical arguments.
    pub(crate) fn call_digest(
        &self,
        ruleset: &Ruleset,
        tool: &str,
        canonical: &str,
    ) -> Result<KeyedDigest, Refusal> {
        let tenant = &ruleset.config.gate.tenant;
        self.ledger
            .digest(tenant, &[tool.as_bytes(), canonical.as_bytes()])
            .map_err(|e| Refusal::Unrecorded {
                reason: e.to_string(),
            })
    }

    /// A record of this call's run.
    pub(crate) fn record(&self, cx: &CallContext, now: Timestamp, event: Event) -> Record {
        Record::new(
            cx.ruleset.config.gate.tenant.clone(),
            Some(cx.run),
            now,
            event,
        )
    }
}

/// Labels that a batch adds to runs.
fn joined_labels(batch: &Batch) -> BTreeMap<RunId, BTreeSet<String>> {
    let mut joined: BTreeMap<RunId, BTreeSet<String>> = BTreeMap::new();
    for record in &batch.records {
        let labels = RunDelta::of(record).labels;
        if let (Some(run), false) = (record.run, labels.is_empty()) {
            joined.entry(run).or_default().extend(labels);
        }
    }
    joined
}
