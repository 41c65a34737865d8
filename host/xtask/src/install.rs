//! `cargo xtask install`: installs the binary and the reference components.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    command::{cargo, root, say, step},
    guests,
};

/// Installs `tollgate` into `<prefix>/bin` and the components into `<prefix>/share/tollgate/components`.
pub(crate) fn run(prefix: Option<PathBuf>) -> Result<()> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .context("HOME is not set; use --prefix DIR")?;
    let prefix = prefix.unwrap_or_else(|| home.join(".local"));
    step(
        "build tollgate",
        &mut cargo(&["build", "--release", "--locked", "-p", "tollgate-cli"]),
    )?;
    guests::run()?;
    let bin = prefix.join("bin");
    let components = prefix.join("share/tollgate/components");
    for dir in [&bin, &components] {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    }
    let target = bin.join("tollgate");
    // A running binary cannot be overwritten, but it can be replaced.
    let fresh = bin.join(".tollgate.new");
    fs::copy(root().join("target/release/tollgate"), &fresh)
        .and_then(|_| fs::rename(&fresh, &target))
        .with_context(|| format!("{} cannot be written", target.display()))?;
    for name in ["files", "tickets", "payments", "web", "table", "convert"] {
        let file = format!("{name}.wasm");
        fs::copy(
            root().join("target/components").join(&file),
            components.join(&file),
        )
        .with_context(|| format!("{file} cannot be copied to {}", components.display()))?;
    }
    say(&format!(
        "installed {} and the components in {}",
        target.display(),
        components.display()
    ));
    say("next: tollgate init my-gate");
    Ok(())
}
