//! A run as a tree: calls, decisions, approvals, executions and effects.
//!
//! A denied call has no `invoke_component` below it, because nothing ran. Colours carry no information of their
//! own.

mod line;
mod own;
pub(crate) mod reported;
mod row;

use std::collections::HashMap;

use tollgate_model::{
    decision::Outcome,
    ids::SpanId,
    record::{Effect, Event},
    request::Action,
    span::SpanKind,
    time::Timestamp,
};

use crate::{
    render::tree::row::{Mark, Row},
    style::Tone,
    units::duration,
};
use tollgate_server::reply::{IndexedRecord, Span, Trace};
use tollgate_trace::{
    merged_tree::MergedTrace,
    store::{StoredLog, StoredSpan},
};

/// The longest shown part of a foreign name.
const MAX_NAME: usize = 160;

/// Options of the output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Columns.
    pub(crate) width: usize,
    /// Every span on a line of its own, and every log line.
    pub(crate) full: bool,
}

/// The reports about a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reports<'a> {
    pub(crate) merged: &'a MergedTrace,
    /// The run's principal.
    pub(crate) whose: &'a str,
    /// The currency of costs.
    pub(crate) currency: &'a str,
}

/// The tree of a run's records, which are in order, and of its reports.
pub(crate) fn tree(records: &[IndexedRecord], reports: Reports<'_>, style: Style) -> String {
    let trace = Trace::of(records);
    let Some(root) = trace.root() else {
        return String::new();
    };
    let mut logs: HashMap<SpanId, Vec<&StoredLog>> = HashMap::new();
    for log in reports.merged.logs() {
        // A log without a span belongs to the run.
        logs.entry(log.span.unwrap_or(root.id))
            .or_default()
            .push(log);
    }
    let mut drawing = Drawing {
        trace: &trace,
        reports,
        full: style.full,
        rows: Vec::new(),
        logs,
    };
    let mut top = Row::new(
        Mark::Root,
        root.name.trim_start_matches("invoke_agent "),
        "",
    );
    top.strong = true;
    drawing.rows.push(top);
    drawing.children(root, "", 0);
    // Logs of spans that are not drawn, or that are not known, are at the top.
    let left = &drawing.logs;
    let loose = reports.merged.logs().iter();
    let loose: Vec<&StoredLog> = loose
        .filter(|log| left.contains_key(&log.span.unwrap_or(root.id)))
        .collect();
    if let Some(top) = drawing.rows.first_mut() {
        top.below = "│".into();
        reported::note_logs(top, loose.into_iter(), reports.whose, style.full);
    }
    row::draw(&drawing.rows, style.width)
}

/// The deepest level that is shown.
const MAX_DEPTH: usize = 100;

/// One of the gate's spans and how often it occurred, or one that was reported.
enum Item<'s, 'a> {
    Own(&'s Span<'a>, u64),
    Reported(&'s StoredSpan),
}

impl Item<'_, '_> {
    fn start(&self) -> Timestamp {
        match self {
            Self::Own(span, _) => span.start,
            Self::Reported(span) => span.start,
        }
    }
}

struct Drawing<'a> {
    trace: &'a Trace<'a>,
    reports: Reports<'a>,
    full: bool,
    rows: Vec<Row>,
    /// Reported logs that are not drawn yet, by their spans.
    logs: HashMap<SpanId, Vec<&'a StoredLog>>,
}

impl<'a> Drawing<'a> {
    /// Adds the children of one of the gate's spans.
    fn children(&mut self, parent: &Span<'a>, rail: &str, depth: usize) {
        let (trace, merged) = (self.trace, self.reports.merged);
        let own = group_alike(
            trace
                .below(parent.id)
                .filter(|span| !self.is_shown_elsewhere(span) && !merged.is_placed(span.id)),
        );
        let own = own.into_iter().map(|(span, times)| Item::Own(span, times));
        let top = (parent.kind == SpanKind::InvokeAgent).then(|| merged.top());
        let reported = top.into_iter().flatten().chain(merged.below(parent.id));
        self.items(
            own.chain(reported.map(Item::Reported)).collect(),
            parent,
            rail,
            depth,
        );
    }

    /// Adds the children of a reported span.
    fn below_reported(&mut self, parent: &StoredSpan, root: &Span<'a>, rail: &str, depth: usize) {
        let (trace, merged) = (self.trace, self.reports.merged);
        let calls = merged.calls(parent);
        let all = match calls {
            [] => &[],
            _ => trace.spans(),
        };
        let own = all.iter().filter(|span| calls.contains(&span.id));
        let own = own.map(|span| Item::Own(span, 1));
        let reported = merged.below_reported(parent).map(Item::Reported);
        self.items(own.chain(reported).collect(), root, rail, depth);
    }

