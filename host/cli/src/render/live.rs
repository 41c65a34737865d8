//! Records as lines, for `runs tail`.

use tollgate_model::{
    decision::Outcome,
    record::{DecisionRecord, Effect, Event, OutcomeRecord, Record, Status},
};

use crate::{
    reply::Entry,
    style::{Tone, line, pad, paint},
    units::{duration, size},
};

/// The longest shown part of a foreign name.
const MAX_NAME: usize = 120;
/// The width of a run's id.
const RUN: usize = 16;

/// A record as a line; `None` if another record has the same information.
pub(crate) fn happened(index: u64, record: &Record) -> Option<String> {
    let (mark, tone, words) = described(index, record)?;
    let time = record.time.to_string();
    let clock = time
        .split_once('T')
        .map_or(time.as_str(), |(_, clock)| clock);
    let run = record.run.map(|run| run.to_string()).unwrap_or_default();
    let run: String = run.chars().take(RUN).collect();
    Some(format!(
        "{}  {}  {} {words}",
        paint(clock, Tone::Weak),
        pad(&run, RUN, Tone::Name),
        paint(mark, tone),
    ))
}

fn described(index: u64, record: &Record) -> Option<(&'static str, Tone, String)> {
    Some(match &record.event {
        Event::RunStarted(run) => {
            let words = format!("run of {} for {}", run.principal.id, run.on_behalf_of.id);
            ("▸", Tone::Strong, line(&words, 2 * MAX_NAME))
        }
        Event::RunEnded(ended) => {
            let words = format!("run {} {}", ended.outcome.as_str(), ended.stop_reason);
            ("■", Tone::Strong, line(words.trim_end(), 2 * MAX_NAME))
        }
        Event::Decision(decision) => decided(index, decision),
        Event::Start(start) => (
            "▸",
            Tone::Weak,
            format!("{} runs", line(&start.component, MAX_NAME)),
        ),
        Event::Outcome(outcome) => ended(outcome),
        Event::Effect(effect) => performed(effect),
        Event::ComponentLog(log) => {
            let words = format!("log {}: {}", line(&log.level, 8), line(&log.message, 200));
            ("·", Tone::Weak, words)
        }
        Event::ApprovalRequested(asked) => {
            let tool = line(&asked.tool, MAX_NAME);
            let words = match &asked.elicitation {
                Some(elicitation) => format!(
                    "{} {} asks a person in {tool}",
                    asked.id,
                    line(&elicitation.upstream, MAX_NAME)
                ),
                None => format!("{} {tool} needs {}", asked.id, asked.requirement),
            };
            ("⏸", Tone::Wait, words)
        }
        Event::BundleActivated(_)
        | Event::CallInvalid(_)
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
        | Event::Administered(_) => {
            let entry = Entry::of(index, record)?;
            let words = format!(
                "{} {} by {} {}",
                entry.kind.replace('_', " "),
                entry.resource,
                entry.principal,
                entry.reason
            );
            ("·", Tone::Plain, line(words.trim_end(), 2 * MAX_NAME))
        }
    })
}

fn ended(outcome: &OutcomeRecord) -> (&'static str, Tone, String) {
    let (mark, tone) = match outcome.status {
        Status::Ok => ("✓", Tone::Good),
        Status::Pending => ("⏸", Tone::Wait),
        Status::Indeterminate => ("?", Tone::Wait),
        _ => ("✗", Tone::Bad),
    };
    let status = outcome.status.as_str().replace('_', " ");
    let words = format!("ended: {status}, {}", size(outcome.size));
    (mark, tone, words)
}

fn performed(effect: &Effect) -> (&'static str, Tone, String) {
    let (mark, tone) = match effect.error {
        None => ("✓", Tone::Weak),
        Some(_) => ("✗", Tone::Bad),
    };
    let mut words = format!(
        "{} {}  {}",
        line(&effect.operation, 40),
        line(&effect.target, MAX_NAME),
        duration(effect.duration_micros)
    );
    if let Some(error) = &effect.error {
        words.push_str(&format!(": {}", line(error, MAX_NAME)));
    }
    (mark, tone, words)
}

fn decided(index: u64, decision: &DecisionRecord) -> (&'static str, Tone, String) {
    let (mark, tone) = match decision.outcome {
        Outcome::Allow => ("✓", Tone::Good),
        Outcome::Escalate => ("⏸", Tone::Wait),
        _ => ("✗", Tone::Bad),
    };
    let what = match decision.called() {
        Some(tool) => tool.into_owned(),
        None => format!("{} {}", decision.action.id(), decision.resource.id),
    };
    let by: Vec<&str> = decision
        .determining
        .iter()
        .map(|d| d.policy.id.as_str())
        .collect();
    let words = format!(
        "{} {}  {}  {}",
        decision.outcome,
        line(&what, MAX_NAME),
        paint(&format!("dec-{index}"), Tone::Name),
        line(&by.join(", "), MAX_NAME)
    );
    (mark, tone, words.trim_end().to_owned())
}
