//! Where a tool's values go and come from: roles of arguments, trust in results, and why.

use serde::Serialize;
use tollgate::tool::{Feature, SourceKind, Tool};
use tollgate_model::provenance::{Authority, Role, Trust, marked_trust, proposed_trust};

use crate::style::line;

/// The most proposals that are shown to people.
const MAX_SHOWN: usize = 12;

/// The role of an argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RoleView {
    pointer: String,
    /// `none` if the operator takes a proposal away.
    role: &'static str,
    by: Authority,
}

/// The trust in a field of results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TrustView {
    /// `*` is every other field, and text that has no fields.
    pointer: String,
    trust: Trust,
    because: String,
}

/// A field that the operator may want to trust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ProposalView {
    /// `*` is the whole result.
    pointer: String,
    because: String,
    /// What to write under `[tools.NAME]` where strangers cannot write the field.
    take: String,
}

/// What the gate knows about the values of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ValuesView {
    roles: Vec<RoleView>,
    trust: Vec<TrustView>,
    proposals: Vec<ProposalView>,
}

impl ValuesView {
    pub(super) fn new(tool: &Tool) -> Self {
        let roles = tool.provenance.roles.rules().iter().map(|rule| RoleView {
            pointer: rule.pattern.to_string(),
            role: rule.role.map_or("none", Role::as_str),
            by: rule.by,
        });
        Self {
            roles: roles.collect(),
            trust: trust(tool),
            proposals: proposals(tool),
        }
    }

    /// The roles, each with who gives it, in one line.
    pub(super) fn roles(&self) -> String {
        let each = self.roles.iter().map(|role| {
            let by = match role.by {
                Authority::Operator => "configured",
                Authority::Definition => "proposed",
            };
            format!("{} {} ({by})", line(&role.pointer, 80), role.role)
        });
        joined(each.collect())
    }

    /// The trust in each field with the reason, a line for each.
    pub(super) fn trust(&self) -> Vec<String> {
        let each = self.trust.iter().map(|field| {
            let pointer = match field.pointer.as_str() {
                "*" => "everything else".to_owned(),
                pointer => line(pointer, 80),
            };
            format!("{pointer} {} ({})", field.trust, field.because)
        });
        each.collect()
    }

    /// The proposals, and how to take one over, a line for each.
    pub(super) fn proposals(&self) -> Vec<String> {
        let shown = self.proposals.iter().take(MAX_SHOWN);
        let mut lines: Vec<String> = shown
            .map(|proposal| format!("{} ({})", line(&proposal.take, 160), proposal.because))
            .collect();
        let more = self.proposals.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            lines.push(format!("and {more} more, named by --json"));
        }
        if !lines.is_empty() {
            lines.push("to be written under [tools] where strangers cannot write it".into());
        }
        lines
    }
}

fn joined(each: Vec<String>) -> String {
    match each.is_empty() {
        true => "none".into(),
        false => each.join(", "),
    }
}

fn trust(tool: &Tool) -> Vec<TrustView> {
    let trust = &tool.provenance.trust;
    let mut views: Vec<TrustView> = trust
        .rules()
        .iter()
        .map(|rule| TrustView {
            pointer: rule.pattern.to_string(),
            trust: rule.trust,
            because: match rule.by {
                Authority::Operator => "configured".into(),
                Authority::Definition => "its schema marks it".into(),
            },
        })
        .collect();
    let content = tool.content_labels();
    let label = ["untrusted", "unlabelled"]
        .into_iter()
        .find(|label| content.contains(*label));
    views.push(TrustView {
        pointer: "*".into(),
        trust: trust.default_trust(),
        because: match label {
            Some(label) => format!("its content is {label}"),
            None => "neither its labels nor its taints have untrusted".into(),
        },
    });
    views
}

/// Fields that the definition suggests to trust, and that have no rule yet.
fn proposals(tool: &Tool) -> Vec<ProposalView> {
    let provenance = &tool.provenance;
    if provenance.trust.default_trust() == Trust::Trusted {
        return Vec::new();
    }
    let schema = tool.output_schema.as_ref();
    let marks = schema.map(marked_trust).unwrap_or_default();
    let marks = marks
        .into_iter()
        .filter(|(_, trust)| *trust == Trust::Trusted);
    let marks = marks.map(|(pattern, _)| ProposalView {
        pointer: pattern.to_string(),
        because: "its schema marks it".into(),
        take: "trust_schema = true".into(),
    });
    let shapes = schema.map(proposed_trust).unwrap_or_default();
    let shapes = shapes.into_iter().map(|proposal| ProposalView {
        pointer: proposal.pattern.to_string(),
        because: proposal.shape,
        take: format!("results.\"{}\" = \"trusted\"", proposal.pattern),
    });
    let has_rule = |proposal: &ProposalView| {
        let mut rules = provenance.trust.rules().iter();
        rules.any(|rule| rule.pattern.to_string() == proposal.pointer)
    };
    let mut proposals: Vec<ProposalView> = marks
        .chain(shapes)
        .filter(|proposal| !has_rule(proposal))
        .collect();
    let says = tool.feature == Feature::Tool && tool.source.kind != SourceKind::External;
    if says && !tool.annotations.open_world {
        proposals.push(ProposalView {
            pointer: "*".into(),
            because: "its author says that it reaches nothing beyond what you control".into(),
            take: "labels and taints without untrusted".into(),
        });
    }
    proposals
}
