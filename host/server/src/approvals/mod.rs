//! Pending approvals: notify approvers, escalate and expire approvals that are not answered in time, and take
//! answers from where people are: buttons in Slack, and links.
//!
//! Policies decide who may answer, on every channel. This module never delays a call.

mod blocks;
mod button;
mod form;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod links;
mod message;
mod proof;
mod refusals;
mod slack;
mod view;
mod webhook;

use std::{sync::Arc, time::Duration};

use tokio::time::{Interval, MissedTickBehavior};
use tollgate::gate::Gate;

pub use webhook::{Delivery, Webhook};

use self::refusals::RefusalLog;
pub(crate) use self::{links::LinkAnswers, slack::SlackAnswers};
use crate::auth::Auth;

/// The channels by which people answer without a token of the gate. Clones are the same channels.
#[derive(Debug, Clone)]
pub(crate) struct AnswerChannels {
    pub(crate) slack: Arc<SlackAnswers>,
    pub(crate) links: Arc<LinkAnswers>,
}

impl AnswerChannels {
    /// The channels of a gate; users are counted at the rate of `auth`.
    pub(crate) fn new(auth: &Auth) -> Self {
        let refusals = Arc::<RefusalLog>::default();
        Self {
            slack: Arc::new(SlackAnswers::new(auth, Arc::clone(&refusals))),
            links: Arc::new(LinkAnswers::new(auth, refusals)),
        }
    }
}

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
