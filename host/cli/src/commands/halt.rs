//! `tollgate halt` and `tollgate resume`.

use clap::{Args, ValueEnum};
use serde_json::json;
use tollgate_model::record::{Halt, HaltScope};

use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    reply::HaltReply,
    style::{Tone, line, paint},
    units::count,
};

const HALT: &str = "\
Examples:
  $ tollgate halt agent support --reason 'it writes to strangers'
  $ tollgate halt --all --reason 'incident 42'
  $ tollgate halt --list

A halt lasts until it is lifted. No new call starts, running components are ended, and pending approvals are
voided. An unknown name is refused, because a halt of it would stop nothing; --force halts it anyway.

With --json: {scope, name, state, calls, approvals}; --list: [{scope, name, by, reason}].";
const RESUME: &str = "\
Examples:
  $ tollgate resume agent support
  $ tollgate resume --all

--all lifts only the halt that `halt --all` made. What was halted by name stays halted.

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
    /// What to halt.
    #[arg(value_enum, required_unless_present_any = ["all", "list"], requires = "name")]
    scope: Option<Scope>,
    /// Its name.
    name: Option<String>,
    /// The reason, which halted agents get as well.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "halted at the command line"
    )]
    reason: String,
    /// Halt everything.
    #[arg(long, conflicts_with_all = ["scope", "name", "list"])]
    all: bool,
    /// Also halt an unknown name, such as a tool that is not loaded now.
    #[arg(long, conflicts_with = "list")]
    force: bool,
    /// List the halts in force.
    #[arg(long, conflicts_with_all = ["scope", "name"])]
    list: bool,
}

/// The arguments of `tollgate resume`.
#[derive(Debug, Args)]
#[command(after_help = RESUME)]
pub(crate) struct ResumeArgs {
    /// What to resume.
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
    let reason = args.reason;
    let body = json!({ "scope": scope, "name": name, "reason": reason, "force": args.force });
    let HaltReply { calls, approvals } = cx
        .execute_despite_errors(ApiRequest::post("/v1/halts", body))
        .await?;
    let value = serde_json::json!({
        "scope": scope, "name": name, "state": "halted", "calls": calls, "approvals": approvals,
    });
    cx.out.show(&value, || {
        format!(
            "{} {} is halted: {} ended, {} cancelled",
            paint("✓", Tone::Good),
            describe(scope, &name),
            count(calls as u64, "running call"),
            count(approvals as u64, "approval")
        )
    })?;
    cx.out.remark(&format!(
        "lift it with {}",
        paint(&lift(scope, &name), Tone::Name)
    ));
    Ok(Exit::Ok)
}

/// Run `tollgate resume`.
pub(crate) async fn resume(args: ResumeArgs, cx: &Context<'_>) -> Result<Exit, Failure> {
    let (scope, name) = target(args.scope, args.name);
    let body = json!({ "scope": scope, "name": name });
    cx.execute_despite_errors::<()>(ApiRequest::post("/v1/halts/lift", body))
        .await?;
    let value = serde_json::json!({ "scope": scope, "name": name, "state": "resumed" });
    cx.out.show(&value, || {
        format!(
            "{} {} is resumed",
            paint("✓", Tone::Good),
            describe(scope, &name)
        )
    })?;
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

fn describe(scope: HaltScope, name: &str) -> String {
    match scope {
        HaltScope::All => "everything".to_owned(),
        scope => format!("{} {}", scope.as_str(), line(name, 80)),
    }
}

fn list(cx: &Context<'_>) -> Result<Exit, Failure> {
    let reader = cx.reader_if_any(&cx.config_despite_errors()?)?;
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
