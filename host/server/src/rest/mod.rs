//! The REST surface, `/v1`: calls of agents without MCP, approvals, runs.
//!
//! [`crate::auth`] authenticates the caller. An agent's token can never answer an approval, operate the gate or
//! read data of other principals. Policies decide what users may do; nothing here decides.
//!
//! The same routes are served over TCP and over the owner's Unix socket. Requests that name files of this
//! machine are accepted over the socket only. The hook socket has those of `external.rs` and
//! `hook_events.rs`, and no others.

mod answers;
mod approval_links;
mod approvals;
mod body;
mod calls;
mod decisions;
mod document;
mod external;
mod health;
mod hook_events;
mod operate;
mod payloads;
mod requests;
mod review;
mod runs;
mod sets;
mod standing;
mod stats;
mod stdio;
mod store;
mod tokens;
mod tools;
mod upstream_logins;
mod upstreams;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, routing::MethodRouter};
use tokio::sync::Semaphore;
use tollgate::gate::Gate;
use tollgate_ledger::LedgerReader;
use tollgate_model::entity::Uid;
use tollgate_trace::store::Store;

use self::body::Requester;
pub use self::stdio::UPGRADE;
use crate::{approvals::AnswerChannels, auth::Auth, mcp, problem::Problem};

/// Concurrent reads of one principal, which may take long. Further ones wait and do not delay other principals.
const MAX_READS: usize = 4;

/// The state of the handlers.
#[derive(Clone, Debug)]
struct Rest {
    gate: Gate,
    /// The server, which makes calls and has the trace store; absent for public routes.
    server: Option<mcp::Server>,
    /// The reads of each principal. Bounded, because only configured principals get here.
    turns: Arc<Mutex<HashMap<Uid, Arc<Semaphore>>>>,
}

impl Rest {
    fn of(server: &mcp::Server) -> Self {
        Self {
            gate: server.gate().clone(),
            server: Some(server.clone()),
            turns: Arc::default(),
        }
    }

    /// The server, and a slot for a call of this caller.
    fn take(&self, who: &Requester) -> Result<(&mcp::Server, mcp::AcceptedCall), Problem> {
        let server = self.server()?;
        let caller = &who.authenticated.caller;
        let accepted = match who.is_owner() {
            true => server.take_of_owner(caller)?,
            false => server.take(caller)?,
        };
        Ok((server, accepted))
    }

    fn server(&self) -> Result<&mcp::Server, Problem> {
        self.server.as_ref().ok_or_else(|| {
            let status = http::StatusCode::SERVICE_UNAVAILABLE;
            Problem::new(status, "unavailable", "no calls are taken here")
        })
    }

    /// The trace store, opened on first use.
    fn trace(&self) -> Result<Store, Problem> {
        Ok(self.server()?.trace()?)
    }

    /// Reads the ledger on a blocking thread, when the caller has a free slot.
    async fn read<T: Send + 'static>(
        &self,
        who: &Requester,
        read: impl FnOnce(&Gate, &LedgerReader) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let broken = || {
            let status = http::StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "internal", "it could not be read")
        };
        let turns = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let own = turns.entry(who.authenticated.caller.principal());
            Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(MAX_READS))))
        };
        let turn = turns.acquire_owned().await.map_err(|_| broken())?;
        let gate = self.gate.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let read = read(&gate, gate.ledger().reader());
            // Held until the read has ended, even if the client has gone.
            drop(turn);
            read
        });
        reading.await.unwrap_or_else(|_| Err(broken()))
    }
}

/// Routes that need credentials, by path.
fn protected_routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    [
        calls::routes(),
        tools::routes(),
        external::routes(),
        hook_events::routes(),
        requests::routes(),
        approvals::routes(),
        approval_links::routes(),
        standing::routes(),
        runs::routes(),
        review::routes(),
        sets::routes(),
        decisions::routes(),
        payloads::routes(),
        operate::routes(),
        stats::routes(),
        tokens::routes(),
        upstreams::routes(),
        upstream_logins::routes(),
        store::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Routes of the owner's socket only, by path.
fn owner_routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    stdio::routes()
}

/// Routes without credentials, by path.
fn public_routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    health::routes()
        .into_iter()
        .chain(document::routes())
        .collect()
}

/// Routes of people who prove otherwise than by a token who they are, by path.
fn answer_routes() -> Vec<(&'static str, MethodRouter<AnswerChannels>)> {
    answers::routes()
}

fn of<S: Clone + Send + Sync + 'static>(
    state: S,
    routes: Vec<(&'static str, MethodRouter<S>)>,
) -> Router {
    let routes = routes.into_iter();
    let router = routes.fold(Router::new(), |router, (path, methods)| {
        router.route(path, methods)
    });
    router.with_state(state)
}

/// The routes that need credentials, for [`crate::auth::protect`].
pub fn protected(server: &mcp::Server) -> Router {
    of(Rest::of(server), protected_routes())
}

/// The routes of the owner's socket: the same, and a stream of MCP. For [`crate::auth::protect`].
pub fn of_owner(server: &mcp::Server) -> Router {
    let routes = protected_routes().into_iter().chain(owner_routes());
    of(Rest::of(server), routes.collect())
}

/// The routes of the hook socket: calls that their callers execute, and unknown events. For
/// [`crate::auth::protect`].
pub fn of_hook(server: &mcp::Server) -> Router {
    let routes = external::routes().into_iter();
    of(
        Rest::of(server),
        routes.chain(hook_events::routes()).collect(),
    )
}

/// The public routes: health, and the OpenAPI document.
pub fn public(gate: &Gate) -> Router {
    let rest = Rest {
        gate: gate.clone(),
        server: None,
        turns: Arc::default(),
    };
    of(rest, public_routes())
}

/// The routes for answers from Slack and by links. Users are counted at the rate of `auth`.
pub fn answers(auth: &Auth) -> Router {
    of(AnswerChannels::new(auth), answer_routes())
}
