//! `tollgate ledger`: is it whole?

use clap::Subcommand;
use tollgate_model::ids::hex;

use super::Context;
use crate::{
    exit::Exit,
    failure::Failure,
    show::{
        measure::count,
        paint::{Tone, paint},
    },
};

const VERIFY: &str = "\
Example:
  $ tollgate ledger verify

Computes every record's hash again, and names the first record that is not what was written.
With --json: {ok, records, root}.";

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Verify that no record is missing or was changed.
    #[command(after_help = VERIFY)]
    Verify,
}

/// Run `tollgate ledger`.
pub(crate) fn run(_: &Ledger, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let reader = cx.reader(&config)?;
    // With the key it also sees whether records are missing at the end.
    let key = Some(config.store.key).filter(|key| key.is_file());
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("verifying the ledger"));
    let verified = reader.verify(key.as_deref(), |done| {
        if let Some(step) = &step {
            step.detail(&count(done, "record"));
        }
    })?;
    drop(step);
    let root = hex(&verified.tree.root());
    let value = serde_json::json!({ "ok": true, "records": verified.size, "root": root });
    cx.out.show(&value, || {
        format!(
            "{} {} are what was written\n  root {root}",
            paint("✓", Tone::Good),
            count(verified.size, "record")
        )
    })?;
    Ok(Exit::Ok)
}
