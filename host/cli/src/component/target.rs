//! Finds or installs a standard library for `wasm32-unknown-unknown`.
//!
//! It tries, in this order: an installed target; `rustup target add`; the library's sources from Debian's and
//! Ubuntu's packages, compiled by their compiler; the same after installing the packages, if run as root. Otherwise
//! the error names the commands to type. It never changes which toolchain a folder uses.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use crate::{
    component::process::{self, ProcessEnd},
    progress::Progress,
};

/// The target of adapters, which has no system interface.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler for building web browsers, which is always recent, and the library's sources.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DISTRIBUTION: &str = "/usr/bin";

/// The timeout of rustup, which downloads about 25 MB.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);
const APT_LIMIT: Duration = Duration::from_secs(900);
/// The pause after a failure of rustup, so that builds without a network do not wait for it every time.
const RUSTUP_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

/// Why nothing here can compile for the target.
#[derive(Debug, Error)]
pub(crate) enum TargetError {
    /// Rust is not installed.
    #[error("there is no Rust compiler in PATH; install one from https://rustup.rs, then repeat")]
    NoRust,
    /// There is no library for the target, and it could not be installed.
    #[error(
        "no standard library for {TARGET} is installed; tried:\n{tried}\nType one of these, then repeat:\n  \
         rustup target add {TARGET}{toolchain}\n  sudo apt-get update && sudo apt-get install -y {packages}   (Debian, Ubuntu)"
    )]
    NoLibrary {
        /// The attempts, one per line.
        tried: String,
        /// The toolchain without it, as an option of rustup.
        toolchain: String,
        /// The distribution's packages that contain it.
        packages: String,
    },
}

/// A compiler with a library for the target.
#[derive(Debug)]
pub(crate) struct Toolchain {
    cargo: PathBuf,
    /// Set if cargo would choose another compiler.
    rustc: Option<PathBuf>,
    /// The linker, if the library is compiled from its sources.
    linker: Option<PathBuf>,
    sysroot: PathBuf,
}

impl Toolchain {
    /// `cargo rustc` for the target, in a folder.
    pub(crate) fn cargo_rustc(&self, dir: &Path) -> Command {
        let mut command = process::command(&self.cargo, dir);
        command.args(["rustc", "--release", "--target", TARGET]);
        if let Some(rustc) = &self.rustc {
            command.env("RUSTC", rustc);
        }
        if let Some(linker) = &self.linker {
            // Lets the distribution's stable compiler build the library (`-Z build-std`).
            command.env("RUSTC_BOOTSTRAP", "1");
            command.arg("-Zbuild-std=std,panic_abort");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }

    /// The path of the library's sources, which is part of panic messages.
    pub(crate) fn library_sources(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust")
    }
}

/// Finds a toolchain for the crate in `dir`, or installs what is missing.
pub(crate) fn find(dir: &Path, progress: Progress) -> Result<Toolchain, TargetError> {
    let mut tried = Vec::new();
    let own = Compiler::in_path(dir);
    let distribution = Compiler::of_distribution(dir);
    if let Some(toolchain) = own.as_ref().and_then(Compiler::installed) {
        return Ok(toolchain);
    }
    if let Some(toolchain) = distribution.as_ref().and_then(Compiler::installed) {
        return Ok(toolchain);
    }
    if own.is_none() && distribution.is_none() {
        return Err(TargetError::NoRust);
    }
    if let Some(own) = &own {
        match add_with_rustup(own, dir, progress) {
            Ok(toolchain) => return Ok(toolchain),
            Err(why) => tried.push(format!("  rustup: {why}")),
        }
    }
    let packages = PACKAGES.join(" ");
    let mut missing = match from_sources(distribution.as_ref(), own.as_ref()) {
        Ok(toolchain) => {
            if let Some(own) = &own {
                remember_failure(own);
            }
            return Ok(toolchain);
        }
        Err(missing) => missing,
    };
    tried.push(format!("  {packages}: {missing}"));
    if missing == MissingPart::Packages {
        match install_packages(dir, progress) {
            Ok(()) => match from_sources(Compiler::of_distribution(dir).as_ref(), own.as_ref()) {
                Ok(toolchain) => return Ok(toolchain),
                Err(still) => {
                    tried.push(format!("  apt-get: done, but {still}"));
                    missing = still;
                }
            },
            Err(why) => tried.push(format!("  apt-get: {why}")),
        }
    }
    let toolchain = own
        .as_ref()
        .and_then(Compiler::rustup_name)
        .map(|name| format!(" --toolchain {name}"));
    Err(TargetError::NoLibrary {
        tried: tried.join("\n"),
        toolchain: toolchain.unwrap_or_default(),
        packages: if missing == MissingPart::Linker {
            format!("{packages} lld")
        } else {
            packages
        },
    })
}

/// A compiler, its cargo, and the path of its libraries.
struct Compiler {
    cargo: PathBuf,
    rustc: PathBuf,
    sysroot: PathBuf,
    by_path: bool,
}

impl Compiler {
    fn in_path(dir: &Path) -> Option<Self> {
        Self::new(
            process::in_path("cargo")?,
            process::in_path("rustc")?,
            true,
            dir,
        )
    }

