//! Replays recorded requests with other policies: with the facts sealed in their records, under the schema
//! and the entities of their bundle.
//!
//! It does not simulate how a different answer would have changed later calls. Nothing is written.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use serde::Serialize;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Decision, Outcome},
    ids::{DecisionId, RunId},
    record::{DecisionRecord, Event},
    request::{Action, Facts, Request},
};
use tollgate_policy::{
    pdp::{Bundle, Pdp},
    policy::PolicyFile,
};

use tollgate_ledger::{Keys, LedgerError, LedgerReader, Order, RecordFilter};

/// Records that are processed at a time.
const CHUNK: u64 = 1024;
/// The most decisions that a group of flips names.
const NAMED: usize = 5;

/// The parameters of a replay.
#[derive(Debug)]
pub struct Replay<'a> {
    /// The ledger.
    pub reader: &'a LedgerReader,
    /// Its keys.
    pub keys: &'a Keys,
    /// The candidate policies.
    pub candidate: Vec<PolicyFile>,
    /// A filter for records.
    pub filter: RecordFilter,
    /// Only decisions about this tool.
    pub tool: Option<String>,
    /// The number of threads.
    pub threads: usize,
}

/// The result of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// Decisions that were compared.
    pub compared: u64,
    /// Those with a different outcome now.
    pub flipped: u64,
    /// By kind and policy, the most frequent first.
    pub flips: Vec<Flips>,
    /// Why decisions could not be compared, and how many.
    pub not_comparable: BTreeMap<String, u64>,
}

/// Flips of one kind by one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flips {
    /// The recorded outcome.
    pub from: Outcome,
    /// The candidate's outcome.
    pub to: Outcome,
    /// The policies that determine the new outcome or, if there are none, the recorded one.
    pub policies: Vec<String>,
    /// How many.
    pub count: u64,
    /// Examples of decisions.
    pub decisions: Vec<DecisionId>,
    /// The runs of those decisions.
    pub runs: BTreeSet<RunId>,
}

/// The answers of the recorded bundle and of the candidate to the same request.
struct Pair {
    then: Pdp,
    now: Result<Pdp, String>,
}

/// The key of a group of flips.
type Group = (Outcome, Outcome, Vec<String>);

#[derive(Default)]
struct DecisionCount {
    compared: u64,
    groups: BTreeMap<Group, Flips>,
    not_comparable: BTreeMap<String, u64>,
}

enum Comparison {
    Same,
    Flip(Group),
    Not(String),
}

