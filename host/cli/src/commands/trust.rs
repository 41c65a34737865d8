//! `tollgate trust`: the list of trusted configurations.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tollgate::config::FILE_NAME;

use crate::{
    context::{Context, nearest_config},
    error::{Failure, shown},
    exit_code::Exit,
    style::{Tone, paint},
    trust::TrustedFiles,
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate trust
  $ tollgate trust vendor/gate
  $ tollgate trust --remove vendor/gate
  $ tollgate trust --list

A configuration starts programs and names secrets. Without --config, the nearest one is used only if you or
root own it, no other account can write it or its directory, and you trust it. `tollgate init` trusts the
configuration that it writes. Your list is ~/.local/state/tollgate/trusted.

With --json: {file, trusted}; with --list: {files}.";

/// The arguments of `tollgate trust`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Trust {
    /// The configuration or its directory; default: the nearest one.
    #[arg(conflicts_with = "list")]
    path: Option<PathBuf>,
    /// Remove it from the list.
    #[arg(long, conflicts_with = "list")]
    remove: bool,
    /// List the trusted configurations.
    #[arg(long)]
    list: bool,
}

/// Run `tollgate trust`.
pub(crate) fn run(args: &Trust, cx: &Context<'_>) -> Result<Exit, Failure> {
    let mut trusted = TrustedFiles::read()?;
    if args.list {
        let files = trusted.files();
        cx.out.show(&json!({ "files": files }), || {
            let lines = files.iter().map(|file| format!("{}\n", file.display()));
            lines.collect()
        })?;
        if files.is_empty() {
            cx.out.remark("no configuration is trusted");
        }
        return Ok(Exit::Ok);
    }
    let file = match (&args.path, cx.named_config()) {
        (Some(path), _) => configuration(path),
        (None, Some(file)) => file.to_owned(),
        (None, None) => nearest_config()?,
    };
    let (file, state) = match args.remove {
        true if trusted.remove(&file)? => (file, "no longer trusted"),
        true => {
            return Err(Failure::plain(format!("{} is not trusted", shown(&file)))
                .help("see what is: tollgate trust --list"));
        }
        false => (trusted.add(&file)?, "trusted"),
    };
    cx.out
        .show(&json!({ "file": file, "trusted": !args.remove }), || {
            let tick = paint("✓", Tone::Good);
            format!("{tick} {} is {state}", shown(&file))
        })?;
    Ok(Exit::Ok)
}

fn configuration(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join(FILE_NAME),
        false => path.to_owned(),
    }
}
