//! Components of the configuration: inspect a file, add it, remove it.
//!
//! A component file is not trusted, so another process inspects it, never this one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use tollgate::{
    config::Config,
    load,
    lock::Lock,
    sandbox::Inspection,
    text::printable,
    tool::{Annotations, Size},
};
use tollgate_model::canonical::Sha256Digest;
use tollgate_policy::policy;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::{
    component::compiler,
    context::Context,
    error::Failure,
    exit_code::Exit,
    files,
    render::table::{Cell, table},
    style::{Tone, paint},
    units::size,
};

/// The longest name of a component, which is the prefix of its tools.
const MAX_NAME: usize = 40;

/// The heading of the proposed settings for the tools of a component.
const PROPOSALS: &str = "\n# What its tools are (labels) and what their results add to a run (taints). One that says \
                         nothing\n# counts as everything.\n";

/// A component as programs read it.
#[derive(Serialize)]
struct View<'a> {
    name: &'a str,
    path: String,
    digest: Sha256Digest,
    #[serde(flatten)]
    inspection: &'a Inspection,
}

/// A file, read.
struct File {
    path: PathBuf,
    size: Size,
    bytes: Vec<u8>,
    digest: Sha256Digest,
}

impl File {
    fn read(path: PathBuf, size: Size) -> Result<Self, Failure> {
        let bytes = fs::read(&path).map_err(|e| {
            Failure::plain(format!("{}: it cannot be read: {e}", path.display()))
                .help("name a component's file; `tollgate component build DIR` makes one")
        })?;
        let digest = Sha256Digest::of(&bytes);
        Ok(Self {
            path,
            size,
            bytes,
            digest,
        })
    }

    fn inspect(
        &self,
        name: &str,
        config: &Config,
        cx: &Context<'_>,
    ) -> Result<Inspection, Failure> {
        let step = cx
            .out
            .progress()
            .map(|progress| progress.step("compiling the component"));
        let inspection = load::inspect(
            config,
            name,
            &self.path,
            &self.bytes,
            self.size,
            &compiler(),
        )?;
        drop(step);
        Ok(inspection)
    }

    fn view<'a>(&self, name: &'a str, inspection: &'a Inspection) -> View<'a> {
        View {
            name,
            path: self.path.display().to_string(),
            digest: self.digest,
            inspection,
        }
    }
}

/// Compiles the configured components, or the named one, so that only components that can run are accepted.
pub(super) fn compile(
    config: &Config,
    only: Option<&str>,
    cx: &Context<'_>,
) -> Result<(), Failure> {
    let named = |name: &&String| only.is_none_or(|only| only == name.as_str());
    for name in config.components.keys().filter(named) {
        let (bytes, digest) = load::read_component(config, name)?;
        let configured = config.components.get(name);
        let file = File {
            path: configured.map(|c| c.path.clone()).unwrap_or_default(),
            size: configured.map(|c| c.size).unwrap_or_default(),
            bytes,
            digest,
        };
        let inspection = file.inspect(name, config, cx)?;
        check_tools(name, &inspection, cx)?;
    }
    Ok(())
}

/// Accepts a component's file, for the component that has it in the configuration. Returns its name.
pub(crate) fn accept_file(
    path: &Path,
    config: &Config,
    cx: &Context<'_>,
) -> Result<String, Failure> {
    let same = |other: &Path| match (fs::canonicalize(path), fs::canonicalize(other)) {
        (Ok(path), Ok(other)) => path == other,
        _ => false,
    };
    let mut components = config.components.iter();
    let Some((name, _)) = components.find(|(_, component)| same(&component.path)) else {
        return Err(Failure::plain(format!(
            "{} was built, and no component in {} has this file",
            path.display(),
            config.file.display()
        ))
        .help(format!(
            "tollgate component add {}{}",
            path.display(),
            "  # with --size large for JavaScript and Python"
        )));
    };
    compile(config, Some(name), cx)?;
    load::accept(config, Some(name))?;
    Ok(name.clone())
}

/// `tollgate component inspect`: of a configured component, or a file.
pub(super) fn inspect(what: &str, size: Size, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let (name, path, size) = match config.components.get(what) {
        Some(component) => (what.to_owned(), component.path.clone(), component.size),
        None if Path::new(what).exists() => (name_of(Path::new(what)), PathBuf::from(what), size),
        None => {
            let near = policy::nearest(what, config.components.keys().map(String::as_str));
            let failure = Failure::plain(format!(
                "`{}` is neither a configured component nor a file",
                printable(what, 100)
            ));
            return Err(failure.help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "list the configured ones with `tollgate component list`".into(),
            }));
        }
    };
    let file = File::read(path, size)?;
    let inspection = file.inspect(&name, &config, cx)?;
    let view = file.view(&name, &inspection);
    cx.out.show(&view, || render(&view))?;
    Ok(Exit::Ok)
}

