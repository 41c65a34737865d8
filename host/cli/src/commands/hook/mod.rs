//! `tollgate hook`: a coding agent's own tools, decided before they run and recorded afterwards.
//!
//! A coding agent lets a call run unless its hook ends with exit code 2 or prints a denial. So every
//! failure before the event is known, or before a tool runs, must end with 2. The process has one thread
//! and starts none, and it sets an alarm before it reads anything. Events that decide nothing never end
//! with 2: for some of them 2 means "do not stop", for others "throw the prompt away".

mod arguments;
mod door;
mod event;
#[cfg(test)]
mod fuzz;
mod guard;
mod input;
mod path;
mod preset;
mod unescaped;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::json;
use tollgate::{config::RequestChannel, text::printable};
use tollgate_model::canonical::Sha256Digest;
use tollgate_server::reply::{AuthorizeReply, CallOutcome, CallReply};

use self::{
    arguments::Call,
    door::Door,
    event::{EventKind, HookEvent, ToolUse},
    guard::Guard,
    preset::{Permit, Preset},
};
use crate::{client::ApiRequest, context::Context, error::Failure, exit_code::Exit};

/// How long telling of an unknown event may take.
const COUNTING: Duration = Duration::from_secs(2);
/// The longest name that is sent as it is, in bytes.
const MAX_PLAIN: usize = 96;

/// The coding agent.
#[derive(Debug, Subcommand)]
pub(crate) enum Hook {
    /// The hook of Claude Code.
    #[command(after_help = preset::claude_code::HELP)]
    ClaudeCode(HookArgs),
    /// The hook of Codex.
    #[command(after_help = preset::codex::HELP)]
    Codex(HookArgs),
    /// The hook of Gemini CLI.
    #[command(after_help = preset::gemini_cli::HELP)]
    GeminiCli(HookArgs),
    /// The hook of Cursor.
    #[command(after_help = preset::cursor::HELP)]
    Cursor(HookArgs),
}

/// The arguments of every hook.
#[derive(Debug, Args)]
pub(crate) struct HookArgs {
    /// The agent; default: `agent` under [serve].
    #[arg(long, value_name = "NAME", conflicts_with = "socket")]
    agent: Option<String>,
    /// Ask at this socket: that of [hook], for the accounts of agents. The account says which agent it is, and
    /// no configuration is read.
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// The NAME of the [external.NAME] that declares the tools; default: the only one with this preset.
    #[arg(long, value_name = "NAME")]
    external: Option<String>,
    /// Skip the coding agent's own permission prompt for calls that policy allows.
    #[arg(long)]
    allow: bool,
    /// Block the call if it is not decided within this many seconds. Keep this below the time for which the
    /// coding agent waits for its hook, because it runs the call after that.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u32,
}

impl Hook {
    fn parts(&self) -> (&'static Preset, &HookArgs) {
        match self {
            Self::ClaudeCode(args) => (&preset::claude_code::PRESET, args),
            Self::Codex(args) => (&preset::codex::PRESET, args),
            Self::GeminiCli(args) => (&preset::gemini_cli::PRESET, args),
            Self::Cursor(args) => (&preset::cursor::PRESET, args),
        }
    }
}

/// Run `tollgate hook`. It builds its own single-threaded runtime, after the guard is armed.
pub(crate) fn run(hook: &Hook, cx: &Context<'_>) -> Exit {
    let (preset, args) = hook.parts();
    let limit = Duration::from_secs(u64::from(args.timeout));
    let guard = match Guard::arm(limit) {
        Ok(guard) => guard,
        Err(error) => return report(&error.into(), Exit::Usage, cx),
    };
    match answer(preset, args, &guard, cx) {
        Ok(answer) => deliver(&answer).unwrap_or_else(|failure| report(&failure, guard.exit(), cx)),
        Err(failure) => report(&failure, guard.exit(), cx),
    }
}

