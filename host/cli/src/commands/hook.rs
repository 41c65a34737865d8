//! `tollgate hook`: a coding agent's own tools, decided before and recorded after.
//!
//! Whatever goes wrong blocks the call: the agent's exit code for that is 2, and the decision says the
//! same.

use std::{io::Read as _, time::Duration};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tollgate::enforce::CallRequest;
use tollgate_model::canonical::Sha256Digest;

use super::{Context, unexpected};
use crate::{
    exit::Exit,
    failure::Failure,
    operation::{Operation, Reply},
    reply::CallOutcome,
};

const CLAUDE_CODE: &str = "\
Example, in .claude/settings.json:
  {\"hooks\": {
    \"PreToolUse\":  [{\"matcher\": \"Bash|Edit|Write|Read|WebFetch\", \"hooks\": [
      {\"type\": \"command\", \"command\": \"tollgate hook claude-code --agent coder\"}]}],
    \"PostToolUse\": [{\"matcher\": \"Bash|Edit|Write|Read|WebFetch\", \"hooks\": [
      {\"type\": \"command\", \"command\": \"tollgate hook claude-code --agent coder\"}]}]}}

and in tollgate.toml:
  [external.claude]
  preset = \"claude-code\"

  $ tollgate hook claude-code --agent coder < event.json

It reads the hook's JSON on standard input and writes the decision's to standard output. `tollgate serve`
must run. What it allows still passes Claude Code's own permissions, unless --allow is given.
Exit codes: 0, the decision is on standard output; 2, the call is blocked, and why is on standard error.";

/// Bytes of a hook's input at most.
const MAX_INPUT: u64 = 8 << 20;

/// Whose hook.
#[derive(Debug, Subcommand)]
pub(crate) enum Hook {
    /// Claude Code's PreToolUse and PostToolUse.
    #[command(after_help = CLAUDE_CODE)]
    ClaudeCode(ClaudeCode),
}

/// How Claude Code's tools are called here.
#[derive(Debug, Args)]
pub(crate) struct ClaudeCode {
    /// The agent; `agent` under [serve] unless given.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Which of [external.NAME] declares the tools; the only one unless given.
    #[arg(long, value_name = "NAME")]
    external: Option<String>,
    /// Let what policy allows run without Claude Code asking as well.
    #[arg(long)]
    allow: bool,
    /// Block what is not decided within this many seconds. Claude Code lets a call run whose hook takes
    /// longer than it waits itself, which is a minute unless its settings say otherwise.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

/// What Claude Code says. It says more, and more with each version.
#[derive(Deserialize)]
struct Said {
    hook_event_name: String,
    session_id: String,
    tool_name: String,
    tool_input: Box<RawValue>,
    #[serde(default)]
    tool_use_id: Option<String>,
    #[serde(default)]
    tool_response: Value,
}

/// Run `tollgate hook`.
pub(crate) async fn run(Hook::ClaudeCode(args): Hook, cx: &Context<'_>) -> Result<Exit, Failure> {
    // Any other end lets the call run.
    std::panic::set_hook(Box::new(|_| {
        anstream::eprintln!("Tollgate failed, so this is blocked");
        std::process::exit(i32::from(Exit::Usage.code()));
    }));
    let limit = Duration::from_secs(args.timeout);
    let Ok(answered) = tokio::time::timeout(limit, claude_code(&args, cx)).await else {
        anstream::eprintln!(
            "Tollgate has not decided this within {} s, so it is blocked; see whether `tollgate serve` answers",
            args.timeout
        );
        // Whatever is still waited for must not keep this process.
        std::process::exit(i32::from(Exit::Usage.code()));
    };
    match answered.and_then(|answer| Ok(cx.out.text(&format!("{answer}\n"))?)) {
        Ok(()) => Ok(Exit::Ok),
        // 2 is what blocks.
        Err(failure) => Err(Failure {
            exit: Exit::Usage,
            message: format!("Tollgate could not decide this, so it is blocked: {failure}"),
            ..failure
        }),
    }
}

async fn claude_code(args: &ClaudeCode, cx: &Context<'_>) -> Result<Value, Failure> {
    let read = || {
        let mut text = String::new();
        let whole = std::io::stdin().take(MAX_INPUT + 1);
        std::io::BufReader::new(whole).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let read = tokio::task::spawn_blocking(read).await;
    let text = read.map_err(|e| Failure::plain(e.to_string()))??;
    if text.len() as u64 > MAX_INPUT {
        return Err(Failure::plain(format!(
            "the hook's input has more than {MAX_INPUT} bytes"
        )));
    }
    let said: Said = serde_json::from_str(&text)
        .map_err(|e| Failure::plain(format!("standard input is no hook's JSON: {e}")))?;
    let config = cx.config()?;
    let agent = args.agent.clone().or_else(|| config.serve.agent.clone());
    let agent = agent.ok_or_else(|| {
        Failure::plain("nobody says which agent this is").help("name it with --agent NAME")
    })?;
    let mut names = config.external.keys();
    let external = match (&args.external, names.next(), names.next()) {
        (Some(name), ..) => name.clone(),
        (None, Some(only), None) => only.clone(),
        _ => {
            return Err(
                Failure::plain("nobody says which [external.NAME] declares the tools")
                    .help("name it with --external NAME"),
            );
        }
    };
    let input = said.tool_input.get();
    let reference = said.tool_use_id.clone().unwrap_or_else(|| {
        // An older version: the latest call that was the same is meant.
        let same: Value = serde_json::from_str(input).unwrap_or_default();
        let digest = Sha256Digest::of(same.to_string().as_bytes());
        format!("{}:{}:{digest}", said.session_id, said.tool_name)
    });
    let access = cx.access(config)?;
    match said.hook_event_name.as_str() {
        "PreToolUse" => {
            let authorize = Operation::Authorize {
                request: CallRequest {
                    tool: format!("{external}__{}", said.tool_name),
                    arguments: input.to_owned(),
                },
                agent,
                run: Some(format!("claude-code:{}", said.session_id)),
                reference,
            };
            match access.ask(authorize).await? {
                Reply::Authorized(reply) => Ok(before(reply.allowed, reply.message, args.allow)),
                other => Err(unexpected(&other)),
            }
        }
        "PostToolUse" | "PostToolUseFailure" => {
            let failed = said.hook_event_name == "PostToolUseFailure"
                || said.tool_response.get("is_error") == Some(&Value::Bool(true));
            let content = match said.tool_response {
                Value::String(text) => text,
                value => value.to_string(),
            };
            let outcome = Operation::Outcome {
                agent,
                reference,
                failed,
                content,
            };
            match access.ask(outcome).await? {
                Reply::Call(reply) => Ok(after(reply.outcome, reply.redacted, reply.message)),
                other => Err(unexpected(&other)),
            }
        }
        other => Err(Failure::plain(format!(
            "the event `{}` is none that can be decided",
            tollgate::text::printable(other, 64)
        ))
        .help("use this hook for PreToolUse and PostToolUse")),
    }
}

/// What Claude Code is told before its tool runs.
fn before(allowed: bool, message: Option<String>, allow: bool) -> Value {
    let decision = if !allowed {
        json!({
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": message.unwrap_or_default(),
        })
    } else if allow {
        json!({
            "hookEventName": "PreToolUse",
            "permissionDecision": "allow",
            "permissionDecisionReason": "Tollgate's policies allow it.",
        })
    } else {
        json!({ "hookEventName": "PreToolUse" })
    };
    json!({ "hookSpecificOutput": decision })
}

/// What Claude Code is told after its tool ran.
fn after(outcome: CallOutcome, redacted: bool, message: Option<String>) -> Value {
    match outcome {
        CallOutcome::Ok | CallOutcome::ToolError if !redacted => json!({}),
        CallOutcome::Ok => json!({
            "decision": "block",
            "reason": "Policy keeps parts of this result from you. Do not use it.",
        }),
        _ => json!({ "decision": "block", "reason": message.unwrap_or_default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_denied() {
        let denied = before(false, Some("no".into()), true);
        assert_eq!(denied["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(
            denied["hookSpecificOutput"]["permissionDecisionReason"],
            "no"
        );
        // Its own permissions still count, unless the operator says otherwise.
        let allowed = before(true, None, false);
        assert_eq!(
            allowed["hookSpecificOutput"].get("permissionDecision"),
            None
        );
        assert_eq!(
            before(true, None, true)["hookSpecificOutput"]["permissionDecision"],
            "allow"
        );
        assert_eq!(after(CallOutcome::Ok, false, None), json!({}));
        for (outcome, redacted) in [(CallOutcome::Withheld, false), (CallOutcome::Ok, true)] {
            assert_eq!(after(outcome, redacted, None)["decision"], "block");
        }
    }
}
