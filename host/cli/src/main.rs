//! The `tollgate` command: parses arguments, sends requests to the gate, and shows the answers. Decisions are made
//! by the gate, never here.

mod args;
mod client;
mod commands;
mod component;
mod context;
#[cfg(test)]
mod documentation;
mod error;
mod exit_code;
mod files;
mod global;
mod help;
mod identity;
mod logging;
mod observe_only;
mod output;
mod progress;
mod render;
mod scaffold;
mod stdio_proxy;
mod style;
mod trust;
mod units;

use std::process::ExitCode;
use tollgate_server::reply;

fn main() -> ExitCode {
    let mut cli = args::Cli::of_process();
    let mut out = output::Output::new(cli.global.json, cli.global.quiet, cli.global.color);
    match cli.global.jq.take().map(output::Filter::new) {
        None => {}
        Some(Ok(filter)) => out = out.filtered(filter),
        Some(Err(failure)) => {
            out.failure(&failure);
            return failure.exit.into();
        }
    }
    if let args::Command::Hook(hook) = &cli.command {
        return commands::hook::run(hook, &context::Context::new(cli.global, &out)).into();
    }
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(error::Failure::from)
        .and_then(|runtime| runtime.block_on(args::run(cli, &out)));
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.exit.into()
        }
    }
}
