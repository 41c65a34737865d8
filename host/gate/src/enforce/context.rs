//! What is fixed for the life of a call: who calls, in which run, under which rules.

use std::{collections::BTreeSet, sync::Arc};

use tollgate_ledger::{Binding, Condition, HaltKeys, PendingApprovals};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::{RunId, SpanId},
    record::{Arrival, KeyedDigest},
    request::{SelfReport, WindowFacts},
    time::Timestamp,
};

use super::{Ruleset, ToolCall};

/// Who calls, within which run, under which configuration: fixed for the life of a call.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The configuration, policies and tools that the call keeps, whatever is reloaded meanwhile.
    pub ruleset: Arc<Ruleset>,
    /// Who acts.
    pub principal: Uid,
    /// The program that acts: the principal, or the built-in agent `cli` where a user acts.
    pub agent: Uid,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// Who runs the agent.
    pub operator: Uid,
    /// The run.
    pub run: RunId,
    /// The run's root span.
    pub root: SpanId,
    /// The call's own span, `execute_tool`; for a repeat of a call that waited, that call's.
    pub call: SpanId,
    /// The span that it got when it arrived. Tells a call from its repeats.
    pub arrival_span: SpanId,
    /// The span in the caller's own trace that the agent's call belongs to; unproven.
    pub caller: Option<SpanId>,
    /// How the agent's call reached the gate; unproven.
    pub arrival: Arrival,
    /// The calls that it is made within, outermost first; empty for the agent's own.
    pub enclosing: Vec<EnclosingCall>,
    /// Labels of what those have read and that have not joined the run yet.
    pub inherited_labels: BTreeSet<String>,
    /// Keyed digest of the call's arguments, once they are known.
    pub arguments: Option<KeyedDigest>,
    /// How often the call has been started, this time included.
    pub attempt: u32,
    /// What its principal has used recently, when it was decided.
    pub recent_usage: RecentUsage,
}

/// What a principal has used, in this run and within the window of its budgets.
#[derive(Debug, Clone, Default)]
pub struct RecentUsage {
    /// What was reported about the run.
    pub run: SelfReport,
    /// In all its runs.
    pub window: WindowFacts,
}

/// A call that waits for one that its component makes.
#[derive(Debug, Clone)]
pub struct EnclosingCall {
    /// Its span, `execute_tool`.
    pub call: SpanId,
    /// Its component.
    pub component: String,
    /// Its tool.
    pub tool: String,
    /// Its `invoke_component` span.
    pub span: SpanId,
    /// Keyed digest of its arguments.
    pub arguments: KeyedDigest,
    /// How often it has been started.
    pub attempt: u32,
    /// Its component's file.
    pub digest: Sha256Digest,
}

impl CallContext {
    /// The span that is the parent of the call's.
    pub(crate) fn parent_span(&self) -> SpanId {
        self.enclosing.last().map_or(self.root, |call| call.span)
    }

    /// Components through which the call is made, outermost first.
    pub(crate) fn via(&self) -> Vec<String> {
        self.enclosing.iter().map(|c| c.component.clone()).collect()
    }

    /// That neither this call of `tool` is halted, nor one that it is made within.
    pub(crate) fn not_halted<'a>(
        &'a self,
        tool: &'a str,
        component: &'a str,
    ) -> impl Iterator<Item = Condition> + 'a {
        let own = [(tool, component)];
        let enclosing = self.enclosing.iter();
        let all = enclosing.map(|c| (c.tool.as_str(), c.component.as_str()));
        all.chain(own).map(|(tool, component)| {
            Condition::NotHalted(HaltKeys {
                agent: self.principal.id.clone(),
                component: Some(component.into()),
                tenant: self.ruleset.config.gate.tenant.clone(),
                tool: Some(tool.into()),
            })
        })
    }

    /// By what an approval of this call is found again.
    pub(crate) fn binding(&self, call: &ToolCall) -> Binding {
        Binding {
            tenant: self.ruleset.config.gate.tenant.clone(),
            run: self.run,
            principal: self.principal.clone(),
            tool: call.tool().name.clone(),
            component: call.tool().source.digest,
            arguments: call.digest().clone(),
            via: self.via(),
        }
    }

    /// Whose pending approvals count against the limit.
    pub(crate) fn pending_whose(&self, now: Timestamp) -> PendingApprovals {
        PendingApprovals {
            tenant: self.ruleset.config.gate.tenant.clone(),
            principal: self.principal.clone(),
            now,
        }
    }
}
