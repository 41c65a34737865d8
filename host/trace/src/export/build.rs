//! Builds finished spans from records. Runs with open spans are cached, and read again from the ledger if they are
//! not in the cache.

use std::{cell::RefCell, collections::HashMap, ops::ControlFlow};

use tollgate_ledger::{LedgerError, Order, RecordFilter};
use tollgate_model::{
    entity::Uid,
    ids::RunId,
    record::{Event, KeyedDigest, Record},
    span::{Naming, RunSpans, Span, SpanKind, names::attribute as a},
    time::Timestamp,
};

use super::{Source, state::Roots};

/// Records of one page.
pub(super) const PAGE: u64 = 4096;
/// The most runs in the cache.
const MAX_RUNS: usize = 65_536;
/// The most open spans, and data to which later spans may refer, in all cached runs.
const MAX_KEPT: usize = 1 << 18;
/// The most cached hashes.
const MAX_HASHES: usize = 16_384;

/// The spans that a page of records has ended.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The first record after it.
    pub(super) next: u64,
    /// When its last record was written.
    pub(super) last: Option<Timestamp>,
    /// The spans, in the order of their ends.
    pub(super) spans: Vec<(RunId, Span)>,
    pub(super) roots: Roots,
}

struct OpenCall {
    spans: RunSpans,
    used: u64,
}

/// Builds spans from pages of records.
#[derive(Default)]
pub(super) struct Builder {
    runs: HashMap<RunId, OpenCall>,
    hashes: RefCell<HashMap<(String, Uid), KeyedDigest>>,
    uses: u64,
    /// The sum over all cached runs.
    kept: usize,
}

