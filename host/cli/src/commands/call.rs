//! `tollgate call`: one call, or the calls of a file.
//!
//! The text of the arguments reaches the gate unparsed, so that the gate sees duplicate keys and numbers that are
//! too large.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use tollgate::{config::ComponentConfig, enforce::CallRequest};

use crate::{
    client::{ApiRequest, Client},
    commands::{runs, time_arg},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::answer,
    reply::{CallOutcome, CallReply},
    style::{Tone, line, paint},
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate call tickets__read --args '{\"id\": \"T-7\"}'
  $ tollgate call payments__refund --args @refund.json --agent support --wait 10m
  $ tollgate call --from run.jsonl --agent support --run monday

  A line of run.jsonl is one call: {\"tool\": \"tickets__read\", \"arguments\": {\"id\": \"T-7\"}}

With --json: one object; with --from one for each line, with the member `line`. Members: tool, outcome (ok, tool_error,
withheld, denied, undecidable, waiting, rejected, unknown_tool, invalid, halted, run_ended, unrecorded,
failed, indeterminate), exit, run, call, decision, policies [{id, owner, reason}], message, content [..],
redacted, approval {id, needs, expires}, micros.";

/// The arguments of `tollgate call`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Call {
    /// The name of the tool in `tollgate tools list`.
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    tool: Option<String>,
    /// The arguments: a JSON object, @FILE, or - for standard input.
    #[arg(
        long,
        value_name = "JSON|@FILE|-",
        default_value = "{}",
        allow_hyphen_values = true,
        conflicts_with = "from"
    )]
    args: String,
    /// Make the calls of a file, one JSON object per line; - for standard input.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The run: a name of your choice, or the id of one of your runs. A new name begins a new run. Without
    /// --run, a call belongs to your latest run unless that has been idle too long, and --from begins a
    /// new run.
    #[arg(long, value_name = "KEY")]
    run: Option<String>,
    /// Begin a new run, so that earlier calls do not count. It gets a name, so it idles out as a named run does.
    #[arg(long, conflicts_with = "run")]
    new_run: bool,
    /// Call as this agent. Only its operator or an administrator may.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// How long to wait for an approval if the call needs one, such as 60s or 10m.
    #[arg(long, value_name = "TIME", value_parser = time_arg::duration)]
    wait: Option<Duration>,
    /// Stop at the first denied call of the file.
    #[arg(long, requires = "from")]
    stop_on_denial: bool,
}

/// A line of a file of calls.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    tool: String,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// The reply to a call, for programs.
#[derive(Serialize)]
struct CallOutput<'a> {
    /// The line of the file of calls, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(flatten)]
    reply: &'a CallReply,
    /// The exit code for its outcome.
    exit: u8,
}

impl<'a> CallOutput<'a> {
    fn new(line: Option<usize>, reply: &'a CallReply) -> Self {
        let exit = Exit::from(reply.outcome).code();
        Self { line, reply, exit }
    }
}

/// Run `tollgate call`.
pub(crate) async fn run(args: Call, cx: &Context<'_>) -> Result<Exit, Failure> {
    let mut client = cx.client(cx.config()?)?;
    let ended = match (&args.tool, &args.from) {
        (Some(tool), _) => one(tool, &args, cx, &mut client).await,
        (None, Some(file)) => many(file, &args, cx, &mut client).await,
        (None, None) => Err(Failure::usage("name a tool, or a file with --from")),
    };
    client.close().await;
    ended
}

/// One call for a person who works on a tool: in a run of its own, whose tree is shown unless the call succeeds. Returns
/// the call's exit.
pub(super) async fn scratch(
    tool: &str,
    arguments: &str,
    agent: Option<String>,
    cx: &Context<'_>,
) -> Result<Exit, Failure> {
    let args = Call {
        tool: Some(tool.into()),
        args: arguments.into(),
        from: None,
        run: Some(own_run(Path::new(tool))),
        new_run: false,
        agent,
        wait: None,
        stop_on_denial: false,
    };
    let run = args.run.clone();
    let exit = self::run(args, cx).await?;
    if exit != Exit::Ok && !cx.out.is_json() {
        cx.out.text("\n")?;
        runs::show_run(run, cx).await?;
    }
    Ok(exit)
}

