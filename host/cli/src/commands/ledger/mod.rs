//! `tollgate ledger`: verify, prove, export, rebuild.

mod proofs;

use std::path::PathBuf;

use clap::Subcommand;
use tollgate::{config::Config, ids::Clock};
use tollgate_ledger::{
    Batch, LedgerError, LedgerOptions, Sync, checkpoint::NoteSigner, sqlite::sibling_path,
};
use tollgate_model::{
    ids::{DecisionId, hex},
    record::{AdminAction, AdministrativeAct, Event, Record},
};

use crate::{
    context::Context,
    error::Failure,
    exit_code::Exit,
    identity,
    style::{Tone, paint},
    units::count,
};

const VERIFY: &str = "\
Example:
  $ tollgate ledger verify

Recomputes the hash of every record, and names the first record that was changed. Then builds the read models
(runs, labels, approvals, halts) from the records, and compares them with the stored ones.

  $ tollgate ledger verify --log audit --key gate.example/ledger+…

Checks the log that `ledger export` wrote into a folder, without the ledger.

With --json: {ok, records, root}; of a folder also origin.";

const REBUILD: &str = "\
Example:
  $ tollgate ledger rebuild

For a ledger whose read models differ from its records. No gate may run at the same time. The records are
verified first and not changed; the rebuild is recorded.

With --json: {ok, records}.";

const KEYGEN: &str = "\
Example:
  $ tollgate ledger keygen gate.example/ledger

Makes the key that signs checkpoints, next to the ledger's wrapping key, and prints the public key. Give the
public key to everyone who checks proofs. The name identifies the log: use a unique one, such as a host and a
path. An existing key is never replaced.

With --json: {file, public}.";

const PROVE: &str = "\
Example:
  $ tollgate ledger prove dec-219 --out refund.tlog-proof

Writes a proof that the record is in the ledger (c2sp.org/tlog-proof): the record itself, the hashes from it to the
root, and a checkpoint that the key of `ledger keygen` signs. It can be checked offline, with the public key.";

const EXPORT: &str = "\
Example:
  $ tollgate ledger export audit

Writes every record, the hashes over them, and a checkpoint that the key of `ledger keygen` signs, as the files of
c2sp.org/tlog-tiles. Others can check them offline with `ledger verify --log`, or with any program for such logs.
Run it again to add the records since. A folder with another history is refused, and is not changed.

Records have names and digests of arguments. They have no arguments, results or secrets.

With --json: {dir, origin, records, root}.";

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Verify that no record is missing or changed, and that the read models match the records.
    #[command(after_help = VERIFY)]
    Verify {
        /// Check this proof instead; no ledger is needed.
        #[arg(long, value_name = "FILE", requires = "key", group = "evidence")]
        proof: Option<PathBuf>,
        /// Check this folder of `ledger export` instead; no ledger is needed.
        #[arg(long, value_name = "DIR", requires = "key", group = "evidence")]
        log: Option<PathBuf>,
        /// The public key of the log that the proof or the folder is of, as `ledger keygen` printed it.
        #[arg(long, value_name = "KEY", requires = "evidence")]
        key: Option<String>,
    },
    /// Make the key that signs checkpoints.
    #[command(after_help = KEYGEN)]
    Keygen {
        /// The log's name, such as `gate.example/ledger`.
        name: String,
    },
    /// Prove to others that a decision or another record is in the ledger.
    #[command(after_help = PROVE)]
    Prove {
        /// The decision, such as dec-219.
        id: DecisionId,
        /// The file to write; default: the proof is printed.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the records into a folder, as a log that others can check.
    #[command(after_help = EXPORT)]
    Export {
        /// The folder; it is made if there is none.
        dir: PathBuf,
    },
    /// Rebuild the read models from the records.
    #[command(after_help = REBUILD)]
    Rebuild,
}

/// Run `tollgate ledger`.
pub(crate) async fn run(command: &Ledger, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Ledger::Verify { proof, log, key } => match (proof, log, key) {
            (Some(proof), _, Some(key)) => proofs::verify_proof(proof, key, cx),
            (_, Some(log), Some(key)) => proofs::verify_log(log, key, cx),
            _ => verify(cx),
        },
        Ledger::Keygen { name } => keygen(name, cx),
        Ledger::Prove { id, out } => proofs::prove(*id, out.as_deref(), cx),
        Ledger::Export { dir } => proofs::export(dir, cx),
        Ledger::Rebuild => rebuild(cx).await,
    }
}

/// The path of the key that signs checkpoints.
fn signing_key(config: &Config) -> PathBuf {
    sibling_path(&config.store.key, ".checkpoint")
}

fn keygen(name: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let file = signing_key(&config);
    let signer = NoteSigner::generate(name)?;
    signer.save(&file)?;
    let public = signer.verifier().to_string();
    let value = serde_json::json!({ "file": file, "public": public });
    cx.out.show(&value, || {
        format!(
            "{} {}\n  public key {public}",
            paint("✓", Tone::Good),
            file.display()
        )
    })?;
    Ok(Exit::Ok)
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
    // Wrong records would lead to wrong read models.
    match ledger.reader().verify(Some(&config.store.key), |_| {}) {
        Ok(_) | Err(LedgerError::ReadModel { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    ledger.rebuild().await?;
    let rebuilt = Event::Administered(AdministrativeAct {
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
    // With the key, missing records at the end are found as well.
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