    fn has_below(&self, item: &Item<'_, 'a>) -> bool {
        let merged = self.reports.merged;
        match item {
            Item::Own(span, _) => {
                self.trace.below(span.id).next().is_some() || merged.below(span.id).next().is_some()
            }
            Item::Reported(span) => {
                !merged.calls(span).is_empty() || merged.below_reported(span).next().is_some()
            }
        }
    }

    fn items(&mut self, mut items: Vec<Item<'a, 'a>>, parent: &Span<'a>, rail: &str, depth: usize) {
        if !self.reports.merged.is_empty() {
            items.sort_by_key(Item::start);
        }
        if depth > MAX_DEPTH {
            let mut row = Row::new(Mark::Nothing, "…", "");
            row.rail = format!("{rail}└─ ");
            self.rows.push(row);
            return;
        }
        let last = items.len();
        for (i, item) in items.into_iter().enumerate() {
            let end = i + 1 == last;
            let (branch, stem) = if end {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let (mut row, folded) = match &item {
                Item::Own(span, times) => {
                    let mut row = self.row(parent, span);
                    if *times > 1 {
                        row.detail(format!("{times} times"), Tone::Weak);
                    }
                    if span.kind == SpanKind::ExecuteTool && parent.kind == SpanKind::InvokeAgent {
                        row.at = format!("+{}", duration(span.start.since(parent.start)));
                    }
                    (row, self.folded(span).is_some())
                }
                Item::Reported(span) => {
                    let Reports {
                        whose, currency, ..
                    } = self.reports;
                    (reported::row(span, whose, currency, self.full), false)
                }
            };
            row.rail = format!("{rail}{branch}");
            let stem = format!("{rail}{stem}");
            row.below = if !folded && self.has_below(&item) {
                format!("{stem}│")
            } else {
                stem.clone()
            };
            let id = match &item {
                Item::Own(span, _) => span.id,
                Item::Reported(span) => span.span,
            };
            if let Some(logs) = self.logs.remove(&id) {
                reported::note_logs(&mut row, logs.into_iter(), self.reports.whose, self.full);
            }
            self.rows.push(row);
            match item {
                Item::Own(..) if folded => {}
                Item::Own(span, _) => self.children(span, &stem, depth + 1),
                Item::Reported(span) => self.below_reported(span, parent, &stem, depth + 1),
            }
        }
    }

    /// Who may answer an approval is shown at the approval, and for a standing one at the call that uses it.
    fn is_shown_elsewhere(&self, span: &Span<'a>) -> bool {
        let Event::Decision(decision) = &span.opened.1.event else {
            return false;
        };
        !self.full
            && matches!(
                decision.action,
                Action::Approve | Action::Reject | Action::ApproveStanding | Action::ApproveEdited
            )
            && (decision.approval.is_some() || !decision.standing.is_empty())
    }

    /// The effect that is shown on the same line as its decision.
    fn folded(&self, span: &Span<'a>) -> Option<&'a Effect> {
        if self.full || span.kind != SpanKind::Authorize {
            return None;
        }
        let mut below = self.trace.below(span.id);
        let (Some(only), None) = (below.next(), below.next()) else {
            return None;
        };
        let Event::Effect(effect) = &only.opened.1.event else {
            return None;
        };
        Some(effect)
    }
}

/// Repeated decisions of a pending call become one line.
fn group_alike<'a, 't>(spans: impl Iterator<Item = &'t Span<'a>>) -> Vec<(&'t Span<'a>, u64)>
where
    'a: 't,
{
    let mut all: Vec<(&Span<'a>, u64)> = Vec::new();
    for span in spans {
        match all.last_mut() {
            Some((before, times)) if same_wait(before, span) => {
                *before = span;
                *times += 1;
            }
            _ => all.push((span, 1)),
        }
    }
    all
}

fn same_wait(a: &Span<'_>, b: &Span<'_>) -> bool {
    let (Event::Decision(first), Event::Decision(second)) = (&a.opened.1.event, &b.opened.1.event)
    else {
        return false;
    };
    a.kind == SpanKind::Authorize
        && b.kind == SpanKind::Authorize
        && first.outcome == Outcome::Escalate
        && second.outcome == Outcome::Escalate
        && first.action == second.action
        && first.determining == second.determining
}

#[cfg(test)]
mod tests;
