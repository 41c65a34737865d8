//! `tollgate policy schema`: the schema, its changes, and the policies that they break.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tollgate::{config::Config, load};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Entity, Kind, Uid},
};
use tollgate_policy::{
    pdp::{self, Bundle, Pdp, ToolTypes},
    schema,
    tool_input::ToolInput,
};

use crate::{
    component::compiler,
    context::Context,
    error::{Failure, Place, places},
    exit_code::Exit,
    render::diagnostics,
    style::{Tone, paint},
    units::count,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy schema > tollgate.cedarschema
  $ tollgate policy schema --diff
  $ tollgate policy schema --from tools.json --prefix github

--from takes the result of an MCP server's tools/list. --diff lists the tools that are new, gone or
changed since the schema was last written to .tollgate/tollgate.cedarschema, and the policies that this
breaks. It writes nothing, and the exit code is 1 if a policy breaks. Without --diff and --from, the
schema is written there, for editors.

With --json: {digest, schema}; --diff: {digest, added, removed, changed [{tool, gone, new}],
broken [DIAGNOSTIC]}.";

/// The tools of the schema.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Show the changes since the schema was last written, and the policies that they break.
    #[arg(long)]
    diff: bool,
    /// Take the tools from this file instead.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// A prefix for the names of those tools, followed by two underscores.
    #[arg(long, value_name = "NAME", requires = "from")]
    prefix: Option<String>,
}

/// The changes.
#[derive(Serialize)]
struct Difference {
    digest: Sha256Digest,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<TypeChange>,
    broken: Vec<Place>,
}

#[derive(Serialize)]
struct TypeChange {
    tool: String,
    gone: Vec<String>,
    new: Vec<String>,
}

/// Run `tollgate policy schema`.
pub(super) async fn run(args: &Schema, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = match (&args.from, cx.config()) {
        (_, Ok(config)) => Some(config),
        // With --from, no configuration is needed.
        (Some(_), Err(_)) if !args.diff => None,
        (_, Err(error)) => return Err(error),
    };
    let mut bundle = match &config {
        // --diff needs the schema of all tools.
        Some(config) if args.from.is_none() || args.diff => {
            load::bundle_without_validation(config, Some(compiler())).await?
        }
        _ => Bundle::new(Vec::new(), Vec::new(), BTreeMap::new()),
    };
    if let Some(file) = &args.from {
        if let Some(prefix) = &args.prefix {
            let own = format!("{prefix}__");
            bundle.tools.retain(|name, _| !name.starts_with(&own));
        }
        listed(file, args.prefix.as_deref(), &mut bundle)?;
    }
    let text = text(&bundle)?;
    let digest = Sha256Digest::of(text.as_bytes());
    if let (true, Some(config)) = (args.diff, &config) {
        let before = fs::read_to_string(kept(config)).unwrap_or_default();
        let difference = difference(digest, &before, &text, config, &bundle);
        cx.out.show(&difference, || render(&difference))?;
        return Ok(if difference.broken.iter().any(|place| place.error) {
            Exit::Failure
        } else {
            Exit::Ok
        });
    }
    if let (None, Some(config)) = (&args.from, &config) {
        keep_for_editors(config, &bundle, cx)?;
    }
    cx.out.show(
        &serde_json::json!({ "digest": digest, "schema": text }),
        || text.clone(),
    )?;
    cx.out.remark(&format!("digest {digest}"));
    Ok(Exit::Ok)
}

/// The file of the schema for editors.
fn kept(config: &Config) -> PathBuf {
    config.store.path.with_file_name("tollgate.cedarschema")
}

