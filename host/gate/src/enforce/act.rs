//! What may be asked for: an act, and what a component asks of its host.

use std::collections::BTreeSet;

use tollgate_ledger::{Change, Changed};
use tollgate_model::{entity::Entity, request::Request};

use super::CallContext;

/// Something that may only happen once it is decided and recorded.
pub trait Act {
    /// Who asks for what.
    fn request(&self, cx: &CallContext) -> Request;

    /// Entities of the request that the configuration does not name.
    fn entities(&self) -> Vec<Entity> {
        Vec::new()
    }

    /// Whether it changes the world, so that its decision must be durable before it happens.
    fn changes_the_world(&self) -> bool {
        true
    }
}

/// An act that a component asks of its host while its tool runs.
pub trait Capability: Act {
    /// What it is called in traces.
    fn target(&self) -> String;

    /// What an approver reads first.
    fn short(&self) -> String {
        self.target()
    }

    /// All of it that the resource does not tell: what an approver must see, and what an approval is
    /// bound to. Of what is sent or written that is every byte.
    fn detail(&self) -> serde_json::Value;

    /// Labels that what comes back adds to the run.
    fn labels(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// The resource's id, if it is one that keeps the labels of what is written to it.
    fn keeper(&self) -> Option<String> {
        None
    }

    /// By what the keeper is known if it is one thing under several ids.
    fn place(&self) -> Option<String> {
        None
    }

    /// Take in the labels that the [`keeper`](Self::keeper) has taken on so far.
    fn kept(&mut self, _labels: BTreeSet<String>) {}

    /// Whether these are no more than the labels that were taken in.
    fn knows(&self, _labels: &BTreeSet<String>) -> bool {
        true
    }

    /// Whether it writes to its [`keeper`](Self::keeper), which then takes on the run's labels.
    fn writes(&self) -> bool {
        false
    }

    /// What it changes in the store, in the transaction of its decision; `marks` are the labels that what
    /// is written takes on.
    fn change(&mut self, _marks: &BTreeSet<String>) -> Option<Change> {
        None
    }

    /// Take in what became of the [`change`](Self::change).
    fn changed(&mut self, _changed: Changed) {}
}
