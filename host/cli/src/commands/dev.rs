//! `tollgate dev`: builds a tool, accepts it and calls it, each time that its sources change.

mod sources;

use std::{future::Future, io::Write as _, path::PathBuf, time::Duration};

use clap::Args;
use tollgate::config::Config;

use self::sources::Sources;
use crate::{
    client::ApiRequest,
    commands::{call, component::build::summary, component::register, reload::BundleReply},
    component::{BuildOutput, build},
    context::Context,
    error::Failure,
    exit_code::Exit,
    progress::Progress,
    style::{Tone, paint},
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate dev tools/hello
  $ tollgate dev tools/hello --call greet --args '{\"name\":\"Ada\"}'

Builds the tool, accepts its file, and makes the call in a run of its own, until Ctrl-C: each time that a
source changes. A process that serves the gate loads it again. If the call does not succeed, its run is shown.

With --json: the answer of each call, as `tollgate call` prints it.";

/// How often the sources are looked at.
const TICK: Duration = Duration::from_millis(300);

/// The arguments of `tollgate dev`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Dev {
    /// The tool's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The tool to call, by its own name or as the list of tools names it.
    #[arg(long, value_name = "TOOL")]
    call: Option<String>,
    /// The arguments: a JSON object, or @FILE.
    #[arg(
        long,
        value_name = "JSON|@FILE",
        default_value = "{}",
        allow_hyphen_values = true,
        requires = "call"
    )]
    args: String,
    /// Call as this agent. Only its operator or an administrator may.
    #[arg(long, value_name = "NAME", requires = "call")]
    agent: Option<String>,
    /// End after the first time.
    #[arg(long)]
    once: bool,
}

/// Run `tollgate dev`.
pub(crate) async fn run(args: &Dev, cx: &Context<'_>) -> Result<Exit, Failure> {
    loop {
        let seen = Sources::read(&args.dir);
        let ended = once(args, cx).await;
        if args.once {
            return ended;
        }
        if let Err(failure) = ended {
            cx.out.failure(&failure);
        }
        cx.out.remark("waiting for a change; Ctrl-C ends");
        let tick = || tokio::time::sleep(TICK);
        tokio::select! {
            ended = tokio::signal::ctrl_c() => {
                ended?;
                return Ok(Exit::Ok);
            }
            () = changed(|| Sources::read(&args.dir), seen, tick) => {}
        }
    }
}

/// Builds, accepts and calls.
async fn once(args: &Dev, cx: &Context<'_>) -> Result<Exit, Failure> {
    let built = built(args)?;
    anstream::stderr().write_all(built.warnings.as_bytes())?;
    cx.out.remark(&summary(&built));
    let config = cx.config()?;
    let name = register::accept_file(&built.path, &config, cx)?;
    cx.out
        .remark(&format!("{} accepted {name}", paint("✓", Tone::Good)));
    serve_again(&config, cx).await?;
    let Some(tool) = &args.call else {
        return Ok(Exit::Ok);
    };
    let tool = agents_name(tool, &name, &config);
    call::scratch(&tool, &args.args, args.agent.clone(), cx).await
}

fn built(args: &Dev) -> Result<BuildOutput, Failure> {
    let built = build(&args.dir, None, Progress::on_stderr());
    Ok(built.map_err(anyhow::Error::from)?)
}

/// Has a process that serves the gate load the new file.
async fn serve_again(config: &Config, cx: &Context<'_>) -> Result<(), Failure> {
    let socket = config.store.path.with_file_name("gate.sock");
    if std::os::unix::net::UnixStream::connect(socket).is_err() {
        return Ok(());
    }
    let request = ApiRequest::post("/v1/reload", serde_json::json!({}));
    let BundleReply { .. } = cx.execute(request).await?;
    Ok(())
}

/// The name that agents see, of a component's own tool.
fn agents_name(tool: &str, component: &str, config: &Config) -> String {
    let settings = config.components.get(component);
    let renamed = settings.and_then(|settings| settings.rename.get(tool));
    match renamed {
        Some(name) => name.clone(),
        None if tool.contains("__") => tool.to_owned(),
        None => format!("{component}__{tool}"),
    }
}

/// Returns once the sources differ from those that were `seen`, and have been the same for one tick.
async fn changed<T: Future<Output = ()>>(
    mut read: impl FnMut() -> Sources,
    seen: Sources,
    tick: impl Fn() -> T,
) {
    let mut last = seen.clone();
    loop {
        tick().await;
        let now = read();
        if now != seen && now == last {
            return;
        }
        last = now;
    }
}

#[cfg(test)]
mod tests;
