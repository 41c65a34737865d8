//! Approvals: the list, and one with everything that will happen.

use tollgate::elicitation::FieldView;
use tollgate_model::{decision::Severity, life::ApprovalState, time::Timestamp};

use crate::{
    render::{
        decision::values,
        table::{Cell, table},
    },
    reply::{AnswerRow, ApprovalView, ElicitationReply, PreviewReply, QuestionCallView},
    style::{Tone, line, paint, wrap},
    units::{duration, moment},
};

/// The severity.
pub(crate) fn severity(severity: Severity) -> Cell {
    let tone = match severity {
        Severity::Low => Tone::Weak,
        Severity::Medium => Tone::Plain,
        Severity::High => Tone::Wait,
        Severity::Critical => Tone::Bad,
    };
    Cell::new(severity.as_str(), tone)
}

fn tone(state: ApprovalState) -> Tone {
    match state {
        ApprovalState::Pending => Tone::Wait,
        ApprovalState::Approved | ApprovalState::Consumed => Tone::Good,
        _ => Tone::Bad,
    }
}

/// A list, most severe first.
pub(crate) fn list(views: &[ApprovalView], now: Timestamp) -> String {
    let rows: Vec<[Cell; 7]> = views
        .iter()
        .map(|view| {
            let left = match view.state {
                ApprovalState::Pending | ApprovalState::Approved if view.expires > now => {
                    format!("{} left", duration(view.expires.since(now)))
                }
                ApprovalState::Pending | ApprovalState::Approved => "overdue".into(),
                _ => moment(view.requested),
            };
            [
                Cell::new(view.id.to_string(), Tone::Name),
                Cell::new(view.state.as_str(), tone(view.state)),
                severity(view.severity),
                Cell::new(left, Tone::Plain),
                format!("{} for {}", line(&view.principal.id, 64), what(view)).into(),
                view.needs.clone().into(),
                Cell::new(why(view), Tone::Weak),
            ]
        })
        .collect();
    table(
        [
            "ID",
            "STATE",
            "SEVERITY",
            "TIME",
            "WHO AND WHAT",
            "NEEDS",
            "WHY",
        ],
        &rows,
    )
}

/// The reasons of the policies that stopped it, or their names.
fn why(view: &ApprovalView) -> String {
    let policies = view.policies.iter();
    let each = policies.map(|policy| match policy.reason.is_empty() {
        true => line(&policy.id, 64),
        false => line(&policy.reason, 80),
    });
    each.collect::<Vec<_>>().join(" ")
}

/// The tool, or the effect inside a call, that needs the approval.
fn what(view: &ApprovalView) -> String {
    let tool = line(&view.tool, 80);
    let mut text = match &view.capability {
        Some(capability) => format!("{} within {tool}", line(capability, 200)),
        None => tool,
    };
    if !view.via.is_empty() {
        let via: Vec<String> = view
            .via
            .iter()
            .map(|component| line(component, 64))
            .collect();
        text.push_str(&format!(", called by {}", via.join(", ")));
    }
    text
}

/// The complete canonical arguments. They are escaped already, and indented if that keeps their contents.
fn arguments(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned()),
        Err(_) => text.to_owned(),
    }
}

/// One approval: everything that an approver should know before answering.
pub(crate) fn whole(view: &ApprovalView, columns: usize) -> String {
    let mut text = format!(
        "{}  {}  severity {}\n",
        paint(&view.id.to_string(), Tone::Name),
        paint(view.state.as_str(), tone(view.state)),
        format!("{:?}", view.severity).to_lowercase(),
    );
    for (name, value) in fields(view) {
        let name = paint(&format!("{name:<16}"), Tone::Weak);
        text.push_str(&format!("  {name}{value}\n"));
    }
    let heading = |title: &str| format!("\n  {}\n", paint(title, Tone::Strong));
    match &view.elicitation {
        Some(elicitation) => {
            text.push_str(&heading(&format!(
                "What the server {} asks",
                line(&elicitation.upstream, 64)
            )));
            text.push_str(&what_is_asked(elicitation, columns));
        }
        None => {
            text.push_str(&heading("What will happen"));
            text.push_str(&what_will_happen(view));
        }
    }
    if let Some(own) = &view.original_arguments {
        text.push_str(&heading("What the agent sent"));
        for piece in arguments(own).lines() {
            text.push_str(&format!("    {piece}\n"));
        }
    }
    if !view.others.is_empty() {
        text.push_str(&heading("What waits for the same reason"));
        for other in &view.others {
            text.push_str(&another(other));
        }
    }
    if !view.policies.is_empty() || view.elicitation.is_none() {
        text.push_str(&heading("What stopped it"));
        text.push_str(&what_stopped_it(view, columns));
    }
    if let Some(provenance) = &view.provenance {
        text.push_str(&values(&provenance.sentences(), columns));
    }
    text.push_str(&format!(
        "\n  {} {}\n",
        paint("digest", Tone::Weak),
        view.digest
    ));
    if let Some(digest) = &view.question_digest {
        let name = paint("digest of all", Tone::Weak);
        text.push_str(&format!("  {name} {digest}\n"));
    }
    text
}

