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

/// The interval of checks.
const TICK: Duration = Duration::from_millis(500);

/// Expires and escalates approvals, and sends notifications, until `leaving`.
pub async fn attend(gate: Gate, leaving: impl Future<Output = ()>) {
    let mut webhook = Webhook::new(gate.clone());
    let passing = async {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            // If the store accepts no records, every call is denied, which operators notice; here it
            // is tried again.
            let _ = gate.pass_time().await;
        }
    };
    // Notifications are sent concurrently, because a slow receiver must not delay expiry.
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
