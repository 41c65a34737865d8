//! `tollgate component build`: builds a component from the sources of a tool.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::{
    component::{BuildOutput, build},
    progress::Progress,
};

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
    /// The file to write; default: `DIR/<name>.wasm`.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Run `tollgate component build`.
pub(super) fn run(args: &Build, json: bool) -> anyhow::Result<()> {
    let built = build(&args.dir, args.out.as_deref(), Progress::on_stderr())?;
    anstream::stderr().write_all(built.warnings.as_bytes())?;
    report(&built, json)
}

fn report(built: &BuildOutput, as_json: bool) -> anyhow::Result<()> {
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