fn answer(
    preset: &'static Preset,
    args: &HookArgs,
    guard: &Guard,
    cx: &Context<'_>,
) -> Result<HookAnswer, Failure> {
    let bytes = input::read(guard)?;
    if event::decides_nothing(preset, &bytes) {
        guard.pass();
    }
    let event = HookEvent::parse(preset, &bytes)?;
    match event.kind {
        EventKind::Neutral => return Ok(HookAnswer::plain()),
        EventKind::Foreign(why) => {
            return Err(Failure::plain(format!("{}: {why}", event.name)));
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let limit = guard.left();
    let answer = runtime.block_on(async {
        let asking = async {
            match (&event.kind, &event.tool_use) {
                (EventKind::Prompt { session, text }, _) => {
                    send_request(preset, args, session, text, cx).await
                }
                (EventKind::Unknown, _) => {
                    // That it is not counted must not keep the coding agent.
                    let counting = count_unknown(preset, args, &event, cx);
                    drop(tokio::time::timeout(COUNTING, counting).await);
                    Ok(HookAnswer::plain())
                }
                (_, Some(tool_use)) => ask(preset, args, &event, tool_use, cx).await,
                (_, None) => Ok(HookAnswer::plain()),
            }
        };
        tokio::time::timeout(limit, asking).await
    });
    // Pending tasks must not keep this process alive.
    runtime.shutdown_background();
    answer.unwrap_or_else(|_| Err(input::late()))
}

/// Tells the gate of an event that is not known.
async fn count_unknown(
    preset: &Preset,
    args: &HookArgs,
    event: &HookEvent,
    cx: &Context<'_>,
) -> Result<(), Failure> {
    let body = json!({
        "preset": preset.tools.as_str(),
        "event": event::shown(&event.name),
    });
    let door = Door::open(preset, args, cx)?;
    door.tell("/v1/hook-events", body).await
}

/// Bytes of a user's request that are sent at most.
const MAX_REQUEST: usize = 64 * 1024;

/// Sends the user's request, if the operator configured this channel for it. Over the hook socket it is never
/// sent: there the account of the agent speaks, and not its host.
async fn send_request(
    preset: &Preset,
    args: &HookArgs,
    session: &str,
    text: &str,
    cx: &Context<'_>,
) -> Result<HookAnswer, Failure> {
    if args.socket.is_some() {
        return Ok(HookAnswer::plain());
    }
    let config = door::config(preset, cx)?;
    let agent = door::agent(args, &config)?;
    let configured = config.agents.get(&agent);
    if configured.is_some_and(|agent| agent.request_from.contains(&RequestChannel::Rest)) {
        let body = json!({
            "agent": agent,
            "run": run_name(preset, session),
            "text": text.get(..text.floor_char_boundary(MAX_REQUEST)),
        });
        let client = cx.client(config)?;
        let _: serde_json::Value = client.ask(ApiRequest::post("/v1/requests", body)).await?;
    }
    Ok(HookAnswer::plain())
}

/// The name of a session's run. Other accounts than the owner may only use short names of visible ASCII.
fn run_name(preset: &Preset, session: &str) -> String {
    format!("{}:{}", preset.tools.as_str(), plain_name(session))
}

/// `name` if it is short and visible ASCII, else its digest.
fn plain_name(name: &str) -> String {
    let is_plain = name.len() <= MAX_PLAIN && name.bytes().all(|b| b.is_ascii_graphic());
    match is_plain && !name.starts_with("trace:") && !name.starts_with("session:") {
        true => name.to_owned(),
        false => Sha256Digest::of(name.as_bytes()).to_string(),
    }
}

/// Sends the call to the process that serves the gate.
async fn ask(
    preset: &Preset,
    args: &HookArgs,
    event: &HookEvent,
    tool_use: &ToolUse,
    cx: &Context<'_>,
) -> Result<HookAnswer, Failure> {
    let door = Door::open(preset, args, cx)?;
    let reference = plain_name(&tool_use.reference);
    match &event.kind {
        EventKind::BeforeTool => {
            let call = Call::new(preset, tool_use, door.declared())?;
            let body = json!({
                "arguments_json": call.arguments,
                "run": run_name(preset, &tool_use.session),
                "reference": reference,
            });
            let body = door.of_tool(preset, &call.tool, body);
            let reply: AuthorizeReply = door.ask("/v1/authorize", body).await?;
            if !reply.allowed {
                let reason = reply.message.unwrap_or_default();
                return Ok(HookAnswer::deny(preset, event, reason));
            }
            let permit = Permit {
                replacement: call.replacement(reply.arguments.as_deref())?,
                is_redacted: !reply.redacted_arguments.is_empty(),
                detour: call.detour.clone(),
                unasked: args.allow,
            };
            if let Some(reason) = permit.obstacle(preset, event, &reply.redacted_arguments) {
                let body = json!({
                    "call": reply.call,
                    "failed": true,
                    "content": format!("Not executed. {reason}"),
                });
                let _: CallReply = door.ask("/v1/outcomes", body).await?;
                return Ok(HookAnswer::deny(preset, event, reason));
            }
            Ok(HookAnswer::permit(preset, event, permit))
        }
        EventKind::AfterTool { failed, content } => {
            let body = json!({
                "reference": reference,
                "failed": failed,
                "content": content,
            });
            let reply = door.ask("/v1/outcomes", body).await?;
            Ok(HookAnswer::after(preset, event, reply))
        }
        EventKind::Prompt { .. }
        | EventKind::Neutral
        | EventKind::Foreign(_)
        | EventKind::Unknown => Ok(HookAnswer::plain()),
    }
}

impl Permit {
    /// Why the call must not run although it is allowed: the coding agent would run it unchanged, with what
    /// policy has removed, or with a path that can lead elsewhere than to what was decided.
    fn obstacle(
        &self,
        preset: &Preset,
        event: &HookEvent,
        pointers: &BTreeSet<String>,
    ) -> Option<String> {
        if self.replacement.is_none() || event.rewrites(preset) {
            return None;
        }
        let agent = preset.tools.as_str();
        if self.is_redacted {
            let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
            let pointers = pointers.join(", ");
            return Some(format!(
                "Policy removes {pointers} from the arguments, and {agent} cannot be given other arguments here. \
                 Leave it out."
            ));
        }
        let resolved = printable(self.detour.as_deref()?, 400);
        Some(format!(
            "A path leads through a link or begins with `~`, and {agent} cannot be given the one that was decided. Use \
             {resolved} instead."
        ))
    }
}

/// The answer to the coding agent.
#[derive(Debug, PartialEq)]
struct HookAnswer {
    /// The JSON for standard output; null if only the exit code counts.
    json: serde_json::Value,
    /// Why the call must not run as it is; for agents that ignore standard output.
    blocks: Option<String>,
}

impl HookAnswer {
    /// No objection: the coding agent continues.
    fn plain() -> Self {
        Self {
            json: json!({}),
            blocks: None,
        }
    }

    fn deny(preset: &Preset, event: &HookEvent, reason: String) -> Self {
        // Some coding agents run a call that is denied without a reason.
        let reason = match reason.trim().is_empty() {
            true => "Policy denies it.".to_owned(),
            false => reason,
        };
        Self {
            json: match event.is_known(preset) {
                true => (preset.answers.deny)(&event.name, &reason),
                false => serde_json::Value::Null,
            },
            blocks: Some(reason),
        }
    }

    fn permit(preset: &Preset, event: &HookEvent, mut permit: Permit) -> Self {
        permit.replacement = permit.replacement.filter(|_| event.rewrites(preset));
        let replaced = permit.replacement.is_some();
        if !event.is_known(preset) {
            return Self::plain();
        }
        Self {
            json: (preset.answers.permit)(&event.name, permit),
            blocks: replaced
                .then(|| "it may only run with other arguments, which cannot be passed on".into()),
        }
    }

    /// The answer after a tool has run.
    fn after(preset: &Preset, event: &HookEvent, reply: CallReply) -> Self {
        Self::after_outcome(preset, event, reply.outcome, reply.redacted, reply.message)
    }

    fn after_outcome(
        preset: &Preset,
        event: &HookEvent,
        outcome: CallOutcome,
        redacted: bool,
        message: Option<String>,
    ) -> Self {
        let reason = match outcome {
            CallOutcome::Ok | CallOutcome::ToolError if !redacted => return Self::plain(),
            CallOutcome::Ok => "Policy keeps parts of this result from you. Do not use it.".into(),
            _ => message.unwrap_or_default(),
        };
        Self {
            json: (preset.answers.withhold)(&event.name, &reason),
            blocks: None,
        }
    }
}

/// Prints the answer. If a blocking answer cannot be printed, the exit code blocks instead.
fn deliver(answer: &HookAnswer) -> Result<Exit, Failure> {
    match &answer.blocks {
        Some(reason) if answer.json.is_null() || input::output_is_discarded() => {
            Err(Failure::usage(reason.clone()))
        }
        _ => {
            input::write_all(format!("{}\n", answer.json).as_bytes()).map_err(|e| {
                Failure::plain(format!(
                    "the answer cannot be written to standard output: {e}"
                ))
            })?;
            Ok(Exit::Ok)
        }
    }
}

fn report(failure: &Failure, exit: Exit, cx: &Context<'_>) -> Exit {
    let what = match exit {
        Exit::Usage => "blocked by Tollgate",
        _ => "not recorded by Tollgate",
    };
    cx.out.failure(&Failure {
        exit,
        message: format!("{what}: {failure}"),
        ..failure.clone()
    });
    exit
}

#[cfg(test)]
mod tests;
