//! `tollgate wrap`: an existing MCP server, put under policy and trace by one command.
//!
//! A gate of its own is made for it, which permits everything at first and says so at each start; then that
//! gate is served over stdio, as the server was before.

mod clients;
mod files;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use tollgate::{
    config::Config, config::FILE_NAME, config::UpstreamTransport, lock::Lock,
    secrets::SecretSource, upstream::Difference,
};

use self::{
    clients::Server,
    files::{Gate, OBSERVE_ONLY},
};
use super::{Context, absolute, serve, upstream};
use crate::{
    exit::Exit,
    failure::{Failure, shown},
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate wrap -- npx -y @modelcontextprotocol/server-filesystem DIR
  $ tollgate wrap --init -- npx -y @modelcontextprotocol/server-filesystem DIR
  $ tollgate wrap --from ~/.config/Claude/claude_desktop_config.json

Put the first line where your MCP client has its last part now. It makes a gate in
.tollgate-wrap/NAME (or --dir) if there is none, pins the server's tools as they are, and serves
them over stdio. The gate permits every call at first (policy `observe-only`) and says so at each
start. --init and --from make the gate, with proposed labels as comments, and print the client's
new configuration.
With --json, that configuration: {mcpServers}.";

/// The agent of a gate that is made here.
const AGENT: &str = "client";

/// The arguments of `tollgate wrap`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Wrap {
    /// The gate's directory; .tollgate-wrap/NAME unless given.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The server's name: its tools are called NAME__TOOL.
    #[arg(long)]
    name: Option<String>,
    /// A variable of this environment that the server gets, besides PATH and HOME.
    #[arg(long = "env", value_name = "VARIABLE")]
    env: Vec<String>,
    /// Make the gate, print the client's new configuration, and leave.
    #[arg(long)]
    init: bool,
    /// Do so for the servers of an MCP client's configuration file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["init", "name", "env"])]
    from: Option<PathBuf>,
    /// The server's command.
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "from")]
    command: Vec<String>,
}

/// Run `tollgate wrap`.
pub(crate) async fn run(args: &Wrap, cx: &Context<'_>) -> Result<Exit, Failure> {
    let servers = match &args.from {
        Some(file) => clients::servers(file)?,
        None if args.command.is_empty() => Vec::new(),
        None => vec![Server::command(
            args.name.as_deref(),
            &args.command,
            &args.env,
        )?],
    };
    let dir = dir(args, &servers)?;
    let file = dir.join(FILE_NAME);
    let made = !file.exists();
    match (made, servers.is_empty()) {
        (true, true) => {
            return Err(
                Failure::usage(format!("{}: there is no gate", shown(&file)))
                    .help("name the server's command: tollgate wrap -- COMMAND .."),
            );
        }
        (true, false) => make(&dir, &servers, cx).await?,
        (false, _) => fits(&Config::read(&file)?, &servers, args.dir.is_some())?,
    }
    let only = servers.first().map(|server| server.name.as_str());
    let client = only.filter(|_| servers.len() == 1).unwrap_or("tollgate");
    if args.init || args.from.is_some() {
        let configuration = client_configuration(client, &dir)?;
        cx.out.show(&configuration, || {
            let pretty = serde_json::to_string_pretty(&configuration).unwrap_or_default();
            format!("{pretty}\n")
        })?;
        cx.out.remark(&match made {
            true => format!(
                "made {}; put the above into your client's configuration in place of the server",
                shown(&dir)
            ),
            false => format!("{} was there already, and is as it was", shown(&dir)),
        });
        return Ok(Exit::Ok);
    }
    serve(&file, cx).await
}

/// The gate's directory.
fn dir(args: &Wrap, servers: &[Server]) -> Result<PathBuf, Failure> {
    let default = match servers {
        [] => None,
        [server] => Some(server.name.as_str()),
        _ => Some("clients"),
    };
    let dir = match (&args.dir, default) {
        (Some(dir), _) => dir.clone(),
        (None, Some(name)) => Path::new(".tollgate-wrap").join(name),
        (None, None) => {
            return Err(Failure::usage("there is nothing to wrap")
                .help("name the server's command: tollgate wrap -- COMMAND .."));
        }
    };
    absolute(&dir)
}

