//! `tollgate runs export`: a run as spans, as cases for `policy test`, or as an evaluation case.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;
use tollgate::config::Config;
use tollgate_ledger::RunRow;
use tollgate_model::{
    entity::Uid,
    ids::DecisionId,
    record::{DecisionRecord, Event, KeyedDigest, Record},
    request::{ActionContext, Facts, Request},
};
use tollgate_policy::{
    case::{Case, Defaults},
    pdp::Pdp,
};
use tollgate_trace::{file_export, run::RunSteps, store::StoredSpan};

use crate::{
    client::{ApiRequest, Client},
    commands::{
        reported::of_run as reports_of_run,
        runs::{find, trace},
    },
    component::compiler,
    context::Context,
    error::{Failure, shown},
    exit_code::Exit,
    reply::{DecisionFacts, EntityHash},
    style::line,
    units::count,
};

const HELP: &str = "\
Examples:
  $ tollgate runs export monday --format otlp --output monday.json
  $ tollgate runs export monday --format parquet --output monday.parquet
  $ tollgate runs export monday --format policy-case --payloads --output policies/tests/monday.json
  $ tollgate runs export monday --format eval

otlp is an ExportTraceServiceRequest in OTLP's JSON, lines has one span per line, and parquet is uncompressed.
In these formats people and resources are keyed hashes, as in exports to collectors.

policy-case writes a case for `tollgate policy test` for each decision, with arguments and facts, so it needs
--payloads. Cases that the policies in force would answer differently are left out and listed. eval is the
expected path and outcome of the run; with --payloads also its arguments and self-reports.

An export needs the permission `export_runs`, and --payloads also `view_payload`. Both are recorded.";

/// The run and format.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Export {
    /// Its id, the beginning of it, or its key; the latest run unless given.
    run: Option<String>,
    /// The format; default: otlp.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// The file to write; default: standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Include arguments, facts and self-reports.
    #[arg(long)]
    payloads: bool,
}

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// OTLP as JSON.
    Otlp,
    /// One span per line, as JSON.
    Lines,
    /// Apache Parquet.
    Parquet,
    /// Cases for `tollgate policy test`.
    PolicyCase,
    /// An evaluation case.
    Eval,
}

/// Requests and facts of decisions.
type DecisionInputs = BTreeMap<DecisionId, (Request, Facts)>;

/// Run `tollgate runs export`.
pub(super) async fn run(args: &Export, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config_despite_errors()?;
    let ledger = cx.reader(&config)?;
    let row = find(&ledger, args.run.as_deref())?;
    let format = args.format.unwrap_or(Format::Otlp);
    if format == Format::PolicyCase && !args.payloads {
        return Err(
            Failure::usage("cases hold the arguments and facts of decisions")
                .help("add --payloads, which is decided and recorded"),
        );
    }
    // Read before the export is recorded: that record is not part of the exported file.
    let records = ledger.records_of_run(row.id)?;
    let payloads = args.payloads && matches!(format, Format::PolicyCase | Format::Eval);
    let mut client = cx.client(cx.config_despite_errors()?)?;
    let leave = leave(&row, payloads, &mut client).await;
    client.close().await;
    let (names, sealed) = leave?;
    let bytes = match format {
        Format::PolicyCase => {
            let sealed = sealed.unwrap_or_default();
            cases(&config, &records, &row, &sealed, cx).await?
        }
        Format::Eval => evaluation(&config, &records, &row, sealed.as_ref())?,
        format => {
            let mut spans = file_export::own(row.id, &records, &|who| names.get(who).cloned());
            spans.extend(reported(&config, &row, &records)?);
            match format {
                Format::Lines => file_export::lines(&spans).map_err(no_json)?.into_bytes(),
                Format::Parquet => file_export::parquet(&spans)
                    .map_err(|e| Failure::plain(e.to_string()))?
                    .to_vec(),
                _ => pretty(&file_export::otlp(&spans))?,
            }
        }
    };
    match &args.output {
        Some(file) => {
            std::fs::write(file, &bytes).map_err(|e| {
                Failure::plain(format!("{}: it cannot be written: {e}", shown(file)))
            })?;
            let value = serde_json::json!({ "run": row.id, "file": file, "bytes": bytes.len() });
            cx.out
                .show(&value, || format!("run {} is in {}", row.id, shown(file)))?;
        }
        None => match String::from_utf8(bytes) {
            Ok(text) => cx.out.text(&text)?,
            Err(binary) => std::io::stdout().write_all(binary.as_bytes())?,
        },
    }
    Ok(Exit::Ok)
}

fn no_json(error: serde_json::Error) -> Failure {
    Failure::plain(format!("it cannot be written as JSON: {error}"))
}

