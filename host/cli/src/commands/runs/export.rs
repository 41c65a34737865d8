//! `tollgate runs export`: a run as spans, as cases for `policy test`, or as an evaluation case.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;
use tollgate::{
    config::Config,
    ledger::{LedgerReader, RunRow},
};
use tollgate_core::{
    cases::{Case, Defaults},
    ids::DecisionId,
    pdp::Pdp,
    record::{DecisionRecord, Event},
    request::{ActionContext, Facts, Request},
};
use tollgate_trace::{
    export,
    run::RunSteps,
    store::{Reader, SpanOrigin, StoredSpan},
};

use super::{find, trace};
use crate::{
    commands::{Context, component::register, unexpected},
    exit::Exit,
    failure::{Failure, shown},
    operation::{Operation, Reply},
    show::{measure::count, paint::line},
};

const HELP: &str = "\
Examples:
  $ tollgate runs export monday --format otlp --output monday.json
  $ tollgate runs export monday --format parquet --output monday.parquet
  $ tollgate runs export monday --format policy-case --payloads --output policies/tests/monday.json
  $ tollgate runs export monday --format eval

otlp is an ExportTraceServiceRequest in OTLP's JSON; lines has one span a line; parquet is uncompressed.
policy-case writes cases for `tollgate policy test`: each decision with its arguments and facts, so it
needs --payloads. Cases that the policies in force would answer otherwise are left out and named.
eval is the expected path and outcome of the run; with --payloads also the arguments and what was told.
--payloads takes the permission `view_payload`, and is recorded.";

/// What to export.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Export {
    /// Its id, the beginning of it, or its key; the latest run unless given.
    run: Option<String>,
    /// As what.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Where to; standard output unless given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// With arguments, facts and what was told.
    #[arg(long)]
    payloads: bool,
}

/// As what a run is exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// OTLP as JSON.
    #[default]
    Otlp,
    /// One span a line, as JSON.
    Lines,
    /// Apache Parquet.
    Parquet,
    /// Cases for `tollgate policy test`.
    PolicyCase,
    /// An evaluation case.
    Eval,
}

/// What decisions were made from.
type Sealed = BTreeMap<DecisionId, (Request, Facts)>;

/// Run `tollgate runs export`.
pub(super) async fn run(args: &Export, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let ledger = cx.reader(&config)?;
    let row = find(&ledger, args.run.as_deref())?;
    if args.format == Format::PolicyCase && !args.payloads {
        return Err(
            Failure::usage("cases hold the arguments and facts of decisions")
                .help("add --payloads, which is decided and recorded"),
        );
    }
    let sealed = match args.payloads && matches!(args.format, Format::PolicyCase | Format::Eval) {
        true => Some(sealed(&row, cx).await?),
        false => None,
    };
    let bytes = match args.format {
        Format::PolicyCase => {
            let sealed = sealed.unwrap_or_default();
            cases(&config, &ledger, &row, &sealed, cx).await?
        }
        Format::Eval => evaluation(&config, &ledger, &row, sealed.as_ref()).await?,
        format => {
            let store = trace::caught_up(&config, &ledger).await?;
            let spans = spans(&store, &row)?;
            match format {
                Format::Lines => export::lines(&spans).map_err(no_json)?.into_bytes(),
                Format::Parquet => export::parquet(&spans)
                    .map_err(|e| Failure::plain(e.to_string()))?
                    .to_vec(),
                _ => pretty(&export::otlp(&spans))?,
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

/// The run's spans, and those that its own agent reported in the caller's trace.
fn spans(store: &Reader, row: &RunRow) -> Result<Vec<StoredSpan>, Failure> {
    let mut spans = store.spans(&row.tenant, row.id, None)?;
    let caller = store.trace(&row.tenant, row.id)?;
    let caller = caller.and_then(|trace| trace.caller);
    if let Some(trace) = caller.filter(|trace| *trace != row.id) {
        let own = row.principal.to_string();
        let reported = store.spans(&row.tenant, trace, Some(SpanOrigin::Reported))?;
        spans.extend(reported.into_iter().filter(|span| span.reporter == own));
    }
    Ok(spans)
}

/// What the run's decisions were made from: whether the asker may see that is decided, and recorded.
async fn sealed(row: &RunRow, cx: &Context<'_>) -> Result<Sealed, Failure> {
    let found = match cx.execute(Operation::RunFacts { run: row.id }).await? {
        Reply::RunFacts(found) => found,
        other => return Err(unexpected(&other)),
    };
    let mut sealed = Sealed::new();
    for (id, view) in found {
        let request = serde_json::from_value(view.request).map_err(no_json)?;
        let facts = serde_json::from_value(view.facts).map_err(no_json)?;
        sealed.insert(id, (request, facts));
    }
    Ok(sealed)
}

/// Cases that get the recorded answer with the policies in force, as a list in JSON.
async fn cases(
    config: &Config,
    ledger: &LedgerReader,
    row: &RunRow,
    sealed: &Sealed,
    cx: &Context<'_>,
) -> Result<Vec<u8>, Failure> {
    let bundle = tollgate::load::unchecked(config, Some(register::compiler())).await?;
    let pdp =
        Pdp::load(&bundle).map_err(|e| Failure::from(tollgate::load::LoadError::Policies(e)))?;
    let (mut kept, mut other) = (Vec::<Case>::new(), Vec::new());
    let mut silent = 0_u64;
    for (index, record) in ledger.records_of_run(row.id)? {
        let Event::Decision(decided) = record.event else {
            continue;
        };
        let Some((request, facts)) = sealed.get(&DecisionId(index)) else {
            silent += 1;
            continue;
        };
        let name = named(DecisionId(index), row, &decided);
        let case = Case::of(name, request, facts, &decided).map_err(no_json)?;
        let wrong = case.play(&pdp, &Defaults::default()).wrong;
        match wrong.first() {
            Some(wrong) => other.push(format!("dec-{index}: {wrong}")),
            // A call that waits is decided again and again.
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

async fn evaluation(
    config: &Config,
    ledger: &LedgerReader,
    row: &RunRow,
    sealed: Option<&Sealed>,
) -> Result<Vec<u8>, Failure> {
    let steps = RunSteps::of(&ledger.records_of_run(row.id)?);
    let arguments: Option<BTreeMap<DecisionId, Value>> = sealed.map(|sealed| {
        let calls = sealed
            .iter()
            .filter_map(|(id, (request, _))| match &request.context {
                ActionContext::Call { input, .. } => Some((*id, input.clone())),
                _ => None,
            });
        calls.collect()
    });
    let (told, notes, feedback) = match trace::reader(config)? {
        Some(store) => (
            store.told(&row.tenant, row.id)?,
            store.notes(&row.tenant, row.id)?,
            store.feedback(&row.tenant, Some(row.id), None)?,
        ),
        None => Default::default(),
    };
    let arguments = arguments.as_ref();
    pretty(&export::eval(
        row.id, &steps, &told, &notes, feedback, arguments,
    ))
}
