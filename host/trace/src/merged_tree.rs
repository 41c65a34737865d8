//! A run's own trace and what was reported of it, as one tree.
//!
//! Nothing is merged: the gate's spans and reported ones only stand children_of each other. A call of a tool
//! stands children_of the reported span that it was made from, and children_of the agent's own span of the same call
//! where there is one. What names no span that is here stands at the top; what leads in a circle does, too.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use tollgate_ledger::RunRow;
use tollgate_model::{ids::SpanId, record::Event, record::Record, span};

use crate::session::callers_trace_of;
use crate::store::{Part, Reader, Scope, StoreError, StoredLog, StoredSpan, Usage, total};

/// Reported spans below each other at most; deeper ones are next to the last of those.
const MAX_DEPTH: usize = 64;

/// A span that others stand below. Several senders may have reported spans of one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ParentSpan {
    /// The gate's own.
    Gate(SpanId),
    /// The reported one at this place.
    Reported(usize),
}

/// The parents of the gate's own spans.
type GateParents = HashMap<SpanId, Option<SpanId>>;

/// Where the spans of each id are.
type SpanIndex = HashMap<SpanId, Vec<usize>>;

/// Reported spans next to the gate's own.
#[derive(Debug, Default)]
pub struct MergedTrace {
    spans: Vec<StoredSpan>,
    places: SpanIndex,
    top: Vec<usize>,
    below: HashMap<ParentSpan, Vec<usize>>,
    /// The gate's calls that stand children_of a reported span.
    placed: HashMap<SpanId, usize>,
    calls: HashMap<usize, Vec<SpanId>>,
    logs: Vec<StoredLog>,
    usage: Usage,
    cut: bool,
}

