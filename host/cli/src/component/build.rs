//! Builds one tool, by its language. A Rust crate is compiled, encoded, and written if it changed.

use std::env;
use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tollgate_model::ids::hex;

use crate::{
    component::{
        BuildError, BuildOutput, encode, files, javascript,
        process::{self, ProcessEnd},
        python,
        target::{self, TARGET, Toolchain},
    },
    progress::Progress,
};

/// Builds the tool in `dir` into a component: `out`, or `dir/<name>.wasm`.
///
/// Only what changed is built, and the file is only written when its bytes differ.
pub(crate) fn build(
    dir: &Path,
    out: Option<&Path>,
    progress: Progress,
) -> Result<BuildOutput, BuildError> {
    let there = |manifest: &str| dir.join(manifest).is_file();
    if there("Cargo.toml") {
        of_crate(dir, out, progress)
    } else if there(javascript::MANIFEST) {
        javascript::component(dir, out, progress)
    } else if there(python::MANIFEST) {
        python::component(dir, out, progress)
    } else {
        Err(BuildError::NoTool(dir.to_owned()))
    }
}

/// cargo compiles only what changed.
fn of_crate(dir: &Path, out: Option<&Path>, progress: Progress) -> Result<BuildOutput, BuildError> {
    let started = Instant::now();
    let path = |name: &str| out.map_or_else(|| dir.join(format!("{name}.wasm")), Path::to_owned);
    let dir = fs::canonicalize(dir).map_err(|error| files::error("open", dir, error))?;
    let toolchain = target::find(&dir, progress)?;
    let CompiledModule {
        name,
        module,
        warnings,
    } = compile(&toolchain, &dir, progress)?;

    let bytes = fs::read(&module).map_err(|error| files::error("read", &module, error))?;
    let component = encode::component(&bytes).map_err(|error| BuildError::Encode {
        dir: dir.clone(),
        error,
    })?;
    let path = path(&name);
    let unchanged = !files::write(&path, &component)?;
    Ok(BuildOutput {
        name,
        path,
        bytes: component.len() as u64,
        sha256: hex(&Sha256::digest(&component)),
        unchanged,
        warnings,
        elapsed: started.elapsed(),
    })
}

struct CompiledModule {
    name: String,
    module: PathBuf,
    warnings: String,
}

fn compile(
    toolchain: &Toolchain,
    dir: &Path,
    progress: Progress,
) -> Result<CompiledModule, BuildError> {
    let mut cargo = toolchain.cargo_rustc(dir);
    let colour = std::io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    cargo.args([
        "--lib",
        "--message-format",
        if colour {
            "json-diagnostic-rendered-ansi"
        } else {
            "json"
        },
    ]);
    if let Some(flags) = without_own_paths(toolchain) {
        cargo.args(["--config", &flags]);
    }
    if let Some(own) = dir.to_str() {
        cargo.args(["--", &format!("--remap-path-prefix={own}=.")]);
    }

    let shown = dir
        .file_name()
        .unwrap_or(dir.as_os_str())
        .display()
        .to_string();
    let step = progress.step(&format!("building {shown}"));
    let mut messages = Messages {
        manifest: dir.join("Cargo.toml"),
        artifact: None,
        rendered: String::new(),
    };
    let ProcessEnd { status, stderr } = process::run(
        cargo,
        None,
        |line| messages.read(line),
        |line| step.detail(line.trim()),
    )
    .map_err(|error| BuildError::Run {
        program: "cargo".to_owned(),
        error,
    })?;
    drop(step);

    let Messages {
        artifact, rendered, ..
    } = messages;
    if !status.is_some_and(|status| status.success()) {
        return Err(BuildError::Compile {
            dir: dir.to_owned(),
            output: rendered + &without_progress(&stderr),
        });
    }
    let (name, module) = artifact.ok_or_else(|| BuildError::NoModule(dir.to_owned()))?;
    Ok(CompiledModule {
        name,
        module,
        warnings: rendered,
    })
}

/// Flags that remove local folders from panic messages, so that the same sources give the same bytes on every
/// machine and do not reveal local paths. The flags are the same for every crate; otherwise each crate would
/// recompile all dependencies.
fn without_own_paths(toolchain: &Toolchain) -> Option<String> {
    let home = env::home_dir();
    let cargo = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(home.as_ref()?.join(".cargo")));
    let library = toolchain.library_sources();
    // The last match wins.
    let renamed = [
        (home, "~"),
        (cargo.map(|cargo| cargo.join("registry/src")), "/registry"),
        (fs::canonicalize(&library).ok(), "/rust"),
        (Some(library), "/rust"),
    ];
    let flags: Vec<String> = renamed
        .into_iter()
        .filter_map(|(from, to)| Some(format!("--remap-path-prefix={}={to}", from?.to_str()?)))
        .collect();
    // A JSON string is a valid TOML string.
    let list = serde_json::to_string(&flags).ok()?;
    Some(format!("target.{TARGET}.rustflags={list}"))
}

/// cargo's messages on standard output: one JSON object per line.
struct Messages {
    manifest: PathBuf,
    artifact: Option<(String, PathBuf)>,
    rendered: String,
}

impl Messages {
    fn read(&mut self, line: &str) {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return;
        };
        match message.get("reason").and_then(Value::as_str) {
            Some("compiler-message") => {
                if let Some(text) = message.pointer("/message/rendered").and_then(Value::as_str) {
                    self.rendered.push_str(text);
                }
            }
            Some("compiler-artifact") => {
                if let Some(artifact) = self.module(&message) {
                    self.artifact = Some(artifact);
                }
            }
            _ => {}
        }
    }

    /// The module of the crate itself; dependencies may produce modules as well.
    fn module(&self, message: &Value) -> Option<(String, PathBuf)> {
        let manifest = Path::new(message.get("manifest_path")?.as_str()?);
        if manifest != self.manifest && fs::canonicalize(manifest).ok()? != self.manifest {
            return None;
        }
        let files = message
            .get("filenames")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str);
        let module = files
            .map(PathBuf::from)
            .find(|file| file.extension().is_some_and(|kind| kind == "wasm"))?;
        let name = message.pointer("/target/name")?.as_str()?.replace('_', "-");
        Some((name, module))
    }
}

/// cargo's standard error without progress lines.
fn without_progress(stderr: &str) -> String {
    const VERBS: [&str; 9] = [
        "Compiling",
        "Checking",
        "Building",
        "Finished",
        "Updating",
        "Locking",
        "Adding",
        "Downloading",
        "Downloaded",
    ];
    let lines = stderr
        .lines()
        .filter(|line| !VERBS.iter().any(|verb| line.trim_start().starts_with(verb)));
    lines.map(|line| format!("{line}\n")).collect()
}
