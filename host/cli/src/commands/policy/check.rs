//! `tollgate policy check`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use tollgate::{
    config::{Config, misnamed_policy_files, policy_files},
    gate::lock_with_offers,
    load,
};
use tollgate_model::canonical::Sha256Digest;
use tollgate_policy::{
    pdp::{self, Bundle, Pdp},
    policy::Mode,
};
use tollgate_server::upstream::Servers;

use crate::{
    commands::policy::{sarif, schema, unused_names},
    component::compiler,
    context::Context,
    error::{Failure, Place, places},
    exit_code::Exit,
    render::diagnostics,
    style::{Tone, line, paint},
    units::count,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy check
  $ tollgate policy check policies-next
  $ tollgate policy check --deny-warnings --json
  $ tollgate policy check --format sarif > policies.sarif

A set with an error does not load. Warnings do not prevent that: unknown names, values that a request never
has, policies that can never apply, and policies that another one covers completely; files such as
`refunds.ceder`, which are not loaded; labels, tools and fields in tollgate.toml that resemble others and that
nothing else names. Notes list policies that do not apply to anything yet. DIR is checked in place of the
policies of tollgate.toml. The command also writes the schema for editors, .tollgate/tollgate.cedarschema.

Tools of an upstream server that was never accepted are those that it offers now.

The exit code is 1 if there is an error; with --deny-warnings also if there is a warning.

With --json: {ok, bundle, policies, shadow, tools, diagnostics [{file, line, column, length,
error, note, code, message, help}]}.";

/// How strict to be.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// A folder with other policies, such as a candidate.
    dir: Option<PathBuf>,
    /// Fail on warnings as well.
    #[arg(long)]
    deny_warnings: bool,
    /// text, json (as --json), or sarif (2.1.0, which code hosts show next to the lines).
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "FORMAT"
    )]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// As --json.
    Json,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}

/// The result of a check.
#[derive(Serialize)]
struct CheckReport {
    ok: bool,
    bundle: Option<Sha256Digest>,
    policies: usize,
    shadow: usize,
    tools: usize,
    diagnostics: Vec<Place>,
}

/// Run `tollgate policy check`.
pub(super) async fn run(args: &Check, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("checking policies"));
    let (lock, offered) = lock_with_offers(&config, Servers::new().as_ref()).await?;
    let mut bundle = load::bundle_with_lock(&config, Some(compiler()), &lock).await?;
    schema::keep_for_editors(&config, &bundle, cx)?;
    if let Some(dir) = &args.dir {
        bundle.policies = policy_files(dir)?;
        bundle.policies.extend(config.budgets.policies());
        bundle.candidate = None;
    }
    let told = |done, all| {
        if let Some(step) = &step {
            step.detail(&format!("{done} of {all} policies"));
        }
    };
    let checked = checked(args, &config, &bundle, &told);
    drop(step);
    let checked = checked?;
    for name in offered {
        let name = line(&name, 64);
        cx.out.remark(&format!(
            "`{name}` was never accepted: the policies are checked with what it offers now"
        ));
    }
    match args.format {
        Format::Sarif => cx.out.json(&sarif::log(&checked.diagnostics, &config))?,
        Format::Json => cx.out.json(&checked)?,
        Format::Text => cx.out.show(&checked, || render(&checked))?,
    }
    Ok(if checked.ok { Exit::Ok } else { Exit::Failure })
}

/// After so many policies the progress is shown anew.
const SHOWN_EVERY: usize = 500;

/// Checks a bundle. `told` gets the number of policies that are checked, and of all.
fn checked(
    args: &Check,
    config: &Config,
    bundle: &Bundle,
    told: &dyn Fn(usize, usize),
) -> Result<CheckReport, Failure> {
    let dir = args.dir.as_deref().unwrap_or(&config.policies);
    match Pdp::load(bundle) {
        Ok(pdp) => {
            let policies = pdp.policies();
            let mut found = pdp.warnings().to_vec();
            found.extend(pdp.lint_with(&|done| {
                if done % SHOWN_EVERY == 0 {
                    told(done, policies.len());
                }
            }));
            let mut diagnostics = places(dir, &found);
            diagnostics.extend(misnamed(dir));
            diagnostics.extend(unused_names::warnings(config, bundle, &pdp));
            Ok(CheckReport {
                ok: diagnostics.iter().all(|d| d.note) || !args.deny_warnings,
                bundle: Some(pdp.digest()),
                policies: policies.len(),
                shadow: policies.values().filter(|p| p.mode == Mode::Shadow).count(),
                tools: bundle.tools.len(),
                diagnostics,
            })
        }
        Err(pdp::LoadError::Policies(found)) => Ok(CheckReport {
            ok: false,
            bundle: None,
            policies: 0,
            shadow: 0,
            tools: bundle.tools.len(),
            diagnostics: places(dir, &found),
        }),
        Err(pdp::LoadError::Candidate(found)) => {
            let dir = config.candidate.as_deref().unwrap_or(&config.policies);
            Ok(CheckReport {
                ok: false,
                bundle: None,
                policies: 0,
                shadow: 0,
                tools: bundle.tools.len(),
                diagnostics: places(dir, &found),
            })
        }
        Err(error) => Err(load::LoadError::Policies(error).into()),
    }
}

/// Files that are not loaded although they seem to be meant as policies.
fn misnamed(dir: &Path) -> Vec<Place> {
    let place = |file: PathBuf| Place {
        file: file.display().to_string(),
        line: 1,
        column: 1,
        length: 1,
        error: false,
        note: false,
        code: "policy::not-loaded".into(),
        message: "this file is not loaded: its name does not end in `.cedar`".into(),
        help: Some("rename it, or move it out of the policies".into()),
    };
    misnamed_policy_files(dir).into_iter().map(place).collect()
}

fn render(checked: &CheckReport) -> String {
    let (notes, weighty): (Vec<Place>, Vec<Place>) =
        checked.diagnostics.iter().cloned().partition(|d| d.note);
    let mut text = diagnostics::render(&weighty);
    for note in &notes {
        let word = paint("note:", Tone::Name);
        let file = crate::error::shown(Path::new(&note.file));
        text.push_str(&format!("{word} {} ({file}:{})\n", note.message, note.line));
    }
    if !notes.is_empty() {
        text.push('\n');
    }
    let errors = weighty.iter().filter(|d| d.error).count() as u64;
    let warnings = weighty.len() as u64 - errors;
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
