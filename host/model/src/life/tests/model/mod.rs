//! A model of one call that needs an approval: two clients that repeat it concurrently, two approvers, an
//! operator who reloads policies or halts, the clock, and a gate that may crash between any two steps. All
//! orders are tried.
//!
//! Committed state is durable; a crash loses the rest. The writer checks each commit only against the two
//! transition tables (and the halt), so races are decided in the tables alone.

mod commit;
mod properties;
mod steps;

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

use super::*;

/// How often each client calls. An approval and a reload in between take three; a race takes one more.
const ASKS: [u8; 2] = [3, 1];
/// Escalations of one call, the first included.
const ROUNDS: u8 = 2;
/// Calls with these arguments; further ones are refused.
const CALLS: usize = 2;

/// The gate's decision about the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Policy {
    /// It escalates, by a policy with this version.
    Escalates(u8),
    Allows,
    Denies,
}

/// A possible bug of the gate, to check that the properties detect it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Flaw {
    None,
    /// The start is committed first, the approval consumed after that.
    ConsumesLater,
    /// The effect happens before the start is committed.
    RunsFirst,
    /// The next start of the gate leaves open calls open.
    SkipsRecovery,
    /// The writer relies on earlier reads and does not check the table.
    AsksNoTable,
    /// The start does not check for a halt.
    OverlooksHalt,
    /// An approval is used regardless of the policy it was granted under.
    LiftsAnything,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    state: CallState,
    /// The approval that its start consumed.
    by: Option<usize>,
    /// It was denied at some time.
    denied: bool,
    effects: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Approval {
    state: ApprovalState,
    call: usize,
    round: u8,
    /// It was rejected, expired or cancelled at some time.
    stopped: bool,
    /// Version of the policy that it lifts.
    version: u8,
    votes: u8,
}

/// The progress of a client's call in the gate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    /// Decided from earlier reads; nothing is committed yet.
    Decided {
        policy: Policy,
        approval: Option<(usize, ApprovalState)>,
    },
    /// Refused in one commit; the approval is cancelled in the next.
    Refused {
        approval: usize,
    },
    /// Its start is durable; the guest is running.
    Running {
        call: usize,
        effect: Effect,
        unconsumed: Option<usize>,
    },
}

