//! Decisions and effects, each as a line of the tree.

use std::collections::BTreeSet;

use tollgate_model::{
    decision::Outcome,
    entity::Kind,
    ids::DecisionId,
    provenance::ProvenanceSummary,
    record::{DecisionRecord, Effect, EffectDetails},
    time::Timestamp,
};

use tollgate_server::reply::Span;

use crate::{
    render::{
        decision::{redacted, watched},
        tree::{
            MAX_NAME,
            row::{Mark, Row},
        },
    },
    style::{Tone, line},
    units::{duration, size},
};

pub(super) fn took(span: &Span<'_>) -> String {
    took_of(span.start, span.end)
}

/// Its duration; empty while it runs.
pub(super) fn took_of(start: Timestamp, end: Option<Timestamp>) -> String {
    end.map(|end| duration(end.since(start)))
        .unwrap_or_default()
}

/// A decision on a line of its own.
pub(super) fn authorize(index: u64, decision: &DecisionRecord, name: String) -> Row {
    let mark = match decision.outcome {
        Outcome::Allow => Mark::Yes,
        Outcome::Escalate => Mark::Waiting,
        Outcome::Deny | Outcome::Error => Mark::No,
    };
    let mut row =
        Row::new(mark, name, decision.outcome.as_str()).took(duration(decision.decide_micros));
    decided(&mut row, index, decision);
    row
}

/// The determining policies, and the reasons unless it is a plain allow.
fn decided(row: &mut Row, index: u64, decision: &DecisionRecord) {
    let no = decision.outcome != Outcome::Allow;
    row.detail(DecisionId(index).to_string(), Tone::Name);
    if decision.determining.is_empty() && decision.errors.is_empty() {
        row.detail("no policy permits it", Tone::Plain);
    }
    let ids: Vec<&str> = decision
        .determining
        .iter()
        .map(|d| d.policy.id.as_str())
        .collect();
    row.detail(ids.join(", "), if no { Tone::Strong } else { Tone::Plain });
    match (decision.outcome, decision.approval) {
        (Outcome::Allow, Some(_)) => row.detail("approved", Tone::Good),
        (Outcome::Deny | Outcome::Error, Some(approval)) => {
            row.detail(format!("after {approval}"), Tone::Plain)
        }
        _ => {}
    }
    for standing in &decision.standing {
        match decision.action.is_call() {
            true => row.detail(format!("approved in advance by {standing}"), Tone::Good),
            false => row.detail(format!("for {standing}"), Tone::Plain),
        }
    }
    // A pending call shows its reasons at the first decision only.
    if no && !(decision.resumption && decision.outcome == Outcome::Escalate) {
        let reasons: BTreeSet<(&str, &str)> = decision
            .determining
            .iter()
            .map(|d| (d.reason.as_str(), d.owner.as_str()))
            .collect();
        for (reason, owner) in reasons.into_iter().filter(|(reason, _)| !reason.is_empty()) {
            row.note(
                format!("“{}” — {}", line(reason, 600), line(owner, 64)),
                Tone::Plain,
            );
        }
    }
    if let Some(provenance) = &decision.provenance {
        note_provenance(row, decision, provenance);
    }
    for error in &decision.errors {
        row.note(
            format!("error: {}", line(&error.to_string(), 600)),
            Tone::Bad,
        );
    }
    if !decision.redaction.is_empty() {
        row.note(
            format!("redacted: {}", redacted(&decision.redaction)),
            Tone::Wait,
        );
    }
    if let Some(flip) = &decision.shadow {
        let by = flip.policies.join(", ");
        row.note(
            format!("{} would {}: {by}", watched(flip), flip.outcome),
            Tone::Wait,
        );
    }
}

/// The most sentences about the values of one call.
const MAX_SENTENCES: usize = 8;

