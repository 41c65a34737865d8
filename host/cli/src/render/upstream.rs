//! Upstream servers: their definitions compared with the accepted ones.
//!
//! An operator accepts what is shown here, so nothing is left out: definitions are compared line by line, in a
//! form that does not depend on the order in which the server writes the members of a schema.

use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use tollgate::{
    text::printable,
    upstream::{
        Changes, Definition, Difference, PromptDefinition, ResourceDefinition, TemplateDefinition,
    },
};
use tollgate_model::canonical::{self, Sha256Digest};

use crate::{
    render::table::{Cell, table},
    style::{Tone, line, paint},
    units::count,
};

/// Equal lines that are shown around different ones.
const CONTEXT: usize = 3;

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

/// The differences of one server.
pub(crate) fn difference(name: &str, difference: &Difference) -> String {
    let mut text = heading(name, difference);
    for tool in &difference.added {
        text.push_str(&added(&line(&tool.name, 128), &definition(tool)));
    }
    for (before, now) in &difference.changed {
        text.push_str(&changed(
            &line(&now.name, 128),
            &definition(before),
            &definition(now),
        ));
    }
    for tool in &difference.vanished {
        text.push_str(&vanished(&line(&tool.name, 128)));
    }
    text.push_str(&instructions(difference));
    text.push_str(&entries("prompt", &difference.prompts, |p| &p.name, prompt));
    text.push_str(&entries(
        "resource",
        &difference.resources,
        |r| &r.uri,
        resource,
    ));
    text.push_str(&entries(
        "template",
        &difference.templates,
        |t| &t.uri_template,
        template,
    ));
    text.push_str(&unusable(difference));
    text
}

/// What of the offer agents cannot have, and why.
pub(crate) fn unusable(difference: &Difference) -> String {
    let mut text = String::new();
    for (name, problem) in &difference.left_out {
        let problem = printable(problem, usize::MAX).replace('\n', "\\n");
        let said = format!("{} cannot be used: {problem}", line(name, 128));
        text.push_str(&format!("  {} {said}\n", paint("✗", Tone::Bad)));
    }
    text
}

fn added(name: &str, definition: &str) -> String {
    let mut text = format!("  {} {name}\n", paint("+", Tone::Good));
    for piece in definition.lines() {
        text.push_str(&row(ChangeTag::Insert, piece));
    }
    text
}

fn changed(name: &str, before: &str, now: &str) -> String {
    format!(
        "  {} {name}\n{}",
        paint("~", Tone::Wait),
        lines(before, now)
    )
}

fn vanished(name: &str) -> String {
    format!("  {} {name} is no longer offered\n", paint("-", Tone::Bad))
}

/// How a list of the server differs, other than that of its tools.
fn entries<D>(
    noun: &str,
    changes: &Changes<D>,
    key: impl Fn(&D) -> &String,
    definition: impl Fn(&D) -> String,
) -> String {
    let name = |entry: &D| format!("{noun} {}", line(key(entry), 300));
    let mut text = String::new();
    for entry in &changes.added {
        text.push_str(&added(&name(entry), &definition(entry)));
    }
    for (before, now) in &changes.changed {
        text.push_str(&changed(&name(now), &definition(before), &definition(now)));
    }
    for entry in &changes.vanished {
        text.push_str(&vanished(&name(entry)));
    }
    text
}

/// How the server's text for the model differs.
fn instructions(difference: &Difference) -> String {
    let Some(change) = &difference.instructions else {
        return String::new();
    };
    let shown = |text: &Option<String>| {
        let text = text.as_deref().map(|text| printable(text, usize::MAX));
        text.unwrap_or_default()
    };
    let (before, now) = (shown(&change.accepted), shown(&change.now));
    match (&change.accepted, &change.now) {
        (_, None) => vanished("instructions"),
        (None, _) => added("instructions", &now),
        (Some(_), Some(_)) => changed("instructions", &before, &now),
    }
}

fn prompt(prompt: &PromptDefinition) -> String {
    let mut text = Parts::default();
    text.part("title", prompt.title.as_deref().unwrap_or_default());
    text.part("description", &prompt.description);
    for argument in &prompt.arguments {
        let required = if argument.required { " (required)" } else { "" };
        let words = [
            argument.title.as_deref(),
            Some(argument.description.as_str()),
        ];
        let words: Vec<&str> = words
            .into_iter()
            .flatten()
            .filter(|w| !w.is_empty())
            .collect();
        text.part(
            &format!("argument {}{required}", argument.name),
            &words.join("\n"),
        );
        if words.is_empty() {
            text.0
                .push_str(&format!("argument {}{required}\n", argument.name));
        }
    }
    text.0
}

