//! A model of one call whose effect needs an approval: two clients that repeat it concurrently, an
//! approver, a halt, the clock, and a gate that may crash between any two steps. All orders are tried.
//!
//! The guest runs and requests the effect, and its call is suspended. After the approval it runs again, and
//! its request consumes the approval in the transaction that allows it.

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

use super::*;

/// How often each client calls.
const ASKS: [u8; 2] = [3, 2];
/// The most approvals that are requested.
const APPROVALS: usize = 2;

/// A possible bug of the gate, to check that the properties detect it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Flaw {
    None,
    /// The effect is allowed first, the approval consumed after that.
    ConsumesLater,
    /// The guest runs again without an answer.
    RunsAgain,
    /// The guest runs again in two clients at once.
    AsksNoTable,
    /// A halt does not void the approval, and the request does not check for a halt.
    OverlooksHalt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    /// It has read the call's approval, and commits its start next.
    Decided(Option<ApprovalState>),
    /// The guest is running and has not asked yet.
    Running,
    /// Its request is allowed, and an approval is still to be consumed.
    Allowed {
        unconsumed: bool,
    },
    /// It got the answer that it must wait.
    Told,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    up: bool,
    crashes: u8,
    halted: bool,
    call: Option<CallState>,
    approvals: Vec<ApprovalState>,
    stopped: BTreeSet<usize>,
    /// Effects, each with the approval that allowed it.
    effects: Vec<usize>,
    clients: [(u8, Step); 2],
    /// The guest ran while an answer was missing.
    impatient: bool,
    /// Something was allowed after the halt.
    late: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Act {
    Ask(usize),
    Start(usize),
    Request(usize),
    ConsumeLate(usize),
    Close(usize),
    Approve,
    Reject,
    Expire,
    Halt,
    Crash,
    Restart,
}

struct Gate(Flaw);

impl World {
    fn last(&self) -> Option<ApprovalState> {
        self.approvals.last().copied()
    }

    /// Running guests.
    fn running(&self) -> usize {
        let runs = |step: &Step| !matches!(step, Step::Idle | Step::Decided(_));
        self.clients.iter().filter(|(_, step)| runs(step)).count()
    }

    fn answer(&mut self, event: ApprovalEvent) -> Option<()> {
        use ApprovalState as A;
        let last = self.approvals.len().checked_sub(1)?;
        let next = self.approvals[last].after(event)?;
        self.approvals[last] = next;
        if matches!(next, A::Rejected | A::Expired | A::Cancelled) {
            self.stopped.insert(last);
        }
        Some(())
    }
}

impl Gate {
    fn start(&self, next: &mut World, k: usize) -> Option<()> {
        use ApprovalState as A;
        let (_, Step::Decided(seen)) = next.clients[k] else {
            return None;
        };
        next.clients[k].1 = Step::Idle;
        let waits = matches!(seen, Some(A::Pending | A::Rejected));
        if (waits && self.0 != Flaw::RunsAgain) || next.halted {
            return Some(());
        }
        let started = CallState::after(next.call, CallEvent::Start);
        let forced = (self.0 == Flaw::AsksNoTable).then_some(CallState::Started);
        if let Some(started) = started.or(forced) {
            next.impatient |= seen == Some(A::Pending);
            next.call = Some(started);
            next.clients[k].1 = Step::Running;
        }
        Some(())
    }

    /// One transaction: look up the approval, consume it, and allow the effect.
    fn request(&self, next: &mut World, k: usize) -> Option<()> {
        use ApprovalState as A;
        let mut step = Step::Allowed { unconsumed: false };
        match next.last() {
            _ if next.halted && self.0 != Flaw::OverlooksHalt => {}
            Some(A::Approved) => {
                let last = next.approvals.len() - 1;
                let later = self.0 == Flaw::ConsumesLater;
                if !later {
                    next.answer(ApprovalEvent::Consume)?;
                }
                next.effects.push(last);
                next.late |= next.halted;
                step = Step::Allowed { unconsumed: later };
            }
            Some(A::Pending) => step = Step::Told,
            Some(A::Rejected) => {}
            _ if next.approvals.len() < APPROVALS => {
                next.approvals.push(A::Pending);
                step = Step::Told;
            }
            _ => {}
        }
        next.clients[k].1 = step;
        Some(())
    }
}

