//! From records to finished spans. Runs whose spans are open are kept in memory, and read again from the
//! ledger where they are not.

use std::{cell::RefCell, collections::HashMap, ops::ControlFlow};

use tollgate::ledger::{LedgerError, Order, RecordFilter};
use tollgate_core::{
    entity::Uid,
    ids::RunId,
    record::{Event, KeyedDigest, Record},
    span::{Naming, RunSpans, Span, SpanKind},
    time::Timestamp,
};

use super::{Source, state::Roots};

/// Records of one page.
pub(super) const PAGE: u64 = 4096;
/// Runs that are kept in memory.
const MAX_RUNS: usize = 4096;
/// Hashes that are kept in memory.
const MAX_HASHES: usize = 16_384;

/// What a page of records has ended.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The first record after it.
    pub(super) next: u64,
    /// In the order in which they ended.
    pub(super) spans: Vec<(RunId, Span)>,
    pub(super) roots: Roots,
}

struct Held {
    spans: RunSpans,
    used: u64,
}

/// Puts spans together.
#[derive(Default)]
pub(super) struct Builder {
    runs: HashMap<RunId, Held>,
    hashes: RefCell<HashMap<(String, Uid), KeyedDigest>>,
    uses: u64,
}

impl Builder {
    /// Forget what is open: it is read again from the ledger when it is needed.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
    }

    /// The next page.
    pub(super) fn page(&mut self, source: &Source, from: u64) -> Result<Page, LedgerError> {
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
        let Self { runs, hashes, .. } = self;
        let Some(held) = runs.get_mut(&run) else {
            return Ok(());
        };
        let ended = apply(&mut held.spans, hashes, source, index, record);
        let rooted_here = held.spans.is_rooted_here();
        if rooted_here && matches!(record.event, Event::RunStarted(_)) {
            page.roots.begun.push(run);
        }
        for id in ended {
            let Some(span) = held.spans.take(id) else {
                continue;
            };
            if span.kind == SpanKind::InvokeAgent {
                // In the caller's own trace the caller's own span is the run's.
                if !rooted_here {
                    continue;
                }
                page.roots.sent.push(run);
            }
            page.spans.push((run, span));
        }
        if matches!(record.event, Event::RunEnded(_)) {
            self.runs.remove(&run);
        }
        Ok(())
    }

    /// Have the run in memory, as it is before the record at `index`.
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
        if self.runs.len() >= MAX_RUNS {
            let mut uses: Vec<u64> = self.runs.values().map(|held| held.used).collect();
            let middle = uses.len() / 2;
            let (_, middle, _) = uses.select_nth_unstable(middle);
            let middle = *middle;
            self.runs.retain(|_, held| held.used > middle);
        }
        let spans = match event {
            Event::RunStarted(_) => RunSpans::new(run),
            _ => self.rebuilt(source, run, index)?,
        };
        let used = self.uses;
        self.runs.insert(run, Held { spans, used });
        Ok(())
    }

    /// The run's spans that are open before the record at `index`.
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

    /// The root of a run in which nothing has happened since `before`; nothing if something has.
    pub(super) fn idle_root(
        &self,
        source: &Source,
        run: RunId,
        next: u64,
        before: Timestamp,
    ) -> Result<Idle, LedgerError> {
        let records = source.ledger.records_of_run(run)?;
        let Some((last, record)) = records.last() else {
            return Ok(Idle::Gone);
        };
        if *last >= next || record.time >= before {
            return Ok(Idle::GoesOn);
        }
        let last = record.time;
        let mut spans = self.rebuilt(source, run, u64::MAX)?;
        let Some(root) = spans.root().map(|root| root.id) else {
            return Ok(Idle::Gone);
        };
        let Some(mut root) = spans.take(root) else {
            return Ok(Idle::Gone);
        };
        root.end = Some(last);
        Ok(Idle::Over(Box::new(root)))
    }
}

/// What is known of a root that is not exported yet.
pub(super) enum Idle {
    /// Its run goes on.
    GoesOn,
    /// Nothing happens in its run any more.
    Over(Box<Span>),
    /// It is exported already, or never was.
    Gone,
}

fn apply(
    spans: &mut RunSpans,
    hashes: &RefCell<HashMap<(String, Uid), KeyedDigest>>,
    source: &Source,
    index: u64,
    record: &Record,
) -> Vec<tollgate_core::ids::SpanId> {
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
    spans.apply(index, record, Naming::Hashed(&hashed))
}
