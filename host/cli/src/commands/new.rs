//! `tollgate new`: creates the sources of another tool of a gate, with its configuration and a permit.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use tollgate::config::Config;

use crate::{
    commands::{component::register, init::write},
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
  $ tollgate new prices --lang python --no-config

Writes tools/NAME next to tollgate.toml: a tool that builds, and a test of it. Adds its tables to
tollgate.toml, and, if the gate has one agent, a policy that lets it call the tools. Overwrites nothing.

With --json: {dir, files, next, config, policy}.";

/// The grant of the examples.
const GRANT: &str = "path = \"notes\"";

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
    /// Only show what tollgate.toml needs.
    #[arg(long)]
    no_config: bool,
}

/// What a new tool needs besides its sources.
struct Settings {
    /// The tables of tollgate.toml.
    table: String,
    /// A policy, and the file for it; absent if it is not clear which agent calls the tools.
    permit: Option<(PathBuf, String)>,
    /// Whether both are written.
    written: bool,
}

/// Run `tollgate new`.
pub(crate) fn run(args: &New, cx: &Context<'_>) -> Result<Exit, Failure> {
    let file = cx.config_file()?;
    let top = file.parent().unwrap_or(Path::new("."));
    let New { name, lang, .. } = args;
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
    let settings = match args.no_config {
        true => Settings {
            table: lang.table(name),
            permit: None,
            written: false,
        },
        false => settings(name, lang.table(name), &Config::read(&file)?)?,
    };
    if *lang == Language::Rust {
        join_workspace(top, name, &mut sources)?;
    }
    for (path, text) in &sources {
        write(&top.join(path), text)?;
    }
    if settings.written {
        put(&settings, &Config::read(&file)?)?;
    }
    let next = [
        format!("tollgate component build {} --accept", dir.display()),
        format!("tollgate call {name}__greet --args '{{\"name\":\"Ada\"}}'"),
        format!("tollgate dev {} --call greet", dir.display()),
    ];
    let names: Vec<String> = sources
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    let policy = settings.permit.as_ref().map(|(path, _)| path);
    let value = serde_json::json!({
        "dir": dir, "files": names, "next": next, "config": settings.table, "policy": policy,
    });
    cx.out
        .show(&value, || render(&dir, names.len(), &settings, &next))?;
    Ok(Exit::Ok)
}

/// What is to be written for a tool.
///
/// # Errors
/// Something of it is there already.
fn settings(name: &str, table: String, config: &Config) -> Result<Settings, Failure> {
    if config.components.contains_key(name) {
        return Err(Failure::plain(format!(
            "there is a component `{name}` in {} already",
            config.file.display()
        ))
        .help("take another name, or --no-config"));
    }
    let mut agents = config.agents.keys();
    let file = config.policies.join(format!("{name}.cedar"));
    let permit = match (agents.next(), agents.next()) {
        (Some(agent), None) if !file.exists() => Some((file, permit(name, agent))),
        _ => None,
    };
    Ok(Settings {
        table,
        permit,
        written: true,
    })
}

fn permit(name: &str, agent: &str) -> String {
    format!(
        "// Who may call the tools of `{name}`.\n//\n// Name single tools once you know who needs which, as in\n\
         // action == Tollgate::Action::\"{name}__greet\".\n\n@id(\"{agent}-calls-{name}\")\n@owner(\"operator\")\n\
         @reason(\"{agent} may call the tools of {name}.\")\npermit (\n  principal == Tollgate::Agent::\"{agent}\",\n  \
         action in Tollgate::Action::\"call\",\n  resource in Tollgate::Component::\"{name}\"\n);\n"
    )
}

/// Writes the tables and the permit.
fn put(settings: &Settings, config: &Config) -> Result<(), Failure> {
    let text = fs::read_to_string(&config.file).map_err(|e| {
        Failure::plain(format!("{}: it cannot be read: {e}", config.file.display()))
    })?;
    let text = format!("{}\n\n{}", text.trim_end(), settings.table);
    let folders = config.file.parent().unwrap_or(Path::new("."));
    if settings.table.contains(GRANT) {
        let notes = folders.join("notes");
        fs::create_dir_all(&notes)
            .map_err(|e| Failure::plain(format!("{}: it cannot be made: {e}", notes.display())))?;
    }
    register::replace(config, &text)?;
    match &settings.permit {
        Some((file, text)) => write(file, text),
        None => Ok(()),
    }
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

fn render(dir: &Path, files: usize, settings: &Settings, next: &[String]) -> String {
    let mut text = format!(
        "{} {files} files for {}\n\n{} tollgate.toml\n",
        paint("✓", Tone::Good),
        dir.display(),
        if settings.written {
            "added to"
        } else {
            "add to"
        },
    );
    for line in settings.table.lines() {
        text.push_str(&format!("  {}\n", paint(line, Tone::Strong)));
    }
    match &settings.permit {
        Some((file, _)) => {
            let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
            let shown = Path::new(folder).join(file.file_name().unwrap_or_default());
            text.push_str(&format!("\npermitted in {}\n", shown.display()));
        }
        None => text.push_str("\npermit its tools in a policy, for those who need them\n"),
    }
    text.push_str("\nnext\n");
    for step in next {
        text.push_str(&format!("  {}\n", paint(step, Tone::Name)));
    }
    text
}
