//! Reported spans and logs in the tree of the gate's records. Their content is not verified.

use serde_json::Value;
use tollgate_trace::store::{StoredLog, StoredSpan, Usage};

use crate::{
    render::tree::{
        MAX_NAME,
        line::took_of,
        row::{Mark, Row},
    },
    style::{Tone, line},
    units::amount,
};

/// One line for a reported span. `whose` is the run's principal; any other reporter is named.
pub(super) fn row(span: &StoredSpan, whose: &str, currency: &str, full: bool) -> Row {
    let mark = match span.error {
        Some(_) => Mark::No,
        None => Mark::Nothing,
    };
    let outcome = match (&span.error, span.end) {
        (Some(error), _) if error != "_OTHER" => line(error, 40),
        (Some(_), _) => "error".into(),
        (None, None) => "open".into(),
        (None, Some(_)) => String::new(),
    };
    let mut row = Row::new(mark, line(&span.name, MAX_NAME), outcome);
    row.took = took_of(span.start, span.end);
    row.detail("reported", Tone::Weak);
    if span.reporter != whose {
        row.detail(format!("by {}", line(&span.reporter, 80)), Tone::Wait);
    }
    if let Some(model) = span.model.as_ref().filter(|m| !span.name.contains(*m)) {
        row.detail(line(model, 64), Tone::Plain);
    }
    if let Some(usage) = &span.usage {
        row.detail(tokens(usage), Tone::Plain);
        row.detail(cost(usage, currency), Tone::Plain);
    }
    if !span.body.message.is_empty() {
        row.note(line(&span.body.message, 400), Tone::Weak);
    }
    if full && span.body.dropped > 0 {
        row.note(
            format!(
                "{} of its attributes and events are not here",
                span.body.dropped
            ),
            Tone::Weak,
        );
    }
    row
}

/// The most logs of one span that are shown; the second value is for `--full`.
const LOGS: [usize; 2] = [3, 200];

/// Adds logs as notes below a line.
pub(super) fn note_logs<'a>(
    row: &mut Row,
    logs: impl ExactSizeIterator<Item = &'a StoredLog>,
    whose: &str,
    full: bool,
) {
    let [few, many] = LOGS;
    let most = if full { many } else { few };
    let more = logs.len().saturating_sub(most);
    for log in logs.take(most) {
        row.note(said(log, whose, full), Tone::Weak);
    }
    if more > 0 {
        let rest = if full { "--json" } else { "--full" };
        row.note(
            format!("… and {more} reported logs more: {rest}"),
            Tone::Weak,
        );
    }
}

/// A reported log as one line.
pub(crate) fn said(log: &StoredLog, whose: &str, full: bool) -> String {
    let mut text = String::from("reported log");
    if log.reporter != whose {
        text.push_str(&format!(" by {}", line(&log.reporter, 80)));
    }
    for word in [Some(&log.severity), log.event.as_ref()] {
        let word = word.map(|word| line(word, 40)).unwrap_or_default();
        if !word.is_empty() {
            text.push_str(&format!(" {word}"));
        }
    }
    let body = match &log.body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let body = line(&body, if full { 1000 } else { 200 });
    match body.is_empty() {
        true => text,
        false => format!("{text}: {body}"),
    }
}

/// Tokens read and written.
pub(crate) fn tokens(usage: &Usage) -> String {
    let cached = match usage.cached_tokens {
        0 => String::new(),
        n => format!(" ({} cached)", amount(n)),
    };
    format!(
        "{} → {} tokens{cached}",
        amount(usage.input_tokens),
        amount(usage.output_tokens)
    )
}

/// The cost; empty if no price is known.
pub(crate) fn cost(usage: &Usage, currency: &str) -> String {
    let Some(nano) = usage.cost_nano else {
        return String::new();
    };
    // To the nearest ten-thousandth.
    let parts = nano.saturating_add(50_000) / 100_000;
    match (nano, parts) {
        (1.., 0) => format!("< 0.0001 {currency}"),
        _ => format!("{}.{:04} {currency}", parts / 10_000, parts % 10_000),
    }
}

#[cfg(test)]
mod tests;
