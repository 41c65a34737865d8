//! `cargo xtask bench [GROUP]`: JSON lines `{name, value, unit, floor, ratio}`.
//!
//! The floor is the bare limit, measured in the same run. Compare ratios, not absolute times.

use anyhow::{Result, bail};

use crate::{
    command::{cargo, step},
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
    Ok(())
}
