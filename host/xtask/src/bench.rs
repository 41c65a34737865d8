//! `cargo xtask bench [GROUP]`: JSON lines `{name, value, unit, floor, ratio}`.
//!
//! The floor is the bare limit, measured in the same run. Compare ratios, not absolute times.

use std::process::Stdio;

use anyhow::{Result, bail};

use crate::{
    command::{cargo, say, step},
    guests,
};

const GROUPS: &[&str] = &[
    "call", "export", "facts", "ledger", "mcp", "policy", "sandbox", "trace",
];

/// Runs one group of measurements, or all. Always builds the whole workspace: for a single member, cargo
/// would choose other features of its dependencies and build them again.
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
            // Measures the installed program.
            let build = [
                "build",
                "--workspace",
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
                "--workspace",
                "--quiet",
                "--locked",
                "--bench",
                name,
            ]),
        )?;
    }
    if group.is_none_or(|g| g == "sandbox") {
        // The sandbox is measured from inside.
        for name in ["sandbox_call", "sandbox_python", "sandbox_js"] {
            measuring_test(name)?;
        }
    }
    Ok(())
}

/// Runs a measuring test of the gate, and prints its result lines.
fn measuring_test(name: &str) -> Result<()> {
    let test = [
        "test",
        "--quiet",
        "--locked",
        "--release",
        "--workspace",
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