fn pretty<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(no_json)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The reports of the run. Reporters are reduced to their kind, except agents, which keep their name.
fn reported(
    config: &Config,
    row: &RunRow,
    records: &[(u64, Record)],
) -> Result<Vec<StoredSpan>, Failure> {
    let merged = reports_of_run(config, row, records)?;
    let mut spans = merged.spans().to_vec();
    for span in spans.iter_mut().filter(|s| !s.reporter.contains("Agent::")) {
        let kind = span.reporter.split("::\"").next().unwrap_or_default();
        span.reporter = kind.to_owned();
    }
    Ok(spans)
}

/// Requests the export: returns the hashes of entities, and with payloads the facts of decisions. Both accesses are
/// decided and recorded.
async fn leave(
    row: &RunRow,
    payloads: bool,
    client: &mut Client<'_>,
) -> Result<(BTreeMap<Uid, KeyedDigest>, Option<DecisionInputs>), Failure> {
    let request = ApiRequest::post(format!("/v1/runs/{}/export", row.id), Value::Null);
    let hashes: Vec<EntityHash> = client.execute(request).await?;
    let names = hashes.into_iter().map(|of| (of.entity, of.hash)).collect();
    if !payloads {
        return Ok((names, None));
    }
    let request = ApiRequest::get(format!("/v1/runs/{}/facts", row.id));
    let found: Vec<DecisionFacts> = client.execute(request).await?;
    let mut sealed = DecisionInputs::new();
    for DecisionFacts { decision, facts } in found {
        let request = serde_json::from_value(facts.request).map_err(no_json)?;
        let facts = serde_json::from_value(facts.facts).map_err(no_json)?;
        sealed.insert(decision, (request, facts));
    }
    Ok((names, Some(sealed)))
}

/// Cases that the policies in force answer as recorded, as a JSON list.
async fn cases(
    config: &Config,
    records: &[(u64, Record)],
    row: &RunRow,
    sealed: &DecisionInputs,
    cx: &Context<'_>,
) -> Result<Vec<u8>, Failure> {
    let bundle = tollgate::load::bundle_without_validation(config, Some(compiler())).await?;
    let pdp =
        Pdp::load(&bundle).map_err(|e| Failure::from(tollgate::load::LoadError::Policies(e)))?;
    let (mut kept, mut other) = (Vec::<Case>::new(), Vec::new());
    let mut silent = 0_u64;
    for (index, record) in records {
        let Event::Decision(decided) = &record.event else {
            continue;
        };
        let Some((request, facts)) = sealed.get(&DecisionId(*index)) else {
            silent += 1;
            continue;
        };
        let name = named(DecisionId(*index), row, decided);
        let case = Case::of(name, request, facts, decided).map_err(no_json)?;
        let wrong = case.play(&pdp, &Defaults::default()).wrong;
        match wrong.first() {
            Some(wrong) => other.push(format!("dec-{index}: {wrong}")),
            // A pending call is decided several times; equal cases are written once.
            None if kept.iter().any(|known| same(known, &case)) => {}
            None => kept.push(case),
        }
    }
    if silent > 0 {
        let decisions = count(silent, "decision");
        cx.out.remark(&format!(
            "{decisions} left out: what they were made from is no longer kept"
        ));
    }
    for wrong in &other {
        cx.out.remark(&format!("left out, {}", line(wrong, 300)));
    }
    pretty(&kept)
}

fn named(id: DecisionId, row: &RunRow, decided: &DecisionRecord) -> String {
    let run: String = row.id.to_string().chars().take(12).collect();
    format!(
        "{id} of run {run}: {} {}",
        decided.action.id(),
        decided.outcome
    )
}

fn same(known: &Case, case: &Case) -> bool {
    let nameless = |case: &Case| Case {
        name: String::new(),
        ..case.clone()
    };
    nameless(known) == nameless(case)
}

fn evaluation(
    config: &Config,
    records: &[(u64, Record)],
    row: &RunRow,
    sealed: Option<&DecisionInputs>,
) -> Result<Vec<u8>, Failure> {
    let steps = RunSteps::of(records);
    let arguments: Option<BTreeMap<DecisionId, Value>> = sealed.map(|sealed| {
        let calls = sealed
            .iter()
            .filter_map(|(id, (request, _))| match &request.context {
                ActionContext::Call { input, .. } => Some((*id, input.clone())),
                _ => None,
            });
        calls.collect()
    });
    let (reports, notes, feedback) = match trace::reader(config)? {
        Some(store) => (
            store.self_reports(&row.tenant, row.id)?,
            store.notes(&row.tenant, row.id)?,
            store.feedback(&row.tenant, Some(row.id), None)?,
        ),
        None => Default::default(),
    };
    let arguments = arguments.as_ref();
    pretty(&file_export::eval(
        row.id, &steps, &reports, &notes, feedback, arguments,
    ))
}
