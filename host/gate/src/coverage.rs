//! Policies that never determined a decision, and since when, according to the ledger.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    ops::ControlFlow,
};

use serde::Serialize;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::PolicyRef,
    ids::DecisionId,
    record::{DecisionRecord, Event, Record},
    time::Timestamp,
};
use tollgate_policy::{
    pdp::{Bundle, Pdp},
    policy::Mode,
};

use tollgate_ledger::{LedgerError, LedgerReader, Order, RecordFilter};

/// Live results of one policy with its current contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyCoverage {
    /// Its `@id`.
    pub id: String,
    /// Its file.
    pub file: String,
    /// Enforced or shadow.
    pub mode: Mode,
    /// Decisions that it determined; for a shadow policy, flips that it would have caused.
    pub decisions: u64,
    /// The last of them.
    pub last: Option<DecisionId>,
    /// The time of that decision.
    pub last_time: Option<Timestamp>,
    /// Since when it is in force with these contents; absent if it has not been yet.
    pub since: Option<Timestamp>,
}

/// Results of the policies of `pdp` since `since`; those that never determined a decision come first.
///
/// # Errors
/// [`LedgerError`] if the store cannot be read.
pub fn coverage(
    reader: &LedgerReader,
    pdp: &Pdp,
    since: Option<Timestamp>,
) -> Result<Vec<PolicyCoverage>, LedgerError> {
    let mut tally = Tally::new(reader, pdp, since);
    let mut failed = None;
    let filter = RecordFilter {
        order: Order::OldestFirst,
        ..RecordFilter::default()
    };
    reader.records(&filter, |index, record| match tally.add(index, &record) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or_else(|| Ok(tally.results()), Err)
}

/// Counts what each policy determined, record by record, oldest first.
struct Tally<'a> {
    reader: &'a LedgerReader,
    /// Decisions before this do not count.
    since: Option<Timestamp>,
    covered: BTreeMap<&'a PolicyRef, PolicyCoverage>,
    /// A flip names policies only by id.
    by_id: HashMap<&'a str, &'a PolicyRef>,
    /// The policies of every bundle that was activated so far.
    bundles: HashMap<Sha256Digest, Vec<PolicyRef>>,
}

impl<'a> Tally<'a> {
    fn new(reader: &'a LedgerReader, pdp: &'a Pdp, since: Option<Timestamp>) -> Self {
        let policies = || pdp.policies().values();
        let covered = policies().map(|policy| {
            let covered = PolicyCoverage {
                id: policy.determining.policy.id.clone(),
                file: policy.file.clone(),
                mode: policy.mode,
                decisions: 0,
                last: None,
                last_time: None,
                since: None,
            };
            (&policy.determining.policy, covered)
        });
        let by_id = policies().map(|policy| {
            let policy = &policy.determining.policy;
            (policy.id.as_str(), policy)
        });
        Self {
            reader,
            since,
            covered: covered.collect(),
            by_id: by_id.collect(),
            bundles: HashMap::new(),
        }
    }

    fn add(&mut self, index: u64, record: &Record) -> Result<(), LedgerError> {
        match &record.event {
            Event::BundleActivated(activated) => self.activate(activated.bundle, record.time),
            Event::Decision(decision) => {
                if self.since.is_none_or(|since| record.time >= since) {
                    self.count(DecisionId(index), record.time, decision);
                }
                Ok(())
            }
            Event::RunStarted(_)
            | Event::RunEnded(_)
            | Event::CallInvalid(_)
            | Event::Start(_)
            | Event::Outcome(_)
            | Event::Effect(_)
            | Event::ComponentLog(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalRequested(_)
            | Event::ApprovalAnswered(_)
            | Event::ApprovalResolved(_)
            | Event::ApprovalEscalated(_)
            | Event::ApprovalLinkIssued(_)
            | Event::ApprovalLinkRevoked(_)
            | Event::ApprovalAnswerRefused(_)
            | Event::StandingGranted(_)
            | Event::StandingEnded(_)
            | Event::Halted(_)
            | Event::Resumed(_)
            | Event::Administered(_) => Ok(()),
        }
    }

    /// A policy is in force since the bundle that brought its contents, unless a later one did not have them.
    fn activate(&mut self, bundle: Sha256Digest, time: Timestamp) -> Result<(), LedgerError> {
        let policies = match self.bundles.entry(bundle) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(policies(self.reader, bundle)?),
        };
        for (policy, covered) in &mut self.covered {
            if !policies.contains(policy) {
                covered.since = None;
            } else if covered.since.is_none() {
                covered.since = Some(time);
            }
        }
        Ok(())
    }

    fn count(&mut self, id: DecisionId, time: Timestamp, decision: &DecisionRecord) {
        let flipped = decision.shadow.iter().flat_map(|s| &s.policies);
        let flipped = flipped.filter_map(|id| self.by_id.get(id.as_str()).copied());
        let determined = decision.determining.iter().map(|d| &d.policy);
        let redacted = decision.redaction.policies.iter();
        for policy in determined.chain(redacted).chain(flipped) {
            if let Some(covered) = self.covered.get_mut(policy) {
                covered.decisions += 1;
                covered.last = Some(id);
                covered.last_time = Some(time);
            }
        }
    }

    fn results(self) -> Vec<PolicyCoverage> {
        let mut results: Vec<PolicyCoverage> = self.covered.into_values().collect();
        results.sort_by(|a, b| a.decisions.cmp(&b.decisions).then_with(|| a.id.cmp(&b.id)));
        results
    }
}

/// The policies of a bundle; empty if it is missing or of another version of Cedar.
fn policies(reader: &LedgerReader, digest: Sha256Digest) -> Result<Vec<PolicyRef>, LedgerError> {
    let bytes = reader.bundle(digest)?;
    let bundle: Option<Bundle> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let pdp = bundle.and_then(|bundle| Pdp::load(&bundle).ok());
    let policies = pdp.iter().flat_map(|pdp| pdp.policies().values());
    Ok(policies.map(|p| p.determining.policy.clone()).collect())
}
