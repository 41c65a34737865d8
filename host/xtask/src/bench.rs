//! `cargo xtask bench [GROUP]`: JSON lines `{name, value, unit, floor, ratio}`.
//!
//! The floor is the bare limit measured in the same run; ratios count, absolute times do not.

use anyhow::{Result, bail};

use crate::{
    command::{cargo, step},
    guests,
};

const GROUPS: &[&str] = &["call"];

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
    Ok(())
}
