//! `tollgate upstream`: MCP servers outside the sandbox, what they offer, and what was accepted of it.

use clap::Subcommand;
use serde_json::json;
use tollgate::{
    config::Config, config::UpstreamConfig, config::UpstreamTransport, gate::compare_offers,
    lock::Lock, upstream::Difference,
};
use tollgate_model::canonical::Sha256Digest;
use tollgate_server::upstream::Servers;

use super::{Context, unexpected};
use crate::{
    exit::Exit,
    failure::Failure,
    operation::{Operation, Reply},
    show::{
        paint::{Tone, paint},
        upstream::{self, ServerView},
    },
};

const LIST: &str = "\
Example:
  $ tollgate upstream list

Asks no server. With --json: [{name, reach, state, accepted, tools}]; state is accepted, not_accepted or
altered (the lock file was changed by hand).";
const SHOW: &str = "\
Example:
  $ tollgate upstream show filesystem

Starts or reaches the server, and shows how what it offers differs from what was accepted. Changes nothing.
With --json: {name, digest, accepted, added, changed, vanished, same, left_out}.";
const ACCEPT: &str = "\
Examples:
  $ tollgate upstream accept filesystem
  $ tollgate upstream accept filesystem --digest sha256:6ec8…
  $ tollgate upstream accept

Shows the difference and pins the definitions in tollgate.lock, if the gate loads with them. That
takes the permission `administer`, and is recorded. A tool that changes or vanishes afterwards is
refused until it is accepted again.
With --json: [{name, digest, accepted, added, changed, vanished, same, left_out}].";

/// What to do with upstream servers.
#[derive(Debug, Subcommand)]
pub(crate) enum Upstream {
    /// List the configured servers, and whether they were accepted.
    #[command(after_help = LIST)]
    List,
    /// Show what a server offers, beside what was accepted of it.
    #[command(after_help = SHOW)]
    Show {
        /// The server, as tollgate.toml names it.
        name: String,
    },
    /// Accept what a server offers, after you have looked at it.
    #[command(after_help = ACCEPT)]
    Accept {
        /// The server, as tollgate.toml names it; all unless given.
        name: Option<String>,
        /// Only if it still offers this: the digest that `show` printed.
        #[arg(long, value_name = "SHA256", requires = "name")]
        digest: Option<Sha256Digest>,
    },
}

/// Run `tollgate upstream`.
pub(crate) async fn run(command: Upstream, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Upstream::List => {
            let servers = servers(&cx.config()?)?;
            cx.out.show(&servers, || upstream::list(&servers))?;
            if servers.is_empty() {
                cx.out.remark(
                    "there are no upstream servers: add a table [upstream.NAME], or see `tollgate wrap --help`",
                );
            }
        }
        Upstream::Show { name } => {
            for (name, difference) in differences(&cx.config()?, Some(&name), cx).await? {
                let value = view(&name, &difference);
                cx.out
                    .show(&value, || upstream::difference(&name, &difference))?;
            }
        }
        Upstream::Accept { name, digest } => accept(name.as_deref(), digest, cx).await?,
    }
    Ok(Exit::Ok)
}

/// What servers offer, beside what was accepted of them.
pub(super) async fn differences(
    config: &Config,
    only: Option<&str>,
    cx: &Context<'_>,
) -> Result<Vec<(String, Difference)>, Failure> {
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("asking upstream servers"));
    let differences = compare_offers(config, Servers::new().as_ref(), only).await;
    drop(step);
    Ok(differences?)
}

async fn accept(
    name: Option<&str>,
    digest: Option<Sha256Digest>,
    cx: &Context<'_>,
) -> Result<(), Failure> {
    let config = cx.config()?;
    let looked = differences(&config, name, cx).await?;
    if let (Some(wanted), Some((name, found))) = (digest, looked.first())
        && found.digest != wanted
    {
        return Err(Failure::plain(format!(
            "`{name}` offers {} now, and not {wanted}",
            found.digest
        ))
        .help(format!("look again with `tollgate upstream show {name}`")));
    }
    take(&config, &looked, cx).await?;
    let values: Vec<_> = looked.iter().map(|(name, d)| view(name, d)).collect();
    cx.out.show(&values, || {
        let told = |(name, difference): &(String, Difference)| {
            let digest = difference.digest;
            let accepted = format!("{} accepted {name} {digest}\n", paint("✓", Tone::Good));
            upstream::difference(name, difference) + &accepted
        };
        looked.iter().map(told).collect()
    })?;
    if looked.is_empty() {
        cx.out
            .remark("there are no upstream servers: add a table [upstream.NAME]");
    }
    Ok(())
}

/// Accept what was looked at.
pub(super) async fn take(
    config: &Config,
    looked: &[(String, Difference)],
    cx: &Context<'_>,
) -> Result<(), Failure> {
    let seen = looked.iter().map(|(name, d)| (name.clone(), d.digest));
    let operation = Operation::AcceptUpstream {
        seen: seen.collect(),
    };
    let mut access = cx.access(config.clone())?;
    let reply = access.execute(operation).await;
    access.close().await;
    match reply? {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

fn view(name: &str, difference: &Difference) -> serde_json::Value {
    let mut value = json!(difference);
    if let Some(object) = value.as_object_mut() {
        object.insert("name".into(), name.into());
    }
    value
}

fn servers(config: &Config) -> Result<Vec<ServerView>, Failure> {
    let lock = Lock::read(&Lock::path(&config.file)).map_err(|e| Failure::plain(e.to_string()))?;
    let view = |(name, settings): (&String, &UpstreamConfig)| {
        let locked = lock.upstream.get(name);
        let definitions = locked.and_then(|locked| locked.definitions());
        ServerView {
            name: name.clone(),
            reach: reach(settings),
            state: match (locked, &definitions) {
                (None, _) => "not_accepted",
                (Some(_), None) => "altered",
                (Some(_), Some(_)) => "accepted",
            },
            accepted: locked.map(|locked| locked.digest),
            tools: definitions.map_or(0, |definitions| definitions.len()),
        }
    };
    Ok(config.upstreams.iter().map(view).collect())
}

/// How a server is reached, without what is sent to it.
fn reach(settings: &UpstreamConfig) -> String {
    match &settings.transport {
        UpstreamTransport::Command { command, .. } => command.join(" "),
        UpstreamTransport::Http { url, .. } => {
            let mut shown = url.clone();
            shown.set_query(None);
            shown.into()
        }
    }
}