fn resource(resource: &ResourceDefinition) -> String {
    let mut text = Parts::default();
    text.part(
        "as the server writes it",
        resource.own_uri.as_deref().unwrap_or_default(),
    );
    text.part("name", &resource.name);
    text.part("title", resource.title.as_deref().unwrap_or_default());
    text.part("description", &resource.description);
    text.part(
        "media type",
        resource.media_type.as_deref().unwrap_or_default(),
    );
    text.0
}

fn template(template: &TemplateDefinition) -> String {
    let mut text = Parts::default();
    text.part("name", &template.name);
    text.part("title", template.title.as_deref().unwrap_or_default());
    text.part("description", &template.description);
    text.part(
        "media type",
        template.media_type.as_deref().unwrap_or_default(),
    );
    text.0
}

fn heading(name: &str, difference: &Difference) -> String {
    let mut text = format!(
        "{}  {}\n",
        paint(&line(name, 64), Tone::Strong),
        paint("unsandboxed; in its author's words, unchecked", Tone::Weak)
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
    let same = [
        (difference.same.len(), "tool"),
        (difference.prompts.same.len(), "prompt"),
        (difference.resources.same.len(), "resource"),
        (difference.templates.same.len(), "template"),
    ];
    let same = same.iter().filter(|(number, _)| *number > 0);
    let same: Vec<String> = same
        .map(|(number, noun)| count(*number as u64, noun))
        .collect();
    if !same.is_empty() {
        field("same", &same.join(", "));
    }
    text
}

/// A complete definition, with one line per property.
fn definition(tool: &Definition) -> String {
    let mut text = Parts::default();
    text.part("title", tool.title.as_deref().unwrap_or_default());
    text.part("description", &tool.description);
    text.part("arguments", &sorted(&tool.input_schema));
    let result = tool.output_schema.as_ref().map(sorted);
    text.part("structured result", &result.unwrap_or_default());
    text.part("hints", &hints(tool).join(", "));
    text.0
}

/// A definition as text, part by part.
#[derive(Default)]
struct Parts(String);

impl Parts {
    /// Adds a part, unless it is empty. Nothing in it is invisible.
    fn part(&mut self, name: &str, value: &str) {
        let value = printable(value, usize::MAX);
        match value.lines().count() {
            0 => {}
            1 => self.0.push_str(&format!("{name}: {value}\n")),
            _ => {
                self.0.push_str(&format!("{name}:\n"));
                for piece in value.lines() {
                    self.0.push_str(&format!("  {piece}\n"));
                }
            }
        }
    }
}

/// A schema with its members in order, so that the same schema is the same text.
fn sorted(schema: &Value) -> String {
    let bytes = canonical::to_canonical(schema).unwrap_or_default();
    let ordered: Value = serde_json::from_slice(&bytes).unwrap_or_else(|_| schema.clone());
    serde_json::to_string_pretty(&ordered).unwrap_or_default()
}

/// The different lines, with context.
fn lines(before: &str, now: &str) -> String {
    let diff = TextDiff::from_lines(before, now);
    let mut text = String::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            text.push_str(&format!("      {}\n", paint("…", Tone::Weak)));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            text.push_str(&row(change.tag(), change.value().trim_end_matches('\n')));
        }
    }
    text
}

fn row(tag: ChangeTag, piece: &str) -> String {
    let sign = match tag {
        ChangeTag::Insert => paint("+", Tone::Good),
        ChangeTag::Delete => paint("-", Tone::Bad),
        ChangeTag::Equal => paint(" ", Tone::Weak),
    };
    format!("      {sign} {piece}\n")
}

fn hints(tool: &Definition) -> Vec<&'static str> {
    let hints = [
        (tool.annotations.read_only, "read-only"),
        (tool.annotations.destructive, "destructive"),
        (tool.annotations.idempotent, "idempotent"),
        (tool.annotations.open_world, "open world"),
    ];
    let set = hints.into_iter().filter(|(set, _)| *set);
    set.map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests;
