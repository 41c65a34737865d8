//! `tollgate upstream`: the definitions of upstream MCP servers, and their acceptance.

mod login;

use clap::Subcommand;
use serde_json::json;
use tollgate::{
    config::Config, config::UpstreamConfig, config::UpstreamTransport, gate::compare_offers,
    lock::Lock, upstream::Difference,
};
use tollgate_model::canonical::Sha256Digest;
use tollgate_server::upstream::Servers;

use self::login::{Login, Logout};
use crate::{
    client::{ApiRequest, segment},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::upstream::{self, ServerView},
    style::{Tone, paint},
};

const LIST: &str = "\
Example:
  $ tollgate upstream list

Does not connect to the servers.

With --json: [{name, reach, state, accepted, tools}]. The state is accepted, not_accepted or altered (the lock
file was changed by hand).";
const SHOW: &str = "\
Example:
  $ tollgate upstream show filesystem

Connects to the server, and shows how its definitions differ from the accepted ones. Changes nothing.

With --json: {name, digest, accepted, added, changed, vanished, same, left_out}. If the server has them,
also {prompts, resources, templates}, each {added, changed, vanished, same}, and {instructions}.";
const ACCEPT: &str = "\
Examples:
  $ tollgate upstream accept filesystem
  $ tollgate upstream accept filesystem --digest sha256:6ec8…
  $ tollgate upstream accept

Shows the whole difference, asks for confirmation, and pins the definitions in tollgate.lock if the gate loads
with them. Without a terminal, --digest must name the definitions that `show` printed. Accepting needs the
permission `administer` and is recorded. A tool that changes or vanishes afterwards is refused until it is
accepted again; so is a prompt. Instructions that change are withheld.

With --json: a list of what `show` prints.";

const LOGIN: &str = "\
Examples:
  $ tollgate upstream login wiki
  $ tollgate upstream login wiki --port 8123 --json

For a server with grant = \"authorization_code\". You consent in your browser that the gate acts there with your
rights, in calls that are made on your behalf. The tokens stay in the gate's store, sealed; nothing shows them.
It takes a person and the permission `connect_upstream`, and is recorded. No agent can do it.
The answer is awaited at http://127.0.0.1:PORT/callback: register that at the authorization server.
With --json: a line {url, issuer, lasts_seconds}, and at the end a line {upstream, user, issuer, resource, scopes,
created, renewed, expires, renewable}.";
const LOGOUT: &str = "\
Examples:
  $ tollgate upstream logout wiki
  $ tollgate upstream logout wiki --user bob

Removes the tokens from the gate. Calls on behalf of the user are refused from then on.
With --json: {upstream, user, removed}.";
const LOGINS: &str = "\
Example:
  $ tollgate upstream logins

Never shows tokens. With --json: [{upstream, user, issuer, resource, scopes, created, renewed, expires, renewable}].
Times are microseconds since 1970.";

/// What to do with upstream servers.
#[derive(Debug, Subcommand)]
pub(crate) enum Upstream {
    /// List the configured servers, and whether they are accepted.
    #[command(after_help = LIST)]
    List,
    /// Show how a server's definitions differ from the accepted ones.
    #[command(after_help = SHOW)]
    Show {
        /// The server, as tollgate.toml names it.
        name: String,
    },
    /// Accept a server's definitions, after you have read them.
    #[command(after_help = ACCEPT)]
    Accept {
        /// The server, as tollgate.toml names it; all unless given.
        name: Option<String>,
        /// Accept only definitions with this digest, which `show` printed.
        #[arg(long, value_name = "SHA256", requires = "name")]
        digest: Option<Sha256Digest>,
    },
    /// Let the gate act with your own rights at a server.
    #[command(after_help = LOGIN)]
    Login(Login),
    /// Withdraw that.
    #[command(after_help = LOGOUT)]
    Logout(Logout),
    /// List who is logged in to which server.
    #[command(after_help = LOGINS)]
    Logins,
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
        Upstream::Login(args) => login::login(&args, cx).await?,
        Upstream::Logout(args) => login::logout(&args, cx).await?,
        Upstream::Logins => login::logins(cx)?,
    }
    Ok(Exit::Ok)
}

/// Differences between the servers' definitions and the accepted ones.
pub(super) async fn differences(
    config: &Config,
    only: Option<&str>,
    cx: &Context<'_>,
) -> Result<Vec<(String, Difference)>, Failure> {
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("asking upstream servers"));
    let mut differences = compare_offers(config, Servers::new().as_ref(), only).await?;
    differences.extend(own_differences(config, only, cx).await?);
    drop(step);
    Ok(differences)
}

/// The same of servers that users log in to: the gate asks them, with the login of the person at the command line.
async fn own_differences(
    config: &Config,
    only: Option<&str>,
    cx: &Context<'_>,
) -> Result<Vec<(String, Difference)>, Failure> {
    let mut differences = Vec::new();
    let is_asked = |name: &str| only.is_none_or(|only| only == name);
    for (name, settings) in &config.upstreams {
        if settings.is_per_user() && is_asked(name) {
            let path = format!("/v1/upstreams/{}/offer", segment(name));
            let request = ApiRequest::post(path, serde_json::Value::Null);
            let mut client = cx.client(config.clone())?;
            let difference = client.execute(request).await;
            client.close().await;
            differences.push((name.clone(), difference?));
        }
    }
    Ok(differences)
}

/// Accepts definitions that were shown: in this terminal now, or earlier, by their digest.
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
            let unusable = upstream::unusable(difference);
            format!("{tick} accepted {name} {}\n{unusable}", difference.digest)
        });
        accepted.collect()
    })?;
    Ok(())
}

/// Shows the difference and asks for confirmation. Without a difference it does not ask.
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

/// Accepts these definitions.
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

/// The command or URL of a server, without its secrets.
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
