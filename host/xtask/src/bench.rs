//! `cargo xtask bench [GROUP]`: JSON lines `{name, value, unit, floor, ratio}`.
//!
//! The floor is the bare limit measured in the same run; ratios count, absolute times do not.

use std::process::Stdio;

use anyhow::{Result, bail};

use crate::{
    command::{cargo, say, step},
    guests,
};

const GROUPS: &[&str] = &["call", "mcp", "policy", "sandbox", "trace"];

/// Run one group of measurements, or all.
pub(crate) fn run(group: Option<&str>) -> Result<()> {
    if let Some(unknown) = group.filter(|g| !GROUPS.contains(g)) {
        bail!(
            "there is no group `{unknown}`; the groups are {}",
            GROUPS.join(", ")
        );
    }
    guests::run()?;
    for name in GROUPS
        .iter()
        .filter(|name| group.is_none_or(|g| g == **name))
    {
        if matches!(*name, "mcp" | "trace") {
            // What is measured is the program that people run.
            let build = [
                "build",
                "--quiet",
                "--locked",
                "--release",
                "--bin",
                "tollgate",
            ];
            step("build tollgate", &mut cargo(&build))?;
        }
        step(
            &format!("bench {name}"),
            &mut cargo(&[
                "bench",
                "--quiet",
                "--locked",
                "-p",
                "tollgate-tests",
                "--bench",
                name,
            ]),
        )?;
    }
    if group.is_none_or(|g| g == "sandbox") {
        // What is inside the sandbox is measured from inside.
        for name in ["sandbox_call", "sandbox_python", "sandbox_js"] {
            measuring_test(name)?;
        }
    }
    Ok(())
}

/// Run a test of the gate that measures, and print the lines that it found.
fn measuring_test(name: &str) -> Result<()> {
    let test = [
        "test",
        "--quiet",
        "--locked",
        "--release",
        "-p",
        "tollgate",
        "--lib",
    ];
    let ran = cargo(&test)
        .args(["--", "--ignored", "--nocapture", name])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&ran.stdout);
    if !ran.status.success() {
        bail!("the measurement {name} failed: {text}");
    }
    text.lines().filter(|l| l.starts_with('{')).for_each(say);
    Ok(())
}