/// The effect of a running guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Effect {
    Ahead,
    Done,
    /// The guest was stopped before it.
    Prevented,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Client {
    asks: u8,
    step: Step,
    /// Whether it got the result of the call.
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Approver {
    Idle,
    /// Reads this approval.
    Reads(usize),
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    up: bool,
    crashes: u8,
    reloads: u8,
    halted: bool,
    policy: Policy,
    calls: Vec<Call>,
    approvals: Vec<Approval>,
    clients: [Client; 2],
    approvers: [Approver; 2],
    /// Something started, or had an effect, after the halt.
    late: bool,
    /// Something started under a policy that its approval does not cover.
    unlifted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Act {
    Ask(usize),
    Commit(usize),
    CancelRefused(usize),
    ConsumeLate(usize),
    Effect(usize),
    Close(usize),
    Read(usize),
    Approve(usize),
    Reject(usize),
    Expire,
    Halt,
    Reload(Policy),
    Crash,
    Restart,
}

struct Gate {
    flaw: Flaw,
    /// People who must approve.
    needed: u8,
}

impl Model for Gate {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let client = |asks| Client {
            asks,
            step: Step::Idle,
            told: false,
        };
        vec![World {
            up: true,
            crashes: 1,
            reloads: 1,
            halted: false,
            policy: Policy::Escalates(0),
            calls: Vec::new(),
            approvals: Vec::new(),
            clients: ASKS.map(client),
            approvers: [Approver::Idle; 2],
            late: false,
            unlifted: false,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        if !world.up {
            acts.push(Act::Restart);
            return;
        }
        for k in 0..2 {
            match &world.clients[k].step {
                Step::Idle if world.clients[k].asks > 0 => acts.push(Act::Ask(k)),
                Step::Idle => {}
                Step::Decided { .. } => acts.push(Act::Commit(k)),
                Step::Refused { .. } => acts.push(Act::CancelRefused(k)),
                Step::Running {
                    effect, unconsumed, ..
                } => {
                    if *effect == Effect::Ahead {
                        acts.push(Act::Effect(k));
                    }
                    if unconsumed.is_some() {
                        acts.push(Act::ConsumeLate(k));
                    }
                    acts.push(Act::Close(k));
                }
            }
        }
        for a in 0..2 {
            match world.approvers[a] {
                Approver::Idle if !world.approvals.is_empty() => acts.push(Act::Read(a)),
                Approver::Reads(_) => acts.extend([Act::Approve(a), Act::Reject(a)]),
                _ => {}
            }
        }
        acts.push(Act::Expire);
        if !world.halted {
            acts.push(Act::Halt);
        }
        if world.reloads > 0 {
            let others = [Policy::Escalates(1), Policy::Allows, Policy::Denies];
            acts.extend(others.map(Act::Reload));
        }
        if world.crashes > 0 {
            acts.push(Act::Crash);
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut next = world.clone();
        match act {
            Act::Ask(k) => next.ask(k),
            Act::Commit(k) => next = self.commit_or_run_first(world, k),
            Act::CancelRefused(k) => self.cancel_refused(&mut next, k)?,
            Act::ConsumeLate(k) => self.consume_late(&mut next, k)?,
            Act::Effect(k) => next.effect(k)?,
            Act::Close(k) => self.close(&mut next, k)?,
            Act::Read(a) => {
                next.approvers[a] = Approver::Reads(world.approvals.len().checked_sub(1)?)
            }
            Act::Approve(a) => self.approve(&mut next, a)?,
            Act::Reject(a) => self.reject(&mut next, a)?,
            Act::Expire => {
                let last = next.approvals.last_mut()?;
                if !self.approval(last, ApprovalEvent::Expire) {
                    return None;
                }
            }
            Act::Halt => self.halt(&mut next),
            Act::Reload(policy) => {
                next.reloads -= 1;
                next.policy = policy;
            }
            Act::Crash => next.crash(),
            Act::Restart => self.restart(&mut next),
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

/// Tries all orders until `enough` is found; returns the properties that fail.
fn failing(flaw: Flaw, needed: u8, enough: HasDiscoveries) -> BTreeSet<&'static str> {
    let checker = Gate { flaw, needed }
        .checker()
        .threads(2)
        .finish_when(enough)
        .spawn_bfs()
        .join();
    let found = checker.discoveries();
    let fails = |p: &Property<Gate>| match p.expectation {
        Expectation::Sometimes => !found.contains_key(p.name),
        _ => found.contains_key(p.name),
    };
    println!(
        "{flaw:?}, {needed} needed: {} states",
        checker.unique_state_count()
    );
    checker
        .model()
        .properties()
        .into_iter()
        .filter(fails)
        .map(|p| p.name)
        .collect()
}

#[test]
fn nothing_goes_wrong_in_any_order() {
    assert_eq!(failing(Flaw::None, 1, HasDiscoveries::All), BTreeSet::new());
}

#[test]
fn nothing_goes_wrong_where_two_must_approve() {
    // Each of the two answers once, so no one is left for a second approval.
    let out_of_reach = BTreeSet::from(["it runs again with a second approval"]);
    assert_eq!(failing(Flaw::None, 2, HasDiscoveries::All), out_of_reach);
}

/// The properties are meaningful only if each bug violates one.
#[test]
fn every_mistake_is_noticed() {
    for (flaw, property) in [
        (
            Flaw::ConsumesLater,
            "what started has consumed its approval",
        ),
        (Flaw::RunsFirst, "no effect without a durable start"),
        (
            Flaw::SkipsRecovery,
            "a call is started only while its guest runs",
        ),
        (Flaw::AsksNoTable, "at most one effect per approval"),
        (Flaw::AsksNoTable, "what was denied never runs"),
        (
            Flaw::AsksNoTable,
            "what was rejected, expired or cancelled never runs",
        ),
        (
            Flaw::OverlooksHalt,
            "nothing starts or has an effect after a halt",
        ),
        (
            Flaw::LiftsAnything,
            "an approval lifts only what it was given for",
        ),
    ] {
        let failing = failing(flaw, 1, HasDiscoveries::AllOf(BTreeSet::from([property])));
        assert!(failing.contains(property), "{flaw:?}: {failing:?}");
    }
}
