//! Runs other programs, and prints their command lines.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// The top folder of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The cargo that runs this task, without the variables that `cargo run` set for the task: build scripts watch some
/// of them, so crates would be built again for each change between a task and a plain cargo.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    for (name, _) in std::env::vars_os() {
        let of_package = ["CARGO_MANIFEST_", "CARGO_PKG_"]
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix));
        if of_package {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a step of a task: prints its description, and fails with its command if it fails.
pub(crate) fn step(what: &str, command: &mut Command) -> Result<()> {
    say(&format!("── {what}"));
    let status = command
        .status()
        .with_context(|| format!("{} cannot be started", shown(command)))?;
    if !status.success() {
        bail!("{what} failed: {} ended with {status}", shown(command));
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|w| w.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Print a line.
#[expect(clippy::print_stdout, reason = "a task prints what it does")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
