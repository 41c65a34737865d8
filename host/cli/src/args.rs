//! The command line as it is typed. Each subcommand's own arguments stand with it in `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    commands::{
        approvals, call, completions, component, decisions, export, halt, hook, init, ledger, new,
        policy, reload, reveal, runs, serve, stats, store, token, tools, upstream, user, wrap,
    },
    exit,
    output::Color,
};

/// Every tool call of an AI agent stops at a gate: checked against Cedar policies, run in a sandbox,
/// recorded.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = exit::HELP, propagate_version = false, max_term_width = 112)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration; otherwise tollgate.toml here or in a directory above.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Print results, and errors, as JSON.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Colours: auto (on a terminal, unless NO_COLOR is set), always, or never.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    pub(crate) color: Color,
    /// Leave out remarks; results and errors stay.
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Act as another user, with that user's token.
    #[arg(
        long = "as",
        global = true,
        value_name = "USER",
        help_heading = "Global options"
    )]
    pub(crate) as_user: Option<String>,
    /// The file with that token; otherwise it is asked for.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        requires = "as_user",
        help_heading = "Global options"
    )]
    pub(crate) token_file: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a gate in a directory: configuration, policies, and a first tool.
    Init(init::Init),
    /// Begin a tool in Rust, JavaScript or Python.
    New(new::New),
    /// Serve agents by MCP, over stdio or HTTP.
    Serve(serve::Serve),
    /// Put what is configured now into force.
    Reload(reload::Reload),
    /// Call a tool, or play an agent's run from a file.
    Call(call::Call),
    /// See and answer the calls that wait for a human.
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// See what was decided, across all runs, and what operators did.
    #[command(subcommand)]
    Decisions(decisions::Decisions),
    /// See runs as trees; end or stop them.
    #[command(subcommand)]
    Runs(runs::Runs),
    /// Send the gate's spans to OpenTelemetry collectors, and see how far that has come.
    #[command(subcommand)]
    Export(export::Export),
    /// See what a token of a trace stands for, as far as you may.
    Reveal(reveal::Reveal),
    /// See signals across runs: times, errors, loops, approvals; and how they drift.
    Stats(stats::Stats),
    /// See the tools that are loaded.
    #[command(subcommand)]
    Tools(tools::Tools),
    /// Check policies, and see the schema that they are written against.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Build and accept the components that offer tools.
    #[command(subcommand)]
    Component(component::Component),
    /// See and accept the upstream MCP servers whose tools pass the gate.
    #[command(subcommand)]
    Upstream(upstream::Upstream),
    /// Put an existing MCP server under policy and trace.
    Wrap(wrap::Wrap),
    /// Stop an agent, tool, component, tenant, or everything, at once.
    Halt(halt::HaltArgs),
    /// Lift a halt.
    Resume(halt::ResumeArgs),
    /// Make tokens by which users name themselves.
    #[command(subcommand)]
    User(user::User),
    /// Put a coding agent's own tools under policy, as its hook.
    #[command(subcommand)]
    Hook(hook::Hook),
    /// Make, list and revoke tokens by which agents and users name themselves over HTTP.
    #[command(subcommand)]
    Token(token::Tokens),
    /// Back up and restore the ledger.
    #[command(subcommand)]
    Store(store::Store),
    /// Verify the ledger.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Print completions for a shell.
    Completions(completions::Completions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no description");
            if command.get_subcommands().next().is_none() {
                let help = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(help.contains("$ tollgate"), "{path} has no example");
            }
            command
                .get_subcommands()
                .filter(|c| c.get_name() != "help")
                .for_each(|c| check(c, &path));
        }
        Cli::command()
            .get_subcommands()
            .for_each(|c| check(c, "tollgate"));
    }

    #[test]
    fn tokens_are_never_arguments() {
        assert!(
            Cli::try_parse_from(["tollgate", "--as", "bob", "--token", "x", "runs", "list"])
                .is_err()
        );
        assert!(
            Cli::try_parse_from(["tollgate", "--token-file", "x", "runs", "list"]).is_err(),
            "whose?"
        );
    }
}
