//! `cargo xtask eval FORM …`: replays recorded runs through the decision point.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{command::cargo, guests::target};

/// Forms of recorded runs, each an example of the crate that decides.
const FORMS: &[&str] = &["agentdojo"];

/// Runs an evaluation. Its figures are all of the standard output. Builds with the features of the whole
/// workspace, as the other tasks do.
pub(crate) fn run(form: &str, arguments: &[String]) -> Result<()> {
    if !FORMS.contains(&form) {
        bail!(
            "there is no form `{form}` of recorded runs; there is {}: docs/evaluation.md",
            FORMS.join(", ")
        );
    }
    let build = [
        "build",
        "--workspace",
        "--quiet",
        "--locked",
        "--example",
        form,
    ];
    let built = cargo(&build).status().context("cargo cannot be started")?;
    if !built.success() {
        bail!("the evaluation does not build");
    }
    let program = target().join("debug/examples").join(form);
    let status = Command::new(&program)
        .args(arguments)
        .status()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    if !status.success() {
        bail!("the evaluation ended with {status}");
    }
    Ok(())
}