impl MergedTrace {
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
        let caller = callers_trace_of(run.id, records);
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
        let own: GateParents = records
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
        let mut places = SpanIndex::new();
        for (i, span) in spans.iter().enumerate() {
            places.entry(span.span).or_default().push(i);
        }
        let mut tree = Self {
            spans,
            places,
            ..Self::default()
        };
        tree.attach_calls(records);
        tree.link_parents(&own);
        tree
    }

    /// The span that the one at a place means by the id of its parent: its own sender's, where there is one.
    fn parent_of(&self, place: usize) -> Option<usize> {
        let span = self.spans.get(place)?;
        let all = self.places.get(&span.parent?)?;
        let same = |trace: bool| {
            all.iter().copied().find(|i| {
                self.spans.get(*i).is_some_and(|other| {
                    other.reporter == span.reporter && (!trace || other.trace == span.trace)
                })
            })
        };
        let own = same(true).or_else(|| same(false));
        own.or_else(|| all.first().copied())
    }

    /// Find the place of each reported span.
    fn link_parents(&mut self, own: &GateParents) {
        // 0: not looked at, otherwise one more than the number of reported spans above.
        let mut depths = vec![0_usize; self.spans.len()];
        let mut parents: Vec<Option<usize>> = vec![None; self.spans.len()];
        for start in 0..self.spans.len() {
            let mut path = vec![start];
            let mut seen = HashSet::from([start]);
            // Up to what is known, to the top, or once around.
            let mut above = self.parent_of(start);
            while let Some(next) = above {
                if depths.get(next).is_some_and(|depth| *depth > 0) {
                    break;
                }
                if !seen.insert(next) {
                    above = None;
                    break;
                }
                path.push(next);
                above = self.parent_of(next);
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
            let above = parents.get(i).copied().flatten().map(ParentSpan::Reported);
            let host = || {
                let host = self.spans.get(i)?.parent.filter(|p| own.contains_key(p))?;
                (!self.leads_back(i, host, own, &parents)).then_some(ParentSpan::Gate(host))
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
        own: &GateParents,
        parents: &[Option<usize>],
    ) -> bool {
        let mut seen = HashSet::new();
        let mut next = Some(ParentSpan::Gate(host));
        while let Some(span) = next {
            if !seen.insert(span) {
                return true;
            }
            next = match span {
                ParentSpan::Reported(at) if at == place => return true,
                ParentSpan::Reported(at) => match parents.get(at).copied().flatten() {
                    Some(above) => Some(ParentSpan::Reported(above)),
                    None => {
                        let parent = self.spans.get(at).and_then(|s| s.parent);
                        parent.filter(|p| own.contains_key(p)).map(ParentSpan::Gate)
                    }
                },
                ParentSpan::Gate(span) => match self.placed.get(&span) {
                    Some(above) => Some(ParentSpan::Reported(*above)),
                    None => own.get(&span).copied().flatten().map(ParentSpan::Gate),
                },
            };
        }
        false
    }

    /// Find the calls that were made from reported spans. Of several of one id, what the run's own principal
    /// has reported is meant.
    fn attach_calls(&mut self, records: &[(u64, Record)]) {
        let principal = records.iter().find_map(|(_, record)| match &record.event {
            Event::RunStarted(started) => Some(started.principal.to_string()),
            _ => None,
        });
        let is_its = |place: usize| {
            let span = self.spans.get(place);
            span.is_some_and(|span| Some(&span.reporter) == principal.as_ref())
        };
        let mut by_call: HashMap<&str, usize> = HashMap::new();
        for (i, span) in self.spans.iter().enumerate() {
            let id = span.body.attributes.get("gen_ai.tool.call.id");
            if let Some(id) = id.and_then(|id| id.as_str()) {
                match by_call.entry(id) {
                    Entry::Occupied(known) if is_its(*known.get()) && !is_its(i) => {}
                    Entry::Occupied(mut known) => drop(known.insert(i)),
                    Entry::Vacant(free) => drop(free.insert(i)),
                }
            }
        }
        let mut placed: Vec<(SpanId, usize)> = Vec::new();
        for (_, record) in records {
            let (call, caller, arrival) = match &record.event {
                Event::Decision(decision) if decision.action.is_call() => match decision.call {
                    Some(call) => (call, decision.caller_span, &decision.arrival),
                    None => continue,
                },
                Event::CallInvalid(invalid) => {
                    (invalid.call, invalid.caller_span, &invalid.arrival)
                }
                _ => continue,
            };
            let same = arrival
                .id
                .as_deref()
                .and_then(|id| by_call.get(id).copied());
            let from = || {
                let all = self.places.get(&caller?)?;
                let its = all.iter().copied().find(|i| is_its(*i));
                its.or_else(|| all.first().copied())
            };
            if let Some(parent) = same.or_else(from) {
                placed.push((call, parent));
            }
        }
        for (call, parent) in placed {
            if let Entry::Vacant(free) = self.placed.entry(call) {
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

    /// Those that stand children_of no span that is known.
    pub fn top(&self) -> impl Iterator<Item = &StoredSpan> {
        self.top.iter().filter_map(|i| self.spans.get(*i))
    }

    /// Those that stand directly children_of one of the gate's spans.
    pub fn below(&self, span: SpanId) -> impl Iterator<Item = &StoredSpan> {
        self.children_of(Some(ParentSpan::Gate(span)))
    }

    /// Those that stand directly children_of a reported span.
    pub fn below_reported(&self, span: &StoredSpan) -> impl Iterator<Item = &StoredSpan> {
        self.children_of(self.place_of(span).map(ParentSpan::Reported))
    }

    fn children_of(&self, above: Option<ParentSpan>) -> impl Iterator<Item = &StoredSpan> {
        above
            .and_then(|above| self.below.get(&above))
            .into_iter()
            .flatten()
            .filter_map(|i| self.spans.get(*i))
    }

    fn place_of(&self, span: &StoredSpan) -> Option<usize> {
        let is_it = |i: &usize| {
            self.spans
                .get(*i)
                .is_some_and(|other| other.reporter == span.reporter && other.trace == span.trace)
        };
        self.places
            .get(&span.span)?
            .iter()
            .copied()
            .find(|i| is_it(i))
    }

    /// Whether a call of the gate's stands children_of a reported span.
    #[must_use]
    pub fn is_placed(&self, call: SpanId) -> bool {
        self.placed.contains_key(&call)
    }

    /// The gate's calls that stand directly children_of a reported span.
    #[must_use]
    pub fn calls(&self, reported: &StoredSpan) -> &[SpanId] {
        self.place_of(reported)
            .and_then(|place| self.calls.get(&place))
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