    fn of_distribution(dir: &Path) -> Option<Self> {
        let bin = Path::new(DISTRIBUTION);
        let (cargo, rustc) = (bin.join("cargo"), bin.join("rustc"));
        (cargo.is_file() && rustc.is_file()).then_some(())?;
        Self::new(cargo, rustc, false, dir)
    }

    fn new(cargo: PathBuf, rustc: PathBuf, by_path: bool, dir: &Path) -> Option<Self> {
        let mut ask = process::command(&rustc, dir);
        ask.args(["--print", "sysroot"]);
        let sysroot = PathBuf::from(process::output(ask)?);
        Some(Self {
            cargo,
            rustc,
            sysroot,
            by_path,
        })
    }

    fn has_target(&self) -> bool {
        self.sysroot
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib")
            .is_dir()
    }

    fn installed(&self) -> Option<Toolchain> {
        self.has_target().then(|| self.toolchain(None))
    }

    fn toolchain(&self, linker: Option<PathBuf>) -> Toolchain {
        Toolchain {
            cargo: self.cargo.clone(),
            rustc: (!self.by_path).then(|| self.rustc.clone()),
            linker,
            sysroot: self.sysroot.clone(),
        }
    }

    /// The name by which rustup knows it.
    fn rustup_name(&self) -> Option<String> {
        let parent = self.sysroot.parent()?;
        let name = self.sysroot.file_name()?.to_str()?;
        parent.ends_with("toolchains").then(|| name.to_owned())
    }

