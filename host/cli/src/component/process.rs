//! Runs other programs: cargo, rustc, rustup, apt-get.
//!
//! They get a reduced environment that cannot change the build. `cargo run`, `cargo xtask` and rustup's proxies set
//! variables for the toolchain and flags of the *outer* build, which would be wrong for the inner one.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Variables that are passed on: paths, proxies and parallelism, which do not change the result.
const KEPT: [&str; 9] = [
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_JOBS",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_TERM_",
    "RUSTUP_",
];

/// A command with a clean environment and no input.
pub(crate) fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    let below_cargo = env::var_os("CARGO").is_some();
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if leaks(name, below_cargo) {
            command.env_remove(name);
        }
    }
    command
}

fn leaks(name: &str, below_cargo: bool) -> bool {
    match name {
        // Set by the user it is a choice. Below cargo it is rustup's note of the outer toolchain, and the
        // library path is cargo's.
        "RUSTUP_TOOLCHAIN" | "LD_LIBRARY_PATH" => below_cargo,
        _ => {
            let of_rust = name.starts_with("CARGO") || name.starts_with("RUST");
            of_rust && !KEPT.iter().any(|kept| name.starts_with(kept))
        }
    }
}

/// The first file of this name in PATH.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// The standard output of a program, if it succeeds.
pub(crate) fn output(mut command: Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The output and exit of a program.
pub(crate) struct ProcessEnd {
    /// Its exit status; `None` when it took too long and was stopped.
    pub(crate) status: Option<ExitStatus>,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

/// Runs a program. Each line of standard output goes to `line`, each of standard error to `note`.
pub(crate) fn run(
    mut command: Command,
    limit: Option<Duration>,
    mut line: impl FnMut(&str) + Send,
    mut note: impl FnMut(&str) + Send,
) -> std::io::Result<ProcessEnd> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut said = String::new();
    let status = thread::scope(|scope| {
        scope.spawn(|| each_line(stdout, &mut line));
        scope.spawn(|| {
            each_line(stderr, |text| {
                note(text);
                said.push_str(text);
                said.push('\n');
            });
        });
        wait(&mut child, limit)
    })?;
    Ok(ProcessEnd {
        status,
        stderr: said,
    })
}

fn each_line(source: Option<impl Read>, mut act: impl FnMut(&str)) {
    let Some(source) = source else { return };
    let mut source = BufReader::new(source);
    let mut bytes = Vec::new();
    while matches!(source.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
        act(String::from_utf8_lossy(&bytes).trim_end());
        bytes.clear();
    }
}

fn wait(child: &mut Child, limit: Option<Duration>) -> std::io::Result<Option<ExitStatus>> {
    let Some(limit) = limit else {
        return child.wait().map(Some);
    };
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests;
