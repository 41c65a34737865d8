//! A run as a tree: what was called, what decided, who approved, what ran, and what it touched.
//!
//! A call that was denied has no `invoke_component` below it: nothing ran. The picture reads the same
//! without colours.

mod line;
pub(crate) mod reported;
mod row;

use std::collections::HashMap;

use tollgate_model::{
    decision::Outcome,
    entity::Kind,
    ids::{DecisionId, SpanId},
    life::ApprovalState,
    record::{ApprovalRequested, DecisionRecord, Effect, Event, Release, Status},
    request::Action,
    span::SpanKind,
    time::Timestamp,
};

use crate::{
    render::tree::{
        line::{authorize, capability, effect_row, plain, took},
        row::{Mark, Row},
    },
    style::{Tone, line},
    units::{amount, count, duration, moment, size},
};
use tollgate_server::reply::{Indexed, Span, Trace};
use tollgate_trace::{
    merged_tree::MergedTrace,
    store::{StoredLog, StoredSpan},
};

/// How much of a name from outside is shown.
const MAX_NAME: usize = 160;

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Columns.
    pub(crate) width: usize,
    /// Every span on a line of its own, and every log line.
    pub(crate) full: bool,
}

/// What an agent has reported of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reports<'a> {
    pub(crate) merged: &'a MergedTrace,
    /// The run's principal.
    pub(crate) whose: &'a str,
    /// In which costs are told.
    pub(crate) currency: &'a str,
}

