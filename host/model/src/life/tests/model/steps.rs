//! What each step changes in the world.

use super::{super::*, *};

impl World {
    pub(super) fn ask(&mut self, k: usize) {
        self.clients[k].asks -= 1;
        let approval = self.approvals.len().checked_sub(1);
        self.clients[k].step = Step::Decided {
            policy: self.policy,
            approval: approval.map(|last| (last, self.approvals[last].state)),
        };
    }

    pub(super) fn effect(&mut self, k: usize) -> Option<()> {
        let Step::Running { call, effect, .. } = &mut self.clients[k].step else {
            return None;
        };
        *effect = Effect::Done;
        self.calls[*call].effects += 1;
        self.late |= self.halted;
        Some(())
    }

    pub(super) fn crash(&mut self) {
        self.crashes -= 1;
        self.up = false;
        self.clients.iter_mut().for_each(|c| c.step = Step::Idle);
        for approver in &mut self.approvers {
            if let Approver::Reads(_) = approver {
                *approver = Approver::Idle;
            }
        }
    }
}

impl Gate {
    /// The next commit of a client. With [`Flaw::RunsFirst`], the effect comes before it.
    pub(super) fn commit_or_run_first(&self, world: &World, k: usize) -> World {
        if let (
            Flaw::RunsFirst,
            Step::Decided {
                approval: Some((i, ApprovalState::Approved)),
                ..
            },
        ) = (self.flaw, &world.clients[k].step)
        {
            let mut early = world.clone();
            early.calls[world.approvals[*i].call].effects += 1;
            return self.commit(&early, k);
        }
        self.commit(world, k)
    }

    pub(super) fn cancel_refused(&self, next: &mut World, k: usize) -> Option<()> {
        let Step::Refused { approval } = next.clients[k].step else {
            return None;
        };
        self.approval(&mut next.approvals[approval], ApprovalEvent::Cancel);
        next.clients[k].step = Step::Idle;
        Some(())
    }

    pub(super) fn consume_late(&self, next: &mut World, k: usize) -> Option<()> {
        let Step::Running { unconsumed, .. } = &mut next.clients[k].step else {
            return None;
        };
        let approval = unconsumed.take()?;
        self.approval(&mut next.approvals[approval], ApprovalEvent::Consume);
        Some(())
    }

    pub(super) fn close(&self, next: &mut World, k: usize) -> Option<()> {
        let Step::Running { call, effect, .. } = next.clients[k].step else {
            return None;
        };
        let closed = self.call(&mut next.calls[call], CallEvent::Close);
        next.clients[k].told |= closed && effect == Effect::Done;
        next.clients[k].step = Step::Idle;
        Some(())
    }

    pub(super) fn approve(&self, next: &mut World, a: usize) -> Option<()> {
        let Approver::Reads(i) = next.approvers[a] else {
            return None;
        };
        let enough = next.approvals[i].votes + 1 >= self.needed;
        let event = if enough {
            ApprovalEvent::Approve
        } else {
            ApprovalEvent::Vote
        };
        if self.approval(&mut next.approvals[i], event) {
            next.approvals[i].votes += 1;
        }
        next.approvers[a] = Approver::Done;
        Some(())
    }

    pub(super) fn reject(&self, next: &mut World, a: usize) -> Option<()> {
        let Approver::Reads(i) = next.approvers[a] else {
            return None;
        };
        self.approval(&mut next.approvals[i], ApprovalEvent::Reject);
        next.approvers[a] = Approver::Done;
        Some(())
    }

    pub(super) fn halt(&self, next: &mut World) {
        next.halted = true;
        for approval in &mut next.approvals {
            self.approval(approval, ApprovalEvent::Cancel);
        }
        // Running guests are stopped before their next effect; their calls are closed as usual.
        for client in &mut next.clients {
            client.asks = 0;
            if let Step::Running {
                effect: effect @ Effect::Ahead,
                ..
            } = &mut client.step
            {
                *effect = Effect::Prevented;
            }
        }
    }

    pub(super) fn restart(&self, next: &mut World) {
        next.up = true;
        if self.flaw != Flaw::SkipsRecovery {
            for call in &mut next.calls {
                self.call(call, CallEvent::Recover);
            }
        }
    }
}
