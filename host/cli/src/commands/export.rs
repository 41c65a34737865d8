//! `tollgate export`: exports the gate's spans to collectors by OTLP.

use std::{sync::Arc, time::Duration};

use clap::Subcommand;
use tollgate::{config::Config, ids::Clock};
use tollgate_server::export::source_of_store;
use tollgate_trace::export::{self, ExportLease, Exporter, Status, Step};

use crate::{
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    style::Tone,
};

const STATUS: &str = "\
Example:
  $ tollgate export status

The state of each exporter under [export.NAME]. `lag` is the number of records of the ledger that it has not
processed yet.

With --json: [{name, url, protocol, profile, position, records, lag, sent, rejected, acknowledged, failing,
failing_since}]. Times are microseconds since 1970.";
const RUN: &str = "\
Examples:
  $ tollgate export run
  $ tollgate export run phoenix --patience 5m

For a ledger that no process serves: `tollgate serve` exports by itself, and this command is refused while it
runs. A span is exported only after it has ended. The exit code is 1 if a collector has not accepted everything.

With --json: the same as `tollgate export status`.";

/// What to do with exporters.
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Show the progress of each exporter, and what delays it.
    #[command(after_help = STATUS)]
    Status,
    /// Export all ended spans once, without a server.
    #[command(after_help = RUN)]
    Run {
        /// The exporter; all of them unless given.
        name: Option<String>,
        /// How long to retry while a collector accepts nothing.
        #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
        patience: Duration,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    let parsed = parsed.and_then(|d| Duration::try_from(d).ok());
    parsed.ok_or_else(|| "write it as in 30s or 5m".to_owned())
}

/// Run `tollgate export`.
pub(crate) async fn run(command: Export, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    if config.exports.is_empty() {
        return Err(Failure::plain("no exporter is configured")
            .help("add one: [export.phoenix] with url = \"http://127.0.0.1:6006\""));
    }
    match command {
        Export::Status => show(&config, cx),
        Export::Run { name, patience } => once(name.as_deref(), patience, config, cx).await,
    }
}

fn known(config: &Config, cx: &Context<'_>) -> Result<Vec<Status>, Failure> {
    let records = match cx.reader_if_any(config)? {
        Some(reader) => reader.size()?.records,
        None => 0,
    };
    export::status(&config.store.path, &config.exports, records)
        .map_err(|e| Failure::plain(e.to_string()))
}

fn show(config: &Config, cx: &Context<'_>) -> Result<Exit, Failure> {
    let all = known(config, cx)?;
    cx.out.show(&all, || listed(&all))?;
    Ok(Exit::Ok)
}

fn listed(all: &[Status]) -> String {
    let row = |one: &Status| {
        let state = match &one.failing {
            Some(why) => Cell::new(format!("held up: {why}"), Tone::Bad),
            None if one.lag == 0 => Cell::new("up to date", Tone::Good),
            None => Cell::new("behind", Tone::Wait),
        };
        [
            Cell::new(one.name.clone(), Tone::Name),
            one.url.clone().into(),
            one.lag.to_string().into(),
            one.sent.to_string().into(),
            one.rejected.to_string().into(),
            state,
        ]
    };
    let rows: Vec<[Cell; 6]> = all.iter().map(row).collect();
    let header = ["EXPORTER", "COLLECTOR", "LAG", "SENT", "REJECTED", "STATE"];
    table(header, &rows)
}

async fn once(
    name: Option<&str>,
    patience: Duration,
    config: Config,
    cx: &Context<'_>,
) -> Result<Exit, Failure> {
    let plain = |e: export::ExportError| Failure::plain(e.to_string());
    if let Some(name) = name.filter(|name| !config.exports.contains_key(*name)) {
        let names = config.exports.keys().map(String::as_str);
        let failure = Failure::usage(format!("there is no exporter `{name}`"));
        return Err(match tollgate_policy::policy::nearest(name, names) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help(format!("add a table [export.{name}]")),
        });
    }
    cx.reader(&config)?;
    let _turn = ExportLease::take(&config.store.path).map_err(plain)?;
    let source = Arc::new(source_of_store(&config).map_err(plain)?);
    let wanted = |other: &&String| name.is_none_or(|name| name == *other);
    for name in config.exports.keys().filter(wanted) {
        let exporter = Exporter::new(name, Arc::clone(&source)).await;
        to_the_end(exporter.map_err(plain)?, patience).await?;
    }
    let all = known(&config, cx)?;
    let behind = |one: &Status| wanted(&&one.name) && (one.lag > 0 || one.failing.is_some());
    let exit = match all.iter().any(behind) {
        true => Exit::Failure,
        false => Exit::Ok,
    };
    cx.out.show(&all, || listed(&all))?;
    Ok(exit)
}

/// Exports until nothing is left, or the collector has accepted nothing for `patience`.
async fn to_the_end(mut exporter: Exporter, patience: Duration) -> Result<(), Failure> {
    const PAUSE: Duration = Duration::from_millis(100);
    let clock = Clock::system();
    let mut since = std::time::Instant::now();
    loop {
        let step = exporter.step(clock.now()).await;
        match step.map_err(|e| Failure::plain(e.to_string()))? {
            Step::Idle => return Ok(()),
            Step::Sent => since = std::time::Instant::now(),
            Step::Failed | Step::Later if since.elapsed() >= patience => return Ok(()),
            Step::Failed | Step::Later => tokio::time::sleep(PAUSE).await,
        }
    }
}
