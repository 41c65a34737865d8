//! `cargo xtask test`: everything that must pass before a change lands.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    command::{cargo, root, say, step},
    guests,
};

/// Format, lint, build the guests, run every test.
pub(crate) fn run() -> Result<()> {
    strace()?;
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

/// The crash tests kill a process at chosen system calls, which takes strace.
fn strace() -> Result<()> {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if there("strace") {
        return Ok(());
    }
    if there("apt-get") {
        step(
            "update the package lists",
            Command::new("apt-get").args(["-q", "update"]),
        )
        .and_then(|()| {
            step(
                "install strace",
                Command::new("apt-get").args(["-qy", "install", "strace"]),
            )
        })
        .ok();
    }
    if there("strace") {
        return Ok(());
    }
    bail!("the crash tests need strace: install it, as in `sudo apt-get install strace`")
}
