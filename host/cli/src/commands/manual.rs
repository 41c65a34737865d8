//! `tollgate manual`: manual pages.

use std::{fs, path::PathBuf};

use clap::{Args, Command};

use crate::{context::Context, error::Failure, exit_code::Exit};

const EXAMPLES: &str = "\
Examples:
  $ tollgate manual ~/.local/share/man/man1
  $ man tollgate-approvals-approve";

/// The arguments of `tollgate manual`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Manual {
    /// The directory; made if it is not there.
    directory: PathBuf,
}

/// Run `tollgate manual`.
pub(crate) fn run(args: &Manual, command: Command, cx: &Context<'_>) -> Result<Exit, Failure> {
    let directory = &args.directory;
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .map_err(|error| {
            Failure::plain(format!(
                "{}: the pages cannot be written there: {error}",
                directory.display()
            ))
        })?;
    cx.out.remark(&format!(
        "the pages are in {}; read one with `man -l {}`",
        directory.display(),
        directory.join("tollgate.1").display()
    ));
    Ok(Exit::Ok)
}
