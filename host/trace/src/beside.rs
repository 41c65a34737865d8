//! A run's own trace and what was reported of it, as one tree.
//!
//! Nothing is merged: the gate's spans and reported ones only stand under each other. A call of a tool
//! stands under the reported span that it was made from, and under the agent's own span of the same call
//! where there is one. What names no span that is here stands at the top; what leads in a circle does, too.

use std::collections::{HashMap, HashSet};

use tollgate::ledger::RunRow;
use tollgate_core::{
    ids::{RunId, SpanId},
    record::Event,
    record::Record,
    request::Action,
    span,
};

use crate::store::{Part, Reader, Scope, StoreError, StoredLog, StoredSpan, Usage, total};

/// Reported spans below each other at most; deeper ones stand beside the last of those.
const MAX_DEPTH: usize = 64;

/// Reported spans beside the gate's own.
#[derive(Debug, Default)]
pub struct Beside {
    spans: Vec<StoredSpan>,
    top: Vec<usize>,
    below: HashMap<SpanId, Vec<usize>>,
    /// The gate's calls that stand under a reported span.
    placed: HashMap<SpanId, SpanId>,
    calls: HashMap<SpanId, Vec<SpanId>>,
    logs: Vec<StoredLog>,
    usage: Usage,
    cut: bool,
}

