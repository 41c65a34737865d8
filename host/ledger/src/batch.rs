//! Batches: records that are committed together, and the work for them that the caller's own thread can do.

use std::collections::BTreeSet;

use tokio::sync::oneshot;
use tollgate_model::{
    decision::Outcome,
    entity::Uid,
    ids::{ApprovalId, RunId, SeriesId, SpanId},
    record::{Event, Record, RunOutcome, leaf_hash},
    run::RunDelta,
    time::Timestamp,
};

use crate::{CommitError, Payload, Receipt, Window, component_state::StateUpdateRequest};

/// The most bytes of an entry of a C2SP log.
const MAX_LEAF: usize = 65_535;
/// The most payloads in one batch: their positions are part of their row's id.
const MAX_PAYLOADS: usize = 1 << 16;

/// Records and payloads that are committed together, or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Sealed payloads that the records refer to by digest.
    pub payloads: Vec<Payload>,
    /// Conditions that must hold when it is committed.
    pub conditions: Vec<Condition>,
}

/// A condition for committing a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The run has not ended and has this version: the counts that the decision saw.
    RunVersion(RunId, u64),
    /// The run has not ended.
    RunOpen(RunId),
    /// The run has no other labels than these.
    RunLabels(RunId, BTreeSet<String>),
    /// The approval has not changed since it was read: state and number of answers.
    ApprovalUnchanged(ApprovalId, u64),
    /// None of these is halted.
    NotHalted(HaltKeys),
    /// Fewer approvals than this of the principal are pending.
    PendingBelow(PendingApprovals, u64),
    /// The window has fewer calls than this.
    CallsBelow(Window, u64),
    /// No record from this size of the ledger on has changed one of these series.
    SeriesUnchanged(BTreeSet<SeriesId>, u64),
}

/// The principal whose pending approvals are counted. Those that have expired at `now` do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingApprovals {
    /// The tenant.
    pub tenant: String,
    /// The principal that asks.
    pub principal: Uid,
    /// The time of the count.
    pub now: Timestamp,
}

/// The targets that a halt could have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaltKeys {
    /// The agent or user.
    pub agent: String,
    /// The component; absent for acts outside one.
    pub component: Option<String>,
    /// The tenant.
    pub tenant: String,
    /// The tool; absent for acts outside one.
    pub tool: Option<String>,
}

/// A record with what can be computed before the writer has its turn.
#[derive(Debug)]
pub(crate) struct EncodedRecord {
    pub(crate) record: Record,
    pub(crate) leaf: Vec<u8>,
    pub(crate) hash: [u8; 32],
    pub(crate) delta: RunDelta,
}

impl EncodedRecord {
    pub(crate) fn new(record: Record) -> Result<Self, CommitError> {
        let leaf = record
            .leaf()
            .map_err(|_| CommitError::Illegal("a record cannot be written as JSON"))?;
        if leaf.len() > MAX_LEAF {
            return Err(CommitError::Illegal("a record is larger than 65,535 bytes"));
        }
        Ok(Self::stored(record, leaf))
    }

    /// A record that is already stored.
    pub(crate) fn stored(record: Record, leaf: Vec<u8>) -> Self {
        Self {
            hash: leaf_hash(&leaf),
            delta: RunDelta::of(&record),
            record,
            leaf,
        }
    }
}

/// Whether the anchor must cover this record as soon as it is committed, instead of within a second. It
/// must if an old copy of the store would permit what a person has forbidden, or would let an approval be
/// used again.
fn anchors(event: &Event) -> bool {
    match event {
        Event::Start(start) => start.approval.is_some(),
        Event::Decision(decision) => decision.approval.is_some() || !decision.standing.is_empty(),
        Event::RunEnded(ended) => ended.outcome == RunOutcome::Cancelled,
        Event::ApprovalResolved(_)
        | Event::ApprovalLinkRevoked(_)
        | Event::StandingEnded(_)
        | Event::Halted(_)
        | Event::Administered(_) => true,
        // An old copy without the end of a halt only halts more. The bundle comes from the configuration.
        Event::Resumed(_) | Event::BundleActivated(_) => false,
        Event::RunStarted(_)
        | Event::CallInvalid(_)
        | Event::Outcome(_)
        | Event::Effect(_)
        | Event::ComponentLog(_)
        | Event::LabelsJoined(_)
        | Event::ApprovalRequested(_)
        | Event::ApprovalAnswered(_)
        | Event::ApprovalEscalated(_)
        | Event::ApprovalLinkIssued(_)
        | Event::ApprovalAnswerRefused(_)
        | Event::StandingGranted(_) => false,
    }
}

