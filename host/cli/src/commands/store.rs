//! `tollgate store`: backup, restore, and destruction of payload keys.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tollgate::{config::Config, ids::Clock};
use tollgate_ledger::{Ledger, LedgerOptions, Restore, Sync};

use tollgate_model::time::Timestamp;

use crate::{
    client::{ApiRequest, NotAlone},
    commands::time_arg::TimeArg,
    context::{Context, absolute},
    error::Failure,
    exit_code::Exit,
    identity,
    render::table::{Cell, table},
    reply::{BackupReply, ForgetReply},
    style::{Tone, paint},
    units::{count, size},
};

const BACKUP: &str = "\
Example:
  $ tollgate store backup /backups/ledger-monday.db

The gate keeps running. The copy does not contain the key: keep a copy of the key in another place.

With --json: {file, records, bytes}.";
const RESTORE: &str = "\
Example:
  $ tollgate store restore /backups/ledger-monday.db
  $ tollgate store restore /backups/ledger-monday.db --accept-loss

No gate may run at the same time. A copy with fewer records than the ledger, or than its anchor, is refused.
--accept-loss restores it anyway, which is recorded.

With --json: {file, records, before, replaced}.";

const DAYS: &str = "\
Example:
  $ tollgate store days

Payloads are sealed with a key per tenant and day.

With --json: [{tenant, day, readable}]. Days are counted from 1970.";
const FORGET: &str = "\
Examples:
  $ tollgate store forget --before 90d
  $ tollgate store forget --before 2026-09-01 --tenant acme

Destroys the keys of whole days. What was sealed on such a day can never be read again: facts, arguments,
results, and state of components that was not written since. Records stay and can still be verified.
Earlier backups still hold the keys. A day is skipped while one of its calls waits for an approval.

With --json: {days}.";

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Copy the ledger into a file.
    #[command(after_help = BACKUP)]
    Backup {
        /// The copy.
        file: PathBuf,
    },
    /// Replace the ledger by a copy.
    #[command(after_help = RESTORE)]
    Restore {
        /// The copy.
        file: PathBuf,
        /// Restore even if records are lost.
        #[arg(long)]
        accept_loss: bool,
    },
    /// List the days whose payloads can still be read.
    #[command(after_help = DAYS)]
    Days,
    /// Destroy the keys of old days, so that their payloads can never be read again.
    #[command(after_help = FORGET)]
    Forget {
        /// Days that ended before: 90d (ago), or 2026-09-01.
        #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
        before: TimeArg,
        /// Only days of this tenant.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },
}

/// Run `tollgate store`.
pub(crate) async fn run(command: Store, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Store::Backup { file } => backup(&absolute(&file)?, cx).await,
        Store::Restore { file, accept_loss } => restore(&absolute(&file)?, accept_loss, cx).await,
        Store::Days => days(cx),
        Store::Forget { before, tenant } => forget(&before, tenant, cx).await,
    }
}

fn days(cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let reader = cx.reader_if_any(&config)?;
    let days = reader.map_or_else(|| Ok(Vec::new()), |reader| reader.sealed_days())?;
    cx.out.show(&days, || {
        let rows: Vec<[Cell; 3]> = days
            .iter()
            .map(|day| {
                let begin = Timestamp(day.day.saturating_mul(86_400_000_000)).to_string();
                let (state, tone) = match day.readable {
                    true => ("readable", Tone::Good),
                    false => ("forgotten", Tone::Weak),
                };
                let date = begin.split('T').next().unwrap_or_default().to_owned();
                [
                    Cell::from(date),
                    Cell::from(day.tenant.as_str()),
                    Cell::new(state, tone),
                ]
            })
            .collect();
        table(["DAY", "TENANT", ""], &rows)
    })?;
    Ok(Exit::Ok)
}

async fn forget(
    before: &TimeArg,
    tenant: Option<String>,
    cx: &Context<'_>,
) -> Result<Exit, Failure> {
    let zone = cx.config()?.gate.timezone.clone();
    let before = before.at(Clock::system().now(), &zone);
    let body = json!({ "tenant": tenant, "before": before.0 });
    let ForgetReply { days } = cx
        .execute(ApiRequest::post("/v1/store/forget", body))
        .await?;
    let value = json!({ "days": days });
    cx.out.show(&value, || {
        format!(
            "{} {} forgotten",
            paint("✓", Tone::Good),
            count(days, "day")
        )
    })?;
    Ok(Exit::Ok)
}

async fn backup(file: &Path, cx: &Context<'_>) -> Result<Exit, Failure> {
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("copying the ledger"));
    let request = ApiRequest::post("/v1/store/backup", json!({ "file": file }));
    let reply = cx.execute(request).await;
    drop(step);
    let BackupReply { records, bytes, .. } = reply?;
    let value = json!({ "file": file, "records": records, "bytes": bytes });
    cx.out.show(&value, || {
        let what = format!("{}, {}", count(records, "record"), size(bytes));
        format!("{} {what} in {}", paint("✓", Tone::Good), file.display())
    })?;
    Ok(Exit::Ok)
}

async fn restore(file: &Path, accept_loss: bool, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let by = permitted(file, &config, cx).await?;
    let options = LedgerOptions {
        path: config.store.path.clone(),
        key: config.store.key.clone(),
        sync: Sync::Full,
        cached_runs: 1,
    };
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("restoring the ledger"));
    let wanted = Restore {
        from: file.into(),
        accept_loss,
        by,
        tenant: config.gate.tenant.clone(),
    };
    let restored = Ledger::restore(options, wanted, Clock::system().now()).await;
    drop(step);
    let restored = restored?;
    let value = serde_json::json!({
        "file": file,
        "records": restored.records,
        "before": restored.before,
        "replaced": restored.replaced,
    });
    cx.out.show(&value, || {
        let mut text = format!(
            "{} {} restored, replacing {}\n",
            paint("✓", Tone::Good),
            count(restored.records, "record"),
            restored.before
        );
        if let Some(replaced) = &restored.replaced {
            text.push_str(&format!(
                "  what was there before is now {}\n",
                replaced.display()
            ));
        }
        if restored.records < restored.before {
            text.push_str(
                "  open approvals were voided; halts and revocations of tokens since the backup are gone, and halts \
                 that were lifted since are in force again: check `tollgate halt --list` and `tollgate token list`\n",
            );
        }
        text
    })?;
    Ok(Exit::Ok)
}

/// The user who restores. If the present ledger opens, it decides and records that the user may. If it does not open,
/// write access to the files is enough, and the restore is recorded in the copy.
async fn permitted(file: &Path, config: &Config, cx: &Context<'_>) -> Result<String, Failure> {
    let login = identity::login(identity::own_uid())?;
    let user = identity::of_login(config, &login).map_err(Failure::from);
    if !config.store.path.exists() {
        return Ok(user?.id);
    }
    let mut client = cx.client(config.clone())?;
    match client.own_alone().await {
        Ok(()) => {
            let request = ApiRequest::post("/v1/store/permit-restore", json!({ "file": file }));
            let decided = client.execute::<()>(request).await;
            client.close().await;
            decided?;
            cx.claimed_user()
                .map_or_else(|| user.map(|user| user.id), Ok)
        }
        Err(NotAlone::Owned(failure)) => Err(failure),
        Err(NotAlone::Broken(failure)) => {
            cx.out.remark(&format!(
                "{} the gate does not open, so nothing decides whether you may: {failure}",
                paint("warning:", Tone::Wait)
            ));
            // Tokens cannot be checked without the ledger, so the login identifies the user.
            Ok(user?.id)
        }
    }
}
