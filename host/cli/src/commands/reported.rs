//! Reported spans, logs and usage of a run, from the trace store; empty if there is no store.

use tollgate::config::Config;
use tollgate_ledger::RunRow;
use tollgate_model::record::Record;
use tollgate_trace::{
    merged_tree::MergedTrace,
    store::{Part, Reader, StoreOptions},
};

use crate::error::Failure;

/// The most that is shown.
const MOST: Part = Part {
    rows: 100_000,
    bytes: 64 << 20,
};

/// The trace store of the gate, if there is one.
pub(crate) fn reader(config: &Config) -> Result<Option<Reader>, Failure> {
    Ok(Reader::open(
        &StoreOptions::for_ledger(&config.store.path).path,
    )?)
}

/// The reports of a run, in its own trace and in its caller's.
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
