//! `tollgate policy suggest`: writes permits that cover exactly the calls in the ledger, or proposes standing
//! approvals from how people answered.
//!
//! A person must review them: not every recorded call should be allowed. Each permit is validated with the loaded
//! policies and tools before it is printed.

mod answers;
mod bounds;
mod proposal;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tollgate::{
    config::Config, enforce::Ruleset, ids::Clock, load, text::printable, tool::Feature, tool::Tool,
};
use tollgate_ledger::RecordFilter;
use tollgate_model::{decision::Outcome, entity::Uid, ids::DecisionId, record::Event};
use tollgate_policy::{
    pdp::{Bundle, Pdp},
    policy::PolicyFile,
    tool_input::identifier,
};

use crate::{
    client::ApiRequest, commands::time_arg::TimeArg, component::compiler, context::Context,
    error::Failure, exit_code::Exit, reply::DecisionArguments, style::line, units::count,
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate policy suggest > policies/suggested.cedar
  $ tollgate policy suggest --since 7d --principal support
  $ tollgate policy suggest --answers --since 30d --any /reason

Reads the newest allowed calls from the ledger and writes a permit for each principal and tool. A text
argument that had only a few different values becomes a condition. Reading arguments needs the
permission `view_payload` on each run and is recorded. Without the permission, and with --no-arguments,
permits have no conditions.

With --answers: the standing approvals that would have answered as people did, each as the command that gives
it. What may differ is bounded by what was approved: one of its values, a folder, or a number up to the largest.
Nothing is proposed that would let a call through that was rejected, and nothing is drawn from calls of which
strangers wrote where they go.

With --json: {calls, unread, policies [{id, principal, tool, calls, read, fixed, open}], text}. With --answers:
{proposals: [{policies, tool, principal, on_behalf_of, command, approval, calls, questions, saved,
unknown_origins, left_out}], omitted: [{policies, tool, principal, on_behalf_of, reasons}]}.";

/// The most different values of an argument that becomes a condition.
const MAX_VALUES: usize = 5;
/// The longest such value, in bytes.
const MAX_VALUE: usize = 100;
/// How often each value must occur, on average.
const REPEATS: usize = 2;
/// Calls per request for arguments.
const AT_ONCE: usize = 500;
/// The name of the validated file, in messages.
const FILE: &str = "suggested.cedar";

/// The calls to read.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Suggest {
    /// Only from this time on: 2h (ago), 2026-11-21, or 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    since: Option<TimeArg>,
    /// Only calls of this agent or user.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// The number of newest calls to read.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
    /// Do not read arguments.
    #[arg(long)]
    no_arguments: bool,
    /// The `@owner` of the permits.
    #[arg(long, value_name = "NAME", default_value = "operator")]
    owner: String,
    #[command(flatten)]
    answers: answers::AnswerArgs,
}

/// An allowed call.
struct Call {
    principal: Uid,
    tool: String,
    decision: DecisionId,
}

/// The calls of one tool by one principal.
#[derive(Debug, Default)]
struct Group {
    calls: usize,
    /// Readable arguments.
    inputs: Vec<Value>,
}

/// A suggested policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Permit {
    id: String,
    principal: String,
    tool: String,
    calls: usize,
    /// Arguments that become conditions, with their values.
    fixed: BTreeMap<String, BTreeSet<String>>,
    /// Arguments without a condition, with the number of different values.
    open: BTreeMap<String, usize>,
    /// Calls whose arguments were read.
    read: usize,
    /// What follows `principal` in the scope.
    #[serde(skip)]
    scope: String,
    /// Where the arguments are in the context.
    #[serde(skip)]
    input: &'static str,
    #[serde(skip)]
    optional: BTreeSet<String>,
    #[serde(skip)]
    owner: String,
}

/// The output for programs.
#[derive(Serialize)]
struct Suggestion<'a> {
    calls: usize,
    unread: usize,
    policies: &'a [Permit],
    text: &'a str,
}

/// Run `tollgate policy suggest`.
pub(super) async fn run(args: &Suggest, cx: &Context<'_>) -> Result<Exit, Failure> {
    match args.answers.answers {
        true => answers::run(args, cx).await,
        false => suggest_permits(args, cx).await,
    }
}

