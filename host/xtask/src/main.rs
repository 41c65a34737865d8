//! Tasks of this repository: `cargo xtask TASK`.
//!
//! `demo` and `test` do everything that a newcomer needs; they build what is missing and print what they
//! do.

mod bench;
mod clients;
mod command;
mod demo;
mod docs;
mod eval;
mod fuzz;
mod guests;
mod house;
mod install;
mod readme;
mod system;
mod test;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of this repository.")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Play the support desk's run through the gate: builds what is missing, asks nothing.
    Demo,
    /// Format, lint, build, and run every test.
    Test,
    /// Check the rules of .ci/house.json, which the compiler does not check.
    House,
    /// Build the reference adapters and the guests of the tests into target/components.
    Guests,
    /// Install the MCP clients that the tests drive into target/clients.
    Clients,
    /// Measure. Prints JSON lines {name, value, unit, floor, ratio}. Example: cargo xtask bench call
    Bench {
        /// The group; default: all.
        group: Option<String>,
    },
    /// Replay recorded runs through the decision point: attacks stopped, honest calls held. Example: cargo
    /// xtask eval runs --data examples/runs
    Eval {
        /// The form of the recorded runs: runs, agentdojo.
        form: String,
        /// The rest goes to the evaluation; --help lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Play the fuzz targets for a time. Example: cargo xtask fuzz tool_input --minutes 30
    Fuzz(fuzz::Fuzz),
    /// Build the documentation as a site in target/book/site, and check its links. Example: cargo xtask docs
    /// --serve
    Docs(docs::Docs),
    /// Install the binary and the reference components.
    Install {
        /// The prefix: installs into <prefix>/bin and <prefix>/share. Default: ~/.local
        #[arg(long)]
        prefix: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Demo => demo::run(),
        Task::Test => test::run(),
        Task::House => house::run(),
        Task::Guests => guests::run(),
        Task::Clients => clients::run(),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Docs(args) => docs::run(&args),
        Task::Bench { group } => bench::run(group.as_deref()),
        Task::Eval { form, arguments } => eval::run(&form, &arguments),
        Task::Install { prefix } => install::run(prefix),
    }
}
