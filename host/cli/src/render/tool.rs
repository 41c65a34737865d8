//! Tools: their definitions and configuration.

mod values;

use std::{collections::BTreeMap, fmt::Display};

use serde::Serialize;
use serde_json::Value;
use tollgate::{
    sandbox::LoadedComponent,
    tool::{Annotations, Size, Tool},
};
use tollgate_model::{canonical::Sha256Digest, provenance::PointerPattern, time::micros};

use self::values::ValuesView;
use crate::{
    render::table::{Cell, table},
    style::{Tone, line, paint, wrap},
    units::{amount, duration, size},
};

/// A tool as programs read it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ToolView {
    name: String,
    component: String,
    unsandboxed: bool,
    own_name: String,
    digest: Sha256Digest,
    title: Option<String>,
    description: String,
    labels: Vec<String>,
    taints: Vec<String>,
    /// Words of a user's request that ask for it.
    asked_by: Vec<String>,
    /// Roles of arguments, by pointer.
    arguments: BTreeMap<String, String>,
    /// Trust in the fields of results, by pointer; `*` is every other field.
    results: BTreeMap<String, String>,
    /// The same with who says it and why, and fields that the operator may want to trust.
    values: ValuesView,
    annotations: Annotations,
    limits: LimitsView,
    input_schema: Value,
    output_schema: Option<Value>,
    /// Policies that name it, with file and line.
    policies: Vec<MentionView>,
}

/// What is listed to an agent, as programs read it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AgentToolsView {
    pub(crate) agent: String,
    pub(crate) tools: Vec<ToolView>,
    /// Names of what is not, because policies would never let it call that.
    pub(crate) left_out: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct LimitsView {
    time_micros: u64,
    output_bytes: u64,
    /// Limits; only for tools in the sandbox.
    #[serde(flatten)]
    sandbox: Option<SandboxLimitsView>,
}

#[derive(Debug, Clone, Serialize)]
struct SandboxLimitsView {
    size: Size,
    memory_bytes: u64,
    fuel: u64,
    cpu_micros: u64,
}

/// A policy that names a tool, its label or its component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MentionView {
    /// Its `@id`.
    pub(crate) id: String,
    /// Its `@owner`.
    pub(crate) owner: String,
    /// The file and line.
    pub(crate) place: String,
    /// The named entity: the tool, its label or its component.
    pub(crate) by: String,
}

impl ToolView {
    /// The view of a tool.
    pub(crate) fn new(
        tool: &Tool,
        component: Option<&LoadedComponent>,
        policies: Vec<MentionView>,
    ) -> Self {
        let limits = &tool.limits;
        Self {
            name: tool.name.clone(),
            component: tool.source.name.clone(),
            unsandboxed: !tool.source.is_sandboxed(),
            own_name: tool.own_name.clone(),
            digest: tool.source.digest,
            title: tool.title.clone(),
            description: tool.description.clone(),
            labels: tool.labels.iter().cloned().collect(),
            taints: tool.taints.iter().cloned().collect(),
            asked_by: tool.provenance.asked_by.clone(),
            arguments: named(tool.provenance.roles.iter()),
            results: {
                let trust = &tool.provenance.trust;
                let rules = trust.rules().iter();
                let mut results = named(rules.map(|rule| (&rule.pattern, rule.trust)));
                results.insert("*".into(), trust.default_trust().to_string());
                results
            },
            values: ValuesView::new(tool),
            annotations: tool.annotations,
            limits: LimitsView {
                time_micros: micros(limits.wall),
                output_bytes: limits.output,
                sandbox: component.map(|component| SandboxLimitsView {
                    size: component.compiled.size(),
                    memory_bytes: limits.memory,
                    fuel: limits.fuel,
                    cpu_micros: micros(limits.cpu),
                }),
            },
            input_schema: tool.input_schema.clone(),
            output_schema: tool.output_schema.clone(),
            policies,
        }
    }
}

fn named<'a>(
    all: impl Iterator<Item = (&'a PointerPattern, impl Display)>,
) -> BTreeMap<String, String> {
    all.map(|(pattern, name)| (pattern.to_string(), name.to_string()))
        .collect()
}

