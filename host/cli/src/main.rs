//! The `tollgate` command.

mod component;

use clap::{Parser, Subcommand};

/// A gate for the tool calls of AI agents.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version)]
struct Tollgate {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build components.
    #[command(subcommand)]
    Component(component::command::Command),
}

fn main() -> anyhow::Result<()> {
    let Tollgate { json, command } = Tollgate::parse();
    match command {
        Command::Component(command) => component::command::run(command, json),
    }
}
