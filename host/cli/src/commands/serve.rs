//! `tollgate serve`: serves agents by MCP over stdio and HTTP.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use clap::Args;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;
use tollgate::{config::Config, identity::Caller};
use tollgate_model::ids::hex;
use tollgate_server::{
    approvals,
    auth::{Auth, token},
    export, http,
    http::hook_socket::HookSocket,
    mcp, otlp,
    reload::{self, FileChange, ReloadError},
    tls::{Tls, TlsError},
};
use tollgate_trace::projector;

use crate::{
    client::{Client, NotAlone, Stream},
    context::Context,
    error::Failure,
    exit_code::Exit,
    logging::{self, Logs},
    observe_only,
    stdio_proxy::{End, StdioProxy},
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate serve --stdio --agent support
  $ tollgate serve --listen 127.0.0.1:8420 --agent support
  $ tollgate --config /srv/gate/tollgate.toml serve --stdio

Over stdio the MCP client starts this command. If another process already serves the gate, this one forwards
everything to it. Over HTTP the endpoint is http://ADDRESS/mcp.

Changed files take effect on `tollgate reload` or SIGHUP. With `watch = true` under [serve] they do so by themselves,
if policy lets their owners activate policies. On SIGTERM, SIGINT and the end of
standard input, running calls have 30 seconds to end.

With --json and without --stdio: {listening, endpoint} once it listens. With --log-format json, standard error
has one JSON object per call or other event: {timestamp, level, message, target} and, for a call, {trace_id,
span_id, decision, tool, outcome}. It never has a payload.";

/// What is said of changed files.
const NOTICED: &str =
    "files have changed, and are not in force: `tollgate reload` puts them into force";
/// How long running calls may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long open connections may take to end after that.
const CLOSING: Duration = Duration::from_secs(2);
/// How long to wait for another owner of the gate.
const OWNED: Duration = Duration::from_secs(10);
/// The pause before another attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// The arguments of `tollgate serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Serve one client over standard input and output.
    #[arg(long)]
    stdio: bool,
    /// Serve over HTTP, at this address or the configured one. This is the default without --stdio.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1)]
    listen: Option<Option<SocketAddr>>,
    /// The calling agent; default: `agent` under [serve], or over stdio the only agent of the configuration.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    #[command(flatten)]
    logs: Logs,
}

/// Run `tollgate serve`.
pub(crate) async fn run(args: Serve, cx: &Context<'_>) -> Result<Exit, Failure> {
    serve(args, cx.config()?, cx).await
}

/// Serve the gate that `config` describes to one client over standard input and output.
pub(super) async fn over_stdio(config: Config, cx: &Context<'_>) -> Result<Exit, Failure> {
    let args = Serve {
        stdio: true,
        listen: None,
        agent: None,
        logs: Logs::default(),
    };
    serve(args, config, cx).await
}

