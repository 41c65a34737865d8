//! `tollgate init`: creates a working gate in a directory, from files in this binary.

use std::{
    borrow::Cow,
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use tollgate::{config::Config, config::FILE_NAME};

use crate::{
    context::Context,
    error::Failure,
    exit_code::Exit,
    identity,
    scaffold::tool_sources,
    style::{Tone, paint},
    trust::TrustedFiles,
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate init
  $ tollgate init my-gate
  $ tollgate init my-gate --bare

Writes tollgate.toml, policies/, and the source of a first tool in tools/hello. Overwrites nothing.
With --bare there is no first tool: add one with `tollgate new`, `component add` or `wrap`.

With --json: {dir, files, next}.";

/// The arguments of `tollgate init`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// The directory; it is created if it does not exist.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Leave out the first tool.
    #[arg(long)]
    bare: bool,
}

/// The starter policies that a new gate gets.
pub(super) const POLICIES: [(&str, &str); 18] = [
    (
        "calls.cedar",
        include_str!("../../../../policies/calls.cedar"),
    ),
    (
        "config.cedar",
        include_str!("../../../../policies/config.cedar"),
    ),
    (
        "destructive-needs-approval.cedar",
        include_str!("../../../../policies/destructive-needs-approval.cedar"),
    ),
    (
        "edited-approvals.cedar",
        include_str!("../../../../policies/edited-approvals.cedar"),
    ),
    (
        "egress.cedar",
        include_str!("../../../../policies/egress.cedar"),
    ),
    (
        "elicitation.cedar",
        include_str!("../../../../policies/elicitation.cedar"),
    ),
    (
        "four-eyes.cedar",
        include_str!("../../../../policies/four-eyes.cedar"),
    ),
    (
        "grants.cedar",
        include_str!("../../../../policies/grants.cedar"),
    ),
    (
        "lethal-trifecta.cedar",
        include_str!("../../../../policies/lethal-trifecta.cedar"),
    ),
    (
        "loops-and-budgets.cedar",
        include_str!("../../../../policies/loops-and-budgets.cedar"),
    ),
    (
        "operators.cedar",
        include_str!("../../../../policies/operators.cedar"),
    ),
    (
        "provenance.cedar",
        include_str!("../../../../policies/provenance.cedar"),
    ),
    (
        "readers.cedar",
        include_str!("../../../../policies/readers.cedar"),
    ),
    (
        "results.cedar",
        include_str!("../../../../policies/results.cedar"),
    ),
    (
        "secrets.cedar",
        include_str!("../../../../policies/secrets.cedar"),
    ),
    (
        "standing-approvals.cedar",
        include_str!("../../../../policies/standing-approvals.cedar"),
    ),
    (
        "state.cedar",
        include_str!("../../../../policies/state.cedar"),
    ),
    (
        "working-hours.cedar",
        include_str!("../../../../policies/working-hours.cedar"),
    ),
];

const FIRST: &str = include_str!("../../templates/first.cedar");
const CONFIG: &str = include_str!("../../templates/tollgate.toml");

const IGNORE: &str = ".gitignore";

/// The next commands.
const NEXT: [&str; 4] = [
    "tollgate component build tools/hello",
    "tollgate component accept",
    "tollgate call hello__greet --args '{\"name\":\"Ada\"}'",
    "tollgate runs show",
];

/// The next commands without a first tool.
const NEXT_BARE: [&str; 3] = [
    "tollgate new NAME --lang rust|js|python",
    "tollgate component add FILE",
    "tollgate policy check",
];
/// The lines of the configuration between which the first tool stands.
const FIRST_TOOL: [&str; 2] = [
    "# A component is a WebAssembly file",
    "# Hosts to which components may send",
];
/// The lines of the first policies between which its permit stands.
const FIRST_PERMIT: [&str; 2] = ["@id(\"assistant-greets\")", "// A person who tries a tool"];

/// `text` without what stands before the second line and from the first on.
fn without(text: &str, [from, to]: [&str; 2]) -> String {
    match (text.find(from), text.find(to)) {
        (Some(begin), Some(end)) if begin < end => {
            format!(
                "{}{}",
                text.get(..begin).unwrap_or_default(),
                text.get(end..).unwrap_or_default()
            )
        }
        _ => text.to_owned(),
    }
}

/// Run `tollgate init`.
pub(crate) fn run(args: &Init, cx: &Context<'_>) -> Result<Exit, Failure> {
    let login = identity::login(identity::own_uid())?;
    let mut files = files(&args.dir, &login, args.bare)?;
    // A repository may have this file already.
    if args.dir.join(IGNORE).exists() {
        files.retain(|(path, _)| path != Path::new(IGNORE));
        cx.out
            .remark("there is a .gitignore already: add .tollgate/ and notes/ to it");
    }
    let mut paths = files.iter().map(|(path, _)| args.dir.join(path));
    if let Some(taken) = paths.find(|path| path.exists()) {
        return Err(Failure::plain(format!(
            "{} exists already, and nothing is overwritten",
            taken.display()
        ))
        .help("name another directory: tollgate init DIR"));
    }
    let folder = match args.bare {
        true => args.dir.clone(),
        false => args.dir.join("notes"),
    };
    fs::create_dir_all(folder)
        .map_err(|e| Failure::plain(format!("{}: it cannot be made: {e}", args.dir.display())))?;
    for (path, text) in &files {
        write(&args.dir.join(path), text)?;
    }
    // This program wrote the configuration itself, so it can be trusted.
    TrustedFiles::read()?.add(&args.dir.join(FILE_NAME))?;
    let names: Vec<String> = files
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    let next: &[&str] = if args.bare { &NEXT_BARE } else { &NEXT };
    let value = serde_json::json!({ "dir": args.dir, "files": names, "next": next });
    cx.out
        .show(&value, || render(&args.dir, names.len(), args.bare, next))?;
    Ok(Exit::Ok)
}

type File = (PathBuf, Cow<'static, str>);

fn files(dir: &Path, login: &str, bare: bool) -> Result<Vec<File>, Failure> {
    let user = identity::user_name(login);
    let template = |text: &'static str, tool: [&str; 2]| match bare {
        true => Cow::Owned(without(text, tool)),
        false => Cow::Borrowed(text),
    };
    let config = template(CONFIG, FIRST_TOOL)
        .replace("{gate}", &gate_name(dir))
        .replace("{user}", &user)
        .replace("{user_plain}", user.trim_matches('"'))
        .replace("{login}", &escaped(login));
    // The configuration was generated, so it must parse.
    Config::parse(&dir.join(FILE_NAME), &config).map_err(|e| {
        Failure::plain(format!(
            "the configuration for `{login}` would not be valid: {e}"
        ))
    })?;
    let mut files: Vec<File> = vec![
        (FILE_NAME.into(), config.into()),
        (IGNORE.into(), ".tollgate/\nnotes/\n".into()),
        ("policies/first.cedar".into(), template(FIRST, FIRST_PERMIT)),
    ];
    files.extend(
        POLICIES
            .iter()
            .map(|(name, text)| (Path::new("policies").join(name), (*text).into())),
    );
    if !bare {
        files.extend(tool_sources("hello").map_err(|e| Failure::plain(e.to_string()))?);
    }
    Ok(files)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A name for the gate, from the directory's name.
fn gate_name(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_default();
    let name = absolute
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = name
        .chars()
        .map(|c| if legal(c) { c } else { '-' })
        .take(64)
        .collect();
    if name.trim_matches('-').is_empty() {
        "gate".into()
    } else {
        name
    }
}

/// Writes a new file, and creates the folders above it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::plain(format!("{}: it cannot be written: {e}", path.display()))
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn render(dir: &Path, files: usize, bare: bool, next: &[&str]) -> String {
    let mut text = format!(
        "{} {files} files in {}\n",
        paint("✓", Tone::Good),
        dir.display()
    );
    let parts = [
        (
            "tollgate.toml",
            "the gate: components, tools, agents, users",
        ),
        ("policies/", "who may do what; begin with first.cedar"),
        ("tools/hello/", "a first tool, in Rust"),
        ("notes/", "the directory that the tool is granted"),
    ];
    for (name, what) in parts.into_iter().take(if bare { 2 } else { 4 }) {
        text.push_str(&format!(
            "  {}{}\n",
            paint(&format!("{name:<16}"), Tone::Strong),
            paint(what, Tone::Weak)
        ));
    }
    text.push_str("\nnext\n");
    if dir != Path::new(".") {
        text.push_str(&format!(
            "  {}\n",
            paint(&format!("cd {}", dir.display()), Tone::Name)
        ));
    }
    for step in next {
        text.push_str(&format!("  {}\n", paint(step, Tone::Name)));
    }
    text
}

#[cfg(test)]
mod tests;
