//! The subcommands of `tollgate component`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    component::{Built, build},
    progress::Progress,
};

/// What to do with components.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build a tool in Rust, JavaScript or Python into a component.
    ///
    /// A folder with Cargo.toml is compiled for wasm32-unknown-unknown. If that target is not installed it
    /// is added by rustup or, on Debian and Ubuntu, its standard library is compiled with the
    /// distribution's packages. For package.json and pyproject.toml the toolchain is installed by npm or
    /// pip into the folder itself. Nothing is built again when nothing changed.
    Build(Build),
}

const EXAMPLES: &str = "\
Examples:
  $ tollgate component build tools/hello
  $ tollgate component build . --out adapter.wasm

With --json: {name, path, bytes, sha256, unchanged, elapsed_ms}.";

/// The arguments of `tollgate component build`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Build {
    /// The tool's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to put the component; `DIR/<name>.wasm` unless given.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs a subcommand.
pub(crate) fn run(command: Command, json: bool) -> anyhow::Result<()> {
    match command {
        Command::Build(Build { dir, out }) => {
            let built = build(&dir, out.as_deref(), Progress::on_stderr())?;
            anstream::stderr().write_all(built.warnings.as_bytes())?;
            report(&built, json)
        }
    }
}

fn report(built: &Built, as_json: bool) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout();
    let path = built.path.display();
    if as_json {
        let report = json!({
            "name": built.name,
            "path": path.to_string(),
            "bytes": built.bytes,
            "sha256": built.sha256,
            "unchanged": built.unchanged,
            "elapsed_ms": u64::try_from(built.elapsed.as_millis()).unwrap_or(u64::MAX),
        });
        writeln!(stdout, "{report}")?;
    } else {
        let verb = if built.unchanged {
            "unchanged"
        } else {
            "built"
        };
        writeln!(
            stdout,
            "{verb} {path} ({} KiB, sha256 {}, {:.1} s)",
            built.bytes.div_ceil(1024),
            built.sha256.get(..12).unwrap_or(&built.sha256),
            built.elapsed.as_secs_f64(),
        )?;
    }
    Ok(())
}
