//! `tollgate new`: creates the sources of another tool of a gate.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    commands::init::write,
    context::Context,
    error::Failure,
    exit_code::Exit,
    scaffold::{self, Language, Source},
    style::{Tone, paint},
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate new weather
  $ tollgate new prices --lang python

Writes tools/NAME next to tollgate.toml: a tool that builds, and a test of it. Overwrites nothing.

With --json: {dir, files, next, config}.";

/// The arguments of `tollgate new`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct New {
    /// The tool's name: a-z, 0-9 and `-`.
    name: String,
    /// The language: rust, js, ts or python.
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "LANG"
    )]
    lang: Language,
}

/// Run `tollgate new`.
pub(crate) fn run(args: &New, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config_file()?;
    let top = config.parent().unwrap_or(Path::new("."));
    let New { name, lang } = args;
    let dir = PathBuf::from(scaffold::FOLDER).join(name);
    let invalid = |e: scaffold::InvalidName| Failure::new(Exit::Usage, e.to_string());
    let mut sources = lang.sources(name).map_err(invalid)?;
    if top.join(&dir).exists() {
        let taken = dir.display();
        return Err(Failure::plain(format!(
            "{taken} exists already, and nothing is overwritten"
        ))
        .help("take another name"));
    }
    if *lang == Language::Rust {
        join_workspace(top, name, &mut sources)?;
    }
    for (path, text) in &sources {
        write(&top.join(path), text)?;
    }
    let table = lang.table(name);
    let next = [
        format!("tollgate component build {}", dir.display()),
        format!("tollgate component accept {name}"),
        format!("tollgate call {name}__greet --args '{{\"name\":\"Ada\"}}'"),
    ];
    let names: Vec<String> = sources
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    let value = serde_json::json!({ "dir": dir, "files": names, "next": next, "config": table });
    cx.out
        .show(&value, || render(&dir, names.len(), &table, &next))?;
    Ok(Exit::Ok)
}

/// Crates of one gate share a workspace and the SDK. An existing workspace gets one more member.
fn join_workspace(top: &Path, name: &str, sources: &mut Vec<Source>) -> Result<(), Failure> {
    let manifest = top.join(scaffold::FOLDER).join("Cargo.toml");
    let Ok(text) = fs::read_to_string(&manifest) else {
        return Ok(());
    };
    let own = Path::new(scaffold::FOLDER).join(name);
    sources.retain(|(path, _)| path.starts_with(&own));
    let joined = scaffold::with_member(&text, name).ok_or_else(|| {
        Failure::plain(format!(
            "{} has no line `members = [..]` to add the tool to",
            manifest.display()
        ))
        .help("write the members of the workspace in one line, and try again")
    })?;
    fs::write(&manifest, joined)
        .map_err(|e| Failure::plain(format!("{}: it cannot be written: {e}", manifest.display())))
}

fn render(dir: &Path, files: usize, table: &str, next: &[String]) -> String {
    let mut text = format!(
        "{} {files} files for {}\n\nadd to tollgate.toml\n",
        paint("✓", Tone::Good),
        dir.display()
    );
    for line in table.lines() {
        text.push_str(&format!("  {}\n", paint(line, Tone::Strong)));
    }
    text.push_str("\nnext\n");
    for step in next {
        text.push_str(&format!("  {}\n", paint(step, Tone::Name)));
    }
    text
}
