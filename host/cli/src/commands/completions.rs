//! `tollgate completions`: completion scripts for shells.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{context::Context, error::Failure, exit_code::Exit};

const EXAMPLES: &str = "\
Examples:
  $ tollgate completions bash > ~/.local/share/bash-completion/completions/tollgate
  $ tollgate completions fish > ~/.config/fish/completions/tollgate.fish";

/// The arguments of `tollgate completions`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Run `tollgate completions`.
pub(crate) fn run(
    args: &Completions,
    mut command: Command,
    cx: &Context<'_>,
) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "tollgate", &mut text);
    cx.out.text(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}
