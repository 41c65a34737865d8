//! `cargo xtask test`: everything that must pass before a change lands.

use anyhow::Result;

use crate::{
    command::{cargo, root, say, step},
    guests, system,
};

/// Format, lint, build the guests, run every test.
pub(crate) fn run() -> Result<()> {
    system::strace()?;
    system::languages()?;
    let guest = root().join("guest");
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    step(
        "format of the guests",
        cargo(&["fmt", "--all", "--check"]).current_dir(&guest),
    )?;
    step(
        "lint",
        &mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    step(
        "lint of the guests",
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])
        .current_dir(&guest),
    )?;
    // Everything at once, as the tests want it: building the command alone would choose other features
    // of what it depends on, and build half of that twice.
    step(
        "build",
        &mut cargo(&["build", "--workspace", "--all-targets", "--locked"]),
    )?;
    guests::components()?;
    step(
        "tests of the guests",
        cargo(&["test", "--workspace", "--locked"]).current_dir(&guest),
    )?;
    step(
        "examples in the documentation",
        &mut cargo(&["test", "--workspace", "--locked", "--doc"]),
    )?;
    let nextest = cargo(&["nextest", "--version"])
        .output()
        .is_ok_and(|o| o.status.success());
    if nextest {
        step(
            "tests",
            &mut cargo(&[
                "nextest",
                "run",
                "--workspace",
                "--locked",
                "--no-fail-fast",
            ]),
        )?;
    } else {
        say("cargo-nextest is not installed; using cargo test");
        step(
            "tests",
            &mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]),
        )?;
    }
    say("── all passed");
    Ok(())
}
