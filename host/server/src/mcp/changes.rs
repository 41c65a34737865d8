//! Clients of sessions hear when what is listed to them changes.

use std::{collections::HashMap, sync::PoisonError};

use rmcp::{RoleServer, service::Peer};
use tollgate_model::entity::Uid;

use super::{
    Server,
    listing::{ListChanges, Lists},
};

/// A client of a session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    peer: Peer<RoleServer>,
    /// Who it was at the beginning of the session.
    principal: Option<Uid>,
}

impl Session {
    fn tell(self, changes: ListChanges) {
        let peer = self.peer;
        tokio::spawn(async move {
            // A client that has gone needs to hear nothing.
            if changes.tools {
                drop(peer.notify_tool_list_changed().await);
            }
            if changes.prompts {
                drop(peer.notify_prompt_list_changed().await);
            }
            if changes.resources {
                drop(peer.notify_resource_list_changed().await);
            }
        });
    }
}

impl Server {
    /// Tells the clients of sessions of changes, until the server takes no more calls.
    pub(super) async fn tell_of_changes(self) {
        let mut reloads = self.0.gate.reloads();
        let mut known = self.0.gate.snapshot();
        loop {
            tokio::select! {
                () = self.0.leaving.cancelled() => return,
                changed = reloads.changed() => if changed.is_err() { return },
            }
            let before = Lists::of(&known);
            let mut changes: HashMap<Option<Uid>, ListChanges> = HashMap::new();
            for session in self.sessions(|sessions| sessions.clone()) {
                let principal = session.principal.clone();
                let changes = changes.entry(principal).or_insert_with_key(|principal| {
                    let principal = principal.as_ref();
                    let now = self.0.listing.lists(&self.0.gate, principal);
                    before.within(&known.ruleset, principal).changes(&now)
                });
                session.tell(*changes);
            }
            known = self.0.gate.snapshot();
        }
    }

    /// Has the client of a session hear of changes.
    pub(super) fn keep_session(&self, peer: Peer<RoleServer>, principal: Option<Uid>) {
        self.sessions(|sessions| {
            // Those that have gone are forgotten when others come.
            sessions.retain(|known| !known.peer.is_transport_closed());
            sessions.push(Session { peer, principal });
        });
    }

    fn sessions<T>(&self, f: impl FnOnce(&mut Vec<Session>) -> T) -> T {
        let sessions = self.0.sessions.lock();
        f(&mut sessions.unwrap_or_else(PoisonError::into_inner))
    }
}
