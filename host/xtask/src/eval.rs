//! `cargo xtask eval FORM …`: replays recorded runs through the decision point.

use anyhow::{Result, bail};

use crate::command::cargo;

/// Forms of recorded runs, each an example of the crate that decides.
const FORMS: &[&str] = &["agentdojo"];

/// Runs an evaluation. Its figures are the whole of the standard output.
pub(crate) fn run(form: &str, arguments: &[String]) -> Result<()> {
    if !FORMS.contains(&form) {
        bail!(
            "there is no form `{form}` of recorded runs; there is {}: docs/evaluation.md",
            FORMS.join(", ")
        );
    }
    let mut command = cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--release",
        "-p",
        "tollgate-policy",
    ]);
    command.args(["--example", form, "--"]).args(arguments);
    let here = std::env::current_dir()?;
    // Paths in the arguments are relative to the caller's folder.
    command.current_dir(here);
    let status = command.status()?;
    if !status.success() {
        bail!("the evaluation ended with {status}");
    }
    Ok(())
}
