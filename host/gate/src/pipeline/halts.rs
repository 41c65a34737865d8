//! Running calls that a halt, or the end of a run, can stop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use tollgate_ledger::HaltKeys;
use tollgate_model::ids::{RunId, SpanId};

use crate::{
    enforce::{CallContext, Pep},
    tool::Tool,
};

/// Running calls, by their spans. Clones share the registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct HaltRegistry(Arc<Mutex<HashMap<SpanId, HaltableCall>>>);

/// A running call.
#[derive(Debug)]
pub(crate) struct HaltableCall {
    pub(crate) run: RunId,
    pub(crate) principal: String,
    pub(crate) tool: String,
    pub(crate) component: String,
    pub(crate) tenant: String,
    /// The calls around it.
    enclosing: Vec<SpanId>,
    halt: watch::Sender<bool>,
}

/// Keeps a call in the registry until it is dropped.
#[derive(Debug)]
pub(crate) struct HaltRegistration {
    registry: HaltRegistry,
    span: SpanId,
    halted: watch::Receiver<bool>,
}

impl HaltRegistration {
    /// Becomes true when the call must stop.
    pub(crate) fn halted(&self) -> watch::Receiver<bool> {
        self.halted.clone()
    }
}

impl Drop for HaltRegistration {
    fn drop(&mut self) {
        self.registry.with(|calls| drop(calls.remove(&self.span)));
    }
}

impl HaltRegistry {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<SpanId, HaltableCall>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a call that starts.
    pub(crate) fn register(&self, pep: &Pep, cx: &CallContext, tool: &Tool) -> HaltRegistration {
        let (halt, halted) = watch::channel(false);
        let tenant = &cx.ruleset.config.gate.tenant;
        let call = HaltableCall {
            run: cx.run,
            principal: cx.principal.id.clone(),
            tool: tool.tool_name().to_owned(),
            component: tool.source.name.clone(),
            tenant: tenant.clone(),
            enclosing: cx.enclosing.iter().map(|call| call.call).collect(),
            halt,
        };
        self.with(|calls| drop(calls.insert(cx.call, call)));
        // A halt, or the end of the run, may have been recorded between the call's start and the line
        // above, and then did not see the call.
        let keys = |component: &str, tool: &str| HaltKeys {
            agent: cx.principal.id.clone(),
            component: Some(component.into()),
            tenant: tenant.clone(),
            tool: Some(tool.into()),
        };
        let mut enclosing = cx.enclosing.iter();
        if pep
            .ledger
            .is_halted(&keys(&tool.source.name, tool.tool_name()))
            || enclosing.any(|call| pep.ledger.is_halted(&keys(&call.component, &call.tool)))
            || !pep.ledger.is_open(cx.run).unwrap_or(false)
        {
            self.halt(|call| call.run == cx.run && call.tool == tool.tool_name());
        }
        HaltRegistration {
            registry: self.clone(),
            span: cx.call,
            halted,
        }
    }

    /// Stops the calls that match, and their nested calls. Returns how many were signalled.
    pub(crate) fn halt(&self, matches: impl Fn(&HaltableCall) -> bool) -> usize {
        self.with(|calls| {
            let hit = calls.iter().filter(|(_, call)| matches(call));
            let hit: Vec<SpanId> = hit.map(|(span, _)| *span).collect();
            let mut halted = 0;
            for (span, call) in calls.iter() {
                if hit.contains(span) || call.enclosing.iter().any(|outer| hit.contains(outer)) {
                    call.halt.send_replace(true);
                    halted += 1;
                }
            }
            halted
        })
    }
}
