//! `tollgate policy`: are the policies right, and what are they written against?

use clap::{Args, Subcommand};
use serde::Serialize;
use tollgate::load::{self, LoadError};
use tollgate_core::{canonical::Sha256Digest, pdp, policy::Mode, schema};

use super::{Context, component::register, policy_suggest};
use crate::{
    exit::Exit,
    failure::{Failure, Place, places},
    show::{
        diagnostics,
        measure::count,
        paint::{Tone, paint},
    },
};

const CHECK: &str = "\
Examples:
  $ tollgate policy check
  $ tollgate policy check --deny-warnings --json

Ends with 1 if there is an error; with --deny-warnings also if there is a warning.
With --json: {ok, bundle, policies, shadow, tools, diagnostics [{file, line, column, length, error, code,
message, help}]}.";
const SCHEMA: &str = "\
Example:
  $ tollgate policy schema > tollgate.cedarschema

With --json: {digest, schema}.";

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Parse and validate every policy, as the gate does when it starts.
    #[command(after_help = CHECK)]
    Check(Check),
    /// Print the schema: the fixed part, and an action for each loaded tool.
    #[command(after_help = SCHEMA)]
    Schema,
    /// Write permits for what was called, and no more.
    Suggest(policy_suggest::Suggest),
}

/// How strict to be.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Fail on warnings too.
    #[arg(long)]
    deny_warnings: bool,
}

/// What a check found.
#[derive(Serialize)]
struct Checked {
    ok: bool,
    bundle: Option<Sha256Digest>,
    policies: usize,
    shadow: usize,
    tools: usize,
    diagnostics: Vec<Place>,
}

/// Run `tollgate policy`.
pub(crate) async fn run(command: Policy, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Policy::Check(args) => check(&args, cx).await,
        Policy::Schema => print_schema(cx).await,
        Policy::Suggest(args) => policy_suggest::run(&args, cx).await,
    }
}

async fn check(args: &Check, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let dir = config.policies.clone();
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("checking policies"));
    let loaded = load::check(config, Some(register::compiler())).await;
    drop(step);
    let checked = match loaded {
        Ok(snapshot) => {
            let diagnostics = places(&dir, snapshot.pdp.warnings());
            let policies = snapshot.pdp.policies();
            Checked {
                ok: diagnostics.is_empty() || !args.deny_warnings,
                bundle: Some(snapshot.pdp.digest()),
                policies: policies.len(),
                shadow: policies.values().filter(|p| p.mode == Mode::Shadow).count(),
                tools: snapshot.tools.len(),
                diagnostics,
            }
        }
        Err(LoadError::Policies(pdp::LoadError::Policies(found))) => Checked {
            ok: false,
            bundle: None,
            policies: 0,
            shadow: 0,
            tools: 0,
            diagnostics: places(&dir, &found),
        },
        Err(error) => return Err(error.into()),
    };
    cx.out.show(&checked, || told(&checked))?;
    Ok(if checked.ok { Exit::Ok } else { Exit::Failure })
}

fn told(checked: &Checked) -> String {
    let mut text = diagnostics::render(&checked.diagnostics);
    let errors = checked.diagnostics.iter().filter(|d| d.error).count() as u64;
    let warnings = checked.diagnostics.len() as u64 - errors;
    if errors > 0 {
        text.push_str(&format!(
            "{} {}, {}: these policies do not load\n",
            paint("✗", Tone::Bad),
            count(errors, "error"),
            count(warnings, "warning")
        ));
        return text;
    }
    let policies = match checked.policies {
        1 => "1 policy".to_owned(),
        n => format!("{n} policies"),
    };
    let shadow = if checked.shadow > 0 {
        format!(" ({} in shadow mode)", checked.shadow)
    } else {
        String::new()
    };
    let bundle = checked
        .bundle
        .map(|digest| digest.short())
        .unwrap_or_default();
    let (symbol, tone) = if checked.ok {
        ("✓", Tone::Good)
    } else {
        ("✗", Tone::Bad)
    };
    text.push_str(&format!(
        "{} {policies}{shadow} for {}, {}; bundle {bundle}\n",
        paint(symbol, tone),
        count(checked.tools as u64, "tool"),
        count(warnings, "warning"),
    ));
    if checked.policies == 0 {
        text.push_str("  There are no policies, so every call is denied.\n");
    }
    text
}

async fn print_schema(cx: &Context<'_>) -> Result<Exit, Failure> {
    let snapshot = load::check(cx.config()?, Some(register::compiler())).await?;
    let names = snapshot.tools.keys();
    let inputs = names
        .filter_map(|name| Some((name.clone(), snapshot.pdp.tool(name)?.clone())))
        .collect();
    let text = schema::text(&inputs).map_err(|e| Failure::plain(e.to_string()))?;
    let digest = Sha256Digest::of(text.as_bytes());
    cx.out.show(
        &serde_json::json!({ "digest": digest, "schema": text }),
        || text.clone(),
    )?;
    cx.out.remark(&format!("digest {digest}"));
    Ok(Exit::Ok)
}
