//! The command line. The arguments of each subcommand are with it in `commands/`.

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{
    commands::{
        approvals, call, completions, component, decisions, dev, doctor, export, halt, hook, init,
        ledger, manual, new, policy, reload, reveal, runs, serve, stats, store, token, tools,
        trust, upstream, user, wrap,
    },
    context::Context,
    error::Failure,
    exit_code::{self, Exit},
    global::Global,
    help,
    output::Output,
};

/// Every tool call of an AI agent stops at a gate: checked against Cedar policies, run in a sandbox,
/// recorded.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = exit_code::HELP, propagate_version = false, max_term_width = 112)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a gate in a directory: configuration, policies, and a first tool.
    Init(init::Init),
    /// Create a tool in Rust, JavaScript or Python.
    New(new::New),
    /// Build, accept and call a tool, each time that its sources change.
    Dev(dev::Dev),
    /// Serve agents by MCP, over stdio or HTTP.
    Serve(serve::Serve),
    /// Put the changed configuration and policies into force.
    Reload(reload::Reload),
    /// Call a tool, or make the calls of a file.
    Call(call::Call),
    /// List and answer the calls that wait for an approval.
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// List the decisions of all runs, and the acts of operators.
    #[command(subcommand)]
    Decisions(decisions::Decisions),
    /// List, show, compare, annotate, export, end and cancel runs.
    #[command(subcommand)]
    Runs(runs::Runs),
    /// Export the gate's spans to OpenTelemetry collectors.
    #[command(subcommand)]
    Export(export::Export),
    /// Show the value behind a token of a trace, if you may read it.
    Reveal(reveal::Reveal),
    /// Statistics across runs: durations, errors, loops, approvals; and their drift.
    Stats(stats::Stats),
    /// List and show the loaded tools.
    #[command(subcommand)]
    Tools(tools::Tools),
    /// Check, test, explain, replay and promote policies.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Build, register and accept components.
    #[command(subcommand)]
    Component(component::Component),
    /// List, show and accept upstream MCP servers.
    #[command(subcommand)]
    Upstream(upstream::Upstream),
    /// Put an existing MCP server behind the gate.
    Wrap(wrap::Wrap),
    /// Stop an agent, tool, component, tenant, or everything, immediately.
    Halt(halt::HaltArgs),
    /// Lift a halt.
    Resume(halt::ResumeArgs),
    /// Make the token that a user needs for --as.
    #[command(subcommand)]
    User(user::User),
    /// Decide the tool calls of a coding agent, as its hook.
    #[command(subcommand)]
    Hook(hook::Hook),
    /// Make, list and revoke the tokens of agents and users for HTTP.
    #[command(subcommand)]
    Token(token::Tokens),
    /// Back up and restore the ledger, and destroy old payloads.
    #[command(subcommand)]
    Store(store::Store),
    /// Verify, prove and rebuild the ledger.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// List what is broken in the gate or needs attention.
    Doctor(doctor::Doctor),
    /// Trust the configuration in a directory.
    Trust(trust::Trust),
    /// Print completions for a shell.
    Completions(completions::Completions),
    /// Write the manual pages of all commands.
    Manual(manual::Manual),
}

impl Cli {
    /// Parses the command line of this process. On a usage error or `--help`, it prints and exits.
    pub(crate) fn of_process() -> Self {
        let mut command = Self::whole_command();
        let matches = command.get_matches_mut();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// The command with its subcommands and their help.
    fn whole_command() -> clap::Command {
        help::reflow(Self::command())
    }
}

/// Run a command.
pub(crate) async fn run(cli: Cli, out: &Output) -> Result<Exit, Failure> {
    let cx = Context::new(cli.global, out);
    match cli.command {
        Command::Init(args) => init::run(&args, &cx),
        Command::New(args) => new::run(&args, &cx),
        Command::Dev(args) => dev::run(&args, &cx).await,
        Command::Serve(args) => serve::run(args, &cx).await,
        Command::Reload(args) => reload::run(args, &cx).await,
        Command::Call(args) => call::run(args, &cx).await,
        Command::Approvals(args) => approvals::run(args, &cx).await,
        Command::Decisions(args) => decisions::run(args, &cx).await,
        Command::Runs(args) => runs::run(args, &cx).await,
        Command::Export(args) => export::run(args, &cx).await,
        Command::Reveal(args) => reveal::run(args, &cx).await,
        Command::Stats(args) => stats::run(&args, &cx).await,
        Command::Tools(args) => tools::run(args, &cx).await,
        Command::Policy(args) => policy::run(args, &cx).await,
        Command::Component(args) => component::run(args, &cx).await,
        Command::Upstream(args) => upstream::run(args, &cx).await,
        Command::Wrap(args) => wrap::run(&args, &cx).await,
        Command::Hook(hook) => Ok(hook::run(&hook, &cx)),
        Command::Halt(args) => halt::halt(args, &cx).await,
        Command::Resume(args) => halt::resume(args, &cx).await,
        Command::User(args) => user::run(args, &cx).await,
        Command::Token(args) => token::run(args, &cx).await,
        Command::Store(args) => store::run(args, &cx).await,
        Command::Ledger(args) => ledger::run(&args, &cx).await,
        Command::Doctor(args) => doctor::run(&args, &cx).await,
        Command::Trust(args) => trust::run(&args, &cx),
        Command::Completions(args) => completions::run(&args, Cli::whole_command(), &cx),
        Command::Manual(args) => manual::run(&args, Cli::whole_command(), &cx),
    }
}

#[cfg(test)]
mod tests;
