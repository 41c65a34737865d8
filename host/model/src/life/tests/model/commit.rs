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
        let mut next = world.clone();
        next.clients[k].step = Step::Idle;
        let open = |s: ApprovalState| matches!(s, ApprovalState::Pending | ApprovalState::Approved);
        match (policy, approval) {
            (Policy::Allows, _) if world.calls.len() < CALLS => {
                if world.halted && self.flaw != Flaw::OverlooksHalt {
                    return next;
                }
                let state = CallState::after(None, CallEvent::Start).unwrap();
                next.calls.push(Call {
                    state,
                    by: None,
                    denied: false,
                    effects: 0,
                });
                let call = next.calls.len() - 1;
                next.clients[k].step = Step::Running {
                    call,
                    effect: Effect::Ahead,
                    unconsumed: None,
                };
                next.late |= world.halted;
                next
            }
            (Policy::Allows, _) | (_, Some((_, ApprovalState::Rejected))) => next,
            (policy, Some((i, state))) if open(state) => {
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
                        next.approvals.push(Approval {
                            state: ApprovalState::Pending,
                            call,
                            round: round + 1,
                            stopped: false,
                            version,
                            votes: 0,
                        });
                        if moved { next } else { refused(world, k) }
                    }
                    _ => {
                        let moved = self.call(&mut next.calls[call], CallEvent::Deny);
                        next.clients[k].step = Step::Refused { approval: i };
                        if moved { next } else { refused(world, k) }
                    }
                }
            }
            (Policy::Denies, _) => next,
            // One approval of a binding is open at a time, and the store has room for so many calls.
            _ if world.approvals.iter().any(|a| open(a.state)) || world.calls.len() == CALLS => {
                next
            }
            (Policy::Escalates(version), _) => {
                let state = CallState::after(None, CallEvent::Escalate).unwrap();
                next.calls.push(Call {
                    state,
                    by: None,
                    denied: false,
                    effects: 0,
                });
                let call = next.calls.len() - 1;
                next.approvals.push(Approval {
                    state: ApprovalState::Pending,
                    call,
                    round: 1,
                    stopped: false,
                    version,
                    votes: 0,
                });
                next
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

fn refused(world: &World, k: usize) -> World {
    let mut next = world.clone();
    next.clients[k].step = Step::Idle;
    next
}