/// A list, by name.
pub(crate) fn list(tools: &[ToolView]) -> String {
    let rows: Vec<[Cell; 5]> = tools
        .iter()
        .map(|tool| {
            let description = tool.description.lines().next().unwrap_or("");
            [
                Cell::new(line(&tool.name, 64), Tone::Name),
                match tool.unsandboxed {
                    false => line(&tool.component, 64).into(),
                    true => Cell::new(
                        format!("{} (unsandboxed)", line(&tool.component, 64)),
                        Tone::Wait,
                    ),
                },
                labels(&tool.labels).into(),
                labels(&tool.taints).into(),
                Cell::new(line(description, 100), Tone::Weak),
            ]
        })
        .collect();
    table(
        ["TOOL", "COMPONENT", "LABELS", "TAINTS", "ITS AUTHOR SAYS"],
        &rows,
    )
}

fn labels(labels: &[String]) -> String {
    if labels.is_empty() {
        "none".into()
    } else {
        labels.join(", ")
    }
}

/// Everything about one tool.
pub(crate) fn whole(tool: &ToolView, columns: usize) -> String {
    let mut text = format!("{}\n", paint(&line(&tool.name, 80), Tone::Strong));
    let mut field = |name: &str, value: String| {
        text.push_str(&format!(
            "  {}{value}\n",
            paint(&format!("{name:<14}"), Tone::Weak)
        ));
    };
    field(
        "component",
        format!("{} ({})", line(&tool.component, 64), tool.digest),
    );
    field("labels", labels(&tool.labels));
    field("taints", labels(&tool.taints));
    field("roles", tool.values.roles());
    let mut lines = |name: &str, lines: Vec<String>| {
        for (at, text) in lines.into_iter().enumerate() {
            field(if at == 0 { name } else { "" }, text);
        }
    };
    lines("results", tool.values.trust());
    lines("proposed", tool.values.proposals());
    field("asked by", labels(&tool.asked_by));
    if tool.unsandboxed {
        field(
            "runs",
            "unsandboxed, as an upstream server: only the call itself is decided".into(),
        );
    }
    let (time, output) = (
        duration(tool.limits.time_micros),
        size(tool.limits.output_bytes),
    );
    field(
        "limits",
        match &tool.limits.sandbox {
            Some(limits) => format!(
                "{} · {} memory · {} fuel · {time} in all · {} computing · {output} output",
                limits.size,
                size(limits.memory_bytes),
                amount(limits.fuel),
                duration(limits.cpu_micros),
            ),
            None => format!("{time} in all · {output} output"),
        },
    );
    text.push_str(&author_says(tool, columns));
    text.push_str(&format!(
        "\n  {}\n",
        paint("Policies that speak of it", Tone::Strong)
    ));
    if tool.policies.is_empty() {
        text.push_str("    none by name; see those for every tool with `tollgate policy check`\n");
    }
    for policy in &tool.policies {
        text.push_str(&format!(
            "    {} ({})  names {}  {}\n",
            policy.id,
            policy.owner,
            policy.by,
            paint(&policy.place, Tone::Weak)
        ));
    }
    text
}

/// The author's definition: description, hints and schemas.
fn author_says(tool: &ToolView, columns: usize) -> String {
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
    let mut text = String::new();
    text.push_str(&format!(
        "\n  {}\n",
        paint("In its author's words, unchecked", Tone::Strong)
    ));
    if let Some(title) = &tool.title {
        text.push_str(&format!("    {}\n", line(title, 200)));
    }
    for piece in wrap(
        &tollgate::text::printable(&tool.description, 4000),
        columns.saturating_sub(4).min(96),
    ) {
        text.push_str(&format!("    {piece}\n"));
    }
    if !hints.is_empty() {
        text.push_str(&format!("    hints: {}\n", hints.join(", ")));
    }
    let mut schema = |title: &str, schema: &Value| {
        text.push_str(&format!("\n  {}\n", paint(title, Tone::Strong)));
        let pretty = serde_json::to_string_pretty(schema).unwrap_or_default();
        for piece in tollgate::text::printable(&pretty, 1 << 20).lines() {
            text.push_str(&format!("    {piece}\n"));
        }
    };
    schema("Arguments", &tool.input_schema);
    if let Some(output) = &tool.output_schema {
        schema("Structured result", output);
    }
    text
}
