//! `tollgate upstream login`, `logout` and `logins`: the person's own account at an upstream server.
//!
//! The gate begins and completes a login. This process only awaits the redirect, on loopback (RFC 8252), and hands its
//! parameters on: it sees a code, which is worth nothing without the gate's verifier, and never a token.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Args;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use tollgate::ids::Clock;
use url::{Url, form_urlencoded};

use crate::{
    client::{ApiRequest, segment},
    context::Context,
    error::Failure,
    render::table::{Cell, table},
    reply::{LoginRequestReply, LoginView},
    style::{Tone, line, paint},
    units::moment,
};

/// Where the redirect arrives.
const PATH: &str = "/callback";
/// Bytes of its query.
const MAX_QUERY: usize = 16 << 10;
/// What the browser shows.
const TAKEN: &str =
    "Tollgate has the answer. You can close this page, and go back to the terminal.\n";
const OTHER: &str = "This is not the answer that Tollgate waits for.\n";

/// A login to begin.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The server, as tollgate.toml names it.
    name: String,
    /// The port of this machine at which the answer is awaited; any free one unless given.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

/// A login to remove.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The server.
    name: String,
    /// Whose login it is; your own unless given. Another's takes the permission `administer`.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

/// Log in: print where to consent, await the answer, have the gate complete it.
pub(super) async fn login(args: &Login, cx: &Context<'_>) -> Result<(), Failure> {
    let port = args.port.unwrap_or_default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|e| {
        Failure::plain(format!(
            "no answer can be awaited at port {port} of this machine: {e}"
        ))
        .help("name another with --port, or leave it out")
    })?;
    let port = listener.local_addr().map(|address| address.port());
    let port = port.map_err(|e| Failure::plain(e.to_string()))?;
    let path = format!("/v1/upstreams/{}/login", segment(&args.name));
    let body = json!({ "redirect_uri": format!("http://127.0.0.1:{port}{PATH}") });
    let mut client = cx.client(cx.config()?)?;
    let logged_in = async {
        let begun: LoginRequestReply = client
            .execute(ApiRequest::post(path.as_str(), body))
            .await?;
        show(&begun, cx)?;
        let patience = Duration::from_secs(begun.lasts_seconds);
        let answer = tokio::time::timeout(patience, redirect(listener, &begun.state)).await;
        let answer = answer.map_err(|_| {
            Failure::plain("no answer came in time: there is no new login").help(format!(
                "begin again: tollgate upstream login {}",
                args.name
            ))
        })??;
        let complete = ApiRequest::post(format!("{path}/complete"), answer);
        client.execute::<LoginView>(complete).await
    };
    let logged_in = logged_in.await;
    client.close().await;
    let view = logged_in?;
    cx.out.show(&view, || {
        format!(
            "{} {} acts at {} for {} by {}\n",
            paint("✓", Tone::Good),
            "the gate",
            line(&view.upstream, 64),
            line(&view.user, 64),
            line(&view.issuer, 200),
        )
    })?;
    if !view.renewable {
        cx.out.remark(
            "it cannot be renewed: log in again when it expires, or ask for a refresh token by `scopes` (such as \
             offline_access)",
        );
    }
    Ok(())
}

fn show(begun: &LoginRequestReply, cx: &Context<'_>) -> Result<(), Failure> {
    // What a server names is opened by a person only if it is for a browser.
    let url = Url::parse(&begun.url).ok();
    let url = url.filter(|url| matches!(url.scheme(), "https" | "http"));
    let url = url.ok_or_else(|| Failure::plain("the authorization server names no page"))?;
    let shown = json!({ "url": url.as_str(), "issuer": begun.issuer, "lasts_seconds": begun.lasts_seconds });
    cx.out.show(&shown, || {
        format!(
            "Open this page in your browser, on this machine, and consent within {} minutes:\n\n  {url}\n",
            begun.lasts_seconds / 60
        )
    })?;
    Ok(())
}

/// The state that a redirect must have, and where its parameters go.
struct RedirectHandler {
    state: String,
    answers: mpsc::Sender<Value>,
}