async fn one(
    tool: &str,
    args: &Call,
    cx: &Context<'_>,
    client: &mut Client<'_>,
) -> Result<Exit, Failure> {
    let request = CallRequest {
        tool: tool.into(),
        arguments: arguments(&args.args)?,
    };
    let mut reply = make(request, args, run_of(tool, args), cx, client).await?;
    let exit = Exit::from(reply.outcome);
    if let (Exit::Invalid, Some(file)) = (exit, args.args.strip_prefix('@')) {
        reply.message = reply.message.map(|message| format!("{file}: {message}"));
    }
    if cx.out.is_json() {
        print_call(&CallOutput::new(None, &reply), cx);
    } else if exit == Exit::Ok {
        cx.out.remark(&answer::summary(&reply));
        cx.out.text(&answer::result(&reply.content))?;
    } else {
        let mut text = format!(
            "{}\n{}",
            answer::summary(&reply),
            answer::refusal(&reply, cx.out.width(), "  ")
        );
        for hint in hints(args, &reply, cx) {
            let hint = paint(&format!("next: {hint}"), Tone::Name);
            text.push_str(&format!("  {hint}\n"));
        }
        cx.out.text(&text)?;
    }
    Ok(exit)
}

/// What a person can do about a refusal of their own call.
fn hints(args: &Call, reply: &CallReply, cx: &Context<'_>) -> Vec<String> {
    let mut hints = Vec::new();
    let Ok(config) = cx.config() else {
        return hints;
    };
    let is_refused = matches!(reply.outcome, CallOutcome::Denied | CallOutcome::Waiting);
    let files = config.policy_files().unwrap_or_default();
    let mut texts = files.iter().map(|file| file.text.as_str());
    let counts = |text: &str| reply.policies.iter().any(|p| counts_run(text, &p.id));
    let by_run = reply.outcome == CallOutcome::RunEnded || (is_refused && texts.any(counts));
    if by_run && args.run.is_none() && !args.new_run && args.from.is_none() {
        hints.push("the same call with --new-run: in a new run, earlier calls do not count".into());
    }
    let labels = config.tools.get(&reply.tool).map(|tool| &tool.labels);
    let is_own = |(name, component): (&String, &ComponentConfig)| {
        reply.tool.starts_with(&format!("{name}__"))
            || component.rename.values().any(|tool| *tool == reply.tool)
    };
    let has_labels = labels.is_some_and(Option::is_some);
    if is_refused && !has_labels && config.components.iter().any(is_own) {
        let tool = line(&reply.tool, 80);
        let own = format!("[tools.{tool}] labels in {}", config.file.display());
        hints.push(format!(
            "say what the tool does: {own}; without labels it counts as everything"
        ));
    }
    hints
}

/// Prints a call that was made. That it cannot be printed, as with `--jq`, does not change how it ended.
fn print_call(output: &CallOutput<'_>, cx: &Context<'_>) {
    if let Err(error) = cx.out.json(output) {
        let failure = Failure::from(error);
        if !failure.is_silent() {
            cx.out.failure(&failure);
        }
    }
}

/// Whether the policy with this id, in the text of its file, looks at what its run did before.
fn counts_run(text: &str, id: &str) -> bool {
    const COUNTS: [&str; 5] = ["repeats", "calls", "denials", "errors", "elapsed"];
    let Some((_, own)) = text.split_once(&format!("@id(\"{id}\")")) else {
        return false;
    };
    let own = own.split("@id(").next().unwrap_or(own);
    COUNTS
        .iter()
        .any(|count| own.contains(&format!("context.run.{count}")))
}

fn run_of(tool: &str, args: &Call) -> Option<String> {
    match args.new_run {
        true => Some(own_run(Path::new(tool))),
        false => args.run.clone(),
    }
}

