//! Programs that the tasks need besides Rust: found, or installed with apt-get.

use std::{fs, process::Command};

use anyhow::{Result, bail};

use crate::command::{root, step};

/// The target of the tests' commands.
pub(crate) const WASI: &str = "wasm32-wasip2";

/// Exits with 0 in a sufficiently new Node.js.
const NODE_20: &str = "process.exit(Number(process.versions.node.split('.')[0]) >= 20 ? 0 : 1)";
/// Exits with 0 in a sufficiently new Python that can create environments.
const PYTHON_3_11: &str =
    "import ensurepip, sys, venv; sys.exit(0 if sys.version_info >= (3, 11) else 1)";

/// Whether a command can be started and succeeds.
fn runs(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// The crash tests kill a process at chosen system calls.
pub(crate) fn strace() -> Result<()> {
    needed(
        "the crash tests need strace",
        || runs("strace", &["--version"]),
        &["strace"],
    )
}

/// The metrics are scraped by a Prometheus.
pub(crate) fn prometheus() -> Result<()> {
    needed(
        "the tests of the metrics need Prometheus",
        || runs("prometheus", &["--version"]),
        &["prometheus"],
    )
}

/// Components in JavaScript and Python are built by their languages' own tools.
pub(crate) fn languages() -> Result<()> {
    needed(
        "the adapters in JavaScript need Node.js 20 or newer with npm",
        || runs("node", &["-e", NODE_20]) && runs("npm", &["--version"]),
        &["nodejs", "npm"],
    )?;
    needed(
        "the adapters and clients in Python need Python 3.11 or newer with venv",
        || runs("python3", &["-c", PYTHON_3_11]),
        &["python3", "python3-venv"],
    )
}

/// The standard library for WASI 0.2, added to the toolchain if it is not there.
pub(crate) fn wasi_target() -> Result<()> {
    let there = || {
        let mut ask = Command::new("rustc");
        ask.current_dir(root())
            .args(["--print", "target-libdir", "--target", WASI]);
        ask.output().is_ok_and(|output| {
            let dir = String::from_utf8_lossy(&output.stdout);
            fs::read_dir(dir.trim()).is_ok_and(|mut files| files.next().is_some())
        })
    };
    if there() {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.current_dir(root()).args(["target", "add", WASI]);
    step(&format!("add the target {WASI}"), &mut add).ok();
    if there() {
        return Ok(());
    }
    bail!("a guest of the tests needs Rust's {WASI}: install it with `rustup target add {WASI}`")
}

fn needed(what: &str, there: impl Fn() -> bool, packages: &[&str]) -> Result<()> {
    if there() {
        return Ok(());
    }
    let packages_text = packages.join(" ");
    if runs("apt-get", &["--version"]) {
        // The error is reported below.
        step(
            "update the package lists",
            Command::new("apt-get").args(["-q", "update"]),
        )
        .and_then(|()| {
            let mut install = Command::new("apt-get");
            install.args(["-qy", "install"]).args(packages);
            step(&format!("install {packages_text}"), &mut install)
        })
        .ok();
    }
    if there() {
        return Ok(());
    }
    bail!("{what}: install it, as in `sudo apt-get install {packages_text}`")
}
