//! `cargo xtask guests`: the reference adapters and the tests' guests, as components in target/components.
//!
//! `tollgate component build` builds them, as for users.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    command::{cargo, root, step},
    system,
};

const MANIFESTS: [&str; 3] = ["Cargo.toml", "package.json", "pyproject.toml"];
const FOLDERS: [&str; 2] = ["guest/adapters", "tests/guests"];

/// The command, as a debug build.
pub(crate) fn binary() -> PathBuf {
    target().join("debug/tollgate")
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Build the command, then every component that changed.
pub(crate) fn run() -> Result<()> {
    system::languages()?;
    tollgate()?;
    components()
}

/// Builds the command as part of the workspace, so that `cargo xtask test` chooses the same features and
/// reuses it.
pub(crate) fn tollgate() -> Result<()> {
    step(
        "build tollgate",
        &mut cargo(&["build", "--locked", "--workspace", "--bin", "tollgate"]),
    )
}

/// Builds every component that changed, with the existing command.
pub(crate) fn components() -> Result<()> {
    for folder in FOLDERS {
        for guest in tools(&root().join(folder))? {
            component(&guest)?;
        }
    }
    Ok(())
}

/// Builds the component in a folder into target/components, if it changed.
pub(crate) fn component(guest: &Path) -> Result<()> {
    let root = root();
    let name = guest.file_name().unwrap_or_default().to_string_lossy();
    let out = root.join("target/components").join(format!("{name}.wasm"));
    step(
        &format!("component {name}"),
        Command::new(binary())
            .current_dir(&root)
            .args(["component", "build"])
            .arg(guest)
            .arg("--out")
            .arg(out),
    )
}

/// The tests' programs without the SDK: one file each, compiled for WASI 0.2.
///
/// # Errors
/// The target cannot be installed, or a program does not compile.
pub(crate) fn commands() -> Result<()> {
    system::wasi_target()?;
    let (from, to) = (
        root().join("tests/guests"),
        root().join("target/components"),
    );
    for entry in fs::read_dir(from)? {
        let source = entry?.path();
        if source.extension().is_none_or(|kind| kind != "rs") {
            continue;
        }
        let name = source.file_stem().unwrap_or_default();
        let mut compile = Command::new("rustc");
        compile
            .current_dir(root())
            .args(["--edition", "2024", "-O", "--target", system::WASI])
            .arg(&source)
            .arg("-o")
            .arg(to.join(name).with_extension("wasm"));
        step(&format!("command {}", name.to_string_lossy()), &mut compile)?;
    }
    Ok(())
}

/// The projects in a folder, in any language, sorted.
fn tools(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut tools = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if MANIFESTS.iter().any(|name| path.join(name).is_file()) {
            tools.push(path);
        }
    }
    tools.sort();
    Ok(tools)
}