async fn serve(args: Serve, config: Config, cx: &Context<'_>) -> Result<Exit, Failure> {
    args.logs.begin();
    if let Some(warning) = observe_only::warning(&config) {
        remark(cx, &warning);
    }
    let agent = match agent(args.agent.as_deref(), &config) {
        Ok(agent) => Some(agent),
        // Over HTTP, credentials identify the caller.
        Err(_) if !args.stdio && args.agent.is_none() => None,
        Err(failure) => return Err(failure),
    };
    let listen = match args.listen {
        Some(address) => Some(address.unwrap_or(config.serve.listen)),
        None => (!args.stdio).then_some(config.serve.listen),
    };
    // Over HTTP, only an explicitly named agent is used for callers without credentials.
    let named = args.agent.is_some() || config.serve.agent.is_some();
    let listen = listen.map(|address| Listen {
        address,
        anonymous: agent.as_deref().filter(|_| named).map(caller),
    });
    let mut client = cx.client(config)?;
    let ended = if args.stdio && listen.is_none() {
        stdio(&mut client, agent.as_deref().unwrap_or_default(), cx).await
    } else {
        match alone(&mut client).await {
            Ok(server) => {
                let stream = match agent.as_deref().filter(|_| args.stdio) {
                    Some(agent) => client.speaker_stream(agent).await,
                    None => Ok(None),
                };
                let lines = stream.map(|stream| Lines::of(args.stdio, stream));
                match lines {
                    Ok(lines) => owned(&server, agent.as_deref(), lines, listen, cx).await,
                    Err(failure) => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        }
    };
    client.close().await;
    ended
}

/// Where to serve over HTTP.
struct Listen {
    address: SocketAddr,
    /// The identity of callers without credentials; `None` if they are refused.
    anonymous: Option<Caller>,
}

/// The agent that is used without credentials.
fn agent(named: Option<&str>, config: &Config) -> Result<String, Failure> {
    let only = || match config.agents.len() {
        1 => config.agents.keys().next().cloned(),
        _ => None,
    };
    let name = named.map(str::to_owned);
    let name = name.or_else(|| config.serve.agent.clone()).or_else(only);
    match name {
        Some(name) if config.agents.contains_key(&name) => Ok(name),
        Some(name) => {
            let names = config.agents.keys().map(String::as_str);
            let failure = Failure::usage(format!("there is no agent `{name}` in tollgate.toml"));
            Err(match tollgate_policy::policy::nearest(&name, names) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help(format!("add a table [agents.{name}] with its operator")),
            })
        }
        None => Err(Failure::usage("the calling agent is not named")
            .help("name it with --agent NAME, or with agent = \"NAME\" under [serve]")),
    }
}

fn caller(agent: &str) -> Caller {
    Caller::Agent {
        name: agent.into(),
        on_behalf_of: None,
    }
}

/// Where the lines of the client on standard input go.
enum Lines {
    /// There is none.
    Absent,
    /// To this process, as the agent.
    Agent,
    /// To the socket of this process, where its user speaks for the agent.
    Speaker(Stream),
}

impl Lines {
    fn of(stdio: bool, stream: Option<Stream>) -> Self {
        match (stdio, stream) {
            (false, _) => Self::Absent,
            (true, None) => Self::Agent,
            (true, Some(stream)) => Self::Speaker(stream),
        }
    }
}

/// Becomes the owner. Waits if another command owns the gate for a short time.
async fn alone(client: &mut Client<'_>) -> Result<mcp::Server, Failure> {
    let begun = std::time::Instant::now();
    loop {
        match client.own_alone().await {
            Ok(()) => return client.server(),
            Err(NotAlone::Owned(_)) if begun.elapsed() < OWNED => tokio::time::sleep(PAUSE).await,
            Err(NotAlone::Owned(failure) | NotAlone::Broken(failure)) => return Err(failure),
        }
    }
}

/// Serves the client on stdin and stdout, in this process or through the owner. If the owner exits, continues
/// through the next owner or in this process.
async fn stdio(client: &mut Client<'_>, agent: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    match client.own_alone().await {
        Ok(()) => {
            let server = client.server()?;
            let lines = Lines::of(true, client.speaker_stream(agent).await?);
            return owned(&server, Some(agent), lines, None, cx).await;
        }
        Err(NotAlone::Broken(failure)) => return Err(failure),
        Err(NotAlone::Owned(_)) => {}
    }
    let mut proxy = StdioProxy::begin();
    let begun = std::time::Instant::now();
    let mut since = begun;
    loop {
        if let Some((read, write)) = client.connect(agent).await? {
            if let End::Client = proxy.pass(read, write).await? {
                return Ok(Exit::Ok);
            }
            since = std::time::Instant::now();
        }
        match client.own_alone().await {
            Ok(()) => {
                let server = client.server()?;
                if let Some((read, write)) = client.speaker_stream(agent).await? {
                    return until_stopped(&server, cx, proxy.pass(read, write)).await;
                }
                let (here, there) = tokio::io::duplex(mcp::MAX_LINE);
                let (read, write) = tokio::io::split(there);
                let client = server.client(Some(caller(agent)), Some(session()?));
                let until = server.closed().clone();
                let serving = tokio::spawn(mcp::serve_lines(client, read, write, until));
                let (read, write) = tokio::io::split(here);
                let passed = async { proxy.pass(tokio::io::BufReader::new(read), write).await };
                let ended = until_stopped(&server, cx, passed).await;
                serving.abort();
                return ended;
            }
            Err(NotAlone::Broken(failure)) => return Err(failure),
            Err(NotAlone::Owned(failure)) if since.elapsed() > OWNED => return Err(failure),
            Err(NotAlone::Owned(_)) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Serves as the owner.
async fn owned(
    server: &mcp::Server,
    agent: Option<&str>,
    lines: Lines,
    listen: Option<Listen>,
    cx: &Context<'_>,
) -> Result<Exit, Failure> {
    let stdio = !matches!(lines, Lines::Absent);
    let listener = match listen {
        Some(listen) => Some(listening(server, listen, stdio, cx).await?),
        None => None,
    };
    let client = server.client(agent.map(caller), Some(session()?));
    let until = server.closed().clone();
    let lines = async {
        match lines {
            Lines::Speaker((read, write)) => return StdioProxy::begin().pass(read, write).await,
            Lines::Agent => {
                let (read, write) = rmcp::transport::io::stdio_pipes();
                mcp::serve_lines(client, read, write, until).await?;
            }
            Lines::Absent => until.cancelled().await,
        }
        Ok(End::Client)
    };
    let renewing = async {
        match listener.as_ref().and_then(|listener| listener.tls.clone()) {
            // A certificate that is not usable is tried again; the old one stays in use until then.
            Some(tls) => {
                let failed = |error: &TlsError| {
                    remark(cx, &format!("the certificate was not renewed: {error}"));
                };
                tls.follow(failed).await;
            }
            None => std::future::pending().await,
        }
    };
    let serving = async {
        tokio::select! {
            ended = lines => ended,
            () = renewing => Ok(End::Client),
        }
    };
    let ended = until_stopped(server, cx, serving).await;
    match listener.and_then(|mut listener| listener.failed.try_recv().ok()) {
        Some(error) => Err(Failure::plain(format!("the listener has failed: {error}"))),
        None => ended,
    }
}

/// A listener that is served by a task.
struct Listener {
    tls: Option<Tls>,
    /// The error that ended it.
    failed: oneshot::Receiver<io::Error>,
}

/// Serve over HTTP, in tasks of this process.
async fn listening(
    server: &mcp::Server,
    listen: Listen,
    stdio: bool,
    cx: &Context<'_>,
) -> Result<Listener, Failure> {
    let Listen { address, anonymous } = listen;
    let plain = |e: http::HttpError| Failure::plain(e.to_string());
    let ruleset = server.gate().ruleset();
    let serve = &ruleset.config.serve;
    let tls = serve.tls.as_ref().map(Tls::load).transpose();
    let tls = tls.map_err(|e| Failure::plain(e.to_string()).help("see [serve.tls]"))?;
    let authenticated = serve.oauth.is_some() || token::any(server.gate())?;
    let listener = http::listen(address, authenticated).map_err(plain)?;
    let bound = listener.local_addr()?;
    let rate = Arc::clone(server.rate());
    let is_open = anonymous.is_some();
    let auth = Auth::new(server.gate(), bound, anonymous, rate);
    let router = http::router(server, auth, bound).map_err(plain)?;
    let trace = server.trace()?;
    let ledger = server.gate().ledger().reader().clone();
    let gate = server.gate().clone();
    tokio::spawn(async move {
        // Errors are not reported here, because the projection is repeated while the gate serves.
        drop(projector::catch_up(&trace, &ledger).await);
        drop(otlp::recall(&gate, &trace).await);
        tokio::join!(
            projector::follow(trace.clone(), ledger, |_| {}),
            otlp::retain(gate, trace),
        );
    });
    let (closed, leaving) = (server.closed().clone(), server.leaving().clone());
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (tell, failed) = oneshot::channel();
    let served = tls.clone();
    tokio::spawn(async move {
        let serving = http::serve(listener, router, served.as_ref(), closed, CLOSING);
        // Without its listener the process must end.
        if let Err(error) = serving.await {
            drop(tell.send(error));
            leaving.cancel();
        }
    });
    if cx.out.is_json() && !stdio {
        cx.out.json(&json!({
            "listening": bound.to_string(),
            "endpoint": format!("{scheme}://{bound}/mcp"),
        }))?;
    } else {
        remark(
            cx,
            &format!("agents reach the gate at {scheme}://{bound}/mcp"),
        );
    }
    if !is_open && !authenticated {
        let how = "make a token (`tollgate token create`), or name who calls without one (--agent)";
        remark(cx, &format!("no caller is let in there yet: {how}"));
    }
    Ok(Listener { tls, failed })
}

/// Serves until the client disconnects or a signal arrives, then lets running calls end. Meanwhile the hook socket
/// is served.
async fn until_stopped(
    server: &mcp::Server,
    cx: &Context<'_>,
    serving: impl Future<Output = io::Result<End>>,
) -> Result<Exit, Failure> {
    let ruleset = server.gate().ruleset();
    let hook = HookSocket::start(server, ruleset.config.hook.as_ref());
    let hook =
        hook.map_err(|e| Failure::plain(e.to_string()).help("see [hook] in tollgate.toml"))?;
    let ended = served(server, cx, serving).await;
    if let Some(hook) = hook {
        hook.stop().await;
    }
    ended
}

/// The same without the hook socket. Reloads on changed files and on SIGHUP.
async fn served(
    server: &mcp::Server,
    cx: &Context<'_>,
    serving: impl Future<Output = io::Result<End>>,
) -> Result<Exit, Failure> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let watching = async {
        let watch = reload::watch(server.gate().clone(), stop.clone(), |change| match change {
            FileChange::Activated => report_reload(Ok(()), cx),
            FileChange::Noticed => remark(cx, NOTICED),
            FileChange::Refused(ReloadError::Load(error)) => report_reload(Err(error), cx),
            FileChange::Refused(error) => refuse_change(&Failure::plain(error.to_string()), cx),
        });
        if let Err(error) = watch.await {
            remark(
                cx,
                &format!("changed files are not noticed ({error}); use `tollgate reload`"),
            );
        }
        std::future::pending::<()>().await;
    };
    let attending = approvals::attend(
        server.gate().clone(),
        server.closed().clone().cancelled_owned(),
    );
    let exporting = export::attend(server.gate().clone(), |name, problem| match problem {
        Some(problem) => remark(cx, &format!("the exporter {name} is held up: {problem}")),
        None => remark(cx, &format!("the exporter {name} continues")),
    });
    let mut hangup = signal(SignalKind::hangup())?;
    let hung_up = async {
        while hangup.recv().await.is_some() {
            report_reload(server.gate().reload("SIGHUP").await, cx);
        }
        std::future::pending::<()>().await;
    };
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => Some(ended),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        () = server.leaving().cancelled() => None,
        () = watching => None,
        () = attending => None,
        () = exporting => None,
        () = hung_up => None,
    };
    // New requests are read and refused; running calls may end.
    let rest = async {
        server.drain(PATIENCE).await;
        match ended {
            Some(ended) => ended,
            None => serving.await,
        }
    };
    tokio::select! {
        ended = rest => drop(ended?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(Exit::Ok)
}

/// A remark for the operator: in the log if there is one, else on standard error.
fn remark(cx: &Context<'_>, text: &str) {
    match logging::are_written() {
        true => tracing::info!(target: "tollgate::serve", "{text}"),
        false => cx.out.remark(text),
    }
}

fn report_reload(reloaded: Result<(), tollgate::load::LoadError>, cx: &Context<'_>) {
    match reloaded {
        Ok(()) => remark(cx, "what has changed is in force now"),
        Err(error) => {
            refuse_change(&Failure::from(error), cx);
        }
    }
}

fn refuse_change(failure: &Failure, cx: &Context<'_>) {
    match logging::are_written() {
        true => tracing::error!(target: "tollgate::serve", "{failure}"),
        false => cx.out.failure(failure),
    }
    remark(cx, "nothing has changed: what was in force still is");
}

/// The session id of this process.
fn session() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| Failure::plain(format!("the operating system gives no randomness: {e}")))?;
    Ok(hex(&bytes))
}
