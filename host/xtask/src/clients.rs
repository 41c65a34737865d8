//! `cargo xtask clients`: the MCP clients that the tests drive, from their registries, in target/clients.
//!
//! Exactly the contents of the lock files in tests/clients are installed; existing installations stay as
//! long as their lock file does not change.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    command::{root, step},
    system,
};

/// Exactly the files that the lock names: none without its hash, no dependency beyond the lock (an extra
/// would admit a release newer than the lock), no build of a source distribution.
const PINNED: [&str; 4] = ["--require-hashes", "--no-deps", "--only-binary", ":all:"];

/// Folders with an npm lock: third-party clients, servers, an authorization server, and a generator of clients.
const NODE: [&str; 4] = ["node", "node_servers", "node_oauth", "node_openapi"];

/// Installs what is missing or has another lock.
pub(crate) fn run() -> Result<()> {
    system::languages()?;
    install().context(
        "the tests of real clients need PyPI and the npm registry; once installed they need neither",
    )
}

/// Install one of the clients in Python.
pub(crate) fn one(name: &str) -> Result<()> {
    system::languages()?;
    let lock = root()
        .join("tests/clients/python")
        .join(format!("{name}.txt"));
    let home = root().join("target/clients").join(name);
    once(&lock, &home, |home| python(&lock, home))
        .context("this needs PyPI; once it is installed, it does not")
}

fn install() -> Result<()> {
    let scripts = root().join("tests/clients");
    let installed = root().join("target/clients");
    for lock in locks(&scripts.join("python"))? {
        let name = lock.file_stem().unwrap_or_default();
        once(&lock, &installed.join(name), |home| python(&lock, home))?;
    }
    for name in NODE {
        let from = scripts.join(name);
        once(
            &from.join("package-lock.json"),
            &installed.join(name),
            |home| javascript(&from, home),
        )?;
    }
    Ok(())
}

/// Each client's requirements, sorted.
fn locks(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut locks = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "txt") {
            locks.push(path);
        }
    }
    locks.sort();
    Ok(locks)
}

/// Installs into an empty `home`, unless an installation with this `lock` was completed there.
fn once(lock: &Path, home: &Path, install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let wanted = fs::read(lock).with_context(|| format!("{} cannot be read", lock.display()))?;
    let installed = home.join("installed.lock");
    if fs::read(&installed).is_ok_and(|was| was == wanted) {
        return Ok(());
    }
    if home.exists() {
        fs::remove_dir_all(home)
            .with_context(|| format!("{} cannot be emptied", home.display()))?;
    }
    fs::create_dir_all(home).with_context(|| format!("{} cannot be made", home.display()))?;
    install(home)?;
    fs::write(&installed, wanted)
        .with_context(|| format!("{} cannot be written", installed.display()))
}

fn python(lock: &Path, home: &Path) -> Result<()> {
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    step(
        &format!("environment for the client {name}"),
        Command::new("python3").args(["-m", "venv"]).arg(home),
    )?;
    let pip = || {
        let mut pip = Command::new(home.join("bin/python"));
        pip.args(["-m", "pip", "--disable-pip-version-check"]);
        pip
    };
    step(
        &format!("install the client {name}"),
        pip()
            .args(["install", "--quiet"])
            .args(PINNED)
            .arg("-r")
            .arg(lock),
    )?;
    step(
        &format!("check that the lock of {name} is complete"),
        pip().arg("check"),
    )
}

fn javascript(from: &Path, home: &Path) -> Result<()> {
    for file in ["package.json", "package-lock.json"] {
        fs::copy(from.join(file), home.join(file))
            .with_context(|| format!("{file} cannot be copied to {}", home.display()))?;
    }
    step(
        &format!("install {}", from.display()),
        Command::new("npm").current_dir(home).args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]),
    )?;
    // Packages are searched above the path with which a script is started.
    symlink(from, home.join("scripts")).context("the scripts cannot be linked")
}
