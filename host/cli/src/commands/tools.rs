//! `tollgate tools`: the loaded tools.

use std::sync::Arc;

use clap::Subcommand;
use tollgate::{
    enforce::{Reach, Ruleset},
    executors::{Snapshot, UnusableTool},
    load,
    tool::Tool,
};
use tollgate_model::{
    entity::{Kind, Uid},
    text::nearest_tool,
};
use tollgate_policy::policy;

use crate::{
    component::compiler,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::tool::{self, AgentToolsView, MentionView, ToolView},
    style::line,
};

const LIST: &str = "\
Examples:
  $ tollgate tools list
  $ tollgate tools list --agent support

Tools of upstream servers are marked, because they run outside the sandbox.

With --agent, what is listed to that agent: not what it could never call, because no policy would ever
permit it, or one would always forbid it, with any arguments. What waits for an approval is listed.

With --json: [{name, component, unsandboxed, own_name, digest, title, description, labels, taints,
annotations, limits, input_schema, output_schema, policies}]; with --agent: {agent, tools: [..], left_out: [NAME]}.";
const SHOW: &str = "\
Example:
  $ tollgate tools show tickets__read

With --json: one object, with the members of `tools list`.";

/// What to do with tools.
#[derive(Debug, Subcommand)]
pub(crate) enum Tools {
    /// List the loaded tools.
    #[command(after_help = LIST)]
    List {
        /// Only what is listed to this agent.
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
    },
    /// Show one tool: its definition, its configuration, and the policies that name it.
    #[command(after_help = SHOW)]
    Show {
        /// The tool, as the list names it.
        name: String,
    },
}

/// Run `tollgate tools`.
pub(crate) async fn run(command: Tools, cx: &Context<'_>) -> Result<Exit, Failure> {
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("loading components"));
    let Snapshot { ruleset, executors } = load::check(cx.config()?, Some(compiler())).await?;
    drop(step);
    let view = |tool: &Tool| {
        let component = executors.components.get(&tool.source.name);
        ToolView::new(tool, component.map(|c| &**c), mentions(&ruleset, tool))
    };
    match command {
        Tools::List { agent } => {
            let reach = agent
                .as_deref()
                .map(|agent| reach(&ruleset, agent))
                .transpose()?;
            let is_within = |tool: &&Arc<Tool>| {
                let reach = reach.as_ref();
                reach.is_none_or(|reach| reach.includes(&tool.name))
            };
            let (within, beyond): (Vec<_>, Vec<_>) = ruleset.callables().partition(is_within);
            let tools: Vec<ToolView> = within.into_iter().map(|tool| view(tool)).collect();
            if let Some(agent) = agent {
                return list_of_agent(cx, &agent, tools, &beyond);
            }
            if tools.is_empty() && !cx.out.is_json() {
                cx.out.remark(
                    "no tools: add a table [components.NAME] or [upstream.NAME] to tollgate.toml",
                );
            } else {
                cx.out.show(&tools, || tool::list(&tools))?;
            }
            for unusable in executors.unusable_tools() {
                cx.out.remark(&remark(&unusable));
            }
        }
        Tools::Show { name } => {
            let Some(tool) = ruleset.callable(&name) else {
                return Err(unknown(&ruleset, &name));
            };
            let view = view(tool);
            cx.out.show(&view, || tool::whole(&view, cx.out.width()))?;
        }
    }
    Ok(Exit::Ok)
}

/// What an agent could ever call.
fn reach(ruleset: &Ruleset, agent: &str) -> Result<Arc<Reach>, Failure> {
    if !ruleset.config.agents.contains_key(agent) {
        let agents = ruleset.config.agents.keys().map(String::as_str);
        let near = policy::nearest(agent, agents);
        let agent = tollgate::text::printable(agent, 80);
        let failure = Failure::new(
            Exit::Invalid,
            format!("there is no agent `{agent}` in tollgate.toml"),
        );
        return Err(match near {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        });
    }
    Ok(ruleset.reach(&Uid::new(Kind::Agent, agent)))
}

/// Shows what is listed to an agent, and what is not.
fn list_of_agent(
    cx: &Context<'_>,
    agent: &str,
    tools: Vec<ToolView>,
    beyond: &[&Arc<Tool>],
) -> Result<Exit, Failure> {
    let left_out: Vec<String> = beyond.iter().map(|tool| tool.name.clone()).collect();
    let shown = AgentToolsView {
        agent: agent.into(),
        tools,
        left_out,
    };
    cx.out.show(&shown, || tool::list(&shown.tools))?;
    if !shown.left_out.is_empty() {
        let (count, names) = (shown.left_out.len(), shown.left_out.join(", "));
        cx.out.remark(&format!(
            "{count} not listed to `{agent}`, because policies would never let it call them: {names}"
        ));
    }
    Ok(Exit::Ok)
}

/// A line for people about what cannot be a tool.
pub(super) fn remark(tool: &UnusableTool) -> String {
    let (source, reason) = (&tool.source, line(&tool.reason, 400));
    let what = tool.kind.description();
    match &tool.name {
        None => format!("{what} `{source}`: {reason}"),
        Some(name) => {
            let name = line(name, 128);
            format!("{what} `{source}`: its tool {name} cannot be used: {reason}")
        }
    }
}

fn unknown(ruleset: &Ruleset, name: &str) -> Failure {
    let near = nearest_tool(name, ruleset.callables().map(|tool| tool.name.as_str()));
    Failure::new(
        Exit::Invalid,
        format!("there is no tool `{}`", tollgate::text::printable(name, 80)),
    )
    .help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "list them with `tollgate tools list`".into(),
    })
}

/// The policies whose text names the tool, one of its labels, or its component.
fn mentions(ruleset: &Ruleset, tool: &Tool) -> Vec<MentionView> {
    let sources = ruleset.config.policy_files().unwrap_or_default();
    let mut named: Vec<(String, String)> = vec![
        (format!("Action::\"{}\"", tool.name), "the tool".into()),
        (format!("Tool::\"{}\"", tool.name), "the tool".into()),
        (
            format!("Component::\"{}\"", tool.source.name),
            "its component".into(),
        ),
    ];
    named.extend(
        tool.labels
            .iter()
            .map(|l| (format!("Label::\"{l}\""), format!("its label {l}"))),
    );
    let mut found = Vec::new();
    for policy in ruleset.pdp.policies().values() {
        let Some(file) = sources.iter().find(|file| file.name == policy.file) else {
            continue;
        };
        let others = ruleset
            .pdp
            .policies()
            .values()
            .filter(|p| p.file == policy.file && p.line > policy.line);
        let end = others.map(|p| p.line).min().unwrap_or(usize::MAX);
        let lines = file
            .text
            .lines()
            .skip(policy.line.saturating_sub(1))
            .take(end.saturating_sub(policy.line));
        let text: String = lines
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        if let Some((_, by)) = named.iter().find(|(needle, _)| text.contains(needle)) {
            found.push(MentionView {
                id: policy.determining.policy.id.clone(),
                owner: policy.determining.owner.clone(),
                place: format!("{}:{}", policy.file, policy.line),
                by: by.clone(),
            });
        }
    }
    found
}