/// Where the call's values came from: in sentences where it was stopped, else in a few words.
fn note_provenance(row: &mut Row, decision: &DecisionRecord, provenance: &ProvenanceSummary) {
    if decision.outcome == Outcome::Allow || decision.resumption {
        let mut marks = provenance.marks();
        if provenance.omitted > 0 {
            marks.push(format!("{} more", provenance.omitted));
        }
        row.note(line(&marks.join(" · "), 600), Tone::Weak);
        return;
    }
    let sentences = provenance.sentences();
    let more = sentences.len().saturating_sub(MAX_SENTENCES);
    for sentence in sentences.iter().take(MAX_SENTENCES) {
        row.note(line(sentence, 400), Tone::Weak);
    }
    if more > 0 {
        row.note(
            format!("and {more} more: tollgate decisions show"),
            Tone::Weak,
        );
    }
}

/// A decision about an effect and the outcome of the effect, on one line.
pub(super) fn capability(index: u64, decision: &DecisionRecord, effect: Option<&Effect>) -> Row {
    let id = &decision.resource.id;
    let target = match decision.resource.kind {
        Kind::File | Kind::Directory => {
            id.split_once('/').map_or(id.as_str(), |(_, target)| target)
        }
        _ => id.as_str(),
    };
    let name = match effect {
        Some(effect) if effect.details.is_some() => effect_name(effect),
        _ => format!("{} {target}", decision.action.id()),
    };
    let name = line(&name, MAX_NAME);
    let mut row = match (decision.outcome, effect) {
        (Outcome::Allow, Some(effect)) => effect_row(effect, name),
        (Outcome::Allow, None) => Row::new(Mark::Yes, name, "allow"),
        (Outcome::Escalate, _) => Row::new(Mark::Waiting, name, "escalate"),
        (outcome @ (Outcome::Deny | Outcome::Error), _) => {
            Row::new(Mark::No, name, outcome.as_str())
        }
    };
    if row.took.is_empty() {
        row.took = duration(decision.decide_micros);
    }
    let mut said = std::mem::take(&mut row.details);
    decided(&mut row, index, decision);
    row.details.append(&mut said);
    plain(&mut row, decision);
    row
}

/// A plain allow of an effect shows the decision only, because its policies repeat from line to line.
pub(super) fn plain(row: &mut Row, decision: &DecisionRecord) {
    if decision.outcome == Outcome::Allow {
        let ids: Vec<&str> = decision
            .determining
            .iter()
            .map(|d| d.policy.id.as_str())
            .collect();
        let ids = ids.join(", ");
        row.details.retain(|(text, _)| *text != ids);
    }
}

/// The operation and target of an effect.
fn effect_name(effect: &Effect) -> String {
    match &effect.details {
        Some(EffectDetails::Http(http)) => format!("{} {}", http.method, effect.target),
        _ => format!("{} {}", effect.operation, effect.target),
    }
}

pub(super) fn effect_row(effect: &Effect, name: String) -> Row {
    let mut row = match &effect.error {
        None => Row::new(Mark::Yes, name, "done"),
        // A look-up that finds nothing has changed nothing, so it is not shown as a failure.
        Some(error) if error == "not found" => Row::new(Mark::Nothing, name, "not found"),
        Some(_) => Row::new(Mark::No, name, "failed"),
    };
    row.took = duration(effect.duration_micros);
    if let Some(EffectDetails::Http(http)) = &effect.details {
        if let Some(status) = http.status {
            row.outcome = status.to_string();
            row.mark = if status < 400 {
                Mark::Yes
            } else {
                Mark::Nothing
            };
            row.detail(size(effect.size), Tone::Weak);
        }
        if http.redirects > 0 {
            row.detail(format!("redirect {}", http.redirects), Tone::Weak);
        }
    }
    match &effect.error {
        None if matches!(effect.operation.as_str(), "read_file" | "write_file") => {
            row.detail(size(effect.size), Tone::Weak);
        }
        Some(error) if row.outcome == "failed" => row.detail(line(error, 200), Tone::Plain),
        _ => {}
    }
    row
}