/// The parameters of the redirect with this state. A redirect with another state is refused, and
/// this waits for the next one.
async fn redirect(listener: TcpListener, state: &str) -> Result<Value, Failure> {
    let (answers, mut answer) = mpsc::channel(1);
    let awaited = Arc::new(RedirectHandler {
        state: state.into(),
        answers,
    });
    let router = Router::new()
        .route(PATH, get(take))
        .with_state(Arc::clone(&awaited));
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let served = axum::serve(listener, router).with_graceful_shutdown(stopped);
    let serving = tokio::spawn(served.into_future());
    let taken = answer.recv().await;
    // The browser still gets its page.
    stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(1), serving).await;
    taken.ok_or_else(|| Failure::plain("no answer can be awaited any more"))
}

async fn take(State(awaited): State<Arc<RedirectHandler>>, RawQuery(query): RawQuery) -> Response {
    let answer = parameters(&query.unwrap_or_default());
    let (status, text) = match answer {
        Some(answer) if answer.get("state").and_then(Value::as_str) == Some(&*awaited.state) => {
            // A second answer to the same request is not needed.
            let _ = awaited.answers.try_send(answer);
            (StatusCode::OK, TAKEN)
        }
        _ => (StatusCode::BAD_REQUEST, OTHER),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONNECTION, "close"),
    ];
    (status, headers, text).into_response()
}

/// The parameters that count (RFC 6749, section 4.1.2, and RFC 9207), each at most once.
fn parameters(query: &str) -> Option<Value> {
    if query.len() > MAX_QUERY {
        return None;
    }
    let mut found = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if ["state", "code", "iss", "error"].contains(&&*name)
            && found
                .insert(name.into_owned(), Value::from(value.into_owned()))
                .is_some()
        {
            return None;
        }
    }
    found.contains_key("state").then(|| json!(found))
}

/// Remove a login.
pub(super) async fn logout(args: &Logout, cx: &Context<'_>) -> Result<(), Failure> {
    let query = args.user.as_deref();
    let query = query.map(|user| format!("?user={}", segment(user)));
    let path = format!(
        "/v1/upstreams/{}/login{}",
        segment(&args.name),
        query.unwrap_or_default()
    );
    cx.execute::<()>(ApiRequest::delete(path)).await?;
    let value = json!({ "upstream": args.name, "user": args.user, "removed": true });
    cx.out.show(&value, || {
        format!(
            "{} the tokens are gone from this gate; end the consent at the authorization server, too, if it lists it\n",
            paint("✓", Tone::Good)
        )
    })?;
    Ok(())
}

/// List logins, without their tokens.
pub(super) fn logins(cx: &Context<'_>) -> Result<(), Failure> {
    let config = cx.config()?;
    let logins = cx
        .reader_if_any(&config)?
        .map_or_else(|| Ok(Vec::new()), |reader| reader.upstream_logins())?;
    let own = |login: &tollgate_ledger::Login| login.key.tenant == config.gate.tenant;
    let logins: Vec<LoginView> = logins
        .into_iter()
        .filter(own)
        .map(LoginView::from)
        .collect();
    if logins.is_empty() && !cx.out.is_json() {
        cx.out
            .remark("there are no logins; log in with `tollgate upstream login NAME`");
        return Ok(());
    }
    cx.out.show(&logins, || listed(&logins))?;
    Ok(())
}

fn listed(logins: &[LoginView]) -> String {
    let now = Clock::system().now();
    let rows: Vec<[Cell; 6]> = logins
        .iter()
        .map(|login| {
            let valid = match (login.renewable, login.expires) {
                (true, _) => Cell::new("renewed", Tone::Good),
                (false, None) => Cell::new("until refused", Tone::Plain),
                (false, Some(at)) if at <= now => Cell::new("expired", Tone::Bad),
                (false, Some(at)) => Cell::new(moment(at), Tone::Plain),
            };
            [
                Cell::new(line(&login.upstream, 64), Tone::Name),
                line(&login.user, 64).into(),
                valid,
                Cell::new(moment(login.created), Tone::Weak),
                line(&login.scopes, 60).into(),
                line(&login.issuer, 80).into(),
            ]
        })
        .collect();
    table(
        ["UPSTREAM", "USER", "VALID", "SINCE", "SCOPES", "ISSUER"],
        &rows,
    )
}

#[cfg(test)]
mod tests;