/// Writes the schema for editors. A failure is only a remark.
pub(super) fn keep_for_editors(
    config: &Config,
    bundle: &Bundle,
    cx: &Context<'_>,
) -> Result<(), Failure> {
    let text = text(bundle)?;
    let path = kept(config);
    if fs::read_to_string(&path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    if let Err(e) = fs::create_dir_all(dir).and_then(|()| fs::write(&path, &text)) {
        let path = path.display();
        cx.out.remark(&format!(
            "the schema for editors, {path}, cannot be written: {e}"
        ));
    }
    Ok(())
}

fn text(bundle: &Bundle) -> Result<String, Failure> {
    let mut inputs = BTreeMap::new();
    for (name, types) in &bundle.tools {
        let input = ToolInput::from_json_schema(name, &types.input_schema, &types.numbers)
            .map_err(|e| Failure::plain(format!("tool `{name}`: {e}")))?;
        inputs.insert(name.clone(), input);
    }
    let types = schema::LoadedTypes {
        tools: &inputs,
        prompt_arguments: &bundle.prompt_arguments(),
        facts: &bundle.facts,
    };
    schema::text(types).map_err(|e| Failure::plain(e.to_string()))
}

/// Adds the tools of an MCP `tools/list` result to a bundle.
fn listed(file: &Path, prefix: Option<&str>, bundle: &mut Bundle) -> Result<(), Failure> {
    let failed = |reason: String| {
        Failure::plain(format!("{}: {reason}", file.display()))
            .help("save the result of tools/list: {\"tools\": [{\"name\": …, \"inputSchema\": …}]}")
    };
    let text = fs::read_to_string(file).map_err(|e| failed(format!("it cannot be read: {e}")))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
    let tools = ["/tools", "/result/tools", ""]
        .iter()
        .find_map(|pointer| value.pointer(pointer)?.as_array())
        .ok_or_else(|| failed("there is no list of tools in it".into()))?;
    for (i, tool) in tools.iter().enumerate() {
        let own = tool.get("name").and_then(Value::as_str);
        let own = own.ok_or_else(|| failed(format!("/tools/{i} has no name")))?;
        let input_schema = tool.get("inputSchema").or_else(|| tool.get("input_schema"));
        let input_schema =
            input_schema.ok_or_else(|| failed(format!("/tools/{i} has no inputSchema")))?;
        let name = match prefix {
            Some(prefix) => format!("{prefix}__{own}"),
            None => own.to_owned(),
        };
        if pdp::is_fixed_action(&name) {
            return Err(failed(format!(
                "/tools/{i} has the name of an action of the gate"
            )));
        }
        let types = ToolTypes {
            input_schema: input_schema.clone(),
            numbers: BTreeMap::new(),
        };
        bundle.tools.insert(name.clone(), types);
        let uid = Uid::new(Kind::Tool, &name);
        bundle.entities.retain(|e| e.uid != uid);
        if let Some(component) = prefix.map(|prefix| Uid::new(Kind::Component, prefix)) {
            if !bundle.entities.iter().any(|e| e.uid == component) {
                bundle.entities.push(Entity::new(component.clone(), []));
            }
            bundle.entities.push(Entity::new(uid, [component]));
        } else {
            bundle.entities.push(Entity::new(uid, []));
        }
    }
    Ok(())
}

/// The lines of the schema for each tool, by name.
fn actions(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut within: Option<String> = None;
    for line in text.lines() {
        let name = line
            .trim_start()
            .strip_prefix("action \"")
            .and_then(|rest| rest.split_once("\" in"))
            .map(|(name, _)| name.to_owned());
        if let Some(name) = name {
            within = Some(name);
        }
        if let Some(name) = &within {
            let lines = found.entry(name.clone()).or_default();
            lines.push(line.trim().trim_end_matches(',').to_owned());
            if line.trim_end().ends_with("};") || line.trim_end() == "};" {
                within = None;
            }
        }
    }
    found
}

fn difference(
    digest: Sha256Digest,
    before: &str,
    after: &str,
    config: &Config,
    bundle: &Bundle,
) -> Difference {
    let (before, after) = (actions(before), actions(after));
    let not_in = |these: &BTreeMap<String, Vec<String>>, those: &BTreeMap<String, Vec<String>>| {
        let names = these.keys().filter(|name| !those.contains_key(*name));
        names.cloned().collect::<Vec<_>>()
    };
    let lines = |these: &[String], those: &[String]| {
        let lines = these.iter().filter(|line| !those.contains(line));
        lines.cloned().collect::<Vec<_>>()
    };
    let changed = after.iter().filter_map(|(tool, now)| {
        let then = before.get(tool).filter(|then| *then != now)?;
        Some(TypeChange {
            tool: tool.clone(),
            gone: lines(then, now),
            new: lines(now, then),
        })
    });
    let broken = match Pdp::load(bundle) {
        Err(pdp::LoadError::Policies(found)) => places(&config.policies, &found),
        _ => Vec::new(),
    };
    Difference {
        digest,
        added: not_in(&after, &before),
        removed: not_in(&before, &after),
        changed: changed.collect(),
        broken,
    }
}

fn render(difference: &Difference) -> String {
    let mut text = String::new();
    let mut line = |sign: &str, tone: Tone, what: &str| {
        text.push_str(&format!("{} {what}\n", paint(sign, tone)));
    };
    for tool in &difference.removed {
        line("-", Tone::Bad, tool);
    }
    for tool in &difference.added {
        line("+", Tone::Good, tool);
    }
    for changed in &difference.changed {
        line("~", Tone::Wait, &changed.tool);
        for gone in &changed.gone {
            line("    -", Tone::Bad, gone);
        }
        for new in &changed.new {
            line("    +", Tone::Good, new);
        }
    }
    let changes = difference.removed.len() + difference.added.len() + difference.changed.len();
    if changes == 0 {
        text.push_str("no tool has changed\n");
    }
    if difference.broken.is_empty() {
        text.push_str(&format!("{} no policy breaks\n", paint("✓", Tone::Good)));
    } else {
        text.push('\n');
        text.push_str(&diagnostics::render(&difference.broken));
        let errors = difference.broken.iter().filter(|d| d.error).count() as u64;
        text.push_str(&format!(
            "{} {} in policies\n",
            paint("✗", Tone::Bad),
            count(errors, "error")
        ));
    }
    text
}
