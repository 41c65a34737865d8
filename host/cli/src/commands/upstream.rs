//! `tollgate upstream`: MCP servers outside the sandbox, what they offer, and what was accepted of it.

use clap::Subcommand;
use serde_json::json;
use tollgate::{
    config::Config, config::UpstreamConfig, config::UpstreamTransport, gate::compare_offers,
    lock::Lock, upstream::Difference,
};
use tollgate_model::canonical::Sha256Digest;
use tollgate_server::upstream::Servers;

use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::upstream::{self, ServerView},
    style::{Tone, paint},
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
With --json: {name, digest, accepted, added, changed, vanished, same, left_out}, where there are some with
{prompts, resources, templates}, each with {added, changed, vanished, same}, and with {instructions}.";
const ACCEPT: &str = "\
Examples:
  $ tollgate upstream accept filesystem
  $ tollgate upstream accept filesystem --digest sha256:6ec8…
  $ tollgate upstream accept

Shows the whole difference, asks, and pins the definitions in tollgate.lock if the gate loads with them.
Where there is no terminal to ask on, --digest says what was seen before. Accepting takes the permission
`administer`, and is recorded. A tool that changes or vanishes afterwards is refused until it is accepted
again; so is a prompt. Instructions that change are withheld.
With --json: a list of what `show` prints.";

/// What to do with upstream servers.
#[derive(Debug, Subcommand)]
pub(crate) enum Upstream {
    /// List the configured servers, and whether they were accepted.
    #[command(after_help = LIST)]
    List,
    /// Show how what a server offers differs from what was accepted of it.
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
                match cx.out.is_json() {
                    true => cx.out.json(&view(&name, &difference))?,
                    false => cx.out.page(&upstream::difference(&name, &difference))?,
                }
            }
        }
        Upstream::Accept { name, digest } => accept(name.as_deref(), digest, cx).await?,
    }
    Ok(Exit::Ok)
}

/// How what servers offer differs from what was accepted of them.
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

/// Accept what was shown: to this terminal now, or before, as the digest says.
async fn accept(
    name: Option<&str>,
    digest: Option<Sha256Digest>,
    cx: &Context<'_>,
) -> Result<(), Failure> {
    let config = cx.config()?;
    let mut looked = differences(&config, name, cx).await?;
    if looked.is_empty() {
        cx.out
            .remark("there are no upstream servers: add a table [upstream.NAME]");
    }
    match (digest, looked.first()) {
        (Some(wanted), Some((name, found))) if found.digest != wanted => {
            return Err(Failure::plain(format!(
                "`{name}` offers {} now, and not {wanted}",
                found.digest
            ))
            .help(format!("look again with `tollgate upstream show {name}`")));
        }
        (Some(_), _) => {}
        (None, _) => {
            let mut agreed = Vec::new();
            for (name, difference) in looked {
                if agrees(&name, &difference, cx)? {
                    agreed.push((name, difference));
                }
            }
            looked = agreed;
        }
    }
    if looked.is_empty() {
        return Ok(());
    }
    take(&config, &looked, cx).await?;
    let values: Vec<_> = looked.iter().map(|(name, d)| view(name, d)).collect();
    cx.out.show(&values, || {
        let accepted = looked.iter().map(|(name, difference)| {
            let tick = paint("✓", Tone::Good);
            format!("{tick} accepted {name} {}\n", difference.digest)
        });
        accepted.collect()
    })?;
    Ok(())
}

/// Show the difference, and ask whether it is to be accepted. What differs in nothing needs no question.
fn agrees(name: &str, difference: &Difference, cx: &Context<'_>) -> Result<bool, Failure> {
    if difference.accepted == Some(difference.digest) {
        return Ok(true);
    }
    if !cx.out.is_json() {
        cx.out.page(&upstream::difference(name, difference))?;
    }
    let answer = cx.out.confirm(&format!("Accept this of `{name}`?"))?;
    answer.ok_or_else(|| {
        Failure::usage("there is no terminal to ask on whether to accept this").help(format!(
            "look with `tollgate upstream show {name}`, then accept what you saw: tollgate upstream accept \
             {name} --digest {}",
            difference.digest
        ))
    })
}

/// Accept what was looked at.
pub(super) async fn take(
    config: &Config,
    looked: &[(String, Difference)],
    cx: &Context<'_>,
) -> Result<(), Failure> {
    let seen = looked.iter().map(|(name, d)| (name.clone(), d.digest));
    let request = ApiRequest::accept_upstreams(seen.collect());
    let mut client = cx.client(config.clone())?;
    let accepted = client.execute(request).await;
    client.close().await;
    accepted
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
            tools: definitions.map_or(0, |definitions| definitions.tools.len()),
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
