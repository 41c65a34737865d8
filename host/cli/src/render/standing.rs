//! Standing approvals: the list, and one with what it covers and has allowed.

use tollgate_model::{life::StandingState, standing::StandingScope, time::Timestamp};

use crate::{
    render::table::{Cell, table},
    reply::StandingApprovalView,
    style::{Tone, line, paint},
    units::{duration, moment},
};

fn tone(state: StandingState) -> Tone {
    match state {
        StandingState::Active => Tone::Good,
        StandingState::Exhausted | StandingState::Expired => Tone::Weak,
        StandingState::Revoked | StandingState::Voided => Tone::Bad,
    }
}

/// A list, newest first.
pub(crate) fn list(views: &[StandingApprovalView], now: Timestamp) -> String {
    let rows: Vec<[Cell; 7]> = views
        .iter()
        .map(|view| {
            let left = match view.state {
                StandingState::Active if view.expires > now => {
                    format!("{} left", duration(view.expires.since(now)))
                }
                StandingState::Active => "overdue".into(),
                _ => moment(view.granted),
            };
            [
                Cell::new(view.id.to_string(), Tone::Name),
                Cell::new(view.state.as_str(), tone(view.state)),
                Cell::new(left, Tone::Plain),
                uses(view).into(),
                format!(
                    "{} for {}",
                    line(&view.principal.id, 64),
                    line(&view.tool, 80)
                )
                .into(),
                scope(view).into(),
                line(&view.by, 64).into(),
            ]
        })
        .collect();
    table(
        ["ID", "STATE", "TIME", "USED", "WHO AND WHAT", "IN", "BY"],
        &rows,
    )
}

fn uses(view: &StandingApprovalView) -> String {
    format!("{} of {}", view.uses.len(), view.max_uses)
}

fn scope(view: &StandingApprovalView) -> &'static str {
    match view.scope {
        StandingScope::Run => "its run",
        StandingScope::Principal => "any run",
    }
}

/// One standing approval.
pub(crate) fn whole(view: &StandingApprovalView) -> String {
    let mut text = format!(
        "{}  {}\n",
        paint(&view.id.to_string(), Tone::Name),
        paint(view.state.as_str(), tone(view.state)),
    );
    for (name, value) in fields(view) {
        let name = paint(&format!("{name:<16}"), Tone::Weak);
        text.push_str(&format!("  {name}{value}\n"));
    }
    text.push_str(&format!(
        "\n  {}\n",
        paint("Calls that it covers", Tone::Strong)
    ));
    text.push_str(&format!("    {}\n", line(&view.tool, 80)));
    let pattern = view.pattern.as_deref().map(indented);
    let hidden =
        "    (the arguments are shown to those who may answer for such calls)\n".to_owned();
    text.push_str(&pattern.unwrap_or(hidden));
    text
}

/// The pattern, which is escaped already.
fn indented(pattern: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(pattern).ok();
    let members = value.as_ref().and_then(serde_json::Value::as_object);
    let Some(members) = members else {
        return format!("    {pattern}\n");
    };
    if members.is_empty() {
        return "    without arguments\n".into();
    }
    let lines = members
        .iter()
        .map(|(pointer, constraint)| format!("    {pointer}  {constraint}\n"));
    lines.collect()
}

fn fields(view: &StandingApprovalView) -> Vec<(&'static str, String)> {
    let mut calls = line(&view.principal.id, 64);
    if view.principal != view.on_behalf_of {
        let user = line(&view.on_behalf_of.id, 64);
        calls.push_str(&format!(", on behalf of {user}"));
    }
    let roles: Vec<String> = view.roles.iter().map(|role| line(role, 64)).collect();
    let policies: Vec<String> = view.policies.iter().map(|p| line(&p.id, 64)).collect();
    let mut fields = vec![
        ("calls of", calls),
        ("counts in", format!("{} ({})", scope(view), view.run)),
        (
            "given by",
            format!("{} ({})", line(&view.by, 64), roles.join(", ")),
        ),
        ("with", view.approval.to_string()),
        ("at", moment(view.granted)),
        ("ends", moment(view.expires)),
        ("lifts", policies.join(", ")),
        ("used", uses(view)),
    ];
    if let Some(note) = &view.note {
        fields.push(("note", line(note, 200)));
    }
    if !view.uses.is_empty() {
        let decisions: Vec<String> = view.uses.iter().map(ToString::to_string).collect();
        fields.push(("allowed", decisions.join(" ")));
    }
    if let Some(by) = &view.ended_by {
        fields.push(("ended by", line(by, 64)));
    }
    if let Some(why) = &view.ended_because {
        fields.push(("because", line(why, 200)));
    }
    fields
}
