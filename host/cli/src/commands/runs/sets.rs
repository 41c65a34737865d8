//! `tollgate runs sets`: named sets of runs.

use clap::Subcommand;
use serde_json::json;

use crate::{
    client::{ApiRequest, segment},
    commands::runs::{annotate, run_id, trace},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    style::{Tone, line, paint},
    units::moment,
};

const SETS: &str = "\
Examples:
  $ tollgate runs sets add regressions --about 'to look at before a release'
  $ tollgate runs sets put regressions monday tuesday
  $ tollgate runs list --set regressions

With --json: [{name, about, by, created, runs}]. With `show --json`: a list of run ids.";

/// What to do with sets.
#[derive(Debug, Subcommand)]
#[command(after_help = SETS)]
pub(crate) enum Sets {
    /// List sets.
    #[command(after_help = SETS)]
    List,
    /// List the runs of a set.
    #[command(after_help = SETS)]
    Show {
        /// Its name.
        set: String,
    },
    /// Make a set.
    #[command(after_help = SETS)]
    Add {
        /// Its name.
        set: String,
        /// The purpose of the set.
        #[arg(long, value_name = "TEXT", default_value = "")]
        about: String,
    },
    /// Remove a set; its runs stay.
    #[command(after_help = SETS)]
    Remove {
        /// Its name.
        set: String,
    },
    /// Put runs into a set.
    #[command(after_help = SETS)]
    Put {
        /// Its name.
        set: String,
        /// Ids, prefixes of ids, or keys.
        #[arg(required = true)]
        runs: Vec<String>,
    },
    /// Take a run out of a set.
    #[command(after_help = SETS)]
    Take {
        /// Its name.
        set: String,
        /// Its id, the beginning of it, or its key.
        run: String,
    },
}

/// Run `tollgate runs sets`.
pub(super) async fn run(command: Sets, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Sets::List => list(cx),
        Sets::Show { set } => show(&set, cx),
        Sets::Add { set, about } => {
            let done = format!("set {set} made");
            let body = json!({ "set": set, "about": about });
            annotate(ApiRequest::post("/v1/sets", body), &done, cx).await
        }
        Sets::Remove { set } => {
            let done = format!("set {set} removed");
            let request = ApiRequest::delete(format!("/v1/sets/{}", segment(&set)));
            annotate(request, &done, cx).await
        }
        Sets::Put { set, runs } => {
            let runs = runs.iter().map(|run| run_id(run, cx));
            let runs = runs.collect::<Result<Vec<_>, _>>()?;
            let done = format!("in set {set}");
            let path = format!("/v1/sets/{}/runs", segment(&set));
            annotate(ApiRequest::post(path, json!({ "runs": runs })), &done, cx).await
        }
        Sets::Take { set, run } => {
            let run = run_id(&run, cx)?;
            let done = format!("no longer in set {set}");
            let path = format!("/v1/sets/{}/runs/{run}", segment(&set));
            annotate(ApiRequest::delete(path), &done, cx).await
        }
    }
}

fn list(cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config_despite_errors()?;
    let sets = match trace::reader(&config)? {
        Some(reader) => reader.sets(&config.gate.tenant)?,
        None => Vec::new(),
    };
    if sets.is_empty() && !cx.out.is_json() {
        cx.out.remark("no sets");
        return Ok(Exit::Ok);
    }
    cx.out.show(&sets, || {
        let rows: Vec<[Cell; 5]> = sets
            .iter()
            .map(|set| {
                [
                    Cell::new(line(&set.name, 64), Tone::Name),
                    set.runs.to_string().into(),
                    line(&set.by, 48).into(),
                    Cell::new(moment(set.created), Tone::Weak),
                    line(&set.about, 200).into(),
                ]
            })
            .collect();
        table(["SET", "RUNS", "BY", "MADE", "ABOUT"], &rows)
    })?;
    Ok(Exit::Ok)
}

fn show(set: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config_despite_errors()?;
    let runs = match trace::reader(&config)? {
        Some(reader) => reader.set_runs(&config.gate.tenant, set)?,
        None => {
            return Err(Failure::plain("there are no sets yet")
                .help("make one: tollgate runs sets add NAME"));
        }
    };
    cx.out.show(&runs, || {
        let mut text = String::new();
        for run in &runs {
            text.push_str(&format!("{}\n", paint(&run.to_string(), Tone::Name)));
        }
        text
    })?;
    Ok(Exit::Ok)
}