/// Permits for the recorded calls.
async fn suggest_permits(args: &Suggest, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let Some(reader) = cx.reader_if_any(&config)? else {
        cx.out.remark("nothing has been called yet");
        return Ok(Exit::Ok);
    };
    let now = Clock::system().now();
    let filter = RecordFilter {
        since: args
            .since
            .as_ref()
            .map(|when| when.at(now, &config.gate.timezone)),
        ..RecordFilter::default()
    };
    let mut calls = Vec::new();
    reader.records(&filter, |index, record| {
        if let Event::Decision(decision) = record.event
            && let Some(tool) = decision.called().map(Cow::into_owned)
            && decision.outcome == Outcome::Allow
            && args
                .principal
                .as_ref()
                .is_none_or(|name| *name == decision.principal.id)
        {
            calls.push(Call {
                principal: decision.principal,
                tool,
                decision: DecisionId(index),
            });
        }
        match calls.len() >= args.limit {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    let inputs = match args.no_arguments || calls.is_empty() {
        true => BTreeMap::new(),
        false => {
            let decisions: Vec<_> = calls.iter().map(|call| call.decision).collect();
            arguments(config.clone(), &decisions, cx).await?
        }
    };
    let unread = calls.len() - inputs.len();
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("loading what is called"));
    let ruleset = load::check(config, Some(compiler())).await?.ruleset;
    drop(step);
    let permits = permits(&ruleset, &args.owner, calls, inputs)?;
    let total: usize = permits.iter().map(|permit| permit.calls).sum();
    let text = text(&permits, total);
    let suggestion = Suggestion {
        calls: total,
        unread,
        policies: &permits,
        text: &text,
    };
    cx.out.show(&suggestion, || text.clone())?;
    if permits.is_empty() {
        cx.out.remark("no call of a loaded tool was allowed");
    } else if unread > 0 && !args.no_arguments {
        let calls = count(unread as u64, "call");
        cx.out.remark(&format!(
            "the arguments of {calls} were not read: you may not, or they are no longer kept"
        ));
    }
    Ok(Exit::Ok)
}

/// The arguments of calls that the user may read.
async fn arguments(
    config: Config,
    decisions: &[DecisionId],
    cx: &Context<'_>,
) -> Result<BTreeMap<DecisionId, Value>, Failure> {
    let mut client = cx.client(config)?;
    let mut found = BTreeMap::new();
    for some in decisions.chunks(AT_ONCE) {
        let body = serde_json::json!({ "decisions": some });
        let request = ApiRequest::post("/v1/decisions/arguments", body);
        let answer = client.execute(request).await;
        let answer: Vec<DecisionArguments> = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                client.close().await;
                return Err(failure);
            }
        };
        found.extend(answer.into_iter().map(|a| (a.decision, a.arguments)));
    }
    client.close().await;
    Ok(found)
}

/// A permit for each principal and tool, validated with the loaded policies and tools.
fn permits(
    ruleset: &Ruleset,
    owner: &str,
    calls: Vec<Call>,
    mut inputs: BTreeMap<DecisionId, Value>,
) -> Result<Vec<Permit>, Failure> {
    let mut groups: BTreeMap<(Uid, String), Group> = BTreeMap::new();
    for call in calls {
        let group = groups.entry((call.principal, call.tool)).or_default();
        group.calls += 1;
        group.inputs.extend(inputs.remove(&call.decision));
    }
    let mut permits = Vec::new();
    for ((principal, tool), group) in groups {
        let Some(tool) = ruleset.callable(&tool) else {
            continue;
        };
        let mut permit = Permit::of(&principal, tool, &group, owner);
        if valid(ruleset, &permit).is_err() {
            // A condition may fail to validate, because the argument has another type in the schema.
            let fixed = std::mem::take(&mut permit.fixed);
            permit
                .open
                .extend(fixed.into_iter().map(|(name, values)| (name, values.len())));
            valid(ruleset, &permit)?;
        }
        permits.push(permit);
    }
    Ok(permits)
}

/// Validates a permit together with the loaded policies and tools.
fn valid(ruleset: &Ruleset, permit: &Permit) -> Result<(), Failure> {
    let mut bundle: Bundle =
        serde_json::from_slice(&ruleset.bundle).map_err(|e| Failure::plain(e.to_string()))?;
    let mut own = permit.clone();
    // A policy with this id may be in force already.
    own.id.push_str("-validated");
    bundle.policies.push(PolicyFile {
        name: FILE.into(),
        text: own.text(),
    });
    match Pdp::load(&bundle) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::plain(format!(
            "the suggestion is not valid: {error}"
        ))),
    }
}

