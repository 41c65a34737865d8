//! `cargo xtask test`: everything that must pass before a change lands.

use anyhow::Result;

use crate::{
    command::{cargo, root, say, step},
    guests,
};

/// Format, lint, build the guests, run every test.
pub(crate) fn run() -> Result<()> {
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
    guests::run()?;
    step(
        "tests of the guests",
        cargo(&["test", "--workspace", "--locked"]).current_dir(&guest),
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
    step(
        "examples in the documentation",
        &mut cargo(&["test", "--workspace", "--locked", "--doc"]),
    )?;
    say("── all passed");
    Ok(())
}
