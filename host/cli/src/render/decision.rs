//! Decisions and acts of operators.

use tollgate_model::{
    decision::{Redaction, ShadowFlip},
    ids::DecisionId,
    record::{DecisionRecord, Record},
};
use tollgate_server::reply::Entry;

use crate::{
    render::table::{Cell, table},
    style::{Tone, line, paint, wrap},
    units::{duration, moment},
};

fn tone(outcome: &str) -> (&'static str, Tone) {
    match outcome {
        "allow" | "approved" | "consumed" | "activated" | "resumed" | "done" | "success" => {
            ("✓", Tone::Good)
        }
        "escalate" => ("⏸", Tone::Wait),
        _ => ("✗", Tone::Bad),
    }
}

/// A list, in the given order.
pub(crate) fn list(entries: &[Entry]) -> String {
    let rows: Vec<[Cell; 7]> = entries
        .iter()
        .map(|entry| {
            let (symbol, tone) = tone(&entry.outcome);
            let time = entry
                .time
                .get(..19)
                .unwrap_or(&entry.time)
                .replace('T', " ");
            [
                Cell::new(
                    entry
                        .id
                        .map_or_else(|| format!("#{}", entry.index), |id| id.to_string()),
                    Tone::Name,
                ),
                Cell::new(time, Tone::Weak),
                Cell::new(format!("{symbol} {}", entry.outcome), tone),
                line(&entry.principal, 40).into(),
                Cell::new(line(&entry.action, 40), Tone::Plain),
                line(&entry.resource, 48).into(),
                line(
                    &if entry.policies.is_empty() {
                        entry.reason.clone()
                    } else {
                        entry.policies.join(", ")
                    },
                    120,
                )
                .into(),
            ]
        })
        .collect();
    table(
        ["ID", "TIME (UTC)", "OUTCOME", "WHO", "ACTION", "ON", "BY"],
        &rows,
    )
}

/// Everything about one decision. `files` has the present position of its policies.
pub(crate) fn whole(
    index: u64,
    record: &Record,
    decision: &DecisionRecord,
    files: impl Fn(&str) -> Option<String>,
    columns: usize,
) -> String {
    let (symbol, outcome_tone) = tone(decision.outcome.as_str());
    let mut text = format!(
        "{}  {} {}  {}\n",
        paint(&DecisionId(index).to_string(), Tone::Name),
        paint(symbol, outcome_tone),
        paint(decision.outcome.as_str(), outcome_tone),
        moment(record.time),
    );
    for (name, value) in fields(record, decision) {
        if !value.is_empty() {
            let name = paint(&format!("{name:<14}"), Tone::Weak);
            text.push_str(&format!("  {name}{value}\n"));
        }
    }
    text.push_str(&decided_by(decision, files, columns));
    if let Some(provenance) = &decision.provenance {
        text.push_str(&values(&provenance.sentences(), columns));
    }
    text
}

/// Where the values of a call came from, a sentence for each.
pub(crate) fn values(sentences: &[String], columns: usize) -> String {
    let mut text = format!(
        "\n  {}\n",
        paint("Where its values come from", Tone::Strong)
    );
    for sentence in sentences {
        for piece in wrap(&line(sentence, 400), columns.saturating_sub(4).min(100)) {
            text.push_str(&format!("    {piece}\n"));
        }
    }
    text
}

