//! `tollgate hook`: a coding agent's own tools, decided before they run and recorded afterwards.
//!
//! A coding agent lets a call run unless its hook ends with exit code 2 or prints a denial. So every
//! failure before the event is known, or before a tool runs, must end with 2. The process has one thread
//! and starts none, and it sets an alarm before it reads anything. Events that decide nothing never end
//! with 2: for some of them 2 means "do not stop", for others "throw the prompt away".

mod arguments;
mod event;
#[cfg(test)]
mod fuzz;
mod guard;
mod input;
mod path;
mod preset;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::json;
use tollgate::{
    config::{Config, ExternalConfig, ExternalTools, FILE_NAME, RequestChannel},
    load::external_tool_names,
};
use tollgate_server::reply::{AuthorizeReply, CallOutcome, CallReply};

use self::{
    arguments::{Call, ToolSet},
    event::{EventKind, HookEvent, ToolUse},
    guard::Guard,
    preset::{Permit, Preset},
};
use crate::{client::ApiRequest, context::Context, error::Failure, exit_code::Exit, trust};

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
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
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
    if event.kind == EventKind::Other {
        return Ok(HookAnswer::plain());
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

/// Bytes of a user's request that are sent at most.
const MAX_REQUEST: usize = 64 * 1024;

/// Sends the user's request, if the operator configured this channel for it.
async fn send_request(
    preset: &Preset,
    args: &HookArgs,
    session: &str,
    text: &str,
    cx: &Context<'_>,
) -> Result<HookAnswer, Failure> {
    let config = config(preset, cx)?;
    let agent = agent(args, &config)?;
    let configured = config.agents.get(&agent);
    if configured.is_some_and(|agent| agent.request_from.contains(&RequestChannel::Rest)) {
        let body = json!({
            "agent": agent,
            "run": format!("{}:{session}", preset.tools.as_str()),
            "text": text.get(..text.floor_char_boundary(MAX_REQUEST)),
        });
        let client = cx.client(config)?;
        let _: serde_json::Value = client.ask(ApiRequest::post("/v1/requests", body)).await?;
    }
    Ok(HookAnswer::plain())
}

/// The agent of the hook.
fn agent(args: &HookArgs, config: &Config) -> Result<String, Failure> {
    let agent = args.agent.clone().or_else(|| config.serve.agent.clone());
    agent.ok_or_else(|| Failure::plain("no agent is named").help("name it with --agent NAME"))
}

/// Sends the call to the process that serves the gate.
async fn ask(
    preset: &Preset,
    args: &HookArgs,
    event: &HookEvent,
    tool_use: &ToolUse,
    cx: &Context<'_>,
) -> Result<HookAnswer, Failure> {
    let config = config(preset, cx)?;
    let agent = agent(args, &config)?;
    let (external, declared) = executor(preset, args, &config)?;
    let client = cx.client(config)?;
    let reference = tool_use.reference.clone();
    match &event.kind {
        EventKind::BeforeTool => {
            let call = Call::new(preset, tool_use, &declared)?;
            let body = json!({
                "tool": format!("{external}__{}", call.tool),
                "arguments_json": call.arguments,
                "agent": agent,
                "run": format!("{}:{}", preset.tools.as_str(), tool_use.session),
                "reference": reference,
            });
            let request = ApiRequest::post("/v1/authorize", body);
            let reply: AuthorizeReply = client.ask(request).await?;
            if !reply.allowed {
                let reason = reply.message.unwrap_or_else(|| "Policy denies it.".into());
                return Ok(HookAnswer::deny(preset, event, reason));
            }
            let permit = Permit {
                replacement: call.replacement(reply.arguments.as_deref())?,
                unasked: args.allow,
            };
            Ok(HookAnswer::permit(preset, event, permit))
        }
        EventKind::AfterTool { failed, content } => {
            let body = json!({
                "agent": agent,
                "reference": reference,
                "failed": failed,
                "content": content,
            });
            let reply = client.ask(ApiRequest::post("/v1/outcomes", body)).await?;
            Ok(HookAnswer::after(preset, event, reply))
        }
        EventKind::Prompt { .. } | EventKind::Other => Ok(HookAnswer::plain()),
    }
}

/// The configuration of `--config`, else the project's. It is never searched from the agent's working directory,
/// where the agent could write one.
fn config(preset: &Preset, cx: &Context<'_>) -> Result<Config, Failure> {
    if let Some(file) = cx.named_config() {
        return Ok(Config::read(file)?);
    }
    let project = preset.project.and_then(std::env::var_os).map(PathBuf::from);
    let file = project
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(FILE_NAME))
        .filter(|file| file.is_file());
    let file = file.ok_or_else(|| {
        Failure::plain("no configuration is named, and the project has none")
            .help("name it in the hook's command: tollgate --config FILE hook ..")
    })?;
    Ok(Config::read(&trust::resolve(file)?)?)
}

/// The [external] section of this coding agent, and its tools.
fn executor(
    preset: &Preset,
    args: &HookArgs,
    config: &Config,
) -> Result<(String, ToolSet), Failure> {
    let name = match &args.external {
        Some(name) => name.clone(),
        None => {
            let is_preset = |(_, external): &(&String, &ExternalConfig)| {
                external.tools == ExternalTools::Preset(preset.tools)
            };
            let mut names = config.external.iter().filter(is_preset);
            match (names.next(), names.next()) {
                (Some((name, _)), None) => name.clone(),
                (None, _) => {
                    let preset = preset.tools.as_str();
                    return Err(Failure::plain(format!(
                        "{}: no [external.NAME] has preset = \"{preset}\"",
                        config.file.display()
                    ))
                    .help("add it, or name the executor with --external NAME"));
                }
                (Some(_), Some(_)) => {
                    return Err(Failure::plain("several executors have this preset")
                        .help("name one with --external NAME"));
                }
            }
        }
    };
    let external = config.external.get(&name).ok_or_else(|| {
        Failure::plain(format!(
            "{}: there is no [external.{}]",
            config.file.display(),
            event::shown(&name)
        ))
    })?;
    let declared = ToolSet {
        tools: external_tool_names(&external.tools).map_err(Failure::plain)?,
        caller: matches!(external.tools, ExternalTools::Preset(_)),
    };
    Ok((name, declared))
}

/// The answer to the coding agent.
#[derive(Debug, PartialEq)]
struct HookAnswer {
    /// The JSON for standard output.
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
        Self {
            json: (preset.answers.deny)(&event.name, &reason),
            blocks: Some(reason),
        }
    }

    fn permit(preset: &Preset, event: &HookEvent, permit: Permit) -> Self {
        let replaced = permit.replacement.is_some();
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
        Some(reason) if input::output_is_discarded() => Err(Failure::usage(reason.clone())),
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