    /// The linker for WebAssembly that comes with every rustup toolchain.
    fn own_linker(&self) -> Option<PathBuf> {
        let hosts = fs::read_dir(self.sysroot.join("lib/rustlib")).ok()?;
        hosts
            .filter_map(Result::ok)
            .map(|host| host.path().join("bin/rust-lld"))
            .find(|file| file.is_file())
    }
}

fn add_with_rustup(own: &Compiler, dir: &Path, progress: Progress) -> Result<Toolchain, String> {
    let rustup = process::in_path("rustup").ok_or("not installed")?;
    own.rustup_name()
        .ok_or("the compiler in PATH is not one of its toolchains")?;
    if failed_recently(own) {
        return Err(format!(
            "failed within the last {} hours, not tried again yet",
            RUSTUP_PAUSE.as_secs() / 3600
        ));
    }
    let step = progress.step(&format!("adding the target {TARGET} with rustup"));
    let mut add = process::command(rustup, dir);
    // Without a name it is the toolchain that the folder uses.
    add.args(["target", "add", TARGET]);
    match process::run(add, Some(RUSTUP_LIMIT), |_| {}, |line| step.detail(line)) {
        Ok(ProcessEnd {
            status: Some(status),
            ..
        }) if status.success() => own
            .installed()
            .ok_or_else(|| "added it, but it is not there".to_owned()),
        Ok(ProcessEnd {
            status: Some(_),
            stderr,
        }) => Err(last_error(&stderr)),
        Ok(ProcessEnd { status: None, .. }) => Err(format!(
            "took over {} s and was stopped",
            RUSTUP_LIMIT.as_secs()
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// The missing part of the distribution's toolchain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum MissingPart {
    #[error("not all of them are installed")]
    Packages,
    #[error(
        "there is no linker for WebAssembly; every toolchain of rustup brings one, and the package lld"
    )]
    Linker,
}

fn from_sources(
    distribution: Option<&Compiler>,
    own: Option<&Compiler>,
) -> Result<Toolchain, MissingPart> {
    let sources = |compiler: &&Compiler| {
        compiler
            .sysroot
            .join("lib/rustlib/src/rust/library/Cargo.lock")
            .is_file()
    };
    let distribution = distribution.filter(sources).ok_or(MissingPart::Packages)?;
    let linker = own
        .and_then(Compiler::own_linker)
        .or_else(|| distribution.own_linker())
        .or_else(|| {
            ["rust-lld", "wasm-ld"]
                .into_iter()
                .find_map(process::in_path)
        })
        .ok_or(MissingPart::Linker)?;
    Ok(distribution.toolchain(Some(linker)))
}

fn install_packages(dir: &Path, progress: Progress) -> Result<(), String> {
    let apt = process::in_path("apt-get").ok_or("not installed")?;
    if !rustix::process::geteuid().is_root() {
        return Err("needs root".to_owned());
    }
    Progress::say(&format!(
        "Installing {} with apt-get, to compile for {TARGET}.",
        PACKAGES.join(", ")
    ));
    let step = progress.step("installing with apt-get");
    let update: &[&str] = &["update"];
    let install: Vec<&str> = ["install", "-y", "--no-install-recommends"]
        .into_iter()
        .chain(PACKAGES)
        .collect();
    for arguments in [update, &install] {
        let mut run = process::command(&apt, dir);
        run.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        match process::run(run, Some(APT_LIMIT), |line| step.detail(line), |_| {}) {
            Ok(ProcessEnd {
                status: Some(status),
                ..
            }) if status.success() => {}
            Ok(ProcessEnd {
                status: Some(_),
                stderr,
            }) => return Err(last_error(&stderr)),
            Ok(ProcessEnd { status: None, .. }) => {
                return Err(format!(
                    "took over {} s and was stopped",
                    APT_LIMIT.as_secs()
                ));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

fn last_error(stderr: &str) -> String {
    let lines = || {
        stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    let marked =
        lines().rfind(|line| line.to_lowercase().starts_with("error") || line.starts_with("E: "));
    marked
        .or_else(|| lines().next_back())
        .unwrap_or("failed without a word")
        .to_owned()
}

/// The file in the user's cache that marks a failure of rustup for a toolchain.
fn failure_note(own: &Compiler) -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".cache")))?;
    Some(
        cache
            .join("tollgate")
            .join(format!("rustup-failed-{}", own.rustup_name()?)),
    )
}

fn failed_recently(own: &Compiler) -> bool {
    let noted = || fs::metadata(failure_note(own)?).ok()?.modified().ok();
    noted().is_some_and(|when| {
        SystemTime::now()
            .duration_since(when)
            .is_ok_and(|age| age < RUSTUP_PAUSE)
    })
}

/// Writes the mark. A failure is ignored, because the next build then only takes longer.
fn remember_failure(own: &Compiler) {
    let Some(note) = failure_note(own) else {
        return;
    };
    if failed_recently(own) {
        return;
    }
    if let Some(parent) = note.parent() {
        let _ = fs::create_dir_all(parent);
    }
    let _ = fs::write(
        note,
        "rustup could not add the target; delete this file to try again at once\n",
    );
}

#[cfg(test)]
mod tests;
