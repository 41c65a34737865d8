//! `tollgate ledger`: is it whole?

use clap::Subcommand;
use tollgate::ids::Clock;
use tollgate_ledger::{Batch, LedgerError, LedgerOptions, Sync};
use tollgate_model::{
    ids::hex,
    record::{AdminAction, Administered, Event, Record},
};

use super::Context;
use crate::{
    exit::Exit,
    failure::Failure,
    identity,
    show::{
        measure::count,
        paint::{Tone, paint},
    },
};

const VERIFY: &str = "\
Example:
  $ tollgate ledger verify

Computes every record's hash again, and names the first record that is not what was written. Then builds the
read models (runs, labels, approvals, halts) from the records, and compares them with the stored ones.
With --json: {ok, records, root}.";

const REBUILD: &str = "\
Example:
  $ tollgate ledger rebuild

For a ledger whose read models differ from its records. No gate may run meanwhile. The records are verified
first and stay as they are; the rebuild is recorded. With --json: {ok, records}.";

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Verify that no record is missing or was changed, and that the read models are what the records say.
    #[command(after_help = VERIFY)]
    Verify,
    /// Make the read models again from the records.
    #[command(after_help = REBUILD)]
    Rebuild,
}

/// Run `tollgate ledger`.
pub(crate) async fn run(command: &Ledger, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Ledger::Verify => verify(cx),
        Ledger::Rebuild => rebuild(cx).await,
    }
}

async fn rebuild(cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let by = identity::login(identity::own_uid())?;
    let options = LedgerOptions {
        path: config.store.path.clone(),
        key: config.store.key.clone(),
        sync: Sync::Full,
        cached_runs: 1,
    };
    let now = Clock::system().now();
    let ledger = tollgate_ledger::Ledger::open(options, now)?;
    // Records that are wrong would only make wrong read models.
    match ledger.reader().verify(Some(&config.store.key), |_| {}) {
        Ok(_) | Err(LedgerError::ReadModel { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    ledger.rebuild().await?;
    let rebuilt = Event::Administered(Administered {
        action: AdminAction::ReadModelsRebuilt,
        by,
        target: config.store.path.display().to_string(),
    });
    let record = Record::new(config.gate.tenant.clone(), None, ledger.now(now), rebuilt);
    ledger
        .commit(Batch {
            records: vec![record],
            ..Batch::default()
        })
        .await
        .map_err(LedgerError::from)?;
    let records = ledger.size();
    ledger.close().await;
    let value = serde_json::json!({ "ok": true, "records": records });
    cx.out.show(&value, || {
        format!(
            "{} read models rebuilt from {}",
            paint("✓", Tone::Good),
            count(records, "record")
        )
    })?;
    Ok(Exit::Ok)
}

fn verify(cx: &Context<'_>) -> Result<Exit, Failure> {
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
