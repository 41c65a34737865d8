//! What agents have reported of a run, read beside the ledger; nothing where nobody has.

use tollgate::config::Config;
use tollgate_ledger::RunRow;
use tollgate_model::record::Record;
use tollgate_trace::{
    merged_tree::MergedTrace,
    store::{Part, Reader, StoreOptions},
};

use crate::failure::Failure;

/// How much of it is shown.
const MOST: Part = Part {
    rows: 100_000,
    bytes: 64 << 20,
};

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
) -> Result<MergedTrace, Failure> {
    let Some(reader) = reader(config)? else {
        return Ok(MergedTrace::default());
    };
    Ok(MergedTrace::of_run(&reader, run, records, MOST, true)?)
}
