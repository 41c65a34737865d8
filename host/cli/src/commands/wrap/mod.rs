//! `tollgate wrap`: puts an existing MCP server behind a gate.
//!
//! It creates a gate for the server and serves it over stdio, as the client expects of the server. At first the gate
//! permits everything and warns about that at each start.

mod clients;
mod files;
#[cfg(test)]
mod fuzz;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use tollgate::{
    config::{Config, FILE_NAME, UpstreamTransport},
    lock::Lock,
    upstream::Difference,
};
use tollgate_model::{canonical::Sha256Digest, text::printable};

use self::{
    clients::{ClientFile, Server, Transport},
    files::{Draft, Extra, Gate, secret_words},
};
use crate::{
    commands::{serve, upstream},
    context::{Context, absolute},
    error::{Failure, shown},
    exit_code::Exit,
    style::{Tone, line, paint},
    trust::{self, TrustedFiles},
    units::count,
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate wrap -- npx -y @modelcontextprotocol/server-filesystem DIR
  $ tollgate wrap --init -- npx -y @modelcontextprotocol/server-filesystem DIR
  $ tollgate wrap --from ~/.config/Claude/claude_desktop_config.json

In the configuration of your MCP client, put `tollgate wrap --` before the command of the server. The first
start creates a gate for this directory and command and pins the server's present tools; every start serves
them over stdio. At first the gate permits every call (policy `observe-only`), and warns about that at each
start. Prompts, resources and instructions of the server are carried as well, except those named by --without.

To list its tools, a server is started, or asked at its URL. --from shows first what each server of the file is
and which variables it gets, and asks; --yes does not ask. Only use --yes for a file that you know: one in a
cloned repository can start any program.

--init and --from only create the gate, with proposed labels as comments, and print the client's new
configuration. Gates are in ~/.local/state/tollgate/wrap, not in the working directory. A client's file may
have comments, and ${VAR} is taken from the environment. A server that cannot be wrapped is named and skipped.

With --json: the client's new configuration, {mcpServers}.";

/// The agent of a new gate.
const AGENT: &str = "client";

/// The arguments of `tollgate wrap`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Wrap {
    /// The gate's directory; default: one below ~/.local/state/tollgate/wrap.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The server's name: its tools are called NAME__TOOL.
    #[arg(long)]
    name: Option<String>,
    /// A variable of the environment that the server gets, in addition to PATH and HOME.
    #[arg(long = "env", value_name = "VARIABLE")]
    env: Vec<String>,
    /// Features of the server that agents do not get; default: they get all. For a new gate.
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    without: Vec<Extra>,
    /// Only create the gate, and print the client's new configuration.
    #[arg(long)]
    init: bool,
    /// Do the same for all servers in an MCP client's configuration file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["init", "name", "env"])]
    from: Option<PathBuf>,
    /// Start or ask the servers of that file without a question.
    #[arg(long, requires = "from")]
    yes: bool,
    /// The server's command.
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "from")]
    command: Vec<String>,
}