impl Permit {
    fn of(principal: &Uid, tool: &Tool, group: &Group, owner: &str) -> Self {
        let required = tool.input_schema.get("required").and_then(Value::as_array);
        let required: BTreeSet<&str> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties = tool
            .input_schema
            .get("properties")
            .and_then(Value::as_object);
        let names: BTreeSet<String> = properties
            .into_iter()
            .flat_map(|properties| properties.keys().cloned())
            .collect();
        // Conditions need the arguments of all calls.
        let whole = group.inputs.len() == group.calls;
        let (mut fixed, mut open) = (BTreeMap::new(), BTreeMap::new());
        for name in &names {
            let values: Vec<&Value> = group.inputs.iter().filter_map(|i| i.get(name)).collect();
            let texts: Option<BTreeSet<String>> = values
                .iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect();
            match texts {
                Some(texts)
                    if whole
                        && !texts.is_empty()
                        && values.len() == group.calls
                        && texts.len() <= MAX_VALUES
                        && values.len() >= texts.len() * REPEATS
                        && texts.iter().all(|text| text.len() <= MAX_VALUE) =>
                {
                    fixed.insert(name.clone(), texts);
                }
                _ => {
                    let seen: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
                    open.insert(name.clone(), seen.len());
                }
            }
        }
        // Of a prompt's arguments, policies know that they are text, and not which are required.
        let is_prompt = tool.feature == Feature::Prompt;
        let optional = names
            .iter()
            .filter(|name| is_prompt || !required.contains(name.as_str()));
        Self {
            id: format!("suggested-{}-{}", principal.id, tool.name.replace(':', "-")),
            scope: scope(tool),
            input: match tool.feature {
                Feature::Tool | Feature::Prompt => "context.input",
                Feature::Resources | Feature::Preview => "context",
            },
            principal: principal.to_string(),
            tool: tool.name.clone(),
            calls: group.calls,
            read: group.inputs.len(),
            optional: optional.cloned().collect(),
            fixed,
            open,
            owner: owner.into(),
        }
    }

    /// The policy as Cedar text.
    fn text(&self) -> String {
        let mut text = format!("// {}.", count(self.calls as u64, "call"));
        if self.open.is_empty() && !self.fixed.is_empty() {
            text.push_str(" Nothing else is allowed.");
        } else if self.open.is_empty() {
            text.push_str(" It takes no arguments.");
        }
        let open: Vec<String> = self
            .open
            .iter()
            .map(|(name, seen)| match self.read {
                0 => line(name, 80),
                _ => format!("{} ({seen} seen)", line(name, 80)),
            })
            .collect();
        if !open.is_empty() {
            text.push_str(&format!(" Any value is allowed of: {}.", open.join(", ")));
            if self.read == 0 {
                text.push_str(" No arguments were read.");
            }
        }
        text.push_str(&format!(
            "\n@id({})\n@owner({})\n@reason({})\npermit (\n  principal == {},\n  {}\n)",
            quoted(&self.id),
            quoted(&self.owner),
            quoted(&format!(
                "Suggested from {}.",
                count(self.calls as u64, "call")
            )),
            self.principal,
            self.scope,
        ));
        let conditions: Vec<String> = self
            .fixed
            .iter()
            .map(|(name, values)| self.condition(name, values))
            .collect();
        if !conditions.is_empty() {
            text.push_str(&format!("\nwhen {{\n  {}\n}}", conditions.join(" &&\n  ")));
        }
        text.push_str(";\n");
        text
    }

    fn condition(&self, name: &str, values: &BTreeSet<String>) -> String {
        let (plain, input) = (identifier(name) == name, self.input);
        let (attribute, has) = match plain {
            true => (format!("{input}.{name}"), name.to_owned()),
            false => (format!("{input}[{}]", quoted(name)), quoted(name)),
        };
        let mut texts = values.iter().map(|value| quoted(value));
        let compared = match values.len() {
            1 => format!("{attribute} == {}", texts.next().unwrap_or_default()),
            _ => {
                let texts: Vec<String> = texts.collect();
                format!("[{}].contains({attribute})", texts.join(", "))
            }
        };
        match self.optional.contains(name) {
            true => format!("{input} has {has} && {compared}"),
            false => compared,
        }
    }
}

/// The action and the resource of a policy about `tool`.
fn scope(tool: &Tool) -> String {
    match tool.feature {
        Feature::Tool => {
            let action = quoted(&tool.name);
            format!("action == Tollgate::Action::{action},\n  resource")
        }
        Feature::Preview => {
            let tool = quoted(tool.tool_name());
            format!(
                "action == Tollgate::Action::\"preview_call\",\n  resource == Tollgate::Tool::{tool}"
            )
        }
        Feature::Prompt => {
            let prompt = quoted(&tool.prompt_name());
            format!(
                "action == Tollgate::Action::\"get_prompt\",\n  resource == Tollgate::Prompt::{prompt}"
            )
        }
        Feature::Resources => {
            let server = quoted(&tool.source.name);
            format!(
                "action == Tollgate::Action::\"read_resource\",\n  resource in Tollgate::Component::{server}"
            )
        }
    }
}

/// A string as Cedar writes it.
fn quoted(text: &str) -> String {
    // Cedar's escapes are Rust's.
    format!("\"{}\"", text.escape_debug())
}

fn text(permits: &[Permit], calls: usize) -> String {
    let mut text = format!(
        "// Suggested by `tollgate policy suggest` from {}. What was called is not what should be: look at\n\
         // each, and take `observe-only` away once these stand.\n",
        count(calls as u64, "allowed call")
    );
    for permit in permits {
        text.push('\n');
        text.push_str(&permit.text());
    }
    match permits.is_empty() {
        true => String::new(),
        false => printable(&text, usize::MAX),
    }
}

#[cfg(test)]
mod tests;
