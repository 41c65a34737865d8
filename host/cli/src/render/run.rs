//! Runs: the list, and the header of a tree.

use tollgate_ledger::RunRow;
use tollgate_model::record::{Origin, RunOutcome};
use tollgate_trace::store::Usage;

use tollgate_trace::run::Findings;

use crate::{
    render::{
        case,
        table::{Cell, table},
        tree::reported,
    },
    style::{Tone, line, paint},
    units::{count, duration, moment},
};

fn state(run: &RunRow) -> (String, Tone) {
    match run.outcome {
        None if run.pending > 0 => ("⏸ waiting".into(), Tone::Wait),
        None => ("▸ open".into(), Tone::Wait),
        Some(RunOutcome::Success) => ("✓ success".into(), Tone::Good),
        Some(outcome) => (
            format!("✗ {}", outcome.as_str().replace('_', " ")),
            Tone::Bad,
        ),
    }
}

/// Runs, newest first.
pub(crate) fn list(runs: &[RunRow]) -> String {
    let rows: Vec<[Cell; 8]> = runs
        .iter()
        .map(|run| {
            let (state, tone) = state(run);
            let labels: Vec<&str> = run.labels.iter().map(String::as_str).collect();
            let number = |n: u64, tone| {
                if n == 0 {
                    Cell::new("·", Tone::Weak)
                } else {
                    Cell::new(n.to_string(), tone)
                }
            };
            [
                // The first twelve digits are the time in milliseconds, which is usually unique.
                Cell::new(
                    run.id.to_string().chars().take(16).collect::<String>(),
                    Tone::Name,
                ),
                Cell::new(moment(run.started), Tone::Weak),
                Cell::new(state, tone),
                line(&who(run), 48).into(),
                run.calls.to_string().into(),
                number(run.denials, Tone::Bad),
                number(run.errors, Tone::Bad),
                match &run.key {
                    Some(key) => format!("{} {}", line(key, 40), labels.join(",")).into(),
                    None => Cell::new(labels.join(","), Tone::Plain),
                },
            ]
        })
        .collect();
    table(
        [
            "RUN",
            "BEGAN",
            "STATE",
            "WHO",
            "CALLS",
            "DENIED",
            "ERRORS",
            "KEY AND LABELS",
        ],
        &rows,
    )
}

fn who(run: &RunRow) -> String {
    if run.principal == run.on_behalf_of {
        line(&run.principal.id, 64)
    } else {
        format!(
            "{} for {}",
            line(&run.principal.id, 64),
            line(&run.on_behalf_of.id, 64)
        )
    }
}

/// Reported tokens and cost of a run; empty if nothing was reported.
pub(crate) fn usage(usage: &Usage, currency: &str) -> String {
    if usage.input_tokens == 0 && usage.output_tokens == 0 {
        return String::new();
    }
    let mut told = vec![reported::tokens(usage)];
    told.extend(Some(reported::cost(usage, currency)).filter(|cost| !cost.is_empty()));
    format!("{} {}\n", paint("reported", Tone::Weak), told.join(" · "))
}

/// The header of a run's tree.
pub(crate) fn header(run: &RunRow, origin: &Origin) -> String {
    let (state, tone) = state(run);
    let mut counts = vec![count(run.calls, "call")];
    let mut add = |n: u64, what: &str| {
        if n > 0 {
            counts.push(format!("{n} {what}"));
        }
    };
    add(run.denials, "denied");
    add(run.pending, "waiting");
    if run.errors > 0 {
        counts.push(count(run.errors, "error"));
    }
    let mut text = format!(
        "{} {}  {}  {}\n",
        paint("run", Tone::Weak),
        paint(&run.id.to_string(), Tone::Name),
        paint(&state, tone),
        counts.join(", "),
    );
    let mut facts = vec![format!("began {}", moment(run.started))];
    facts.push(format!(
        "lasted {}",
        duration(run.ended.unwrap_or(run.last).since(run.started))
    ));
    facts.push(who(run));
    if let Some(key) = &run.key {
        facts.push(format!("key {}", line(key, 80)));
    }
    if let Some(conversation) = &origin.conversation {
        facts.push(format!("conversation {}", line(conversation, 80)));
    }
    if let Some(trace) = origin.trace.filter(|trace| *trace != run.id) {
        facts.push(format!("trace {trace}"));
    }
    if let Some(reason) = run
        .stop_reason
        .as_deref()
        .filter(|reason| !reason.is_empty())
    {
        facts.push(format!("ended: {}", line(reason, 200)));
    }
    text.push_str(&format!("{}\n", paint(&facts.join(" · "), Tone::Weak)));
    if !run.labels.is_empty() {
        let labels: Vec<&str> = run.labels.iter().map(String::as_str).collect();
        text.push_str(&format!(
            "{} {}\n",
            paint("labels", Tone::Weak),
            labels.join(", ")
        ));
    }
    text
}

/// Other runs of its conversation.
pub(crate) fn together(run: &RunRow, others: &[RunRow]) -> String {
    let mut text = String::new();
    for other in others {
        let (state, tone) = state(other);
        let when = match other.started >= run.started {
            true => format!("{} later", duration(other.started.since(run.started))),
            false => format!("{} before", duration(run.started.since(other.started))),
        };
        text.push_str(&format!(
            "{} {}  {}  {}\n",
            paint("with", Tone::Weak),
            paint(&other.id.to_string(), Tone::Name),
            paint(&state, tone),
            paint(&format!("{} · {when}", who(other)), Tone::Weak),
        ));
    }
    text
}

/// The findings below the header: the slowest step, and the phase of a failure.
pub(crate) fn findings(findings: &Findings) -> String {
    let mut text = String::new();
    let mut add = |name: &str, words: &str, tone| {
        text.push_str(&format!(
            "{} {}\n",
            paint(name, Tone::Weak),
            paint(words, tone)
        ));
    };
    if let Some(words) = case::slowest(findings) {
        add("slowest", &words, Tone::Plain);
    }
    if let Some(found) = &findings.verdict {
        add("failed in", &case::verdict(found), Tone::Bad);
    }
    text
}

/// The header of a comparison.
pub(crate) fn pair(a: &RunRow, b: &RunRow) -> String {
    let each = |mark: &str, run: &RunRow| {
        let (state, tone) = state(run);
        format!(
            "{} {}  {}  {}\n",
            paint(mark, Tone::Weak),
            paint(&run.id.to_string(), Tone::Name),
            paint(&state, tone),
            paint(
                &format!("{} · {}", moment(run.started), who(run)),
                Tone::Weak
            ),
        )
    };
    format!("{}{}\n", each("-", a), each("+", b))
}