/// The span of an allowing decision.
fn allows(event: &Event) -> Option<SpanId> {
    let Event::Decision(decision) = event else {
        return None;
    };
    (decision.outcome == Outcome::Allow).then_some(decision.span)
}

/// A batch with everything that the caller's own thread can compute.
#[derive(Debug)]
pub(crate) struct EncodedBatch {
    pub(crate) records: Vec<EncodedRecord>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) conditions: Vec<Condition>,
    /// A change of component state that is committed together with it.
    pub(crate) state_update: Option<Box<StateUpdateRequest>>,
    /// Whether it records the outcome of a started call or effect: the disk reserve is for these.
    pub(crate) closing: bool,
    /// Whether the anchor must cover it at once.
    pub(crate) anchors: bool,
    /// Spans of its allowing decisions.
    pub(crate) allowed: Vec<SpanId>,
    pub(crate) bytes: usize,
}

impl EncodedBatch {
    pub(crate) fn new(batch: Batch) -> Result<Self, CommitError> {
        let Batch {
            records,
            payloads,
            conditions,
        } = batch;
        if payloads.len() >= MAX_PAYLOADS {
            return Err(CommitError::Illegal("a batch has too many payloads"));
        }
        let closing = records.iter().any(|r| matches!(r.event, Event::Outcome(_)));
        let anchors = records.iter().any(|r| anchors(&r.event));
        let allowed = records.iter().filter_map(|r| allows(&r.event)).collect();
        let records = records
            .into_iter()
            .map(EncodedRecord::new)
            .collect::<Result<Vec<_>, _>>()?;
        let leaves: usize = records.iter().map(|r| r.leaf.len()).sum();
        let sealed: usize = payloads.iter().map(|p| p.ciphertext.len()).sum();
        // In addition to its own bytes, a batch writes a few pages.
        Ok(Self {
            records,
            payloads,
            conditions,
            state_update: None,
            allowed,
            closing,
            anchors,
            bytes: leaves + sealed + (8 << 10),
        })
    }

    /// Adds a change of component state.
    pub(crate) fn with(mut self, request: StateUpdateRequest) -> Self {
        self.bytes += request
            .update
            .value
            .as_ref()
            .map_or(0, |new| new.value.ciphertext.len());
        self.state_update = Some(Box::new(request));
        self
    }

    /// Whether it requests an approval.
    pub(crate) fn requests_approval(&self) -> bool {
        let mut events = self.records.iter().map(|r| &r.record.event);
        events.any(|event| matches!(event, Event::ApprovalRequested(_)))
    }

    /// The runs in which it suspends a call until an approval is answered.
    pub(crate) fn suspends(&self) -> impl Iterator<Item = RunId> + '_ {
        let records = self.records.iter().map(|ready| &ready.record);
        records.filter_map(|record| {
            let suspends = matches!(&record.event, Event::ApprovalRequested(request)
                if !request.waiting.is_empty());
            record.run.filter(|_| suspends)
        })
    }

    /// The latest time in it.
    pub(crate) fn time(&self) -> Option<i64> {
        self.records.iter().map(|r| r.record.time.0).max()
    }
}

/// A batch that waits for its answer.
pub(crate) struct QueuedBatch {
    pub(crate) batch: EncodedBatch,
    pub(crate) reply: oneshot::Sender<Result<Receipt, CommitError>>,
}

/// Answers all with this error.
pub(crate) fn answer_all(group: &mut Vec<QueuedBatch>, error: &CommitError) {
    for QueuedBatch { reply, .. } in group.drain(..) {
        // The caller may be gone.
        let _ = reply.send(Err(error.clone()));
    }
}

/// Answers each with its own result.
pub(crate) fn answer_each(
    group: &mut Vec<QueuedBatch>,
    answers: Vec<Result<Receipt, CommitError>>,
) {
    for (QueuedBatch { reply, .. }, answer) in group.drain(..).zip(answers) {
        let _ = reply.send(answer);
    }
}

/// Refuses the batches that start something, and keeps those that record an outcome.
pub(crate) fn refuse_opening(group: &mut Vec<QueuedBatch>, error: &CommitError) {
    let (closing, opening): (Vec<_>, Vec<_>) = group.drain(..).partition(|w| w.batch.closing);
    *group = closing;
    let mut opening = opening;
    answer_all(&mut opening, error);
}
