//! The fixed context of a call: caller, run and rules.

use std::{collections::BTreeSet, sync::Arc};

use tollgate_ledger::{Binding, Condition, HaltKeys, PendingApprovals};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Entity, Uid},
    ids::{RunId, SpanId, TokenId},
    record::{Arrival, KeyedDigest, Speaker},
    request::{SelfReport, WindowFacts},
    time::Timestamp,
};

use super::{CountedCall, Edit, Ruleset, ToolCall};

/// Caller, run and configuration: fixed for the whole call.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The configuration, policies and tools of this call, even if the gate reloads meanwhile.
    pub ruleset: Arc<Ruleset>,
    /// The principal.
    pub principal: Uid,
    /// The program that acts: the principal, or the built-in agent `cli` if a user acts.
    pub agent: Uid,
    /// The user for whom it acts.
    pub on_behalf_of: Uid,
    /// The agent's operator.
    pub operator: Uid,
    /// The user who made the call in the agent's name; absent if the agent made it itself.
    pub speaker: Option<Speaker>,
    /// Users other than its own who made the token by which the caller is known.
    pub makers: BTreeSet<String>,
    /// That token; absent for a caller without one.
    pub token: Option<TokenId>,
    /// The run.
    pub run: RunId,
    /// The run's root span.
    pub root: SpanId,
    /// The call's own span, `execute_tool`; for a resumed call, that of the original call.
    pub call: SpanId,
    /// The span that the call got on arrival, which distinguishes it from its repeats.
    pub arrival_span: SpanId,
    /// The caller's own span above the agent's call; unverified.
    pub caller: Option<SpanId>,
    /// How the agent's call reached the gate; unverified.
    pub arrival: Arrival,
    /// The calls around this one, outermost first; empty for the agent's own.
    pub enclosing: Vec<EnclosingCall>,
    /// Labels of the data that those calls have read and that have not joined the run yet.
    pub inherited_labels: BTreeSet<String>,
    /// Keyed digest of the call's arguments, once they are known.
    pub arguments: Option<KeyedDigest>,
    /// What an approver changed of the call.
    pub edit: Option<Edit>,
    /// What is called, as policies see it, once it is known.
    pub resource: Option<Entity>,
    /// How often the call has been started, this time included.
    pub attempt: u32,
    /// The principal's recent usage at the time of the decision.
    pub recent_usage: RecentUsage,
    /// What history facts need of the call once it has ended, if any counts it by its outcome.
    pub counted: Option<Arc<CountedCall>>,
}

/// A principal's usage, in this run and within the window of its budgets.
#[derive(Debug, Clone, Default)]
pub struct RecentUsage {
    /// Reported usage of the run.
    pub run: SelfReport,
    /// In all its runs.
    pub window: WindowFacts,
}

/// A call that waits for its nested call.
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
    /// The parent span of the call.
    pub(crate) fn parent_span(&self) -> SpanId {
        self.enclosing.last().map_or(self.root, |call| call.span)
    }

    /// Components through which the call is made, outermost first.
    pub(crate) fn via(&self) -> Vec<String> {
        self.enclosing.iter().map(|c| c.component.clone()).collect()
    }

    /// Requires that neither this call of `tool` nor a call around it is halted.
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

    /// The key by which an approval of this call is found again.
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

    /// The principal whose pending approvals count against the limit.
    pub(crate) fn pending_whose(&self, now: Timestamp) -> PendingApprovals {
        PendingApprovals {
            tenant: self.ruleset.config.gate.tenant.clone(),
            principal: self.principal.clone(),
            now,
        }
    }
}