/// `tollgate component add`.
pub(super) fn add(
    path: &Path,
    name: Option<&str>,
    size: Size,
    cx: &Context<'_>,
) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let name = name.map_or_else(|| name_of(path), str::to_owned);
    if name.is_empty()
        || name.len() > MAX_NAME
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    {
        return Err(Failure::plain(format!(
            "`{}` is not a name for a component: it has 1 to {MAX_NAME} letters, digits, `_` and `-`",
            printable(&name, 100)
        ))
        .help("give it one with --name NAME"));
    }
    if config.components.contains_key(&name) {
        return Err(Failure::plain(format!(
            "there is a component `{name}` already"
        ))
        .help(format!(
            "accept its file as it is now with `tollgate component accept {name}`, or choose another --name"
        )));
    }
    let file = File::read(path.to_owned(), size)?;
    let inspection = file.inspect(&name, &config, cx)?;
    check_tools(&name, &inspection, cx)?;
    let text = source(&config)?;
    let added = added(&text, &name, &relative(&config, path), size, &inspection)?;
    let config = replace(&config, &added)?;
    load::accept(&config, Some(&name))?;
    let view = file.view(&name, &inspection);
    cx.out.show(&view, || {
        format!(
            "{} added and accepted {name} {}\n{}",
            paint("✓", Tone::Good),
            file.digest.short(),
            render(&view)
        )
    })?;
    cx.out.remark(&format!(
        "next: say in {} what its tools touch and may use, and permit them: tollgate policy check",
        config.file.display()
    ));
    Ok(Exit::Ok)
}

/// `tollgate component remove`.
pub(super) fn remove(name: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let Some(component) = config.components.get(name) else {
        let near = policy::nearest(name, config.components.keys().map(String::as_str));
        return Err(
            Failure::plain(format!("there is no component `{}`", printable(name, 100))).help(
                match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "list them with `tollgate component list`".into(),
                },
            ),
        );
    };
    let renamed: Vec<&String> = component.rename.values().collect();
    let prefix = format!("{name}__");
    let tools: Vec<String> = config
        .tools
        .keys()
        .filter(|tool| tool.starts_with(&prefix) || renamed.contains(tool))
        .cloned()
        .collect();
    let path = component.path.clone();
    let config = replace(&config, &removed(&source(&config)?, name, &tools)?)?;
    let lock_path = Lock::path(&config.file);
    let mut lock = Lock::read(&lock_path).map_err(|e| Failure::plain(e.to_string()))?;
    lock.components.remove(name);
    lock.write(&lock_path)
        .map_err(|e| Failure::plain(e.to_string()))?;
    let view = serde_json::json!({ "name": name, "path": path, "tools": tools });
    cx.out.show(&view, || {
        format!("{} removed {name}\n", paint("✓", Tone::Good))
    })?;
    cx.out.remark(&format!(
        "{} stays where it is; policies that name the component are found by `tollgate policy check`",
        path.display()
    ));
    Ok(Exit::Ok)
}

/// The name of a component, derived from its file.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let letter = |c: char| match c {
        c if c.is_ascii_alphanumeric() || c == '_' => c,
        _ => '-',
    };
    stem.unwrap_or_default().chars().map(letter).collect()
}

/// The path for the configuration: relative to its folder if it is below that.
fn relative(config: &Config, path: &Path) -> String {
    let absolute = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let base = config
        .file
        .parent()
        .and_then(|dir| fs::canonicalize(dir).ok());
    let below = base.and_then(|base| absolute.strip_prefix(base).map(Path::to_owned).ok());
    below.unwrap_or(absolute).display().to_string()
}

fn source(config: &Config) -> Result<String, Failure> {
    fs::read_to_string(&config.file)
        .map_err(|e| Failure::plain(format!("{}: it cannot be read: {e}", config.file.display())))
}

fn parsed(text: &str) -> Result<DocumentMut, Failure> {
    text.parse()
        .map_err(|e: toml_edit::TomlError| Failure::plain(format!("tollgate.toml: {e}")))
}

