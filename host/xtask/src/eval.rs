//! `cargo xtask eval FORM …`: replays recorded runs through the decision point.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{command::cargo, guests::target};

/// The program that plays recorded runs, an example of the crate that decides.
const PROGRAM: &str = "eval";

/// Runs an evaluation. Its figures are all of the standard output. Builds with the features of the whole
/// workspace, as the other tasks do. The program itself says which forms there are.
pub(crate) fn run(form: &str, arguments: &[String]) -> Result<()> {
    let build = [
        "build",
        "--workspace",
        "--quiet",
        "--locked",
        "--example",
        PROGRAM,
    ];
    let built = cargo(&build).status().context("cargo cannot be started")?;
    if !built.success() {
        bail!("the evaluation does not build");
    }
    let program = target().join("debug/examples").join(PROGRAM);
    let status = Command::new(&program)
        .arg(form)
        .args(arguments)
        .status()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    if !status.success() {
        bail!("the evaluation ended with {status}");
    }
    Ok(())
}