/// What a preview has shown.
pub(crate) fn previewed(preview: &PreviewReply) -> String {
    let outcome = preview.outcome.as_str();
    let tool = line(&preview.tool, 80);
    let mut text = format!(
        "\n  {}\n    {tool}  {outcome}{}\n",
        paint("What a preview shows", Tone::Strong),
        preview
            .decision
            .map(|decision| format!("  {decision}"))
            .unwrap_or_default(),
    );
    let says = "the tool's own words; they prove nothing";
    text.push_str(&format!("    {}\n", paint(says, Tone::Weak)));
    for piece in preview.text.lines() {
        text.push_str(&format!("    | {piece}\n"));
    }
    text
}

/// Another call of the question.
fn another(call: &QuestionCallView) -> String {
    let mut text = format!(
        "    {}  {}\n",
        paint(&call.id.to_string(), Tone::Name),
        line(&call.tool, 80)
    );
    for piece in call
        .arguments
        .as_deref()
        .map(arguments)
        .iter()
        .flat_map(|a| a.lines())
    {
        text.push_str(&format!("      {piece}\n"));
    }
    text
}

/// Requester, expiry and answers, as names and values.
fn fields(view: &ApprovalView) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("asked by", who(view)),
        ("in run", format!("{}{}", view.run, touched(view))),
        ("asked at", moment(view.requested)),
        ("expires", moment(view.expires)),
    ];
    if view.round > 1 {
        let round = view.round;
        let round = format!("{round}: an earlier approval of this call is no longer enough");
        fields.push(("round", round));
    }
    if let Some(by) = &view.edited_by {
        fields.push(("edited by", line(by, 64)));
    }
    fields.push(("needs", view.needs.clone()));
    for approver in &view.approvers {
        let roles: Vec<&str> = approver.roles.iter().map(String::as_str).collect();
        let mut text = format!("{} ({})", line(&approver.user, 64), roles.join(", "));
        let answers = view.answers.iter();
        let own = answers.filter(|answer| answer.by == approver.user && answer.took_effect);
        text.extend(own.filter_map(token_makers));
        fields.push(("approved by", text));
    }
    for earlier in &view.rejected_before {
        let mut by = format!(
            "{} at {} ({})",
            line(&earlier.by, 64),
            moment(earlier.at),
            earlier.id
        );
        if let Some(note) = &earlier.note {
            by.push_str(&format!(": {}", line(note, 200)));
        }
        fields.push(("rejected before", by));
    }
    if !view.escalated_to.is_empty() {
        let roles: Vec<&str> = view.escalated_to.iter().map(String::as_str).collect();
        fields.push(("escalated to", line(&roles.join(", "), 200)));
    }
    for answer in &view.answers {
        let name = match (answer.took_effect, answer.answer.as_str()) {
            (true, "approve") => continue,
            (true, "accept") => "answered by",
            (true, "decline") => "declined by",
            (true, "cancel") => "cancelled by",
            (true, _) => "rejected by",
            (false, _) if answer.token_makers.is_empty() => "too late",
            (false, _) => "not counted",
        };
        let mut by = format!("{} at {}", line(&answer.by, 64), moment(answer.at));
        by.extend(token_makers(answer));
        if let Some(note) = &answer.note {
            by.push_str(&format!(": {}", line(note, 200)));
        }
        fields.push((name, by));
    }
    fields
}

