//! MCP on a connection to the owner's socket: one JSON-RPC message per line, after an HTTP upgrade.
//! `tollgate serve --stdio` uses it to reach the process that serves the gate.

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use http::{HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tollgate::identity::Caller;
use tollgate_model::{
    entity::{Kind, Uid},
    ids::hex,
};

use super::{Rest, body::Requester, tokens};
use crate::{mcp, problem::Problem};

/// The protocol in the header `Upgrade`.
pub const UPGRADE: &str = "mcp-stdio";

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/agents/{agent}/stdio", get(stdio))]
}

/// Open a stream of MCP as an agent. Its operator may, and users who may `administer`. Over the owner's socket
/// only.
#[utoipa::path(get, path = "/v1/agents/{agent}/stdio", tag = "mcp", params(
    ("agent" = String, Path),
    ("Upgrade" = String, Header, description = "mcp-stdio"),
), responses(
    (status = 101, description = "One JSON-RPC message a line from now on, in both directions"),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, the caller is not a person, or not the socket", body = Problem),
    (status = 404, description = "The configuration has no such agent", body = Problem),
    (status = 426, description = "The header `Upgrade: mcp-stdio` is missing", body = Problem),
    (status = 503, description = "The gate is about to stop", body = Problem),
))]
pub(super) async fn stdio(
    State(rest): State<Rest>,
    who: Requester,
    Path(agent): Path<String>,
    mut request: Request,
) -> Result<Response, Problem> {
    let user = who.user()?;
    who.owner()?;
    tokens::known(&rest.gate, &Uid::new(Kind::Agent, &agent))?;
    let server = rest.server()?;
    if server.leaving().is_cancelled() {
        return Err(mcp::AdmissionError::Leaving.into());
    }
    let asked = request.headers().get(header::UPGRADE);
    let is_asked = asked.is_some_and(|value| value.as_bytes() == UPGRADE.as_bytes());
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (true, Some(upgrade)) = (is_asked, upgrade) else {
        let detail = format!("send `Connection: upgrade` and `Upgrade: {UPGRADE}`");
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            detail,
        ));
    };
    who.permit_impersonation(&rest.gate, &user, &agent).await?;
    let caller = caller(&rest, agent, user, who.channel());
    let session = tollgate::ids::random(16).map(|bytes| hex(&bytes));
    let client = server.client(Some(caller), session);
    serve(server, client.with_token(who.authenticated.token), upgrade);
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static(UPGRADE)),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// The caller: the agent, and the user for whom it acts.
fn caller(rest: &Rest, agent: String, user: Uid, channel: &str) -> Caller {
    let ruleset = rest.gate.ruleset();
    let config = ruleset.config.agents.get(&agent);
    if config.is_some_and(|config| config.operator == user.id) {
        return Caller::Agent {
            name: agent,
            on_behalf_of: None,
        };
    }
    Caller::Spoken {
        agent,
        by: user.id,
        channel: channel.into(),
    }
}

/// Serves the client in a task until it disconnects or the server stops.
fn serve(server: &mcp::Server, client: mcp::Client, upgrade: OnUpgrade) {
    let until = server.closed().clone();
    server.streams().spawn(async move {
        // If the upgrade fails, the client has gone.
        if let Ok(upgraded) = upgrade.await {
            let (read, write) = tokio::io::split(TokioIo::new(upgraded));
            drop(mcp::serve_lines(client, read, write, until).await);
        }
    });
}