impl Builder {
    /// Empties the cache. Open spans are read again from the ledger when needed.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.kept = 0;
    }

    /// The next page. If a page cannot be read completely, the cache is emptied and the page is read again.
    pub(super) fn page(&mut self, source: &Source, from: u64) -> Result<Page, LedgerError> {
        let page = self.pages(source, from);
        if page.is_err() {
            self.clear();
        }
        page
    }

    fn pages(&mut self, source: &Source, from: u64) -> Result<Page, LedgerError> {
        let mut page = Page {
            next: from,
            ..Page::default()
        };
        let filter = RecordFilter {
            range: Some(from..from.saturating_add(PAGE)),
            order: Order::OldestFirst,
            ..RecordFilter::default()
        };
        let mut failed = None;
        source.ledger.records(&filter, |index, record| {
            match self.take_in(source, index, &record, &mut page) {
                Ok(()) => {
                    page.next = index.saturating_add(1);
                    page.last = Some(record.time);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok(page),
        }
    }

    fn take_in(
        &mut self,
        source: &Source,
        index: u64,
        record: &Record,
        page: &mut Page,
    ) -> Result<(), LedgerError> {
        let Some(run) = record.run else {
            return Ok(());
        };
        self.held(source, run, index, &record.event)?;
        let Self {
            runs, hashes, kept, ..
        } = self;
        let Some(held) = runs.get_mut(&run) else {
            return Ok(());
        };
        let before = held.spans.size();
        let ended = apply(&mut held.spans, hashes, source, index, record);
        let rooted_here = held.spans.is_rooted_here();
        if rooted_here && matches!(record.event, Event::RunStarted(_)) {
            page.roots.begun.push(run);
        }
        for id in ended {
            let Some(mut span) = held.spans.take(id) else {
                continue;
            };
            if span.kind == SpanKind::InvokeAgent {
                match rooted_here {
                    true => page.roots.sent.push(run),
                    false => end_of_run(&mut span),
                }
                source.tell(&record.tenant, run, &mut span);
            }
            page.spans.push((run, span));
        }
        *kept = kept.saturating_sub(before);
        if matches!(record.event, Event::RunEnded(_)) {
            runs.remove(&run);
        } else {
            *kept += held.spans.size();
        }
        Ok(())
    }

    /// The cached run, in its state before the record at `index`.
    fn held(
        &mut self,
        source: &Source,
        run: RunId,
        index: u64,
        event: &Event,
    ) -> Result<(), LedgerError> {
        self.uses += 1;
        if let Some(held) = self.runs.get_mut(&run) {
            held.used = self.uses;
            return Ok(());
        }
        if self.runs.len() >= MAX_RUNS || (self.kept >= MAX_KEPT && !self.runs.is_empty()) {
            let mut uses: Vec<u64> = self.runs.values().map(|held| held.used).collect();
            let middle = uses.len() / 2;
            let (_, middle, _) = uses.select_nth_unstable(middle);
            let middle = *middle;
            self.runs.retain(|_, held| held.used > middle);
            self.kept = self.runs.values().map(|held| held.spans.size()).sum();
        }
        let spans = match matches!(event, Event::RunStarted(_)) {
            true => RunSpans::new(run),
            false => self.rebuilt(source, run, index)?,
        };
        let used = self.uses;
        self.kept += spans.size();
        self.runs.insert(run, OpenCall { spans, used });
        Ok(())
    }

    /// Reads the run's spans that are open before the record at `index`.
    fn rebuilt(&self, source: &Source, run: RunId, index: u64) -> Result<RunSpans, LedgerError> {
        let mut spans = RunSpans::new(run);
        for (earlier, record) in source.ledger.records_of_run(run)? {
            if earlier >= index {
                break;
            }
            for ended in apply(&mut spans, &self.hashes, source, earlier, &record) {
                spans.take(ended);
            }
        }
        Ok(spans)
    }

    /// The root of a run that has been idle since `before`, judged by the records up to this page.
    pub(super) fn idle_root(
        &self,
        source: &Source,
        run: RunId,
        page: &Page,
        before: Timestamp,
    ) -> Result<PendingRoot, LedgerError> {
        let row = match source.ledger.run(&run.to_string()) {
            Ok(row) => row,
            Err(LedgerError::NotFound { .. }) => return Ok(PendingRoot::Gone),
            Err(error) => return Err(error),
        };
        // If the page does not reach the end of the ledger, the run may have later records.
        let behind = page.next < source.ledger.size()?.records
            && page.last.is_none_or(|last| row.last >= last);
        if row.last >= before || behind {
            return Ok(PendingRoot::GoesOn);
        }
        let known = self.runs.get(&run).and_then(|held| held.spans.root());
        let root = match known {
            Some(root) => Some(root.clone()),
            None => {
                let spans = self.rebuilt(source, run, u64::MAX)?;
                spans.root().cloned()
            }
        };
        let Some(mut root) = root else {
            return Ok(PendingRoot::Gone);
        };
        root.end = Some(row.last);
        source.tell(&row.tenant, run, &mut root);
        Ok(PendingRoot::Over(Box::new(root)))
    }
}

/// Turns the root of a run in the caller's own trace into a span `end_run`, because in that trace the run's span is
/// the caller's.
fn end_of_run(root: &mut Span) {
    root.kind = SpanKind::EndRun;
    root.name = SpanKind::EndRun.as_str().into();
    root.start = root.end.unwrap_or(root.start);
    root.attributes
        .retain(|(name, _)| *name != a::OPERATION_NAME);
}

/// The state of a root that is not exported yet.
pub(super) enum PendingRoot {
    /// Its run has not ended.
    GoesOn,
    /// Its run is over or idle.
    Over(Box<Span>),
    /// It is exported already, or does not exist.
    Gone,
}

fn apply(
    spans: &mut RunSpans,
    hashes: &RefCell<HashMap<(String, Uid), KeyedDigest>>,
    source: &Source,
    index: u64,
    record: &Record,
) -> Vec<tollgate_model::ids::SpanId> {
    let tenant = &record.tenant;
    let hashed = |who: &Uid| {
        let key = (tenant.clone(), who.clone());
        let mut known = hashes.borrow_mut();
        if let Some(hash) = known.get(&key) {
            return Some(hash.clone());
        }
        let hash = source.hash(tenant, who)?;
        if known.len() >= MAX_HASHES {
            known.clear();
        }
        known.insert(key, hash.clone());
        Some(hash)
    };
    let ended = spans.apply(index, record, Naming::Hashed(&hashed));
    let kept = match &record.event {
        Event::Decision(d) if d.action.is_call() && !d.is_secondary => {
            d.call.zip(d.capture).map(|kept| (kept, a::INPUT_VALUE))
        }
        Event::Outcome(o) => o.capture.map(|kept| ((o.call, kept), a::OUTPUT_VALUE)),
        Event::Decision(_)
        | Event::BundleActivated(_)
        | Event::RunStarted(_)
        | Event::RunEnded(_)
        | Event::CallInvalid(_)
        | Event::Start(_)
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
        | Event::Administered(_) => None,
    };
    if let Some(((call, kept), name)) = kept
        && let Some(payload) = source.payload(index, kept)
    {
        spans.add(call, name, payload.into());
    }
    ended
}
