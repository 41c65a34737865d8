//! The text of notifications about approvals, as JSON and in Slack's format. Arguments are never included, only where
//! they come from. For an effect inside a call there is a summary, which may contain text that the agent chose.

use serde::Serialize;
use serde_json::{Value, json};
use tollgate::{config::WebhookFormat, text::printable};
use tollgate_model::{
    ids::{ApprovalId, LinkId},
    life::ApprovalState,
    provenance::ProvenanceSummary,
    time::Timestamp,
};

use super::blocks;

use crate::reply::ApprovalView;

/// What happened to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ApprovalChange {
    /// It is requested.
    Requested,
    /// It was not answered in time, so more roles may answer it.
    Escalated,
    /// It is approved, rejected, expired or void.
    Resolved,
}

impl ApprovalChange {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Requested => "approval.requested",
            Self::Escalated => "approval.escalated",
            Self::Resolved => "approval.resolved",
        }
    }
}

/// The means to answer that a notification offers.
#[derive(Debug, Default)]
pub(super) struct AnswerMeans {
    pub(super) links: Vec<LinkView>,
    /// A block with buttons for Slack.
    pub(super) buttons: Option<Value>,
}

/// A link for one user, with its secret URL.
#[derive(Debug, Serialize)]
pub(super) struct LinkView {
    pub(super) id: LinkId,
    pub(super) approval: ApprovalId,
    pub(super) user: String,
    pub(super) url: String,
    pub(super) expires: Timestamp,
}

/// The body of a notification.
pub(super) fn body(
    format: WebhookFormat,
    what: ApprovalChange,
    at: Timestamp,
    view: &ApprovalView,
    means: &AnswerMeans,
) -> Vec<u8> {
    let value = match format {
        WebhookFormat::Json => {
            let mut data = json!(view);
            if let (false, Some(members)) = (means.links.is_empty(), data.as_object_mut()) {
                members.insert("links".to_owned(), json!(means.links));
            }
            json!({ "type": what.name(), "timestamp": at.to_string(), "data": data })
        }
        WebhookFormat::Slack => {
            let mut text = slack(what, view);
            for link in &means.links {
                let which = match view.others.is_empty() {
                    true => String::new(),
                    false => format!("{} ", link.approval),
                };
                let user = plain(&link.user);
                text.push_str(&format!("\n<{}|Answer {which}as {user}>", link.url));
            }
            match &means.buttons {
                None if means.links.is_empty() => json!({ "text": text }),
                // The preview of a link would be made by a request for it.
                None => json!({ "text": text, "unfurl_links": false }),
                Some(buttons) => {
                    let mut blocks = blocks::text(&text);
                    blocks.push(buttons.clone());
                    json!({ "text": text, "blocks": blocks, "unfurl_links": false })
                }
            }
        }
    };
    serde_json::to_vec(&value).unwrap_or_default()
}

/// Slack's mark-up. Names from outside are escaped, so they cannot add mark-up.
pub(super) fn slack(what: ApprovalChange, view: &ApprovalView) -> String {
    let asked = match &view.capability {
        Some(capability) => format!("{} within {}", code(capability), code(&view.tool)),
        None if !view.others.is_empty() => format!("{} calls", view.others.len() + 1),
        None => code(&view.tool),
    };
    let who = if view.principal == view.on_behalf_of {
        plain(&view.principal.id)
    } else {
        format!(
            "{} for {}",
            plain(&view.principal.id),
            plain(&view.on_behalf_of.id)
        )
    };
    let severity = view.severity;
    let mut lines = match what {
        ApprovalChange::Requested => vec![format!(
            ":raised_hand: *{severity}*: {who} asks for {asked}"
        )],
        ApprovalChange::Escalated => {
            let roles: Vec<&str> = view.escalated_to.iter().map(String::as_str).collect();
            vec![format!(
                ":rotating_light: *{severity}*, not answered yet: {who} asks for {asked}. Asked as well: {}",
                plain(&roles.join(", "))
            )]
        }
        ApprovalChange::Resolved => {
            let counted = view.answers.iter().filter(|answer| answer.took_effect);
            let rejected = counted.filter(|answer| answer.answer == "reject");
            let by: Vec<&str> = match view.state {
                ApprovalState::Approved | ApprovalState::Consumed => {
                    view.approvers.iter().map(|by| by.user.as_str()).collect()
                }
                ApprovalState::Rejected => rejected.map(|answer| answer.by.as_str()).collect(),
                _ => Vec::new(),
            };
            let by = match by.is_empty() {
                true => String::new(),
                false => format!(" by {}", plain(&by.join(", "))),
            };
            let state = view.state.as_str();
            return format!(
                "{}: *{state}*{by}: {who}, {asked}",
                code(&view.id.to_string())
            );
        }
    };
    for policy in &view.policies {
        let reason = if policy.reason.is_empty() { "" } else { ": " };
        lines.push(format!(
            "> {}{reason}{}",
            code(&policy.id),
            plain(&policy.reason)
        ));
    }
    lines.extend(calls(view));
    lines.push(format!(
        "Needs {}, before {}.",
        plain(&view.needs),
        view.expires
    ));
    lines.push(code(&format!("tollgate approvals show {}", view.id)));
    lines.join("\n")
}

/// The calls of a question, oldest first, with where their values come from; of a call alone only that.
fn calls(view: &ApprovalView) -> Vec<String> {
    if view.others.is_empty() {
        return origins(view.provenance.as_deref());
    }
    let own = (view.id, &view.tool, view.provenance.as_deref());
    let others = view.others.iter();
    let others = others.map(|other| (other.id, &other.tool, other.provenance.as_deref()));
    let mut lines = Vec::new();
    for (id, tool, provenance) in std::iter::once(own).chain(others) {
        lines.push(format!("{}: {}", code(&id.to_string()), code(tool)));
        lines.extend(origins(provenance));
    }
    lines
}

/// The most values whose origin a message tells.
const MAX_ORIGINS: usize = 5;

/// Where the values come from, the least safe first.
fn origins(provenance: Option<&ProvenanceSummary>) -> Vec<String> {
    let sentences = provenance.map(|provenance| provenance.sentences());
    let sentences = sentences.unwrap_or_default();
    let lines = sentences.iter().take(MAX_ORIGINS);
    // `*` would be mark-up.
    let line = |sentence: &String| format!("• {}", plain(&sentence.replace('*', "…")));
    lines.map(line).collect()
}

/// Text without mark-up: escaped as by [`escaped`], and URLs in it do not become links.
pub(super) fn plain(text: &str) -> String {
    escaped(text).replace("://", ": //")
}

/// One line, with Slack's three special characters escaped, and the characters for bold, strike and code removed.
fn escaped(text: &str) -> String {
    printable(text, 500)
        .replace(['\n', '\t'], " ")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace(['*', '~', '`'], "'")
}

fn code(text: &str) -> String {
    format!("`{}`", escaped(text))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::view as example;