async fn make(
    request: CallRequest,
    args: &Call,
    run: Option<String>,
    cx: &Context<'_>,
    client: &mut Client<'_>,
) -> Result<CallReply, Failure> {
    let wait = args.wait.unwrap_or_default();
    let step = cx
        .out
        .progress()
        .filter(|_| !wait.is_zero())
        .map(|progress| progress.step("waiting for an approval"));
    let body = json!({
        "tool": request.tool,
        "arguments_json": request.arguments,
        "agent": args.agent,
        "run": run,
    });
    let reply = client.execute(ApiRequest::call(body, wait)).await;
    drop(step);
    reply
}

async fn many(
    file: &Path,
    args: &Call,
    cx: &Context<'_>,
    client: &mut Client<'_>,
) -> Result<Exit, Failure> {
    let text = read(file)?;
    let run = args.run.clone().unwrap_or_else(|| own_run(file));
    let (mut worst, mut last_run, mut calls, mut denied) = (Exit::Ok, None, 0_u64, 0_u64);
    for (number, written) in text
        .lines()
        .enumerate()
        .map(|(i, written)| (i + 1, written))
    {
        if written.trim().is_empty() {
            continue;
        }
        calls += 1;
        let parsed: Line<'_> = match serde_json::from_str(written) {
            Ok(parsed) => parsed,
            Err(error) => {
                let failure = malformed(file, number, &error);
                cx.out.failure(&failure);
                worst = worst.worse(failure.exit);
                continue;
            }
        };
        let arguments = parsed.arguments.map_or("{}", RawValue::get).to_owned();
        let request = CallRequest {
            tool: parsed.tool,
            arguments,
        };
        let reply = make(request, args, Some(run.clone()), cx, client).await?;
        let exit = Exit::from(reply.outcome);
        worst = worst.worse(exit);
        denied += u64::from(exit == Exit::Denied);
        last_run = reply.run.or(last_run);
        if cx.out.is_json() {
            print_call(&CallOutput::new(Some(number), &reply), cx);
        } else {
            cx.out.text(&played(number, &reply, cx.out.width()))?;
        }
        if args.stop_on_denial && exit == Exit::Denied {
            cx.out.remark("ended at the first denial");
            break;
        }
    }
    if let Some(id) = last_run {
        let next = paint(&format!("tollgate runs show {id}"), Tone::Name);
        cx.out.remark(&format!(
            "{calls} calls, {denied} denied, in run {}: {next}",
            paint(&line(&run, 80), Tone::Strong)
        ));
    }
    Ok(worst)
}

fn played(number: usize, reply: &CallReply, columns: usize) -> String {
    let mut text = format!("{:>4}  {}\n", number, answer::summary(reply));
    if Exit::from(reply.outcome) == Exit::Ok {
        let preview = answer::preview(&reply.content, columns.saturating_sub(10));
        if !preview.is_empty() {
            text.push_str(&format!("      {}\n", paint(&preview, Tone::Weak)));
        }
    } else {
        text.push_str(&answer::refusal(reply, columns, "      "));
    }
    text
}

fn malformed(file: &Path, number: usize, error: &serde_json::Error) -> Failure {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    Failure::new(
        Exit::Invalid,
        format!(
            "{}:{number}:{}: this is not a call: {message}",
            file.display(),
            error.column()
        ),
    )
    .help("write it as in {\"tool\": \"tickets__read\", \"arguments\": {\"id\": \"T-7\"}}")
}

/// A new run for a file without a named run.
fn own_run(file: &Path) -> String {
    let name = file
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    format!("{}-{now}-{}", line(&name, 40), std::process::id())
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let result = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|read| bytes = read)
    };
    result.map_err(|e| {
        Failure::plain(format!("{}: it cannot be read: {e}", file.display()))
            .help("name a file that exists, or - for standard input")
    })?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Failure::new(
            Exit::Invalid,
            format!("{}: byte {at} is not UTF-8, and JSON is", file.display()),
        )
        .help("convert the file to UTF-8")
    })
}

/// The text of the arguments, unparsed.
fn arguments(given: &str) -> Result<String, Failure> {
    match given.strip_prefix('@') {
        Some(file) => read(Path::new(file)),
        None if given == "-" => read(Path::new("-")),
        None => Ok(given.to_owned()),
    }
}

#[cfg(test)]
mod tests;