impl Beside {
    /// What was reported of a run whose records these are, in order: in its own trace, and by its own
    /// principal in its caller's; at most `most` of spans, and of logs. `others` says whether with what
    /// others have reported in its own trace.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn of_run(
        reader: &Reader,
        run: &RunRow,
        records: &[(u64, Record)],
        most: Part,
        others: bool,
    ) -> Result<Self, StoreError> {
        let whose = run.principal.to_string();
        let caller = callers_trace(run.id, records);
        let by = (!others).then_some(whose.as_str());
        let (mut spans, mut cut) = reader.reported(&run.tenant, run.id, by, most)?;
        let (mut logs, cut_logs) = reader.reported_logs(&run.tenant, run.id, by, most)?;
        cut |= cut_logs;
        if let Some(caller) = caller {
            // Another run has that trace's id: of what was reported there only the principal's own counts.
            let (more, cut_more) = reader.reported(&run.tenant, caller, Some(&whose), most)?;
            spans.extend(more);
            let (more, cut_logs) = reader.reported_logs(&run.tenant, caller, Some(&whose), most)?;
            logs.extend(more);
            cut |= cut_more || cut_logs;
        }
        let scope = Scope::RunOf(caller.unwrap_or(run.id), whose);
        let usage = reader.usage(&run.tenant, &scope, None)?;
        Ok(Self {
            logs,
            usage: total(&usage).usage,
            cut,
            ..Self::of(spans, records)
        })
    }

    /// The reported spans of the run whose records these are, in order.
    #[must_use]
    pub fn of(reported: Vec<StoredSpan>, records: &[(u64, Record)]) -> Self {
        if reported.is_empty() {
            return Self::default();
        }
        let own: HashMap<SpanId, Option<SpanId>> = records
            .iter()
            .flat_map(|(_, record)| span::changes(record))
            .filter_map(|change| match change {
                span::SpanChange::Open { span, parent, .. } => Some((span, parent)),
                span::SpanChange::Close { .. } => None,
            })
            .collect();
        // What the gate exported may have come back.
        let spans: Vec<StoredSpan> = reported
            .into_iter()
            .filter(|span| !own.contains_key(&span.span))
            .collect();
        let places: HashMap<SpanId, usize> =
            spans.iter().enumerate().map(|(i, s)| (s.span, i)).collect();
        let mut beside = Self {
            spans,
            ..Self::default()
        };
        beside.place(records, &places);
        beside.hang(&own, &places);
        beside
    }

    /// Find the place of each reported span.
    fn hang(&mut self, own: &HashMap<SpanId, Option<SpanId>>, places: &HashMap<SpanId, usize>) {
        let parent_of = |i: usize| {
            let parent = self.spans.get(i)?.parent?;
            places.get(&parent).copied()
        };
        // 0: not looked at, otherwise one more than the number of reported spans above.
        let mut depths = vec![0_usize; self.spans.len()];
        let mut parents: Vec<Option<usize>> = vec![None; self.spans.len()];
        for start in 0..self.spans.len() {
            let mut path = vec![start];
            let mut seen = HashSet::from([start]);
            // Up to what is known, to the top, or once around.
            let mut above = parent_of(start);
            while let Some(next) = above {
                if depths.get(next).is_some_and(|depth| *depth > 0) {
                    break;
                }
                if !seen.insert(next) {
                    above = None;
                    break;
                }
                path.push(next);
                above = parent_of(next);
            }
            for span in path.into_iter().rev() {
                if depths.get(span).is_some_and(|depth| *depth > 0) {
                    break;
                }
                let mut parent = above;
                let mut depth = parent.and_then(|p| depths.get(p).copied()).unwrap_or(0) + 1;
                if depth > MAX_DEPTH {
                    depth = MAX_DEPTH;
                    parent = parent.and_then(|p| parents.get(p).copied().flatten());
                }
                if let (Some(d), Some(p)) = (depths.get_mut(span), parents.get_mut(span)) {
                    *d = depth;
                    *p = parent;
                }
                above = Some(span);
            }
        }
        for i in 0..self.spans.len() {
            let above = parents.get(i).copied().flatten();
            let above = above.and_then(|p| self.spans.get(p)).map(|p| p.span);
            let host = || {
                let host = self.spans.get(i)?.parent.filter(|p| own.contains_key(p))?;
                (!self.leads_back(i, host, own, places, &parents)).then_some(host)
            };
            match above.or_else(host) {
                Some(parent) => self.below.entry(parent).or_default().push(i),
                None => self.top.push(i),
            }
        }
    }

    /// Whether what is above one of the gate's spans comes to the reported span at `place`.
    fn leads_back(
        &self,
        place: usize,
        host: SpanId,
        own: &HashMap<SpanId, Option<SpanId>>,
        places: &HashMap<SpanId, usize>,
        parents: &[Option<usize>],
    ) -> bool {
        let mut seen = HashSet::new();
        let mut next = Some(host);
        while let Some(span) = next {
            if !seen.insert(span) {
                return true;
            }
            next = match places.get(&span) {
                Some(at) if *at == place => return true,
                Some(at) => match parents.get(*at).copied().flatten() {
                    Some(above) => self.spans.get(above).map(|s| s.span),
                    None => self.spans.get(*at).and_then(|s| s.parent),
                },
                None => match self.placed.get(&span) {
                    Some(above) => Some(*above),
                    None => own.get(&span).copied().flatten(),
                },
            };
        }
        false
    }

    /// Find the calls that were made from reported spans.
    fn place(&mut self, records: &[(u64, Record)], places: &HashMap<SpanId, usize>) {
        let by_call: HashMap<&str, SpanId> = self
            .spans
            .iter()
            .filter_map(|span| {
                let id = span.body.attributes.get("gen_ai.tool.call.id")?.as_str()?;
                Some((id, span.span))
            })
            .collect();
        let mut placed: Vec<(SpanId, SpanId)> = Vec::new();
        for (_, record) in records {
            let (call, caller, arrival) = match &record.event {
                Event::Decision(decision) if matches!(decision.action, Action::Call(_)) => {
                    match decision.call {
                        Some(call) => (call, decision.caller, &decision.arrival),
                        None => continue,
                    }
                }
                Event::CallInvalid(invalid) => (invalid.call, invalid.caller, &invalid.arrival),
                _ => continue,
            };
            let same = arrival
                .id
                .as_deref()
                .and_then(|id| by_call.get(id).copied());
            let from = caller.filter(|caller| places.contains_key(caller));
            if let Some(parent) = same.or(from) {
                placed.push((call, parent));
            }
        }
        for (call, parent) in placed {
            if let std::collections::hash_map::Entry::Vacant(free) = self.placed.entry(call) {
                free.insert(parent);
                self.calls.entry(parent).or_default().push(call);
            }
        }
    }

    /// Whether nothing was reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Every reported span, by when it began.
    #[must_use]
    pub fn spans(&self) -> &[StoredSpan] {
        &self.spans
    }

    /// Those that stand under no span that is known.
    pub fn top(&self) -> impl Iterator<Item = &StoredSpan> {
        self.top.iter().filter_map(|i| self.spans.get(*i))
    }

    /// Those that stand directly under a span, reported or the gate's.
    pub fn below(&self, span: SpanId) -> impl Iterator<Item = &StoredSpan> {
        self.below
            .get(&span)
            .into_iter()
            .flatten()
            .filter_map(|i| self.spans.get(*i))
    }

    /// The reported span under which a call of the gate's stands.
    #[must_use]
    pub fn host(&self, call: SpanId) -> Option<SpanId> {
        self.placed.get(&call).copied()
    }

    /// The gate's calls that stand directly under a reported span.
    #[must_use]
    pub fn calls(&self, reported: SpanId) -> &[SpanId] {
        self.calls
            .get(&reported)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// With these logs.
    #[must_use]
    pub fn with_logs(self, logs: Vec<StoredLog>) -> Self {
        Self { logs, ..self }
    }

    /// Every reported log, by time.
    #[must_use]
    pub fn logs(&self) -> &[StoredLog] {
        &self.logs
    }

    /// Tokens and cost of all calls of models, as the run's principal has reported them.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether more was reported than is here.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The caller's own trace, where the run has another id.
fn callers_trace(run: RunId, records: &[(u64, Record)]) -> Option<RunId> {
    records.iter().find_map(|(_, record)| match &record.event {
        Event::RunStarted(started) => started.origin.trace.filter(|trace| *trace != run),
        _ => None,
    })
}
