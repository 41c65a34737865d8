//! `tollgate component build`: builds a component from the sources of a tool.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::register;
use crate::{
    component::{BuildOutput, build},
    context::Context,
    error::Failure,
    progress::Progress,
    style::{Tone, paint},
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate component build tools/hello
  $ tollgate component build tools/hello --accept
  $ tollgate component build . --out adapter.wasm

With --json: {name, path, bytes, sha256, unchanged, elapsed_ms}, and with --accept: accepted, the component's name.";

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
    /// Accept the new file, as `component accept` does, for the component that has it in tollgate.toml.
    #[arg(long)]
    accept: bool,
}

/// Run `tollgate component build`.
pub(super) fn run(args: &Build, cx: &Context<'_>) -> Result<(), Failure> {
    let built = build(&args.dir, args.out.as_deref(), Progress::on_stderr())
        .map_err(anyhow::Error::from)?;
    anstream::stderr().write_all(built.warnings.as_bytes())?;
    let accepted = match args.accept {
        true => Some(register::accept_file(&built.path, &cx.config()?, cx)?),
        false => None,
    };
    report(&built, accepted.as_deref(), cx.out.is_json())?;
    Ok(())
}

fn report(built: &BuildOutput, accepted: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout();
    let path = built.path.display();
    if as_json {
        let mut report = json!({
            "name": built.name,
            "path": path.to_string(),
            "bytes": built.bytes,
            "sha256": built.sha256,
            "unchanged": built.unchanged,
            "elapsed_ms": u64::try_from(built.elapsed.as_millis()).unwrap_or(u64::MAX),
        });
        if let (Some(members), Some(name)) = (report.as_object_mut(), accepted) {
            members.insert("accepted".into(), name.into());
        }
        writeln!(stdout, "{report}")?;
    } else {
        writeln!(stdout, "{}", summary(built))?;
        if let Some(name) = accepted {
            writeln!(stdout, "{} accepted {name}", paint("✓", Tone::Good))?;
        }
    }
    Ok(())
}

/// One line about what was built.
pub(crate) fn summary(built: &BuildOutput) -> String {
    let verb = if built.unchanged {
        "unchanged"
    } else {
        "built"
    };
    format!(
        "{verb} {} ({} KiB, sha256 {}, {:.1} s)",
        built.path.display(),
        built.bytes.div_ceil(1024),
        built.sha256.get(..12).unwrap_or(&built.sha256),
        built.elapsed.as_secs_f64(),
    )
}
