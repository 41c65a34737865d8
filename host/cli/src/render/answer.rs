//! The answer to a call.

use serde_json::Value;
use tollgate::tool::{Content, ResourceBody};
use tollgate_model::tool::repeats;

use crate::{
    reply::{CallOutcome, CallReply},
    style::{Tone, line, paint, wrap},
    units::{duration, moment, size},
};

/// The most bytes of a result that are printed as text; `--json` has all.
const MAX_RESULT: usize = 1 << 20;

fn symbol(outcome: CallOutcome) -> (&'static str, Tone) {
    match outcome {
        CallOutcome::Ok => ("✓", Tone::Good),
        CallOutcome::Waiting => ("⏸", Tone::Wait),
        CallOutcome::Indeterminate => ("?", Tone::Wait),
        _ => ("✗", Tone::Bad),
    }
}

fn word(outcome: CallOutcome) -> String {
    outcome.as_str().replace('_', " ")
}

/// One line: outcome, duration and decision.
pub(crate) fn summary(reply: &CallReply) -> String {
    let (symbol, tone) = symbol(reply.outcome);
    let mut text = format!(
        "{} {}  {}  {}",
        paint(symbol, tone),
        paint(&line(&reply.tool, 80), Tone::Strong),
        paint(&word(reply.outcome), tone),
        paint(&duration(reply.micros), Tone::Weak),
    );
    if let Some(decision) = reply.decision {
        text.push_str(&format!("  {}", paint(&decision.to_string(), Tone::Name)));
    }
    if !reply.redacted_arguments.is_empty() {
        let pointers = reply.redacted_arguments.iter().map(String::as_str);
        let pointers = line(&pointers.collect::<Vec<_>>().join(", "), 200);
        let note = format!("arguments redacted: {pointers}");
        text.push_str(&format!("  {}", paint(&note, Tone::Wait)));
    }
    if let Some(edit) = &reply.edit {
        let pointers: Vec<&str> = edit.pointers.iter().map(String::as_str).collect();
        let (by, pointers) = (line(&edit.by, 64), line(&pointers.join(", "), 200));
        let note = format!("{by} changed {pointers} before approving it");
        text.push_str(&format!("  {}", paint(&note, Tone::Wait)));
    }
    if reply.redacted {
        text.push_str(&format!("  {}", paint("redacted", Tone::Wait)));
    }
    text
}

/// The result as printable text.
pub(crate) fn result(content: &[Content]) -> String {
    let is_said = |value: &Value| {
        content
            .iter()
            .any(|part| matches!(part, Content::Text { text } if repeats(text, value)))
    };
    let mut all = String::new();
    for part in content {
        let piece = match part {
            Content::Text { text } => tollgate::text::printable(text, MAX_RESULT),
            // Tools repeat structured data as text, for models that only read text.
            Content::Structured(value) if is_said(value) => continue,
            Content::Structured(value) => {
                let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
                tollgate::text::printable(&pretty, MAX_RESULT)
            }
            Content::Image { data, media_type } => {
                format!(
                    "[image {}, {}]",
                    line(media_type, 80),
                    size(data.len() as u64)
                )
            }
            Content::Resource { resource } => {
                let kind = resource.media_type.as_deref().unwrap_or("resource");
                let body = match &resource.body {
                    ResourceBody::Text(text) => {
                        format!("\n{}", tollgate::text::printable(text, MAX_RESULT))
                    }
                    ResourceBody::Blob(bytes) => format!(", {}", size(bytes.len() as u64)),
                };
                format!("[{} {}]{body}", line(kind, 80), line(&resource.uri, 400))
            }
        };
        all.push_str(&piece);
        if !piece.ends_with('\n') {
            all.push('\n');
        }
    }
    all
}

/// The beginning of a result, on one line.
pub(crate) fn preview(content: &[Content], columns: usize) -> String {
    let text = result(content);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line(&flat, columns)
}

/// The reason of a refusal, and the next step.
pub(crate) fn refusal(reply: &CallReply, columns: usize, indent: &str) -> String {
    let mut text = String::new();
    let mut say = |words: &str, tone: Tone| {
        for piece in wrap(words, columns.saturating_sub(indent.len()).min(96)) {
            text.push_str(&format!("{indent}{}\n", paint(&piece, tone)));
        }
    };
    if let Some(message) = &reply.message {
        say(&tollgate::text::printable(message, 4000), Tone::Plain);
    }
    let owners: Vec<String> = reply
        .policies
        .iter()
        .map(|p| format!("{} answers for {}", p.owner, p.id))
        .collect();
    let until = reply
        .approval
        .as_ref()
        .map(|pending| format!("waits until {}", moment(pending.expires)));
    let facts: Vec<String> = owners.into_iter().chain(until).collect();
    if !facts.is_empty() {
        say(&facts.join(" · "), Tone::Weak);
    }
    for step in next(reply) {
        say(&format!("next: {step}"), Tone::Name);
    }
    text
}

/// Commands that show more, or that continue.
fn next(reply: &CallReply) -> Vec<String> {
    let mut steps = Vec::new();
    if let Some(pending) = &reply.approval {
        steps.push(format!("tollgate approvals show {}", pending.id));
    }
    let explained = !reply.policies.is_empty() || reply.outcome == CallOutcome::Denied;
    if let Some(decision) = reply
        .decision
        .filter(|_| explained && reply.approval.is_none())
    {
        steps.push(format!("tollgate decisions show {decision}"));
    }
    if let (CallOutcome::Indeterminate | CallOutcome::Failed, Some(run)) =
        (reply.outcome, reply.run)
    {
        steps.push(format!("tollgate runs show {run}"));
    }
    match reply.outcome {
        CallOutcome::UnknownTool => steps.push("tollgate tools list".into()),
        CallOutcome::Invalid if reply.run.is_some() => {
            steps.push(format!("tollgate tools show {}", line(&reply.tool, 80)))
        }
        _ => {}
    }
    steps
}

#[cfg(test)]
mod tests;