impl Model for Gate {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            up: true,
            crashes: 1,
            halted: false,
            call: None,
            approvals: Vec::new(),
            stopped: BTreeSet::new(),
            effects: Vec::new(),
            clients: ASKS.map(|asks| (asks, Step::Idle)),
            impatient: false,
            late: false,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        if !world.up {
            acts.push(Act::Restart);
            return;
        }
        for k in 0..2 {
            match world.clients[k] {
                (0, Step::Idle) => {}
                (_, Step::Idle) => acts.push(Act::Ask(k)),
                (_, Step::Decided(_)) => acts.push(Act::Start(k)),
                (_, Step::Running) => acts.extend([Act::Request(k), Act::Close(k)]),
                (_, Step::Allowed { unconsumed: true }) => acts.push(Act::ConsumeLate(k)),
                (_, Step::Allowed { .. } | Step::Told) => acts.push(Act::Close(k)),
            }
        }
        acts.extend([Act::Approve, Act::Reject, Act::Expire]);
        if !world.halted {
            acts.push(Act::Halt);
        }
        if world.crashes > 0 {
            acts.push(Act::Crash);
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut next = world.clone();
        match act {
            Act::Ask(k) => {
                next.clients[k].0 -= 1;
                next.clients[k].1 = Step::Decided(world.last());
            }
            Act::Start(k) => self.start(&mut next, k)?,
            Act::Request(k) => self.request(&mut next, k)?,
            Act::ConsumeLate(k) => {
                next.answer(ApprovalEvent::Consume);
                next.clients[k].1 = Step::Allowed { unconsumed: false };
            }
            Act::Close(k) => {
                let event = match world.clients[k].1 {
                    Step::Told => CallEvent::Suspend,
                    _ => CallEvent::Close,
                };
                if let Some(state) = CallState::after(world.call, event) {
                    next.call = Some(state);
                }
                next.clients[k].1 = Step::Idle;
            }
            Act::Approve => next.answer(ApprovalEvent::Approve)?,
            Act::Reject => next.answer(ApprovalEvent::Reject)?,
            Act::Expire => next.answer(ApprovalEvent::Expire)?,
            Act::Halt => {
                next.halted = true;
                if self.0 != Flaw::OverlooksHalt {
                    next.answer(ApprovalEvent::Cancel);
                }
            }
            Act::Crash => {
                next.crashes -= 1;
                next.up = false;
                next.clients.iter_mut().for_each(|c| c.1 = Step::Idle);
            }
            Act::Restart => {
                next.up = true;
                if let Some(state) = CallState::after(world.call, CallEvent::Recover) {
                    next.call = Some(state);
                }
            }
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        use ApprovalState as A;
        vec![
            Property::always("one effect per approval", |_, w: &World| {
                let once: BTreeSet<usize> = w.effects.iter().copied().collect();
                once.len() == w.effects.len()
            }),
            Property::always(
                "what has happened has used its approval up",
                |_, w: &World| w.effects.iter().all(|i| w.approvals[*i] == A::Consumed),
            ),
            Property::always("what was stopped never happens", |_, w: &World| {
                w.effects.iter().all(|i| !w.stopped.contains(i))
            }),
            Property::always(
                "no guest runs again before it is answered",
                |_, w: &World| !w.impatient,
            ),
            Property::always("one guest runs at a time", |_, w: &World| w.running() <= 1),
            Property::always("nothing is allowed after a halt", |_, w: &World| !w.late),
            Property::always(
                "nothing happens in a call that never ran",
                |_, w: &World| w.effects.is_empty() || w.call.is_some_and(CallState::may_have_run),
            ),
            Property::sometimes("it happens once it is approved", |_, w: &World| {
                w.call == Some(CallState::Closed) && w.effects.len() == 1
            }),
            Property::sometimes("it waits over a crash", |_, w: &World| {
                w.up && w.crashes == 0 && w.call == Some(CallState::Suspended)
            }),
            Property::sometimes("a crash leaves it indeterminate, done", |_, w: &World| {
                w.call == Some(CallState::Indeterminate) && w.effects.len() == 1
            }),
            Property::sometimes(
                "it asks again if there was no answer in time",
                |_, w: &World| w.approvals.first() == Some(&A::Expired) && w.effects == [1],
            ),
        ]
    }
}

/// Tries all orders; returns the properties that fail.
fn failing(flaw: Flaw) -> BTreeSet<&'static str> {
    let checker = Gate(flaw)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::All)
        .spawn_bfs()
        .join();
    let found = checker.discoveries();
    let fails = |p: &Property<Gate>| match p.expectation {
        Expectation::Sometimes => !found.contains_key(p.name),
        _ => found.contains_key(p.name),
    };
    let properties = checker.model().properties().into_iter();
    properties.filter(fails).map(|p| p.name).collect()
}

#[test]
fn nothing_goes_wrong_in_any_order() {
    assert_eq!(failing(Flaw::None), BTreeSet::new());
}

/// The properties are meaningful only if each bug violates one.
#[test]
fn every_mistake_is_noticed() {
    for (flaw, property) in [
        (
            Flaw::ConsumesLater,
            "what has happened has used its approval up",
        ),
        (Flaw::RunsAgain, "no guest runs again before it is answered"),
        (Flaw::AsksNoTable, "one guest runs at a time"),
        (Flaw::OverlooksHalt, "nothing is allowed after a halt"),
    ] {
        let failing = failing(flaw);
        assert!(failing.contains(property), "{flaw:?}: {failing:?}");
    }
}