/// The configuration with one more component, and a comment for the labels of each of its tools, which only the
/// operator can know.
fn added(
    text: &str,
    name: &str,
    path: &str,
    size: Size,
    inspection: &Inspection,
) -> Result<String, Failure> {
    let mut document = parsed(text)?;
    let components = document
        .entry("components")
        .or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        })
        .as_table_like_mut()
        .ok_or_else(|| Failure::plain("tollgate.toml: `components` is not a table"))?;
    let mut table = Table::new();
    table.insert("path", value(path));
    if size != Size::default() {
        table.insert("size", value(size.to_string()));
    }
    components.insert(name, Item::Table(table));
    let mut text = document.to_string();
    text.push_str(PROPOSALS);
    for tool in &inspection.tools {
        text.push_str(&format!("# [tools.{name}__{}]\n", tool.name));
        let labels = if tool.annotations.destructive {
            "\"destructive\""
        } else {
            ""
        };
        text.push_str(&format!("# labels = [{labels}]\n# taints = []\n"));
    }
    Ok(text)
}

/// The configuration without a component and these tools.
fn removed(text: &str, name: &str, tools: &[String]) -> Result<String, Failure> {
    let mut document = parsed(text)?;
    let mut take = |table: &str, key: &str| {
        if let Some(table) = document.get_mut(table).and_then(Item::as_table_like_mut) {
            table.remove(key);
        }
    };
    take("components", name);
    tools.iter().for_each(|tool| take("tools", tool));
    Ok(without_proposals(&document.to_string(), name))
}

/// `text` without the comments that [`added`] wrote for the tools of a component.
fn without_proposals(text: &str, name: &str) -> String {
    let head = format!("# [tools.{name}__");
    let mut kept = String::new();
    let mut is_proposal = false;
    for line in text.split_inclusive('\n') {
        let of_proposal = line.starts_with("# labels = ") || line.starts_with("# taints = ");
        is_proposal = line.starts_with(&head) || (is_proposal && of_proposal);
        if !is_proposal {
            kept.push_str(line);
        }
    }
    match kept.contains("\n# [tools.") {
        // A proposal of another component.
        true => kept,
        false => kept.replace(PROPOSALS, ""),
    }
}

/// Replaces the configuration by `text`, if that is a valid one.
pub(crate) fn replace(config: &Config, text: &str) -> Result<Config, Failure> {
    let next = Config::parse(&config.file, text)?;
    files::replace(&config.file, text.as_bytes()).map_err(|e| {
        Failure::plain(format!(
            "{}: it cannot be written: {e}",
            config.file.display()
        ))
        .help("give this user the right to write there")
    })?;
    Ok(next)
}

fn render(view: &View<'_>) -> String {
    let View {
        name,
        path,
        digest,
        inspection,
    } = view;
    let list = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => names.join("\n         "),
    };
    let mut text = format!(
        "{}\n  file   {path}\n  size   {}\n  sha256 {digest}\n  asks   {}\n  offers {}\n\n",
        paint(name, Tone::Name),
        size(inspection.bytes),
        list(&inspection.imports),
        list(&inspection.exports),
    );
    let rows: Vec<[Cell; 3]> = inspection
        .tools
        .iter()
        .map(|tool| {
            let hints = [
                (tool.annotations.read_only, "read-only"),
                (tool.annotations.destructive, "destructive"),
                (tool.annotations.idempotent, "idempotent"),
                (tool.annotations.open_world, "open-world"),
            ];
            let hints: Vec<&str> = { hints.iter().filter(|(is, _)| *is) }
                .map(|(_, w)| *w)
                .collect();
            let hints = match is_unsaid(tool.annotations) {
                true => "does not say".to_owned(),
                false => hints.join(", "),
            };
            let first = tool.description.lines().next().unwrap_or_default();
            [
                Cell::new(tool.name.clone(), Tone::Name),
                Cell::new(hints, Tone::Weak),
                printable(first, 60).into(),
            ]
        })
        .collect();
    text.push_str(&table(["TOOL", "ITS AUTHOR SAYS", "DESCRIPTION"], &rows));
    for why in &inspection.left_out {
        text.push_str(&format!("not a tool: {}\n", printable(why, 400)));
    }
    text
}

/// Whether these are what MCP takes for granted where an author says nothing.
fn is_unsaid(annotations: Annotations) -> bool {
    annotations
        == Annotations {
            read_only: false,
            destructive: true,
            idempotent: false,
            open_world: true,
        }
}

/// Tells of what agents will not have of a component.
///
/// # Errors
/// They would have nothing.
fn check_tools(name: &str, inspection: &Inspection, cx: &Context<'_>) -> Result<(), Failure> {
    let why = |left_out: &String| printable(left_out, 400);
    if inspection.tools.is_empty() {
        let reasons: Vec<String> = inspection.left_out.iter().map(why).collect();
        return Err(Failure::plain(format!(
            "agents could use no tool of the component `{name}`: {}",
            reasons.join("; ")
        ))
        .help("correct what it declares, and build it again"));
    }
    for left_out in &inspection.left_out {
        let words = format!("agents cannot use {} of `{name}`", why(left_out));
        cx.out.remark(&paint(&words, Tone::Wait));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
