//! Batches, with what can be computed on the caller's own thread.

use tokio::sync::oneshot;
use tollgate_model::{
    ids::RunId,
    record::{Event, Record, leaf_hash},
    run::RunDelta,
};

use super::{Batch, CommitError, Condition, Payload, Receipt, component_state::Asked};

/// An entry of a C2SP log has at most this many bytes.
const MAX_LEAF: usize = 65_535;
/// Payloads in one batch at most: their places are part of their row's id.
const MAX_PAYLOADS: usize = 1 << 16;

/// A record with what can be computed before the writer has its turn.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) record: Record,
    pub(crate) leaf: Vec<u8>,
    pub(crate) hash: [u8; 32],
    pub(crate) delta: RunDelta,
}

impl Ready {
    pub(crate) fn new(record: Record) -> Result<Self, CommitError> {
        let leaf = record
            .leaf()
            .map_err(|_| CommitError::Illegal("a record cannot be written as JSON"))?;
        if leaf.len() > MAX_LEAF {
            return Err(CommitError::Illegal("a record is larger than 65,535 bytes"));
        }
        Ok(Self::stored(record, leaf))
    }

    /// A record that is stored already.
    pub(crate) fn stored(record: Record, leaf: Vec<u8>) -> Self {
        Self {
            hash: leaf_hash(&leaf),
            delta: RunDelta::of(&record),
            record,
            leaf,
        }
    }
}

/// Whether an old copy of the store without this would let something happen again, or at all.
fn anchors(event: &Event) -> bool {
    match event {
        Event::Start(start) => start.approval.is_some(),
        Event::Decision(decision) => decision.approval.is_some(),
        Event::ApprovalResolved(_) | Event::Halted(_) | Event::Administered(_) => true,
        _ => false,
    }
}

/// A batch with what could be computed on the caller's own thread.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) records: Vec<Ready>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) conditions: Vec<Condition>,
    /// What a component keeps, changed with it.
    pub(crate) change: Option<Box<Asked>>,
    /// Whether it says what became of something that has started: it goes in even when the disk is full.
    pub(crate) closing: bool,
    /// Whether it does something that an old copy of the store must not undo.
    pub(crate) anchors: bool,
    pub(crate) bytes: usize,
}

impl Prepared {
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
        let records = records
            .into_iter()
            .map(Ready::new)
            .collect::<Result<Vec<_>, _>>()?;
        let leaves: usize = records.iter().map(|r| r.leaf.len()).sum();
        let sealed: usize = payloads.iter().map(|p| p.ciphertext.len()).sum();
        // What a batch writes beside its own bytes is a few pages.
        Ok(Self {
            records,
            payloads,
            conditions,
            change: None,
            closing,
            anchors,
            bytes: leaves + sealed + (8 << 10),
        })
    }

    /// With a change to what a component keeps.
    pub(crate) fn with(mut self, asked: Asked) -> Self {
        let value = asked.change.value.as_ref();
        self.bytes += value.map_or(0, |(value, ..)| value.ciphertext.len());
        self.change = Some(Box::new(asked));
        self
    }

    /// Whether it asks for an approval.
    pub(crate) fn asks(&self) -> bool {
        let mut events = self.records.iter().map(|r| &r.record.event);
        events.any(|event| matches!(event, Event::ApprovalRequested(_)))
    }

    /// The runs in which calls are suspended by it, to wait for an approval.
    pub(crate) fn suspends(&self) -> impl Iterator<Item = RunId> + '_ {
        let records = self.records.iter().map(|ready| &ready.record);
        records.filter_map(|record| match &record.event {
            Event::ApprovalRequested(request) if !request.waiting.is_empty() => record.run,
            _ => None,
        })
    }

    /// The latest time in it.
    pub(crate) fn time(&self) -> Option<i64> {
        self.records.iter().map(|r| r.record.time.0).max()
    }
}

/// A batch that waits for its answer.
pub(crate) struct Waiting {
    pub(crate) batch: Prepared,
    pub(crate) reply: oneshot::Sender<Result<Receipt, CommitError>>,
}

/// Answer everybody with this error.
pub(crate) fn answer_all(group: &mut Vec<Waiting>, error: &CommitError) {
    for Waiting { reply, .. } in group.drain(..) {
        // Whoever asked may have gone away.
        let _ = reply.send(Err(error.clone()));
    }
}

/// Answer everybody.
pub(crate) fn answer_each(group: &mut Vec<Waiting>, answers: Vec<Result<Receipt, CommitError>>) {
    for (Waiting { reply, .. }, answer) in group.drain(..).zip(answers) {
        let _ = reply.send(answer);
    }
}

/// Answer the batches that nothing depends on, and keep those that close what has started.
pub(crate) fn refuse_opening(group: &mut Vec<Waiting>, error: &CommitError) {
    let (closing, opening): (Vec<_>, Vec<_>) = group.drain(..).partition(|w| w.batch.closing);
    *group = closing;
    let mut opening = opening;
    answer_all(&mut opening, error);
}
