//! Approvals: what waits, and precisely what will happen.

use tollgate_model::{decision::Severity, life::ApprovalState, time::Timestamp};

use crate::{
    render::table::{Cell, table},
    reply::ApprovalView,
    style::{Tone, line, paint, wrap},
    units::{duration, moment},
};

/// How severe, in a word.
pub(crate) fn severity(severity: Severity) -> Cell {
    match severity {
        Severity::Low => Cell::new("low", Tone::Weak),
        Severity::Medium => Cell::new("medium", Tone::Plain),
        Severity::High => Cell::new("high", Tone::Wait),
        Severity::Critical => Cell::new("critical", Tone::Bad),
    }
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

/// What is asked about: a tool, or what its component asks for in mid-call.
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

/// The canonical arguments, whole. They are escaped already; laid out where that changes nothing.
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
    let mut field = |name: &str, value: &str| {
        text.push_str(&format!(
            "  {}{value}\n",
            paint(&format!("{name:<14}"), Tone::Weak)
        ));
    };
    let who = if view.principal == view.on_behalf_of {
        line(&view.principal.id, 64)
    } else {
        format!(
            "{}, on behalf of {}",
            line(&view.principal.id, 64),
            line(&view.on_behalf_of.id, 64)
        )
    };
    field("asked by", &who);
    let labels: Vec<&str> = view.labels.iter().map(String::as_str).collect();
    let touched = if labels.is_empty() {
        String::new()
    } else {
        format!(" (has touched: {})", labels.join(", "))
    };
    field("in run", &format!("{}{touched}", view.run));
    field("asked at", &moment(view.requested));
    field("expires", &moment(view.expires));
    if view.round > 1 {
        field(
            "round",
            &format!(
                "{}: an earlier approval of this call is no longer enough",
                view.round
            ),
        );
    }
    field("needs", &view.needs);
    for approver in &view.approvers {
        let roles: Vec<&str> = approver.roles.iter().map(String::as_str).collect();
        field(
            "approved by",
            &format!("{} ({})", line(&approver.user, 64), roles.join(", ")),
        );
    }
    if !view.escalated_to.is_empty() {
        let roles: Vec<&str> = view.escalated_to.iter().map(String::as_str).collect();
        field("escalated to", &line(&roles.join(", "), 200));
    }
    for answer in &view.answers {
        let name = match (answer.took_effect, answer.answer.as_str()) {
            (true, "approve") => continue,
            (true, _) => "rejected by",
            (false, _) => "too late",
        };
        let note = answer
            .note
            .as_deref()
            .map(|note| format!(": {}", line(note, 200)));
        field(
            name,
            &format!(
                "{} at {}{}",
                line(&answer.by, 64),
                moment(answer.at),
                note.unwrap_or_default()
            ),
        );
    }
    text.push_str(&format!(
        "\n  {}\n",
        paint("What will happen", Tone::Strong)
    ));
    text.push_str(&format!("    {}\n", paint(&what(view), Tone::Strong)));
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
    text.push_str(&format!("\n  {}\n", paint("What stopped it", Tone::Strong)));
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
    text.push_str(&format!(
        "\n  {} {}\n",
        paint("digest", Tone::Weak),
        view.digest
    ));
    text
}
