//! Common parts for languages whose toolchain comes from their own registry. The toolchain is installed into the
//! project's folder, and the component is built only if a source changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use tollgate_model::ids::hex;

use crate::{
    component::{
        BuildError, BuildOutput, encode, files,
        process::{self, ProcessEnd},
    },
    progress::Progress,
};

/// The interfaces, in a project's folder.
pub(super) const WIT: &str = "sdk/wit";
/// Folders of build products, which are not sources.
const MADE: [&str; 3] = ["node_modules", "__pycache__", "target"];
/// The most files in a project; a folder with more is refused.
const MAX_FILES: usize = 10_000;

/// A project, and where its component goes.
pub(super) struct Project<'a> {
    /// Its folder, absolute.
    pub(super) dir: PathBuf,
    /// The component's name.
    pub(super) name: String,
    /// The folder in it with the toolchain and the stamp of the last build.
    pub(super) tools: PathBuf,
    /// The path of the component.
    pub(super) out: PathBuf,
    pub(super) progress: Progress,
    /// The parameters of the toolchain, which are part of the stamp.
    pub(super) recipe: &'a str,
}

impl<'a> Project<'a> {
    /// The project in `dir`. `name` reads its name; its toolchain is in the folder `tools`.
    pub(super) fn open(
        dir: &Path,
        out: Option<&Path>,
        tools: &str,
        recipe: &'a str,
        progress: Progress,
        name: fn(&Path) -> Result<String, BuildError>,
    ) -> Result<Self, BuildError> {
        let absolute = fs::canonicalize(dir).map_err(|error| files::error("open", dir, error))?;
        let name = name(&absolute)?;
        Ok(Self {
            out: out.map_or_else(|| dir.join(format!("{name}.wasm")), Path::to_owned),
            tools: absolute.join(tools),
            dir: absolute,
            name,
            progress,
            recipe,
        })
    }
}

impl Project<'_> {
    /// The component: unchanged if no source changed, else built by `make`, which writes to the path that it gets.
    pub(super) fn component(
        &self,
        started: Instant,
        make: impl FnOnce(&Path) -> Result<(), BuildError>,
    ) -> Result<BuildOutput, BuildError> {
        let sources = self.sources()?;
        let stamp = self.tools.join(".tollgate-stamp");
        let known = fs::read_to_string(&stamp).unwrap_or_default();
        if let Ok(there) = fs::read(&self.out) {
            let sha256 = hex(&Sha256::digest(&there));
            if known == format!("{sources} {sha256}") {
                return Ok(self.built(&there, sha256, true, started));
            }
        }
        let made = self.tools.join(".tollgate-component.wasm");
        make(&made)?;
        let bytes = fs::read(&made).map_err(|error| files::error("read", &made, error))?;
        encode::check(&bytes).map_err(|error| BuildError::Encode {
            dir: self.dir.clone(),
            error,
        })?;
        let unchanged = !files::write(&self.out, &bytes)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        fs::write(&stamp, format!("{sources} {sha256}"))
            .map_err(|error| files::error("write", &stamp, error))?;
        // The copy next to the stamp is not needed any more.
        let _ = fs::remove_file(&made);
        Ok(self.built(&bytes, sha256, unchanged, started))
    }

    fn built(
        &self,
        bytes: &[u8],
        sha256: String,
        unchanged: bool,
        started: Instant,
    ) -> BuildOutput {
        BuildOutput {
            name: self.name.clone(),
            path: self.out.clone(),
            bytes: bytes.len() as u64,
            sha256,
            unchanged,
            warnings: String::new(),
            elapsed: started.elapsed(),
        }
    }

    /// A digest of all sources and parameters.
    fn sources(&self) -> Result<String, BuildError> {
        let mut files = Vec::new();
        walk(&self.dir, &mut files)?;
        files.sort();
        let mut digest = Sha256::new();
        digest.update(env!("CARGO_PKG_VERSION"));
        digest.update(self.recipe);
        for path in files {
            let bytes = fs::read(&path).map_err(|error| files::error("read", &path, error))?;
            let name = path.strip_prefix(&self.dir).unwrap_or(&path);
            digest.update(name.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(Sha256::digest(&bytes));
        }
        Ok(hex(&digest.finalize()))
    }

    /// Runs a step of the build; `what` is the text of the progress display.
    pub(super) fn run(&self, what: &str, command: Command) -> Result<(), BuildError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let step = self.progress.step(what);
        let mut output = String::new();
        let ProcessEnd { status, stderr } = process::run(
            command,
            None,
            |line| {
                output.push_str(line);
                output.push('\n');
            },
            |line| step.detail(line.trim()),
        )
        .map_err(|error| BuildError::Run { program, error })?;
        drop(step);
        if status.is_some_and(|status| status.success()) {
            return Ok(());
        }
        Err(BuildError::Step {
            dir: self.dir.clone(),
            what: what.to_owned(),
            output: output + &stderr,
        })
    }
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), BuildError> {
    let failed = |error| files::error("read", dir, error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || MADE.contains(&&*name) || name.ends_with(".wasm") {
            continue;
        }
        // Follows links, such as those to the interfaces.
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(BuildError::TooManyFiles(dir.to_owned()));
        }
    }
    Ok(())
}

/// The path of a required program.
pub(super) fn needed(program: &str, remedy: &'static str) -> Result<PathBuf, BuildError> {
    process::in_path(program).ok_or_else(|| BuildError::Missing {
        program: program.to_owned(),
        remedy,
    })
}

/// Whether a file exists and is not older than another.
pub(super) fn up_to_date(made: &Path, of: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    match (time(made), time(of)) {
        (Some(made), Some(of)) => made >= of,
        (made, None) => made.is_some(),
        (None, _) => false,
    }
}