impl Replay<'_> {
    /// Decides everything again. `progress` gets the number of processed records and of all.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read. Facts that cannot be read are counted instead.
    pub fn run(&self, progress: impl Fn(u64, u64) + Sync) -> Result<ReplayReport, LedgerError> {
        let size = self.reader.size()?.records;
        let whole = self.filter.range.clone().unwrap_or(0..size);
        let end = whole.end.min(size);
        let next = AtomicU64::new(whole.start);
        let done = AtomicU64::new(0);
        let all = Mutex::new(DecisionCount::default());
        let failed: Mutex<Option<LedgerError>> = Mutex::new(None);
        let bundles: RwLock<HashMap<Sha256Digest, Arc<Result<Pair, String>>>> = RwLock::default();
        let work = || {
            loop {
                let first = next.fetch_add(CHUNK, Ordering::Relaxed);
                let stop = failed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_some();
                if first >= end || stop {
                    return;
                }
                let last = (first + CHUNK).min(end);
                match self.chunk(first..last, &bundles) {
                    Ok(counted) => all
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .add(counted),
                    Err(error) => {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        return;
                    }
                }
                let so_far = done.fetch_add(last - first, Ordering::Relaxed) + (last - first);
                progress(so_far, end.saturating_sub(whole.start));
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.threads.max(1) {
                scope.spawn(work);
            }
            work();
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(all
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .told()),
        }
    }

    fn chunk(
        &self,
        range: std::ops::Range<u64>,
        bundles: &RwLock<HashMap<Sha256Digest, Arc<Result<Pair, String>>>>,
    ) -> Result<DecisionCount, LedgerError> {
        let mut counted = DecisionCount::default();
        let mut failed = None;
        let filter = RecordFilter {
            range: Some(range),
            order: Order::OldestFirst,
            ..self.filter.clone()
        };
        self.reader.records(&filter, |index, record| {
            let Event::Decision(decision) = &record.event else {
                return ControlFlow::Continue(());
            };
            if !self.wants(decision) {
                return ControlFlow::Continue(());
            }
            match self.compare(index, decision, bundles) {
                Ok(compared) => counted.one(DecisionId(index), record.run, compared),
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(counted), Err)
    }

    fn wants(&self, decision: &DecisionRecord) -> bool {
        let Some(tool) = &self.tool else { return true };
        match decision.called() {
            Some(called) => called == *tool,
            None => decision.action == Action::ReturnResult && decision.resource.id == *tool,
        }
    }

    fn compare(
        &self,
        index: u64,
        decision: &DecisionRecord,
        bundles: &RwLock<HashMap<Sha256Digest, Arc<Result<Pair, String>>>>,
    ) -> Result<Comparison, LedgerError> {
        let not = |why: &str| Ok(Comparison::Not(why.to_owned()));
        let Some(digest) = decision.facts_digest else {
            return not("its facts were not kept");
        };
        let Some(payload) = self.reader.payload(index, digest)? else {
            return not("its facts were destroyed");
        };
        let plain = match self.keys.open(&payload, "facts") {
            Ok(plain) => plain,
            Err(LedgerError::Sealed { .. }) => return not("its facts were destroyed"),
            Err(LedgerError::Damaged { .. }) => return not("its facts are damaged"),
            Err(error) => return Err(error),
        };
        let Ok((request, facts)) = serde_json::from_slice::<(Request, Facts)>(&plain) else {
            return not("its facts are of another version");
        };
        let pair = self.pair(decision.bundle, bundles)?;
        let pair = match pair.as_ref() {
            Ok(pair) => pair,
            Err(why) => return Ok(Comparison::Not(why.clone())),
        };
        let now = match &pair.now {
            Ok(pdp) => pdp.decide(&request, &facts),
            Err(why) => return Ok(Comparison::Not(why.clone())),
        };
        if now.outcome() == decision.outcome {
            return Ok(Comparison::Same);
        }
        // The recorded outcome may depend on more than policy: on the limit of approvals, or on another
        // decision in the same batch. So the candidate is compared with what policy alone would have
        // answered then.
        let then = pair.then.decide(&request, &facts);
        if then.outcome() == now.outcome() {
            return Ok(Comparison::Same);
        }
        let policies = |decision: &Decision| -> Vec<String> {
            decision.basis().ids().map(str::to_owned).collect()
        };
        let mut behind = policies(&now);
        if behind.is_empty() {
            behind = policies(&then);
        }
        Ok(Comparison::Flip((then.outcome(), now.outcome(), behind)))
    }

    fn pair(
        &self,
        digest: Sha256Digest,
        bundles: &RwLock<HashMap<Sha256Digest, Arc<Result<Pair, String>>>>,
    ) -> Result<Arc<Result<Pair, String>>, LedgerError> {
        let known = bundles
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&digest)
            .cloned();
        if let Some(pair) = known {
            return Ok(pair);
        }
        let bytes = self.reader.bundle(digest)?;
        let pair = Arc::new(self.load(bytes.as_deref()));
        let mut bundles = bundles.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(bundles.entry(digest).or_insert(pair)))
    }

    fn load(&self, bytes: Option<&[u8]>) -> Result<Pair, String> {
        let bytes = bytes.ok_or("its bundle is not in the store")?;
        let recorded: Bundle =
            serde_json::from_slice(bytes).map_err(|_| "its bundle is of another version")?;
        let then = Pdp::load(&recorded).map_err(|e| format!("its bundle does not load: {e}"))?;
        let candidate = Bundle {
            candidate: None,
            policies: self.candidate.clone(),
            ..recorded
        };
        let now = Pdp::load_with_policies(&candidate)
            .map_err(|e| format!("the candidate does not fit the schema of that time: {e}"));
        Ok(Pair { then, now })
    }
}

impl DecisionCount {
    fn one(&mut self, id: DecisionId, run: Option<RunId>, compared: Comparison) {
        match compared {
            Comparison::Not(why) => *self.not_comparable.entry(why).or_default() += 1,
            Comparison::Same => self.compared += 1,
            Comparison::Flip(group) => {
                self.compared += 1;
                let flips = self.group(group);
                flips.count += 1;
                if flips.decisions.len() < NAMED {
                    flips.decisions.push(id);
                    flips.runs.extend(run);
                }
            }
        }
    }

    fn group(&mut self, group: Group) -> &mut Flips {
        let (from, to, policies) = group.clone();
        self.groups.entry(group).or_insert(Flips {
            from,
            to,
            policies,
            count: 0,
            decisions: Vec::new(),
            runs: BTreeSet::new(),
        })
    }

    fn add(&mut self, other: Self) {
        self.compared += other.compared;
        for (why, count) in other.not_comparable {
            *self.not_comparable.entry(why).or_default() += count;
        }
        for (group, more) in other.groups {
            let flips = self.group(group);
            flips.count += more.count;
            flips.decisions.extend(more.decisions);
            flips.runs.extend(more.runs);
        }
    }

    fn told(self) -> ReplayReport {
        let mut flips: Vec<Flips> = self.groups.into_values().collect();
        for group in &mut flips {
            group.decisions.sort_unstable_by_key(|id| id.0);
            group.decisions.truncate(NAMED);
        }
        flips.sort_by(|a, b| {
            b.count
                .cmp(&a.count)
                .then_with(|| a.policies.cmp(&b.policies))
        });
        ReplayReport {
            compared: self.compared,
            flipped: flips.iter().map(|group| group.count).sum(),
            flips,
            not_comparable: self.not_comparable,
        }
    }
}