/// Who made the token of an answer, if it was another user.
fn token_makers(answer: &AnswerRow) -> Option<String> {
    let makers: Vec<String> = answer.token_makers.iter().map(|m| line(m, 64)).collect();
    (!makers.is_empty()).then(|| format!(", with a token that {} made", makers.join(" and ")))
}

fn who(view: &ApprovalView) -> String {
    let mut text = line(&view.principal.id, 64);
    if view.principal != view.on_behalf_of {
        text.push_str(&format!(
            ", on behalf of {}",
            line(&view.on_behalf_of.id, 64)
        ));
    }
    if let Some(speaker) = &view.speaker {
        let by = line(&speaker.by.id, 64);
        text.push_str(&format!(
            "; {by} made the call ({})",
            line(&speaker.channel, 16)
        ));
    }
    if !view.makers.is_empty() {
        let makers: Vec<String> = view.makers.iter().map(|maker| line(maker, 64)).collect();
        text.push_str(&format!("; its token was made by {}", makers.join(", ")));
    }
    text
}

/// The labels of the run.
fn touched(view: &ApprovalView) -> String {
    if view.labels.is_empty() {
        return String::new();
    }
    let labels: Vec<&str> = view.labels.iter().map(String::as_str).collect();
    format!(" (has touched: {})", labels.join(", "))
}

fn what_will_happen(view: &ApprovalView) -> String {
    let mut text = format!("    {}\n", paint(&what(view), Tone::Strong));
    match &view.arguments {
        Some(json) => {
            for piece in arguments(json).lines() {
                text.push_str(&format!("    {piece}\n"));
            }
        }
        None if view.state == ApprovalState::Pending => {
            text.push_str("    (the arguments are shown to those who may answer it)\n");
        }
        None => text.push_str("    (the arguments are no longer kept)\n"),
    }
    text
}

/// The server's question. Its texts are escaped already.
fn what_is_asked(elicitation: &ElicitationReply, columns: usize) -> String {
    let Some(question) = &elicitation.question else {
        return "    (what it asks is shown to those who may answer it)\n".into();
    };
    let columns = columns.saturating_sub(6).min(90);
    let mut text = String::new();
    for piece in wrap(&question.message, columns) {
        text.push_str(&format!("    {}\n", paint(&piece, Tone::Strong)));
    }
    if let Some(url) = &question.url {
        let host = elicitation.host.as_deref().unwrap_or_default();
        text.push_str(&format!("    open the page {url}\n    of {host}\n"));
    }
    for field in &question.fields {
        text.push_str(&asked_field(field, columns));
    }
    text
}

fn asked_field(field: &FieldView, columns: usize) -> String {
    let mut about = vec![field.kind.clone()];
    if field.required {
        about.push("required".into());
    }
    if !field.limits.is_empty() {
        about.push(field.limits.clone());
    }
    let title = field.title.as_ref().filter(|title| **title != field.name);
    let title = title.map_or_else(String::new, |title| format!(" ({})", line(title, 200)));
    let mut text = format!(
        "    {}{title}: {}\n",
        paint(&line(&field.name, 128), Tone::Name),
        line(&about.join(", "), 400)
    );
    // It is sent for what is left out, so it is shown whole, apart from what the server writes before it.
    if let Some(default) = &field.default {
        for piece in wrap(&format!("if left out: {default}"), columns) {
            text.push_str(&format!("      {piece}\n"));
        }
    }
    if let Some(description) = &field.description {
        for piece in wrap(description, columns) {
            text.push_str(&format!("      {piece}\n"));
        }
    }
    for option in &field.options {
        let title = option.title.as_ref();
        let title = title.map_or_else(String::new, |title| format!("  {}", line(title, 200)));
        text.push_str(&format!("      - {}{title}\n", line(&option.value, 200)));
    }
    text
}

fn what_stopped_it(view: &ApprovalView, columns: usize) -> String {
    let mut text = String::new();
    for policy in &view.policies {
        let owner = if policy.owner.is_empty() {
            String::new()
        } else {
            format!(" ({})", policy.owner)
        };
        text.push_str(&format!("    {}{owner}\n", policy.id));
        for piece in wrap(&policy.reason, columns.saturating_sub(6).min(90)) {
            text.push_str(&format!("      {piece}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
