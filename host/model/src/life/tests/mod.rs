//! The complete transition tables, and a model of everything that can happen around one approval.

mod mid_call;
mod model;

use std::fmt::Debug;

use super::*;

/// A table with a row per state and a column per event; a dot is an impossible transition.
fn table<S: Debug, E: Copy + Debug>(
    states: &[S],
    events: &[E],
    name: impl Fn(&S) -> String,
    after: impl Fn(&S, E) -> Option<String>,
) -> String {
    let header: Vec<String> = events.iter().map(|e| format!("{e:?}")).collect();
    let mut lines =
        vec![format!("{:14}", "") + &header.iter().map(|h| format!("{h:14}")).collect::<String>()];
    for state in states {
        let cells = events
            .iter()
            .map(|e| format!("{:14}", after(state, *e).unwrap_or_else(|| ".".into())));
        lines.push(format!("{:14}", name(state)) + &cells.collect::<String>());
    }
    lines
        .iter()
        .map(|line| line.trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_event_in_every_state_of_a_call() {
    let name = |state: &Option<CallState>| state.map_or("(new)".into(), |s| format!("{s:?}"));
    insta::assert_snapshot!(table(
        CallState::ALL,
        CallEvent::ALL,
        name,
        |state, event| { CallState::after(*state, event).map(|s| format!("{s:?}")) }
    ));
}

#[test]
fn every_event_in_every_state_of_an_approval() {
    let name = |state: &ApprovalState| format!("{state:?}");
    insta::assert_snapshot!(table(
        ApprovalState::ALL,
        ApprovalEvent::ALL,
        name,
        |state, event| { state.after(event).map(|s| format!("{s:?}")) }
    ));
}

#[test]
fn every_event_in_every_state_of_a_standing_approval() {
    let events = <StandingEvent as strum::VariantArray>::VARIANTS;
    let name = |state: &StandingState| format!("{state:?}");
    insta::assert_snapshot!(table(StandingState::ALL, events, name, |state, event| {
        state.after(event).map(|s| format!("{s:?}"))
    }));
}

/// A state is final or leads on; a call that may have run never returns to a state before that.
#[test]
fn what_may_have_run_stays_so() {
    for state in CallState::ALL {
        for event in CallEvent::ALL {
            let Some(next) = CallState::after(*state, *event) else {
                continue;
            };
            assert!(
                !state.is_some_and(CallState::may_have_run) || next.may_have_run(),
                "{state:?} {event:?}"
            );
            let starts = next.may_have_run() && !state.is_some_and(CallState::may_have_run);
            assert!(!starts || *event == CallEvent::Start, "{state:?} {event:?}");
            let runs = next == CallState::Started;
            assert_eq!(runs, *event == CallEvent::Start, "{state:?} {event:?}");
        }
    }
}

/// Only a granted approval can be consumed, and only once.
#[test]
fn only_an_approved_approval_is_consumed() {
    for state in ApprovalState::ALL {
        let consumed = state.after(ApprovalEvent::Consume);
        assert_eq!(
            consumed.is_some(),
            *state == ApprovalState::Approved,
            "{state:?}"
        );
    }
    for event in ApprovalEvent::ALL {
        for end in [
            ApprovalState::Consumed,
            ApprovalState::Rejected,
            ApprovalState::Expired,
            ApprovalState::Cancelled,
        ] {
            assert_eq!(end.after(*event), None, "{end:?} {event:?}");
        }
    }
}

#[test]
fn states_read_back_as_they_are_spelled() {
    for state in ApprovalState::ALL {
        assert_eq!(ApprovalState::from_name(state.as_str()), Some(*state));
        assert_eq!(
            serde_json::to_value(state).unwrap(),
            serde_json::json!(state.as_str())
        );
    }
    assert_eq!(ApprovalState::from_name("Pending"), None);
}
