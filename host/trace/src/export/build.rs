//! From records to finished spans. Runs whose spans are open are kept in memory, and read again from the
//! ledger where they are not.

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
/// Runs that are kept in memory.
const MAX_RUNS: usize = 65_536;
/// Open spans, and what later ones may refer to, that they have together.
const MAX_KEPT: usize = 1 << 18;
/// Hashes that are kept in memory.
const MAX_HASHES: usize = 16_384;

/// What a page of records has ended.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The first record after it.
    pub(super) next: u64,
    /// When its last record was written.
    pub(super) last: Option<Timestamp>,
    /// In the order in which they ended.
    pub(super) spans: Vec<(RunId, Span)>,
    pub(super) roots: Roots,
}

struct OpenCall {
    spans: RunSpans,
    used: u64,
}

/// Puts spans together.
#[derive(Default)]
pub(super) struct Builder {
    runs: HashMap<RunId, OpenCall>,
    hashes: RefCell<HashMap<(String, Uid), KeyedDigest>>,
    uses: u64,
    /// What the runs keep together.
    kept: usize,
}

impl Builder {
    /// Forget what is open: it is read again from the ledger when it is needed.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.kept = 0;
    }

    /// The next page. A page that cannot be read whole leaves nothing behind: it is read again.
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
        if self.runs.len() >= MAX_RUNS || (self.kept >= MAX_KEPT && !self.runs.is_empty()) {
            let mut uses: Vec<u64> = self.runs.values().map(|held| held.used).collect();
            let middle = uses.len() / 2;
            let (_, middle, _) = uses.select_nth_unstable(middle);
            let middle = *middle;
            self.runs.retain(|_, held| held.used > middle);
            self.kept = self.runs.values().map(|held| held.spans.size()).sum();
        }
        let spans = match event {
            Event::RunStarted(_) => RunSpans::new(run),
            _ => self.rebuilt(source, run, index)?,
        };
        let used = self.uses;
        self.kept += spans.size();
        self.runs.insert(run, OpenCall { spans, used });
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

    /// The root of a run in which nothing has happened since `before`, as far as the page goes.
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
        // Where the page is not the ledger's end, the run's last record may be behind it.
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

/// Make of the root of a run that is part of the caller's own trace a span that says how the run ended: the
/// run's span there is the caller's.
fn end_of_run(root: &mut Span) {
    root.kind = SpanKind::EndRun;
    root.name = SpanKind::EndRun.as_str().into();
    root.start = root.end.unwrap_or(root.start);
    root.attributes
        .retain(|(name, _)| *name != a::OPERATION_NAME);
}

/// What is known of a root that is not exported yet.
pub(super) enum PendingRoot {
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
        _ => None,
    };
    if let Some(((call, kept), name)) = kept
        && let Some(payload) = source.payload(index, kept)
    {
        spans.add(call, name, payload.into());
    }
    ended
}
