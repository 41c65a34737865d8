//! `tollgate halt` and `tollgate resume`: the brake, and its release.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use tollgate::{config::Config, load};
use tollgate_model::record::{Halt, HaltScope};
use tollgate_policy::policy::nearest;

use crate::{
    component::compiler,
    context::Context,
    error::Failure,
    exit_code::Exit,
    operation::Operation,
    render::table::{Cell, table},
    style::{Tone, line, paint},
};

const HALT: &str = "\
Examples:
  $ tollgate halt agent support --reason 'it writes to strangers'
  $ tollgate halt --all --reason 'incident 42'
  $ tollgate halt --list

It lasts until it is lifted: no new call starts, running tools end, approvals that wait are void.
A name that nothing has is refused, because it would stop nothing.
With --json: {scope, name, state}; --list: [{scope, name, by, reason}].";
const RESUME: &str = "\
Examples:
  $ tollgate resume agent support
  $ tollgate resume --all

--all lifts what `halt --all` halted; what was halted by name stays halted.
With --json: {scope, name, state}.";

/// What can be halted by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// An agent or a user.
    Agent,
    /// A tool.
    Tool,
    /// A component.
    Component,
    /// A tenant.
    Tenant,
}

impl From<Scope> for HaltScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Agent => Self::Agent,
            Scope::Tool => Self::Tool,
            Scope::Component => Self::Component,
            Scope::Tenant => Self::Tenant,
        }
    }
}

/// The arguments of `tollgate halt`.
#[derive(Debug, Args)]
#[command(after_help = HALT)]
pub(crate) struct HaltArgs {
    /// What kind of thing.
    #[arg(value_enum, required_unless_present_any = ["all", "list"], requires = "name")]
    scope: Option<Scope>,
    /// Its name.
    name: Option<String>,
    /// Why; agents that are stopped read it.
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    reason: Option<String>,
    /// Halt everything.
    #[arg(long, conflicts_with_all = ["scope", "name", "list"])]
    all: bool,
    /// Halt what is not there, too: a tool that is not loaded now, a name that nothing has yet.
    #[arg(long, conflicts_with = "list")]
    force: bool,
    /// List what is halted.
    #[arg(long, conflicts_with_all = ["scope", "name", "reason"])]
    list: bool,
}

/// The arguments of `tollgate resume`.
#[derive(Debug, Args)]
#[command(after_help = RESUME)]
pub(crate) struct ResumeArgs {
    /// What kind of thing.
    #[arg(value_enum, required_unless_present = "all", requires = "name")]
    scope: Option<Scope>,
    /// Its name.
    name: Option<String>,
    /// Lift the halt of everything.
    #[arg(long, conflicts_with_all = ["scope", "name"])]
    all: bool,
}

/// Run `tollgate halt`.
pub(crate) async fn halt(args: HaltArgs, cx: &Context<'_>) -> Result<Exit, Failure> {
    if args.list {
        return list(cx);
    }
    let (scope, name) = target(args.scope, args.name);
    if !args.force {
        known(scope, &name, cx).await?;
    }
    let reason = args.reason.unwrap_or_default();
    cx.execute(Operation::Halt {
        scope,
        name: name.clone(),
        reason,
    })
    .await?;
    told(scope, &name, "halted", cx)?;
    cx.out.remark(&format!(
        "lift it with {}",
        paint(&lift(scope, &name), Tone::Name)
    ));
    Ok(Exit::Ok)
}

/// Run `tollgate resume`.
pub(crate) async fn resume(args: ResumeArgs, cx: &Context<'_>) -> Result<Exit, Failure> {
    let (scope, name) = target(args.scope, args.name);
    cx.execute(Operation::Resume {
        scope,
        name: name.clone(),
    })
    .await?;
    told(scope, &name, "resumed", cx)?;
    Ok(Exit::Ok)
}

fn target(scope: Option<Scope>, name: Option<String>) -> (HaltScope, String) {
    (
        scope.map_or(HaltScope::All, HaltScope::from),
        name.unwrap_or_default(),
    )
}

fn lift(scope: HaltScope, name: &str) -> String {
    match scope {
        HaltScope::All => "tollgate resume --all".into(),
        scope => format!("tollgate resume {} {name}", scope.as_str()),
    }
}

/// That what is to be halted exists: a misspelt name stops nothing, and the operator would believe that
/// it does. Where that cannot be found out, the halt goes ahead.
async fn known(scope: HaltScope, name: &str, cx: &Context<'_>) -> Result<(), Failure> {
    if name.contains(['*', '?']) {
        return Err(Failure::usage(format!(
            "`{}` is not a name: a halt takes exactly one",
            line(name, 80)
        ))
        .help("halt each by its name, or everything with --all"));
    }
    let Some(names) = names(scope, &cx.config()?).await else {
        cx.out.remark(&format!(
            "{} the gate does not load, so nothing says whether there is a {} `{}`",
            paint("warning:", Tone::Wait),
            scope.as_str(),
            line(name, 80)
        ));
        return Ok(());
    };
    if names.contains(name) {
        return Ok(());
    }
    let near = nearest(name, names.iter().map(String::as_str));
    let failure = Failure::plain(format!(
        "there is no {} `{}`, so this halt would stop nothing",
        scope.as_str(),
        line(name, 80)
    ));
    Err(failure.help(match near {
        Some(near) => format!("did you mean `{near}`? --force halts what is not there yet"),
        None => "--force halts what is not there yet".into(),
    }))
}

/// What can be halted; `None` where the gate does not load.
async fn names(scope: HaltScope, config: &Config) -> Option<BTreeSet<String>> {
    Some(match scope {
        HaltScope::Agent => config
            .agents
            .keys()
            .chain(config.users.keys())
            .cloned()
            .collect(),
        HaltScope::Component => config
            .components
            .keys()
            .chain(config.upstreams.keys())
            .chain(config.external.keys())
            .cloned()
            .collect(),
        HaltScope::Tenant => BTreeSet::from([config.gate.tenant.clone()]),
        HaltScope::Tool => {
            let loaded = load::check(config.clone(), Some(compiler())).await.ok()?;
            loaded.ruleset.tools.keys().cloned().collect()
        }
        HaltScope::All => BTreeSet::from([String::new()]),
    })
}

fn told(scope: HaltScope, name: &str, state: &str, cx: &Context<'_>) -> Result<(), Failure> {
    let value = serde_json::json!({ "scope": scope, "name": name, "state": state });
    let what = match scope {
        HaltScope::All => "everything".to_owned(),
        scope => format!("{} {}", scope.as_str(), line(name, 80)),
    };
    Ok(cx.out.show(&value, || {
        format!("{} {what} is {state}", paint("✓", Tone::Good))
    })?)
}

fn list(cx: &Context<'_>) -> Result<Exit, Failure> {
    let reader = cx.reader_if_any(&cx.config()?)?;
    let halts: Vec<Halt> = reader.map_or_else(|| Ok(Vec::new()), |reader| reader.halts())?;
    if halts.is_empty() && !cx.out.is_json() {
        cx.out.remark("nothing is halted");
        return Ok(Exit::Ok);
    }
    cx.out.show(&halts, || {
        let rows: Vec<[Cell; 4]> = halts
            .iter()
            .map(|halt| {
                [
                    Cell::new(halt.scope.as_str(), Tone::Bad),
                    Cell::new(line(&halt.name, 80), Tone::Strong),
                    line(&halt.by, 64).into(),
                    line(&halt.reason, 200).into(),
                ]
            })
            .collect();
        table(["HALTED", "NAME", "BY", "REASON"], &rows)
    })?;
    Ok(Exit::Ok)
}