/// Make the gate: its files, once the servers have said what they offer, and what is pinned of them.
async fn make(dir: &Path, servers: &[Server], cx: &Context<'_>) -> Result<(), Failure> {
    let gate = Gate::new(dir, servers)?;
    let looked = upstream::differences(gate.config(), None, cx).await?;
    gate.write(&looked)?;
    let config = Config::read(&dir.join(FILE_NAME))?;
    upstream::take(&config, &looked, cx).await?;
    for (name, Difference { digest, added, .. }) in &looked {
        cx.out.remark(&format!(
            "pinned `{name}` as it is now: {} tools, {digest}",
            added.len()
        ));
    }
    Ok(())
}

/// That the gate is one for these servers. One that lies where nobody said, beside the work, may come from
/// somebody else: it must start nothing but these.
fn fits(config: &Config, servers: &[Server], chosen: bool) -> Result<(), Failure> {
    let refused = |what: String| {
        Err(Failure::plain(format!("{}: {what}", shown(&config.file)))
            .help("choose a directory with --dir, or another name with --name"))
    };
    for server in servers {
        let configured = config.upstreams.get(&server.name).map(|u| &u.transport);
        let same = match (configured, &server.reach) {
            (
                Some(UpstreamTransport::Command { command, .. }),
                clients::Reach::Command { words, .. },
            ) => command == words,
            (Some(UpstreamTransport::Http { url, .. }), clients::Reach::Url { url: named, .. }) => {
                named.parse().is_ok_and(|named| *url == named)
            }
            _ => false,
        };
        if !same {
            return refused(format!("[upstream.{}] is not this server", server.name));
        }
    }
    if chosen || servers.is_empty() {
        return Ok(());
    }
    let named = |name: &str| servers.iter().any(|server| server.name == name);
    if let Some(other) = config.upstreams.keys().find(|name| !named(name)) {
        return refused(format!("[upstream.{other}] is another server"));
    }
    let mut secrets = config.secrets.iter();
    match secrets.find(|(_, secret)| matches!(secret.source, SecretSource::Command(_))) {
        Some((name, _)) => refused(format!("[secrets.{name}] runs a command")),
        None => Ok(()),
    }
}

/// What an MCP client is to start instead.
fn client_configuration(name: &str, dir: &Path) -> Result<Value, Failure> {
    let program = std::env::current_exe()?;
    let entry = json!({
        "command": program,
        "args": ["wrap", "--dir", dir],
    });
    Ok(json!({ "mcpServers": { name: entry } }))
}

/// Serve the gate over stdio.
async fn serve(file: &Path, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = Config::read(file)?;
    let lock = Lock::read(&Lock::path(file)).map_err(|e| Failure::plain(e.to_string()))?;
    let mut names = config.upstreams.keys();
    if let Some(name) = names.find(|name| !lock.upstream.contains_key(*name)) {
        let failure = Failure::plain(format!("the upstream server `{name}` was never accepted"));
        return Err(failure.help(format!(
            "tollgate --config {} upstream accept {name}",
            file.display()
        )));
    }
    serve::over_stdio(config, cx).await
}

/// A warning, if the policy that permits everything is still there.
pub(crate) fn observes_only(config: &Config) -> Option<String> {
    let needle = format!("@id(\"{OBSERVE_ONLY}\")");
    let files = config.policy_files().ok()?;
    let file = files.iter().find(|file| file.text.contains(&needle))?;
    Some(format!(
        "warning: the policy `{OBSERVE_ONLY}` in {} permits every call; see what was called with `tollgate policy \
         suggest`, and replace it",
        shown(&config.policies.join(&file.name))
    ))
}