/// The tree of these records, which are a run's, in order, and of what was reported of it.
pub(crate) fn tree(records: &[Indexed], reports: Reports<'_>, style: Style) -> String {
    let trace = Trace::of(records);
    let Some(root) = trace.root() else {
        return String::new();
    };
    let mut logs: HashMap<SpanId, Vec<&StoredLog>> = HashMap::new();
    for log in reports.merged.logs() {
        // What names no span is about the run.
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

/// Levels of a tree; what is deeper is not drawn.
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
    /// What is directly below one of the gate's spans.
    fn children(&mut self, parent: &Span<'a>, rail: &str, depth: usize) {
        let (trace, merged) = (self.trace, self.reports.merged);
        let own = group_alike(
            trace
                .below(parent.id)
                .filter(|span| !self.is_told_elsewhere(span) && !merged.is_placed(span.id)),
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

    /// What is directly below a reported span.
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

    /// Who may answer an approval is told where the approval is.
    fn is_told_elsewhere(&self, span: &Span<'a>) -> bool {
        match &span.opened.1.event {
            Event::Decision(decision) if !self.full => {
                matches!(decision.action, Action::Approve | Action::Reject)
                    && decision.approval.is_some()
            }
            _ => false,
        }
    }

    /// The effect that is shown on the same line as its decision.
    fn folded(&self, span: &Span<'a>) -> Option<&'a Effect> {
        if self.full || span.kind != SpanKind::Authorize {
            return None;
        }
        let mut below = self.trace.below(span.id);
        match (below.next(), below.next()) {
            (Some(only), None) => match &only.opened.1.event {
                Event::Effect(effect) => Some(effect),
                _ => None,
            },
            _ => None,
        }
    }

    fn row(&self, parent: &Span<'a>, span: &Span<'a>) -> Row {
        let (index, record) = span.opened;
        match &record.event {
            Event::Decision(_) if span.kind == SpanKind::ExecuteTool => self.call(span),
            Event::Decision(decision) => match &decision.action {
                action if action.is_call() => {
                    // A call that a component makes is decided twice.
                    let name = match decision.principal.kind {
                        Kind::Component => {
                            format!("authorize {}", line(&decision.principal.id, 64))
                        }
                        _ => "authorize".into(),
                    };
                    authorize(*index, decision, name)
                }
                Action::ReturnResult => self.release(parent, *index, decision),
                _ if decision.call.is_some() && !self.full => {
                    capability(*index, decision, self.folded(span))
                }
                _ => {
                    let mut row = authorize(*index, decision, line(&span.name, MAX_NAME));
                    if decision.call.is_none() {
                        row.detail(
                            format!("asked by {}", line(&decision.principal.id, 64)),
                            Tone::Plain,
                        );
                    }
                    row
                }
            },
            Event::CallInvalid(invalid) => {
                let mut row = Row::new(Mark::No, line(&invalid.tool, MAX_NAME), "invalid");
                row.strong = true;
                row.detail("nothing ran", Tone::Weak);
                row.detail(invalid.problem.replace('_', " "), Tone::Plain);
                let pointers: Vec<String> = invalid.pointers.iter().map(|p| line(p, 80)).collect();
                row.detail(pointers.join(", "), Tone::Plain);
                row
            }
            Event::Start(_) => self.invoke(span),
            Event::Effect(effect) => effect_row(effect, line(&span.name, MAX_NAME)),
            Event::ApprovalRequested(requested) => self.approval(span, requested),
            _ => Row::new(Mark::Unknown, line(&span.name, MAX_NAME), ""),
        }
    }

    fn call(&self, span: &Span<'a>) -> Row {
        let ran = self
            .trace
            .below(span.id)
            .any(|s| s.kind == SpanKind::InvokeComponent);
        let waits = self
            .trace
            .below(span.id)
            .filter_map(|s| match &s.opened.1.event {
                Event::ApprovalRequested(requested) => {
                    Some(self.trace.approval_state(requested.id))
                }
                _ => None,
            });
        let withheld =
            self.trace.outcome_of_call(span.id).and_then(|o| o.release) == Some(Release::Withheld);
        let (mark, outcome) = match (span.error, span.end) {
            (Some("indeterminate"), _) => (Mark::Unknown, "indeterminate".to_owned()),
            (Some("policy_denied"), _) if ran => (Mark::No, "halted".into()),
            (Some("policy_denied"), _) => (Mark::No, "denied".into()),
            (Some("policy_error"), _) => (Mark::No, "undecidable".into()),
            (Some("approval_rejected"), _) => (Mark::No, "rejected".into()),
            (Some("approval_timeout"), _) => (Mark::No, "expired".into()),
            (Some(error), _) => (Mark::No, error.replace('_', " ")),
            (None, Some(_)) if withheld => (Mark::No, "withheld".into()),
            (None, Some(_)) if ran => (Mark::Yes, "ok".into()),
            (None, Some(_)) => (Mark::No, "cancelled".into()),
            (None, None) if ran => (Mark::Running, "running".into()),
            (None, None) => match waits.last() {
                Some(ApprovalState::Pending) => (Mark::Waiting, "waiting".into()),
                Some(state) => (Mark::Waiting, state.as_str().into()),
                None => (Mark::Waiting, "open".into()),
            },
        };
        let name = line(span.name.trim_start_matches("execute_tool "), MAX_NAME);
        let mut row = Row::new(mark, name, outcome).took(took(span));
        row.strong = true;
        match (ran, span.end.is_some()) {
            (true, _) => {}
            (false, true) => row.detail("nothing ran", Tone::Weak),
            (false, false) => row.detail("nothing has run", Tone::Weak),
        }
        row
    }

    fn invoke(&self, span: &Span<'a>) -> Row {
        let start = match &span.opened.1.event {
            Event::Start(start) => Some(start),
            _ => None,
        };
        let unsandboxed = start.is_some_and(|start| start.unsandboxed);
        let name = line(&span.name, MAX_NAME);
        let mut row = match self.trace.outcome(span.id) {
            None if span.end.is_none() => Row::new(Mark::Running, name, "running"),
            None => Row::new(Mark::Unknown, name, "unknown"),
            Some(outcome) => {
                let mark = match outcome.status {
                    Status::Ok => Mark::Yes,
                    Status::Indeterminate => Mark::Unknown,
                    Status::Pending => Mark::Waiting,
                    _ => Mark::No,
                };
                let mut row = Row::new(mark, name, outcome.status.as_str().replace('_', " "));
                if outcome.status == Status::Indeterminate {
                    row.detail("it may have happened", Tone::Wait);
                } else if !unsandboxed {
                    row.detail(format!("{} fuel", amount(outcome.fuel)), Tone::Weak);
                    row.detail(size(outcome.peak_memory), Tone::Weak);
                }
                if outcome.effects > 0 && outcome.status != Status::Ok {
                    row.detail(
                        format!("{} begun", count(outcome.effects, "effect")),
                        Tone::Wait,
                    );
                }
                row
            }
        };
        row.took = took(span);
        if unsandboxed {
            row.detail("unsandboxed", Tone::Wait);
        }
        if let Some(start) = start.filter(|start| start.attempt > 1) {
            row.detail(format!("attempt {}", start.attempt), Tone::Wait);
        }
        for log in self.trace.logs(span.id) {
            if self.full || matches!(log.level.as_str(), "warn" | "error") {
                row.note(
                    format!("log {}: {}", line(&log.level, 8), line(&log.message, 400)),
                    Tone::Weak,
                );
            }
        }
        row
    }

    fn release(&self, parent: &Span<'a>, index: u64, decision: &DecisionRecord) -> Row {
        let outcome = self.trace.outcome_of_call(parent.id);
        let mut row = authorize(index, decision, "authorize return_result".into());
        if !self.full {
            plain(&mut row, decision);
        }
        match outcome.and_then(|o| o.release) {
            Some(Release::Released) => row.outcome = "released".into(),
            Some(Release::Redacted) => {
                row.mark = Mark::Yes;
                row.outcome = "redacted".into();
            }
            Some(Release::Withheld) => row.outcome = "withheld".into(),
            None => {}
        }
        if let Some(outcome) = outcome {
            row.detail(size(outcome.size), Tone::Weak);
            let labels: Vec<String> = outcome
                .labels
                .iter()
                .map(|label| format!("+{label}"))
                .collect();
            row.detail(labels.join(" "), Tone::Plain);
        }
        row
    }

    fn approval(&self, span: &Span<'a>, requested: &ApprovalRequested) -> Row {
        let state = self.trace.approval_state(requested.id);
        let (mark, outcome) = match state {
            ApprovalState::Pending => (Mark::Waiting, "waiting"),
            ApprovalState::Approved | ApprovalState::Consumed => (Mark::Yes, "approved"),
            other => (Mark::No, other.as_str()),
        };
        let mut row =
            Row::new(mark, format!("approval {}", requested.id), outcome).took(took(span));
        let answers = self.trace.answers(requested.id);
        let judged = self.trace.judged(requested.id);
        for (index, _) in judged
            .iter()
            .filter(|(_, decision)| decision.outcome == Outcome::Allow)
        {
            row.detail(DecisionId(*index).to_string(), Tone::Name);
        }
        for answer in answers.iter().filter(|answer| answer.took_effect) {
            let roles: Vec<&str> = answer.roles.iter().map(String::as_str).collect();
            let held = if roles.is_empty() {
                String::new()
            } else {
                format!(" ({})", roles.join(", "))
            };
            row.detail(format!("by {}{held}", line(&answer.by.id, 64)), Tone::Plain);
        }
        if state == ApprovalState::Pending {
            row.detail(format!("needs {}", requested.requirement), Tone::Plain);
            row.detail(format!("until {}", moment(requested.expires)), Tone::Weak);
        }
        for answer in answers {
            if let Some(note) = &answer.note {
                row.note(
                    format!("{}: “{}”", line(&answer.by.id, 64), line(note, 400)),
                    Tone::Weak,
                );
            }
            if !answer.took_effect {
                let verb = if answer.approve {
                    "approved"
                } else {
                    "rejected"
                };
                row.note(
                    format!("{} {verb} it too late", line(&answer.by.id, 64)),
                    Tone::Weak,
                );
            }
        }
        for (index, decision) in judged
            .iter()
            .filter(|(_, decision)| decision.outcome != Outcome::Allow)
        {
            let ids: Vec<&str> = decision
                .determining
                .iter()
                .map(|d| d.policy.id.as_str())
                .collect();
            let by = if ids.is_empty() {
                "no policy permits it".into()
            } else {
                ids.join(", ")
            };
            let who = line(&decision.principal.id, 64);
            row.note(
                format!("{who} may not {}: {by} (dec-{index})", decision.action.id()),
                Tone::Weak,
            );
        }
        row
    }
}

/// Repeated looks at a call that still waits are one line.
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
    match (&a.opened.1.event, &b.opened.1.event) {
        (Event::Decision(a_), Event::Decision(b_)) => {
            a.kind == SpanKind::Authorize
                && b.kind == SpanKind::Authorize
                && a_.outcome == Outcome::Escalate
                && b_.outcome == Outcome::Escalate
                && a_.action == b_.action
                && a_.determining == b_.determining
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
