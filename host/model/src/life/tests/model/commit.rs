//! What the gate writes, guarded by the transition tables.

use super::{super::*, *};

impl Gate {
    /// The writer moves a call, or refuses.
    pub(super) fn call(&self, call: &mut Call, event: CallEvent) -> bool {
        let next = CallState::after(Some(call.state), event);
        let forced = match event {
            CallEvent::Start => Some(CallState::Started),
            _ => None,
        };
        let Some(next) = next.or(forced.filter(|_| self.flaw == Flaw::AsksNoTable)) else {
            return false;
        };
        call.state = next;
        call.denied |= next == CallState::Denied;
        true
    }

    /// The writer moves an approval, or refuses.
    pub(super) fn approval(&self, approval: &mut Approval, event: ApprovalEvent) -> bool {
        use ApprovalState as A;
        let next = approval.state.after(event);
        let forced = match event {
            ApprovalEvent::Consume => Some(A::Consumed),
            _ => None,
        };
        let Some(next) = next.or(forced.filter(|_| self.flaw == Flaw::AsksNoTable)) else {
            return false;
        };
        approval.state = next;
        approval.stopped |= matches!(next, A::Rejected | A::Expired | A::Cancelled);
        true
    }

    /// One transaction: all of it, or nothing. Afterwards the client has its answer, or runs.
    pub(super) fn commit(&self, world: &World, k: usize) -> World {
        let Step::Decided { policy, approval } = world.clients[k].step else {
            return world.clone();
        };
        let open = |s: ApprovalState| matches!(s, ApprovalState::Pending | ApprovalState::Approved);
        match (policy, approval) {
            (Policy::Allows, _) if world.calls.len() < CALLS => self.allow(world, k),
            (Policy::Allows, _) | (_, Some((_, ApprovalState::Rejected))) => refused(world, k),
            (policy, Some((i, state))) if open(state) => {
                self.decide_again(world, k, policy, i, state)
            }
            (Policy::Denies, _) => refused(world, k),
            // One approval of a binding is open at a time, and the store has room for so many calls.
            _ if world.approvals.iter().any(|a| open(a.state)) || world.calls.len() == CALLS => {
                refused(world, k)
            }
            (Policy::Escalates(version), _) => escalate(world, k, version),
        }
    }

    /// A call that needs no approval.
    fn allow(&self, world: &World, k: usize) -> World {
        let mut next = refused(world, k);
        if world.halted && self.flaw != Flaw::OverlooksHalt {
            return next;
        }
        let call = new_call(&mut next, CallEvent::Start);
        next.clients[k].step = Step::Running {
            call,
            effect: Effect::Ahead,
            unconsumed: None,
        };
        next.late |= world.halted;
        next
    }

    /// A call whose approval `i` is open, in `state`.
    fn decide_again(
        &self,
        world: &World,
        k: usize,
        policy: Policy,
        i: usize,
        state: ApprovalState,
    ) -> World {
        let mut next = refused(world, k);
        let Approval {
            call,
            round,
            version,
            ..
        } = world.approvals[i];
        let lifted = policy == Policy::Escalates(version)
            || (self.flaw == Flaw::LiftsAnything && matches!(policy, Policy::Escalates(_)));
        match policy {
            Policy::Escalates(_) if lifted && state == ApprovalState::Pending => next,
            Policy::Escalates(version) if lifted => self.start(world, k, i, call, version),
            Policy::Escalates(version) if round < ROUNDS => {
                let moved = self.approval(&mut next.approvals[i], ApprovalEvent::Cancel)
                    && self.call(&mut next.calls[call], CallEvent::Escalate);
                next.approvals
                    .push(Approval::pending(call, round + 1, version));
                if moved { next } else { refused(world, k) }
            }
            _ => {
                let moved = self.call(&mut next.calls[call], CallEvent::Deny);
                next.clients[k].step = Step::Refused { approval: i };
                if moved { next } else { refused(world, k) }
            }
        }
    }

    pub(super) fn start(
        &self,
        world: &World,
        k: usize,
        approval: usize,
        call: usize,
        version: u8,
    ) -> World {
        if world.halted && self.flaw != Flaw::OverlooksHalt {
            return refused(world, k);
        }
        let mut next = world.clone();
        let later = self.flaw == Flaw::ConsumesLater;
        let moved = self.call(&mut next.calls[call], CallEvent::Start)
            && (later || self.approval(&mut next.approvals[approval], ApprovalEvent::Consume));
        if !moved {
            return refused(world, k);
        }
        next.late |= world.halted;
        next.unlifted |= world.approvals[approval].version != version;
        next.calls[call].by = Some(approval);
        next.clients[k].step = Step::Running {
            call,
            effect: Effect::Ahead,
            unconsumed: later.then_some(approval),
        };
        next
    }
}

impl Approval {
    fn pending(call: usize, round: u8, version: u8) -> Self {
        Self {
            state: ApprovalState::Pending,
            call,
            round,
            stopped: false,
            version,
            votes: 0,
        }
    }
}

/// A call that needs an approval.
fn escalate(world: &World, k: usize, version: u8) -> World {
    let mut next = refused(world, k);
    let call = new_call(&mut next, CallEvent::Escalate);
    next.approvals.push(Approval::pending(call, 1, version));
    next
}

/// Adds a call that begins with `event`. Returns its place.
fn new_call(next: &mut World, event: CallEvent) -> usize {
    let state = CallState::after(None, event).unwrap();
    next.calls.push(Call {
        state,
        by: None,
        denied: false,
        effects: 0,
    });
    next.calls.len() - 1
}

fn refused(world: &World, k: usize) -> World {
    let mut next = world.clone();
    next.clients[k].step = Step::Idle;
    next
}
