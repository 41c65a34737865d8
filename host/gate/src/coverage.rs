//! Policies that never determined a decision, and since when, according to the ledger.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
};

use serde::Serialize;
use tollgate_model::{
    canonical::Sha256Digest, decision::PolicyRef, ids::DecisionId, record::Event, time::Timestamp,
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
    let mut covered: BTreeMap<&PolicyRef, PolicyCoverage> = pdp
        .policies()
        .values()
        .map(|policy| {
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
        })
        .collect();
    // A flip names policies only by id.
    let by_id: HashMap<&str, &PolicyRef> = covered.keys().map(|of| (of.id.as_str(), *of)).collect();
    let mut failed = None;
    let mut held: HashMap<Sha256Digest, Vec<PolicyRef>> = HashMap::new();
    let filter = RecordFilter {
        order: Order::OldestFirst,
        ..RecordFilter::default()
    };
    reader.records(&filter, |index, record| {
        match &record.event {
            Event::BundleActivated(activated) => {
                if let std::collections::hash_map::Entry::Vacant(entry) =
                    held.entry(activated.bundle)
                {
                    match policies(reader, activated.bundle) {
                        Ok(policies) => drop(entry.insert(policies)),
                        Err(error) => {
                            failed = Some(error);
                            return ControlFlow::Break(());
                        }
                    }
                }
                let held = held.get(&activated.bundle).map(Vec::as_slice);
                for (policy, covered) in &mut covered {
                    if !held.unwrap_or_default().contains(policy) {
                        covered.since = None;
                    } else if covered.since.is_none() {
                        covered.since = Some(record.time);
                    }
                }
            }
            Event::Decision(decision) if since.is_none_or(|since| record.time >= since) => {
                let flipped = decision.shadow.iter().flat_map(|s| &s.policies);
                let flipped = flipped.filter_map(|id| by_id.get(id.as_str()).copied());
                let determined = decision.determining.iter().map(|d| &d.policy);
                for policy in determined.chain(flipped) {
                    if let Some(covered) = covered.get_mut(policy) {
                        covered.decisions += 1;
                        covered.last = Some(DecisionId(index));
                        covered.last_time = Some(record.time);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let mut told: Vec<PolicyCoverage> = covered.into_values().collect();
    told.sort_by(|a, b| a.decisions.cmp(&b.decisions).then_with(|| a.id.cmp(&b.id)));
    Ok(told)
}

/// The policies of a bundle; empty if it is missing or of another version of Cedar.
fn policies(reader: &LedgerReader, digest: Sha256Digest) -> Result<Vec<PolicyRef>, LedgerError> {
    let bytes = reader.bundle(digest)?;
    let bundle: Option<Bundle> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let pdp = bundle.and_then(|bundle| Pdp::load(&bundle).ok());
    let policies = pdp.iter().flat_map(|pdp| pdp.policies().values());
    Ok(policies.map(|p| p.determining.policy.clone()).collect())
}
