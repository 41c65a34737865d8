//! Lines of the gate's own spans.

use tollgate_model::{
    decision::Outcome,
    entity::Kind,
    ids::DecisionId,
    life::ApprovalState,
    record::{ApprovalAnswered, ApprovalRequested, DecisionRecord, Event, Release, Status},
    request::Action,
    span::SpanKind,
};
use tollgate_server::reply::Span;

use super::{
    Drawing, MAX_NAME,
    line::{authorize, capability, effect_row, plain, took},
    row::{Mark, Row},
};
use crate::{
    style::{Tone, line},
    units::{amount, count, moment, size},
};

impl<'a> Drawing<'a> {
    pub(super) fn row(&self, parent: &Span<'a>, span: &Span<'a>) -> Row {
        let (index, record) = span.opened;
        match &record.event {
            Event::Decision(_) if span.kind == SpanKind::ExecuteTool => self.call(span),
            Event::Decision(decision) => match &decision.action {
                action if action.is_call() => {
                    // A nested call has two decisions, which the name distinguishes.
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
                let problem = invalid.problem.replace('_', " ");
                // These calls are not wrong: something else has changed.
                let (outcome, detail) = match invalid.problem.as_str() {
                    "halted" => ("halted", String::new()),
                    "definition_changed" => ("definition changed", String::new()),
                    _ => ("invalid", problem),
                };
                let mut row = Row::new(Mark::No, line(&invalid.tool, MAX_NAME), outcome);
                row.strong = true;
                row.detail("nothing ran", Tone::Weak);
                row.detail(detail, Tone::Plain);
                let pointers: Vec<String> = invalid.pointers.iter().map(|p| line(p, 80)).collect();
                row.detail(pointers.join(", "), Tone::Plain);
                row
            }
            Event::Start(_) => self.invoke(span),
            Event::Effect(effect) => effect_row(effect, line(&span.name, MAX_NAME)),
            Event::ApprovalRequested(requested) => self.approval(span, requested),
            Event::BundleActivated(_)
            | Event::RunStarted(_)
            | Event::RunEnded(_)
            | Event::Outcome(_)
            | Event::ComponentLog(_)
            | Event::LabelsJoined(_)
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
            | Event::Administered(_) => Row::new(Mark::Unknown, line(&span.name, MAX_NAME), ""),
        }
    }

    fn call(&self, span: &Span<'a>) -> Row {
        let ran = self
            .trace
            .below(span.id)
            .any(|s| s.kind == SpanKind::InvokeComponent);
        let waits = self.trace.below(span.id).filter_map(|s| {
            let Event::ApprovalRequested(requested) = &s.opened.1.event else {
                return None;
            };
            Some(self.trace.approval_state(requested.id))
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
        let start = if let Event::Start(start) = &span.opened.1.event {
            Some(start)
        } else {
            None
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
                note_log(&mut row, &log.level, &log.message, self.full);
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
            if outcome.redacted > 0 {
                let removed = format!("{} removed", count(outcome.redacted, "value"));
                row.detail(removed, Tone::Weak);
            }
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
        let asks = requested.elicitation.is_some();
        let (mark, outcome) = match state {
            ApprovalState::Pending => (Mark::Waiting, "waiting"),
            ApprovalState::Approved | ApprovalState::Consumed if asks => (Mark::Yes, "answered"),
            ApprovalState::Approved | ApprovalState::Consumed => (Mark::Yes, "approved"),
            ApprovalState::Rejected if asks => (Mark::No, "declined"),
            other => (Mark::No, other.as_str()),
        };
        let what = if asks { "question" } else { "approval" };
        let mut row = Row::new(mark, format!("{what} {}", requested.id), outcome).took(took(span));
        let judged = self.trace.judged(requested.id);
        let (allowed, refused): (Vec<_>, Vec<_>) = judged
            .iter()
            .copied()
            .partition(|(_, decision)| decision.outcome == Outcome::Allow);
        for (index, _) in allowed {
            row.detail(DecisionId(index).to_string(), Tone::Name);
        }
        let answers = self.trace.answers(requested.id);
        for answer in answers.iter().filter(|answer| answer.took_effect) {
            row.detail(answered_by(answer), Tone::Plain);
        }
        if state == ApprovalState::Pending {
            let needs = match asks {
                true => "needs a person's answer".into(),
                false => format!("needs {}", requested.requirement),
            };
            row.detail(needs, Tone::Plain);
            row.detail(format!("until {}", moment(requested.expires)), Tone::Weak);
        }
        for answer in answers {
            note_answer(&mut row, answer);
        }
        for (index, decision) in refused {
            row.note(may_not_answer(index, decision), Tone::Weak);
        }
        row
    }
}

/// The user who answered, with the roles at that time.
/// The most lines of one log message that are shown; the second value is for `--full`.
const MAX_LOG_LINES: [usize; 2] = [3, 40];

/// A message of a component, with its own lines.
fn note_log(row: &mut Row, level: &str, message: &str, full: bool) {
    let [few, many] = MAX_LOG_LINES;
    let most = if full { many } else { few };
    let lines: Vec<&str> = message.lines().filter(|l| !l.trim().is_empty()).collect();
    let shown = match lines.as_slice() {
        [] => &[""][..],
        lines => lines.get(..most).unwrap_or(lines),
    };
    for (n, text) in shown.iter().enumerate() {
        let text = line(text.trim_end(), 400);
        let text = match n {
            0 => format!("log {}: {text}", line(level, 8)),
            _ => format!("  {text}"),
        };
        row.note(text, Tone::Weak);
    }
    let more = lines.len().saturating_sub(shown.len());
    if more > 0 {
        let rest = if full { "" } else { ": --full" };
        row.note(format!("  … {} more{rest}", count_lines(more)), Tone::Weak);
    }
}

fn count_lines(lines: usize) -> String {
    count(lines as u64, "line")
}

fn answered_by(answer: &ApprovalAnswered) -> String {
    let roles: Vec<&str> = answer.roles.iter().map(String::as_str).collect();
    let roles = match roles.as_slice() {
        [] => String::new(),
        roles => format!(" ({})", roles.join(", ")),
    };
    format!("by {}{roles}", line(&answer.by.id, 64))
}

/// Notes the text of an answer, and that it came too late.
fn note_answer(row: &mut Row, answer: &ApprovalAnswered) {
    let by = line(&answer.by.id, 64);
    if let Some(note) = &answer.note {
        row.note(format!("{by}: “{}”", line(note, 400)), Tone::Weak);
    }
    if !answer.took_effect {
        let verb = match answer.approve {
            true => "approved",
            false => "rejected",
        };
        row.note(format!("{by} {verb} it too late"), Tone::Weak);
    }
}

/// A user who may not answer, and the policies that refuse it.
fn may_not_answer(index: u64, decision: &DecisionRecord) -> String {
    let ids: Vec<&str> = decision
        .determining
        .iter()
        .map(|d| d.policy.id.as_str())
        .collect();
    let by = match ids.as_slice() {
        [] => "no policy permits it".to_owned(),
        ids => ids.join(", "),
    };
    let who = line(&decision.principal.id, 64);
    format!("{who} may not {}: {by} (dec-{index})", decision.action.id())
}
