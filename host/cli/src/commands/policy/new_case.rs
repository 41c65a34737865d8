//! `tollgate policy new-case`: a test case from a recorded decision.

use std::{fs::OpenOptions, io::Write as _, path::PathBuf};

use clap::Args;
use serde::Serialize;
use tollgate_model::{ids::DecisionId, record::Event};
use tollgate_policy::case::{Case, Defaults};

use super::explain;
use crate::{
    context::Context,
    error::{Failure, shown},
    exit_code::Exit,
    style::line,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy new-case dec-45
  $ tollgate policy new-case dec-45 --to policies/tests/refunds.toml --name 'large refunds wait'

Writes the request, the facts and the answer of a decision as a case of `tollgate policy test`. A case says less
than a record: it has no exact time. If the present policies answer otherwise, the command says so. It shows
arguments, so it needs the permission `view_payload` and is recorded.

With --json: the case.";

/// The decision, and where its case goes.
#[derive(Debug, Args)]
pub(crate) struct NewCase {
    /// A decision, such as dec-45.
    decision: DecisionId,
    /// What the case shows; default: the decision, its action and its outcome.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Add it to this file of cases, *.toml; default: print it.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// A file of cases with one.
#[derive(Serialize)]
struct Cases<'a> {
    case: [&'a Case; 1],
}

/// Run `tollgate policy new-case`.
pub(super) async fn run(args: &NewCase, cx: &Context<'_>) -> Result<Exit, Failure> {
    if let Some(file) = args
        .to
        .as_ref()
        .filter(|file| file.extension().is_none_or(|e| e != "toml"))
    {
        return Err(Failure::usage(format!(
            "{} is not a .toml file",
            shown(file)
        )));
    }
    let config = cx.config()?;
    let (pdp, request, facts) = explain::recorded(args.decision, true, &config, cx).await?;
    let record = cx.reader(&config)?.record(args.decision.0)?;
    let Some(Event::Decision(decided)) = record.map(|record| record.event) else {
        return Err(Failure::plain(format!(
            "there is no decision `{}`",
            args.decision
        )));
    };
    let default = || {
        format!(
            "{}: {} {}",
            args.decision,
            decided.action.id(),
            decided.outcome
        )
    };
    let name = args.name.clone().unwrap_or_else(default);
    let case = Case::of(name, &request, &facts, &decided)
        .map_err(|e| Failure::plain(format!("the case cannot be written: {e}")))?;
    for wrong in case.play(&pdp, &Defaults::default()).wrong {
        cx.out.remark(&format!(
            "the present policies answer otherwise: {}",
            line(&wrong, 300)
        ));
    }
    let text = toml::to_string(&Cases { case: [&case] }).map_err(|e| {
        Failure::plain(format!("the case cannot be written as TOML: {e}"))
            .help("write those of its run as JSON: tollgate runs export RUN --format policy-case --payloads")
    })?;
    match &args.to {
        None => cx.out.show(&case, || text)?,
        Some(file) => {
            let failed = |e| Failure::plain(format!("{}: it cannot be written: {e}", shown(file)));
            let opened = OpenOptions::new().append(true).create(true).open(file);
            let mut opened = opened.map_err(failed)?;
            opened
                .write_all(format!("\n{text}").as_bytes())
                .map_err(failed)?;
            cx.out
                .show(&case, || format!("added to {}\n", shown(file)))?;
        }
    }
    Ok(Exit::Ok)
}
