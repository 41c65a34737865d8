//! What agents have reported of a run, read beside the ledger; nothing where nobody has.

use tollgate::{config::Config, ledger::RunRow};
use tollgate_core::{
    ids::RunId,
    record::{Event, Record},
};
use tollgate_trace::{
    beside::Beside,
    store::{Reader, SpanOrigin, StoreOptions},
};

use crate::failure::Failure;

/// The reader of the trace store beside the gate's ledger, if there is one.
pub(crate) fn reader(config: &Config) -> Result<Option<Reader>, Failure> {
    Ok(Reader::open(
        &StoreOptions::beside(&config.store.path).path,
    )?)
}

/// What was reported of a run, in its own trace and in its caller's.
pub(crate) fn of_run(
    config: &Config,
    run: &RunRow,
    records: &[(u64, Record)],
) -> Result<Beside, Failure> {
    let Some(reader) = reader(config)? else {
        return Ok(Beside::default());
    };
    let mut spans = reader.spans(&run.tenant, run.id, Some(SpanOrigin::Reported))?;
    if let Some(caller) = callers_trace(run.id, records) {
        // Another run has that trace's id: of what was reported there only the principal's own counts.
        let theirs = reader.spans(&run.tenant, caller, Some(SpanOrigin::Reported))?;
        let whose = run.principal.to_string();
        spans.extend(theirs.into_iter().filter(|span| span.reporter == whose));
    }
    Ok(Beside::of(spans, records))
}

fn callers_trace(run: RunId, records: &[(u64, Record)]) -> Option<RunId> {
    records.iter().find_map(|(_, record)| match &record.event {
        Event::RunStarted(started) => started.origin.trace.filter(|trace| *trace != run),
        _ => None,
    })
}
