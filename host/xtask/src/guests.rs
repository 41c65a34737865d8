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
        &mut cargo(&[
            "build",
            "--quiet",
            "--locked",
            "--workspace",
            "--bin",
            "tollgate",
        ]),
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

/// The tests' programs that know of no gate, compiled as anybody's are: one file each, for WASI 0.2.
///
/// # Errors
/// The target cannot be had, or a program does not compile.
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
