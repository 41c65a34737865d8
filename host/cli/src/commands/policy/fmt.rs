//! `tollgate policy fmt`: Cedar's own formatter.

use std::path::PathBuf;

use cedar_policy_formatter::{Config as Style, policies_str_to_pretty};
use clap::Args;
use serde::Serialize;

use crate::{
    context::Context,
    error::{Failure, shown},
    exit_code::Exit,
    files,
    style::{Tone, paint},
    units::count,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy fmt
  $ tollgate policy fmt --check policies/refunds.cedar
  $ tollgate policy fmt --diff

Formats every file of the configured directory, or the named files. Comments and meaning do not change. A
file that does not parse is not changed. With --check nothing is written, and the exit code is 1 if a file
is not formatted; --diff also shows what would change.

With --json: {files, changed [FILE]}.";

/// The files to format.
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Only list the files that are not formatted.
    #[arg(long)]
    check: bool,
    /// Show what would change, and write nothing.
    #[arg(long)]
    diff: bool,
    /// Files or directories; otherwise the configured directory.
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct FormatReport {
    files: usize,
    changed: Vec<PathBuf>,
}

/// Run `tollgate policy fmt`.
pub(super) fn run(args: &Fmt, cx: &Context<'_>) -> Result<Exit, Failure> {
    let named = if args.files.is_empty() {
        vec![cx.config()?.policies]
    } else {
        args.files.clone()
    };
    let mut sources: Vec<(PathBuf, String)> = Vec::new();
    for path in named {
        if path.is_dir() {
            let found = tollgate::config::policy_files(&path)?;
            sources.extend(found.into_iter().map(|f| (path.join(f.name), f.text)));
        } else {
            let file = tollgate::config::policy_file(&path)?;
            sources.push((path, file));
        }
    }
    let mut formatted = FormatReport {
        files: sources.len(),
        changed: Vec::new(),
    };
    let mut failed = 0;
    for (path, text) in sources {
        match pretty(&text) {
            Ok(pretty) if pretty == text => {}
            Ok(pretty) => {
                if args.diff && !cx.out.is_json() {
                    let name = shown(&path);
                    let diff = similar::TextDiff::from_lines(&text, &pretty);
                    let mut diff = diff.unified_diff();
                    let diff = diff.header(&name, &name).to_string();
                    cx.out.text(&diff)?;
                }
                if !args.check && !args.diff {
                    files::replace(&path, pretty.as_bytes()).map_err(|e| {
                        Failure::plain(format!("{}: it cannot be written: {e}", path.display()))
                    })?;
                }
                formatted.changed.push(path);
            }
            Err(reason) => {
                failed += 1;
                let error = paint("error:", Tone::Bad);
                cx.out
                    .remark(&format!("{error} {}: {reason}", shown(&path)));
            }
        }
    }
    cx.out.show(&formatted, || {
        render(&formatted, failed, args.check || args.diff)
    })?;
    let unformatted = (args.check || args.diff) && !formatted.changed.is_empty();
    Ok(if failed > 0 || unformatted {
        Exit::Failure
    } else {
        Exit::Ok
    })
}

/// The formatted text.
fn pretty(text: &str) -> Result<String, String> {
    if let Some(problem) = tollgate_policy::policy::too_deep(text) {
        return Err(format!("it is not formatted: {problem}"));
    }
    if text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let style = Style {
        line_width: 100,
        indent_width: 2,
    };
    // Cedar's formatter would join the comments of the file with those of its first policy.
    let (about, policies) = text.split_at(end_of_header(text));
    policies_str_to_pretty(policies, &style)
        .map(|pretty| format!("{about}{}\n", pretty.trim_end()))
        .map_err(|report| {
            format!("it is not formatted: {report}; see where with `tollgate policy check`")
        })
}

/// The end of the comments about the whole file: those at its top, before a blank line.
fn end_of_header(text: &str) -> usize {
    let (mut end, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        at += line.len();
        match line.trim() {
            "" => end = at,
            line if line.starts_with("//") => {}
            _ => return end,
        }
    }
    // Only comments: nothing to format.
    0
}

fn render(formatted: &FormatReport, failed: usize, check: bool) -> String {
    let mut text = String::new();
    let done = if check {
        "is not formatted"
    } else {
        "formatted"
    };
    for path in &formatted.changed {
        text.push_str(&format!("{} {done}\n", shown(path)));
    }
    let fine = formatted.files - formatted.changed.len() - failed;
    match (formatted.changed.len(), failed) {
        (0, 0) => text.push_str(&format!(
            "{} {} formatted already\n",
            paint("✓", Tone::Good),
            count(fine as u64, "file")
        )),
        (_, 0) => {}
        (_, failed) => text.push_str(&format!(
            "{} {} cannot be formatted, of {}\n",
            paint("✗", Tone::Bad),
            count(failed as u64, "file"),
            formatted.files
        )),
    }
    text
}

#[cfg(test)]
mod tests;
