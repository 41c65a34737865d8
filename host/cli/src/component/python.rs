//! Tools in Python: made a component with an interpreter by componentize-py. It comes from PyPI, as pinned by the
//! project's requirements.txt.

use std::fs;
use std::path::Path;
use std::time::Instant;

use toml_edit::DocumentMut;

use crate::{
    component::{
        BuildError, BuildOutput, files,
        interpreted::{Project, WIT, needed, up_to_date},
        process,
    },
    progress::Progress,
};

pub(super) const MANIFEST: &str = "pyproject.toml";
const REQUIREMENTS: &str = "requirements.txt";
const PYTHON: &str =
    "install Python 3.10 or newer (on Debian and Ubuntu: apt-get install python3 python3-venv)";
const PACKAGE: &str = "a package must be listed in requirements.txt with its hashes, and be pure Python: a component \
    loads no compiled extension";
/// Options of pip that install exactly the listed files: each with its hash, no further dependencies, and no source
/// distributions, whose build would run code and install unpinned packages.
const PINNED: [&str; 6] = [
    "--quiet",
    "--disable-pip-version-check",
    "--require-hashes",
    "--no-deps",
    "--only-binary",
    ":all:",
];
/// The module of the SDK that exports the tools.
const ENTRY: &str = "tollgate_main";

pub(super) fn component(
    dir: &Path,
    out: Option<&Path>,
    progress: Progress,
) -> Result<BuildOutput, BuildError> {
    let started = Instant::now();
    let project = Project::open(dir, out, ".venv", ENTRY, progress, name)?;
    let python = needed("python3", PYTHON)?;
    let installed = project.tools.join(".tollgate-installed");
    let requirements = project.dir.join(REQUIREMENTS);
    let bin = project.tools.join("bin");
    if !up_to_date(&installed, &requirements) {
        let mut venv = process::command(python, &project.dir);
        venv.args(["-m", "venv", "--clear", ".venv"]);
        project
            .run("making .venv", venv)
            .map_err(|error| match error {
                BuildError::Step { dir, what, output } if output.contains("ensurepip") => {
                    let output = format!("{output}\n{PYTHON}");
                    BuildError::Step { dir, what, output }
                }
                error => error,
            })?;
        let mut install = process::command(bin.join("python"), &project.dir);
        install.args(["-m", "pip", "install"]).args(PINNED);
        install.args(["-r", REQUIREMENTS]);
        project.run("installing componentize-py with pip", install)?;
        let mut check = process::command(bin.join("python"), &project.dir);
        check.args(["-m", "pip", "--disable-pip-version-check", "check"]);
        project.run("checking that requirements.txt is complete", check)?;
        fs::write(&installed, "").map_err(|error| files::error("write", &installed, error))?;
    }
    project.component(started, |made| {
        let mut componentize = process::command(bin.join("componentize-py"), &project.dir);
        componentize.env("VIRTUAL_ENV", &project.tools);
        // Makes builds reproducible.
        componentize.env("PYTHONHASHSEED", "0");
        componentize.env("PYTHONDONTWRITEBYTECODE", "1");
        // The frames of componentize-py itself would follow the traceback of the tool.
        componentize.env("RUST_BACKTRACE", "0");
        componentize.args(["--quiet", "-d", WIT, "-w", "adapter"]);
        // WASI is stubbed, because a tool has no system interface.
        componentize.args(["componentize", ENTRY, "--stub-wasi", "-p", ".", "-p", "sdk"]);
        componentize.arg("-o").arg(made);
        project
            .run(&format!("building {}", project.name), componentize)
            .map_err(with_remedy)
    })
}

/// Says what to do about a package that is not installed.
fn with_remedy(error: BuildError) -> BuildError {
    match error {
        BuildError::Step { dir, what, output } if output.contains("ModuleNotFoundError") => {
            BuildError::Step {
                dir,
                what,
                output: format!("{output}\n{PACKAGE}"),
            }
        }
        error => error,
    }
}

/// `name` of `[project]`.
fn name(dir: &Path) -> Result<String, BuildError> {
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|error| files::error("read", &path, error))?;
    let manifest: Option<DocumentMut> = text.parse().ok();
    let name = manifest
        .as_ref()
        .and_then(|m| m.get("project")?.get("name")?.as_str());
    name.map(str::to_owned)
        .filter(|name| files::is_file_name(name))
        .ok_or(BuildError::NoName(path))
}
