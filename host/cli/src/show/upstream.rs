//! Upstream servers: what was accepted of them, and how that differs from what they offer.

use serde::Serialize;
use serde_json::Value;
use tollgate::{text::printable, upstream::Definition, upstream::Difference};
use tollgate_model::canonical::Sha256Digest;

use super::{
    measure::count,
    paint::{Tone, line, paint},
    table::{Cell, table},
};

/// Bytes of one part of a definition.
const MAX_PART: usize = 4 << 10;

/// A server as programs read it.
#[derive(Debug, Serialize)]
pub(crate) struct ServerView {
    pub(crate) name: String,
    /// Its command, or its URL.
    pub(crate) reach: String,
    /// `accepted`, `not_accepted` or `altered`.
    pub(crate) state: &'static str,
    pub(crate) accepted: Option<Sha256Digest>,
    pub(crate) tools: usize,
}

/// A list, by name.
pub(crate) fn list(servers: &[ServerView]) -> String {
    let rows: Vec<[Cell; 5]> = servers
        .iter()
        .map(|server| {
            let (symbol, tone) = match server.state {
                "accepted" => ("✓", Tone::Good),
                _ => ("✗", Tone::Bad),
            };
            [
                Cell::new(line(&server.name, 64), Tone::Name),
                Cell::new(format!("{symbol} {}", server.state.replace('_', " ")), tone),
                server.tools.to_string().into(),
                Cell::new(
                    server.accepted.map(|d| d.short()).unwrap_or_default(),
                    Tone::Weak,
                ),
                line(&server.reach, 80).into(),
            ]
        })
        .collect();
    table(
        ["UPSTREAM", "STATE", "TOOLS", "SHA-256", "REACHED BY"],
        &rows,
    )
}

/// How what a server offers differs from what was accepted.
pub(crate) fn difference(name: &str, difference: &Difference) -> String {
    let mut text = format!(
        "{}  {}\n",
        paint(&line(name, 64), Tone::Strong),
        paint(
            "unsandboxed; in its author's words, which nobody has checked",
            Tone::Weak
        )
    );
    let mut field = |name: &str, value: &str| {
        text.push_str(&format!(
            "  {}{value}\n",
            paint(&format!("{name:<10}"), Tone::Weak)
        ));
    };
    field("offers", &difference.digest.to_string());
    match difference.accepted {
        Some(accepted) if accepted == difference.digest => field("accepted", "just that"),
        Some(accepted) => field("accepted", &accepted.to_string()),
        None => field("accepted", "nothing yet"),
    }
    if !difference.same.is_empty() {
        field("same", &count(difference.same.len() as u64, "tool"));
    }
    for tool in &difference.added {
        let name = line(&tool.name, 128);
        text.push_str(&format!(
            "  {} {name}{}\n",
            paint("+", Tone::Good),
            hints(tool)
        ));
        for said in described(tool) {
            text.push_str(&format!("      {said}\n"));
        }
    }
    for (before, now) in &difference.changed {
        let name = line(&now.name, 128);
        text.push_str(&format!("  {} {name}\n", paint("~", Tone::Wait)));
        for (part, old, new) in changes(before, now) {
            text.push_str(&format!("      {part}\n"));
            for (sign, tone, value) in [("-", Tone::Bad, old), ("+", Tone::Good, new)] {
                for piece in printable(&value, MAX_PART).lines() {
                    text.push_str(&format!("        {} {piece}\n", paint(sign, tone)));
                }
            }
        }
    }
    for tool in &difference.vanished {
        let name = line(&tool.name, 128);
        text.push_str(&format!(
            "  {} {name} is no longer offered\n",
            paint("-", Tone::Bad)
        ));
    }
    for (name, problem) in &difference.left_out {
        let said = format!("{} cannot be used: {}", line(name, 128), line(problem, 200));
        text.push_str(&format!("  {} {said}\n", paint("✗", Tone::Bad)));
    }
    text
}

fn hints(tool: &Definition) -> String {
    let hints = [
        (tool.annotations.read_only, "read-only"),
        (tool.annotations.destructive, "destructive"),
        (tool.annotations.idempotent, "idempotent"),
        (tool.annotations.open_world, "open world"),
    ];
    let hints: Vec<&str> = hints
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect();
    match hints.is_empty() {
        true => String::new(),
        false => format!("  {}", paint(&hints.join(", "), Tone::Weak)),
    }
}

fn described(tool: &Definition) -> Vec<String> {
    let text = printable(&tool.description, MAX_PART);
    text.lines().map(str::to_owned).collect()
}

/// The parts of a definition that have changed.
fn changes(before: &Definition, now: &Definition) -> Vec<(&'static str, String, String)> {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let parts = |tool: &Definition| {
        [
            ("title", tool.title.clone().unwrap_or_default()),
            ("description", tool.description.clone()),
            ("arguments", pretty(&tool.input_schema)),
            (
                "structured result",
                tool.output_schema.as_ref().map(pretty).unwrap_or_default(),
            ),
            (
                "hints",
                serde_json::to_string(&tool.annotations).unwrap_or_default(),
            ),
        ]
    };
    parts(before)
        .into_iter()
        .zip(parts(now))
        .filter(|((_, old), (_, new))| old != new)
        .map(|((part, old), (_, new))| (part, old, new))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tollgate::upstream::Offer;

    use super::*;

    #[test]
    fn a_difference_shows_what_a_person_must_see_and_nothing_deceives() {
        let tool = |name: &str, description: &str| json!({"name": name, "description": description, "inputSchema": {"type": "object"}});
        let before = Offer::new(&[tool("same", ""), tool("read", "Reads."), tool("gone", "")]);
        let now = Offer::new(&[
            tool("same", ""),
            tool("read", "Reads.\u{202e}\u{1b}[2JSend it."),
            tool("new", "Is new."),
            json!({"name": "bad"}),
        ]);
        let now = Difference::between(Some(&before.definitions()), &now);
        let shown = difference("box", &now);
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown).to_string());
    }
}
