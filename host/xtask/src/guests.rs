//! `cargo xtask guests`: the reference adapters and the tests' guests, as components in target/components.
//!
//! They are built by `tollgate component build`, as anybody's are.

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

/// Build the command, then what changed.
pub(crate) fn run() -> Result<()> {
    system::languages()?;
    step(
        "build tollgate",
        &mut cargo(&["build", "--quiet", "--locked", "-p", "tollgate-cli"]),
    )?;
    components()
}

/// Build what changed, with the command as it is.
pub(crate) fn components() -> Result<()> {
    let root = root();
    let tollgate = root.join("target/debug/tollgate");
    for folder in FOLDERS {
        for guest in tools(&root.join(folder))? {
            let name = guest
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let out = root.join("target/components").join(format!("{name}.wasm"));
            let mut build = Command::new(&tollgate);
            build
                .current_dir(&root)
                .args(["component", "build"])
                .arg(&guest)
                .arg("--out")
                .arg(out);
            step(&format!("component {name}"), &mut build)?;
        }
    }
    texts(&root.join("tests/guests"), &root.join("target/components"))
}

/// Components that no compiler would make are written as text.
fn texts(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let text = entry?.path();
        if text.extension().is_some_and(|kind| kind == "wat") {
            let binary = to
                .join(text.file_name().unwrap_or_default())
                .with_extension("wasm");
            fs::write(&binary, wat::parse_file(&text)?)
                .with_context(|| format!("{} cannot be written", binary.display()))?;
        }
    }
    Ok(())
}

/// What can be built in a folder, sorted, whatever its language.
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