/// Names and values of a decision; a value may be empty.
fn fields(record: &Record, decision: &DecisionRecord) -> [(&'static str, String); 12] {
    fn shown<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let action = match decision.called() {
        Some(tool) => format!("call {}", line(&tool, 80)),
        None => decision.action.id().to_owned(),
    };
    let standing: Vec<String> = decision.standing.iter().map(ToString::to_string).collect();
    let run = record
        .run
        .map(|run| format!("{run}  (tollgate runs show {run})"));
    [
        ("principal", line(&decision.principal.to_string(), 200)),
        (
            "on behalf of",
            line(&shown(decision.on_behalf_of.as_ref()), 200),
        ),
        ("action", action),
        ("resource", line(&decision.resource.to_string(), 300)),
        ("run", shown(run)),
        ("approval", shown(decision.approval)),
        ("standing", standing.join(" ")),
        ("needs", shown(decision.requirement.as_ref())),
        ("arguments", shown(decision.arguments.as_ref())),
        ("bundle", decision.bundle.to_string()),
        ("component", shown(decision.component)),
        ("decided in", duration(decision.decide_micros)),
    ]
}

/// The determining policies with their present positions, and errors.
fn decided_by(
    decision: &DecisionRecord,
    files: impl Fn(&str) -> Option<String>,
    columns: usize,
) -> String {
    let mut text = format!("\n  {}\n", paint("Decided by", Tone::Strong));
    if decision.determining.is_empty() {
        let why = if decision.errors.is_empty() {
            "no policy permits it"
        } else {
            "no policy: it could not be decided"
        };
        text.push_str(&format!("    {why}\n"));
    }
    for policy in &decision.determining {
        let place =
            files(&policy.policy.id).map(|place| format!("  {}", paint(&place, Tone::Weak)));
        text.push_str(&format!(
            "    {} (answered for by {}){}\n",
            paint(&policy.policy.id, Tone::Strong),
            policy.owner,
            place.unwrap_or_default()
        ));
        for piece in wrap(
            &line(&policy.reason, 2000),
            columns.saturating_sub(6).min(90),
        ) {
            text.push_str(&format!("      {piece}\n"));
        }
    }
    for error in &decision.errors {
        text.push_str(&format!(
            "    {} {}\n",
            paint("error:", Tone::Bad),
            line(&error.to_string(), 600)
        ));
    }
    if !decision.redaction.is_empty() {
        text.push_str(&format!(
            "    {} {}\n",
            paint("redacted:", Tone::Wait),
            redacted(&decision.redaction)
        ));
    }
    if let Some(flip) = &decision.shadow {
        text.push_str(&format!(
            "    {} {} would {}: {}\n",
            paint("shadow:", Tone::Wait),
            watched(flip),
            flip.outcome,
            flip.policies.join(", ")
        ));
    }
    text
}

/// What was removed from the arguments, and for which policies.
pub(super) fn redacted(redaction: &Redaction) -> String {
    let join = |all: Vec<&str>| line(&all.join(", "), 600);
    let values = match redaction.values {
        0 => "as the caller sent it".to_owned(),
        1 => "1 value".to_owned(),
        n => format!("{n} values"),
    };
    format!(
        "{} of the arguments ({values}), for {}",
        join(redaction.pointers.iter().map(String::as_str).collect()),
        join(redaction.ids().collect()),
    )
}

/// The kind of a shadow flip.
pub(super) fn watched(flip: &ShadowFlip) -> &'static str {
    if flip.candidate {
        "the candidate"
    } else {
        "shadow policies"
    }
}

/// The columns of CSV, in order.
pub(crate) const COLUMNS: [&str; 13] = [
    "index",
    "id",
    "time",
    "kind",
    "outcome",
    "principal",
    "on_behalf_of",
    "action",
    "resource",
    "policies",
    "reason",
    "run",
    "approval",
];

/// A line of CSV. A cell that a spreadsheet would evaluate as a formula gets a leading apostrophe.
pub(crate) fn cells(entry: &Entry) -> [String; 13] {
    let text = |value: Option<String>| value.unwrap_or_default();
    [
        entry.index.to_string(),
        text(entry.id.map(|id| id.to_string())),
        entry.time.clone(),
        entry.kind.into(),
        entry.outcome.clone(),
        entry.principal.clone(),
        text(entry.on_behalf_of.clone()),
        entry.action.clone(),
        entry.resource.clone(),
        entry.policies.join(" "),
        entry.reason.clone(),
        text(entry.run.map(|run| run.to_string())),
        text(entry.approval.map(|id| id.to_string())),
    ]
    .map(|cell| {
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            format!("'{cell}")
        } else {
            cell
        }
    })
}
