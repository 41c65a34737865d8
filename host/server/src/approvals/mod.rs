//! Pending approvals: notify approvers, escalate and expire approvals that are not answered in time.
//!
//! Policies decide who may answer, and answers arrive by REST and the command line. This module gives no
//! answers and never delays a call.

mod message;
mod webhook;

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tollgate::gate::Gate;

pub use webhook::{Delivery, Webhook};

/// How often it is looked whether there is something to do.
const TICK: Duration = Duration::from_millis(500);

/// Let approvals expire, ask second groups, and tell of both, until `leaving`.
pub async fn attend(gate: Gate, leaving: impl Future<Output = ()>) {
    let mut webhook = Webhook::new(gate.clone());
    let passing = async {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            // A store that takes no records denies every call, which is how people learn of it; here it
            // is tried again.
            let _ = gate.pass_time().await;
        }
    };
    // At the same time, not afterwards: a receiver may be slow, and time passes.
    let telling = async {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            while webhook.deliver().await == Delivery::Sent {}
        }
    };
    tokio::select! {
        () = passing => {}
        () = telling => {}
        () = leaving => {}
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