/// Run `tollgate wrap`.
pub(crate) async fn run(args: &Wrap, cx: &Context<'_>) -> Result<Exit, Failure> {
    let servers = servers(args, cx)?;
    let dir = dir(args, &servers)?;
    let mut file = dir.join(FILE_NAME);
    let is_new = !file.exists();
    match (is_new, servers.is_empty()) {
        (true, true) => {
            return Err(
                Failure::usage(format!("{}: there is no gate", shown(&file)))
                    .help("name the server's command: tollgate wrap -- COMMAND .."),
            );
        }
        (true, false) => {
            if let Some(from) = args.from.as_deref().filter(|_| !args.yes) {
                agreed(from, &servers, cx)?;
            }
            make(&dir, servers.clone(), &args.without, cx).await?;
        }
        (false, _) => {
            file = require_trusted(&file)?;
            same_servers(&Config::read(&file)?, &servers)?;
        }
    }
    let only = servers.first().map(|server| server.name.as_str());
    let client = only.filter(|_| servers.len() == 1).unwrap_or("tollgate");
    if args.init || args.from.is_some() {
        let configuration = client_configuration(client, &dir)?;
        cx.out.show(&configuration, || {
            let pretty = serde_json::to_string_pretty(&configuration).unwrap_or_default();
            format!("{pretty}\n")
        })?;
        cx.out.remark(&match is_new {
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

/// The servers to wrap. Servers of a client's file that cannot be wrapped are named and skipped.
fn servers(args: &Wrap, cx: &Context<'_>) -> Result<Vec<Server>, Failure> {
    let Some(file) = &args.from else {
        return match args.command.is_empty() {
            true => Ok(Vec::new()),
            false => Server::command(args.name.as_deref(), &args.command, &args.env)
                .map(|server| vec![server]),
        };
    };
    let file = ClientFile::read(file)?;
    for (name, why) in &file.left_out {
        left_out(name, why, cx);
    }
    Ok(file.servers)
}

/// Shows what the servers of a client's file are, and asks whether to start them. The file may be another person's.
fn agreed(file: &Path, servers: &[Server], cx: &Context<'_>) -> Result<(), Failure> {
    let mut text = format!("{} has these servers:", shown(file));
    for server in servers {
        text.push_str(&described(server));
    }
    cx.out.remark(&text);
    match cx.out.confirm("Start or ask them now, as you?")? {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::plain("nothing was started, and no gate was made")),
        None => Err(
            Failure::usage("there is no terminal to ask on whether to start them")
                .help("look at the file, then add --yes"),
        ),
    }
}

/// What a server is, whole: what is left out here could start another program than the one that is seen.
fn described(server: &Server) -> String {
    let whole = |text: &str| printable(text, usize::MAX);
    let (verb, sent) = match server.transport {
        Transport::Command { .. } => ("starts", "with the variable"),
        Transport::Url { .. } => ("asks", "with the header"),
    };
    let mut text = format!(
        "\n  `{}` {verb} {}",
        line(&server.name, 64),
        whole(&server.written)
    );
    for (name, value) in &server.sent {
        // A program can be named by a variable whose name looks like that of a secret.
        let is_program = name.to_ascii_uppercase().ends_with("ASKPASS");
        let value = match files::is_secret_name(name) && !is_program {
            true => "[secret]".to_owned(),
            false => whole(value),
        };
        text.push_str(&format!("\n    {sent} {} = {value}", whole(name)));
    }
    if !server.variables.is_empty() {
        let names: Vec<String> = server.variables.iter().map(|v| whole(v)).collect();
        text.push_str(&format!("\n    and gets {}", names.join(", ")));
    }
    text
}

fn left_out(name: &str, why: &str, cx: &Context<'_>) {
    cx.out.remark(&format!(
        "{} the server `{}` is left out: {}",
        paint("warning:", Tone::Wait),
        line(name, 64),
        line(why, 400)
    ));
}

/// The gate's directory: the one that was named, else one in the user's state directory. It is never in the
/// working directory, which may be a cloned repository with another person's gate.
fn dir(args: &Wrap, servers: &[Server]) -> Result<PathBuf, Failure> {
    if let Some(dir) = &args.dir {
        return absolute(dir);
    }
    let name = match servers {
        [] => {
            return Err(Failure::usage("there is nothing to wrap")
                .help("name the server's command: tollgate wrap -- COMMAND .."));
        }
        [server] => server.name.as_str(),
        _ => "clients",
    };
    let from = args.from.as_deref().map(absolute).transpose()?;
    let here = std::env::current_dir()?;
    let key = json!({ "dir": here, "from": from, "name": args.name, "command": args.command });
    let key = Sha256Digest::of(key.to_string().as_bytes());
    let dirs = trust::state_dir()?.join("wrap");
    trust::private_dir(&dirs)?;
    Ok(dirs.join(format!("{name}-{}", key.short())))
}

/// Creates the gate: connects to the servers, writes the files, and pins the definitions. A server that cannot be
/// reached is skipped, unless no other is left.
async fn make(
    dir: &Path,
    mut servers: Vec<Server>,
    without: &[Extra],
    cx: &Context<'_>,
) -> Result<(), Failure> {
    let draft = Draft::begin(dir)?;
    let unusable = leave_out_unusable(dir, &mut servers);
    if let (true, Some((_, failure))) = (servers.is_empty(), unusable.first()) {
        return Err(failure.clone());
    }
    for (name, why) in &unusable {
        left_out(name, &why.to_string(), cx);
    }
    let mut gate = Gate::new(dir, &servers, without)?;
    gate.write_secrets()?;
    let (mut offers, mut failed) = (Vec::new(), Vec::new());
    for server in &servers {
        match upstream::differences(gate.config(), Some(&server.name), cx).await {
            Ok(found) => offers.extend(found),
            Err(failure) => failed.push((server.name.clone(), failure)),
        }
    }
    if let (true, Some((_, failure))) = (offers.is_empty(), failed.first()) {
        return Err(failure.clone());
    }
    if !failed.is_empty() {
        for (name, failure) in &failed {
            left_out(name, &failure.to_string(), cx);
        }
        servers.retain(|server| offers.iter().any(|(name, _)| *name == server.name));
        draft.forget_secrets()?;
        gate = Gate::new(dir, &servers, without)?;
        gate.write_secrets()?;
    }
    gate.write(&offers)?;
    let config = Config::read(&dir.join(FILE_NAME))?;
    upstream::take(&config, &offers, cx).await?;
    TrustedFiles::read()?.add(&dir.join(FILE_NAME))?;
    draft.keep();
    // This program wrote the configuration itself, so it can be trusted. Where others can write it, it cannot.
    if let Err(failure) = TrustedFiles::read()?.add(&config.file) {
        cx.out.remark(&failure.to_string());
    }
    for server in &servers {
        warn_of_secrets(server, cx)?;
    }
    for (name, offer) in &offers {
        let (what, digest) = (offered(offer), offer.digest);
        cx.out
            .remark(&format!("pinned `{name}` as it is now: {what}, {digest}"));
        // Names that agents cannot use were replaced.
        let renamed = |tool: &String| offer.added.iter().any(|added| added.name == *tool);
        for (tool, why) in offer.left_out.iter().filter(|(tool, _)| !renamed(tool)) {
            let (tool, why) = (line(tool, 128), line(why, 400));
            cx.out.remark(&format!("  {tool} cannot be used: {why}"));
        }
    }
    Ok(())
}

/// Says which words of its command look like secrets, without saying them.
fn warn_of_secrets(server: &Server, cx: &Context<'_>) -> Result<(), Failure> {
    for position in secret_words(server)? {
        let what = match (&server.transport, position) {
            (Transport::Url { .. }, _) => "its URL".to_owned(),
            (Transport::Command { .. }, 0) => "its command".to_owned(),
            (Transport::Command { .. }, position) => format!("argument {position} of its command"),
        };
        cx.out.remark(&format!(
            "{} {what} looks like a secret, and stands in tollgate.toml of `{}`, which only you can read: if the \
             server takes it from a variable, move it to `env` as {{ secret = \"..\" }}",
            paint("warning:", Tone::Wait),
            server.name
        ));
    }
    Ok(())
}

/// How much a server offers, in a few words.
fn offered(offer: &Difference) -> String {
    let mut what = vec![count(offer.added.len() as u64, "tool")];
    let resources = offer.resources.added.len() + offer.templates.added.len();
    for (number, noun) in [
        (offer.prompts.added.len(), "prompt"),
        (resources, "resource"),
    ] {
        if number > 0 {
            what.push(count(number as u64, noun));
        }
    }
    if offer.instructions.is_some() {
        what.push("instructions".into());
    }
    what.join(", ")
}

/// Leave out the servers that no configuration can describe, such as one whose `url` is not one.
fn leave_out_unusable(dir: &Path, servers: &mut Vec<Server>) -> Vec<(String, Failure)> {
    let mut unusable = Vec::new();
    servers.retain(
        |server| match Gate::new(dir, std::slice::from_ref(server), &[]) {
            Ok(_) => true,
            Err(failure) => {
                unusable.push((server.name.clone(), failure));
                false
            }
        },
    );
    unusable
}

/// Checks that an existing gate is the user's own: made by this command in the user's state directory, or trusted. A
/// cloned repository can have one as well. Returns the file that it is without links: only that one may be read.
fn require_trusted(file: &Path) -> Result<PathBuf, Failure> {
    let real = std::fs::canonicalize(file)?;
    let own = std::fs::canonicalize(trust::state_dir()?.join("wrap"));
    match own.is_ok_and(|own| real.starts_with(own)) {
        true => Ok(real),
        false => trust::resolve(file.to_owned()),
    }
}

/// Checks that an existing gate is for these servers.
fn same_servers(config: &Config, servers: &[Server]) -> Result<(), Failure> {
    for server in servers {
        let configured = config.upstreams.get(&server.name).map(|u| &u.transport);
        let same = match (configured, &server.transport) {
            // It was skipped when the gate was created.
            (None, _) if servers.len() > 1 => true,
            (
                Some(UpstreamTransport::Command { command, .. }),
                Transport::Command { words, .. },
            ) => command == words,
            (Some(UpstreamTransport::Http { url, .. }), Transport::Url { url: named, .. }) => {
                named.parse().is_ok_and(|named| *url == named)
            }
            _ => false,
        };
        if configured.is_none() && !same {
            return Err(Failure::plain(format!(
                "{} is another gate: it has no upstream server `{}`",
                shown(&config.file),
                line(&server.name, 64)
            ))
            .help("choose a directory with --dir, or another name with --name"));
        }
        if !same {
            return Err(Failure::plain(format!(
                "{}: [upstream.{}] is not this server",
                shown(&config.file),
                server.name
            ))
            .help("choose a directory with --dir, or another name with --name"));
        }
    }
    Ok(())
}

/// The new configuration of the MCP client.
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
