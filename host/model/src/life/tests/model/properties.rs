//! What must always hold, and what must be reachable.

use stateright::Property;

use super::{super::*, *};

/// The properties of the model.
pub(super) fn all() -> Vec<Property<Gate>> {
    let mut all = always();
    all.extend(sometimes());
    all
}

fn always() -> Vec<Property<Gate>> {
    use ApprovalState as A;
    vec![
        Property::always("at most one effect per approval", |_, w: &World| {
            (0..w.approvals.len()).all(|i| {
                let calls = w.calls.iter().filter(|c| c.by == Some(i));
                calls.map(|c| c.effects).sum::<u8>() <= 1
            })
        }),
        Property::always("one start per approval", |_, w: &World| {
            (0..w.approvals.len()).all(|i| w.calls.iter().filter(|c| c.by == Some(i)).count() <= 1)
                && w.calls.iter().all(|c| c.effects <= 1)
        }),
        Property::always("no effect without a durable start", |_, w: &World| {
            w.calls
                .iter()
                .all(|c| c.effects == 0 || c.state.may_have_run())
        }),
        Property::always("what started has consumed its approval", |_, w: &World| {
            w.calls
                .iter()
                .filter_map(|c| c.by)
                .all(|i| w.approvals[i].state == A::Consumed)
        }),
        Property::always(
            "what was rejected, expired or cancelled never runs",
            |_, w: &World| {
                w.calls
                    .iter()
                    .filter_map(|c| c.by)
                    .all(|i| !w.approvals[i].stopped)
            },
        ),
        Property::always("what was denied never runs", |_, w: &World| {
            w.calls.iter().all(|c| !c.denied || !c.state.may_have_run())
        }),
        Property::always(
            "nothing starts or has an effect after a halt",
            |_, w: &World| !w.late,
        ),
        Property::always(
            "an approval lifts only what it was given for",
            |_, w: &World| !w.unlifted,
        ),
        Property::always(
            "a call is started only while its guest runs",
            |_, w: &World| {
                let runs = |call: usize| {
                    let on = |c: &Client| matches!(c.step, Step::Running { call: own, .. } if own == call);
                    w.clients.iter().any(on)
                };
                let mut calls = w.calls.iter().enumerate();
                !w.up || calls.all(|(i, c)| c.state != CallState::Started || runs(i))
            },
        ),
        Property::always(
            "a client gets a result only of a call that ran",
            |_, w: &World| {
                let told = w.clients.iter().filter(|c| c.told).count();
                told <= w
                    .calls
                    .iter()
                    .filter(|c| c.state == CallState::Closed && c.effects == 1)
                    .count()
            },
        ),
    ]
}

fn sometimes() -> Vec<Property<Gate>> {
    use ApprovalState as A;
    vec![
        Property::sometimes("it runs", |_, w: &World| w.clients.iter().any(|c| c.told)),
        Property::sometimes("it runs again with a second approval", |_, w: &World| {
            w.calls
                .iter()
                .filter(|c| c.effects == 1 && c.by.is_some())
                .count()
                == 2
        }),
        Property::sometimes("a crash leaves it indeterminate, done", |_, w: &World| {
            w.calls
                .iter()
                .any(|c| c.state == CallState::Indeterminate && c.effects == 1)
        }),
        Property::sometimes(
            "a crash leaves it indeterminate, not done",
            |_, w: &World| {
                w.calls
                    .iter()
                    .any(|c| c.state == CallState::Indeterminate && c.effects == 0)
            },
        ),
        Property::sometimes("a second thought stops an approved call", |_, w: &World| {
            w.approvals
                .iter()
                .any(|a| a.state == A::Rejected && a.votes > 0)
        }),
        Property::sometimes("a reload asks again and it runs", |_, w: &World| {
            w.calls
                .iter()
                .any(|c| c.effects == 1 && c.by.is_some_and(|i| w.approvals[i].round == 2))
        }),
        Property::sometimes("a halt ends a running guest", |_, w: &World| {
            w.halted
                && w.calls
                    .iter()
                    .any(|c| c.state == CallState::Closed && c.effects == 0)
        }),
        Property::sometimes("an approval expires unused", |_, w: &World| {
            w.approvals
                .iter()
                .any(|a| a.state == A::Expired && a.votes > 0)
        }),
    ]
}
