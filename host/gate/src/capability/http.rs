//! HTTP requests and their hosts, as resources of policies.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    request::{Action, ActionContext, Request},
};
use tollgate_sandbox::capability::http::{Destination, HttpAct, OutboundRequest};

use super::{EffectAction, EffectCaller, approver_view};
use crate::config::PRIVATE_NETWORK;

pub(super) fn host_uid(destination: &Destination) -> Uid {
    Uid::new(Kind::Host, &destination.host)
}

fn labels(destination: &Destination) -> BTreeSet<String> {
    let mut labels = destination.labels.clone();
    if destination.is_private {
        labels.insert(PRIVATE_NETWORK.into());
    }
    labels
}

/// The host, with its domains and labels.
pub(super) fn host_entities(destination: &Destination) -> Vec<Entity> {
    let host = destination.host.as_str();
    let mut entities = Vec::new();
    let mut parents: Vec<Uid> = Vec::new();
    if !destination.is_address {
        let begins = host.rmatch_indices('.').map(|(dot, _)| dot + 1).chain([0]);
        let mut above = None;
        for begin in begins {
            let uid = Uid::new(Kind::Domain, host.get(begin..).unwrap_or_default());
            entities.push(Entity::new(uid.clone(), above));
            above = Some(uid);
        }
        parents.extend(above);
    }
    parents.extend(
        labels(destination)
            .iter()
            .map(|label| Uid::new(Kind::Label, label)),
    );
    entities.push(Entity::new(host_uid(destination), parents));
    entities
}

/// The request as an approver sees it.
pub(super) fn request_detail(request: &OutboundRequest) -> Value {
    let header = |(name, value): &(String, Vec<u8>)| json!([name, approver_view(value)]);
    let headers: Vec<Value> = request.headers.iter().map(header).collect();
    json!({
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "body": request.body.as_deref().map(approver_view),
        "secrets": request.secrets,
    })
}

impl EffectAction for HttpAct {
    fn request(&self, caller: &EffectCaller) -> Request {
        let body = self.request.body.as_ref();
        Request {
            principal: Uid::new(Kind::Component, &caller.component),
            action: Action::HttpRequest,
            resource: host_uid(&self.destination),
            context: ActionContext::Http {
                guest: caller.guest(),
                method: self.method.clone(),
                scheme: self.destination.scheme.clone(),
                port: self.destination.port,
                path: self.path.clone(),
                size: body.map_or(0, |body| body.len() as u64),
            },
        }
    }

    fn entities(&self, _: &EffectCaller) -> Vec<Entity> {
        host_entities(&self.destination)
    }

    fn changes_the_world(&self) -> bool {
        true
    }

    fn target(&self) -> String {
        self.url.clone()
    }

    fn summary(&self) -> String {
        format!("{} {}", self.method, self.url)
    }

    fn approval_detail(&self) -> Value {
        request_detail(&self.request)
    }

    /// The host's labels, and those that its responses add according to the operator.
    fn result_labels(&self) -> BTreeSet<String> {
        labels(&self.destination)
            .union(&self.taints)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests;
