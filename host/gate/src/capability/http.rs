//! What a component asks of the world outside: requests over HTTP, and secrets for them.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    request::{Action, ActionContext, Request},
};

use super::{Act, CallContext, Capability, midcall::shown};
use crate::{config::PRIVATE_NETWORK, sandbox::HostConfig, tool::Tool};

/// One request over HTTP: a redirect is another.
#[derive(Debug, Clone)]
pub struct HttpAct {
    component: String,
    tool: String,
    method: String,
    place: Place,
    /// Without the query, for records.
    url: String,
    path: String,
    outgoing: Arc<Outgoing>,
    taints: BTreeSet<String>,
}

/// What is sent, but for the values of secrets.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The method.
    pub method: String,
    /// The URL whole, with its query.
    pub url: String,
    /// Header fields that the component set.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// Names of secrets, and where each goes.
    pub secrets: Vec<(String, String)>,
}

impl Outgoing {
    fn detail(&self) -> Value {
        let headers: Vec<Value> = self
            .headers
            .iter()
            .map(|(name, value)| json!([name, shown(value)]))
            .collect();
        json!({
            "method": self.method,
            "url": self.url,
            "headers": headers,
            "body": self.body.as_deref().map(shown),
            "secrets": self.secrets,
        })
    }
}

/// Where a request goes, with what is known about that.
#[derive(Debug, Clone)]
pub struct Place {
    /// A name in lower case and ASCII, or an address.
    pub host: String,
    /// Whether it is an address.
    pub is_address: bool,
    /// `http` or `https`.
    pub scheme: String,
    /// The port.
    pub port: u16,
    /// The host's labels.
    pub labels: BTreeSet<String>,
}

impl Place {
    fn uid(&self) -> Uid {
        Uid::new(Kind::Host, &self.host)
    }

    /// The host, in its domains and its labels.
    fn entities(&self) -> Vec<Entity> {
        let mut entities = Vec::new();
        let mut parents: Vec<Uid> = Vec::new();
        if !self.is_address {
            let mut above = None;
            for (begin, _) in self
                .host
                .rmatch_indices('.')
                .map(|(at, dot)| (at + dot.len(), dot))
                .chain([(0, "")])
            {
                let uid = Uid::new(Kind::Domain, self.host.get(begin..).unwrap_or_default());
                entities.push(Entity::new(uid.clone(), above));
                above = Some(uid);
            }
            parents.extend(above);
        }
        parents.extend(self.labels.iter().map(|label| Uid::new(Kind::Label, label)));
        entities.push(Entity::new(self.uid(), parents));
        entities
    }
}

impl HttpAct {
    /// `method` on `path` of `place`, in a call of `tool`. `url` is for records, and `settings` is what
    /// the operator says about the host.
    #[must_use]
    pub fn new(
        tool: &Tool,
        method: &str,
        place: Place,
        (url, path): (String, &str),
        outgoing: &Arc<Outgoing>,
        settings: &HostConfig,
    ) -> Self {
        Self {
            component: tool.source.name.clone(),
            tool: tool.name.clone(),
            method: method.into(),
            place,
            url,
            path: path.into(),
            outgoing: Arc::clone(outgoing),
            taints: settings.taints.clone(),
        }
    }

    /// The same, to a host of which an address is not reachable from everywhere.
    #[must_use]
    pub fn to_private_network(&self) -> Self {
        let mut act = self.clone();
        act.place.labels.insert(PRIVATE_NETWORK.into());
        act
    }

    /// Where it goes.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Act for HttpAct {
    fn request(&self, cx: &CallContext) -> Request {
        Request {
            principal: Uid::new(Kind::Component, &self.component),
            action: Action::HttpRequest,
            resource: self.place.uid(),
            context: ActionContext::Http {
                on_behalf_of: cx.on_behalf_of.clone(),
                agent: cx.agent.clone(),
                tool: Uid::new(Kind::Tool, &self.tool),
                method: self.method.clone(),
                scheme: self.place.scheme.clone(),
                port: self.place.port,
                path: self.path.clone(),
                size: self
                    .outgoing
                    .body
                    .as_ref()
                    .map_or(0, |body| body.len() as u64),
            },
        }
    }

    fn entities(&self) -> Vec<Entity> {
        self.place.entities()
    }
}

impl Capability for HttpAct {
    fn target(&self) -> String {
        self.url.clone()
    }

    fn short(&self) -> String {
        format!("{} {}", self.method, self.url)
    }

    fn detail(&self) -> Value {
        self.outgoing.detail()
    }

    /// What comes back is what the host is, and what the operator says that it taints.
    fn labels(&self) -> BTreeSet<String> {
        self.place.labels.union(&self.taints).cloned().collect()
    }
}

/// A secret, to be attached to one request.
#[derive(Debug, Clone)]
pub struct SecretAct {
    component: String,
    tool: String,
    secret: String,
    place: Place,
    outgoing: Arc<Outgoing>,
}

impl SecretAct {
    /// `secret`, for the request `outgoing` to `place` in a call of `tool`.
    #[must_use]
    pub fn new(tool: &Tool, secret: &str, place: &Place, outgoing: &Arc<Outgoing>) -> Self {
        Self {
            component: tool.source.name.clone(),
            tool: tool.name.clone(),
            secret: secret.into(),
            place: place.clone(),
            outgoing: Arc::clone(outgoing),
        }
    }
}

impl Act for SecretAct {
    fn request(&self, cx: &CallContext) -> Request {
        Request {
            principal: Uid::new(Kind::Component, &self.component),
            action: Action::UseSecret,
            resource: Uid::new(Kind::Secret, &self.secret),
            context: ActionContext::Secret {
                on_behalf_of: cx.on_behalf_of.clone(),
                agent: cx.agent.clone(),
                tool: Uid::new(Kind::Tool, &self.tool),
                host: self.place.uid(),
                scheme: self.place.scheme.clone(),
            },
        }
    }

    fn entities(&self) -> Vec<Entity> {
        self.place.entities()
    }
}

impl Capability for SecretAct {
    fn target(&self) -> String {
        format!("{} for {}", self.secret, self.place.host)
    }

    fn short(&self) -> String {
        format!(
            "{} to {} {}",
            self.secret, self.outgoing.method, self.place.host
        )
    }

    fn detail(&self) -> Value {
        self.outgoing.detail()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str, is_address: bool) -> Place {
        Place {
            host: host.into(),
            is_address,
            scheme: "https".into(),
            port: 443,
            labels: BTreeSet::from(["egress".to_owned()]),
        }
    }

    #[test]
    fn a_host_is_in_every_domain_above_it() {
        let shown = |entities: Vec<Entity>| -> Vec<String> {
            let line = |e: &Entity| {
                let parents: Vec<String> = e
                    .parents
                    .iter()
                    .map(|p| format!("{}:{}", p.kind.name(), p.id))
                    .collect();
                format!(
                    "{}:{} in {}",
                    e.uid.kind.name(),
                    e.uid.id,
                    parents.join(" ")
                )
            };
            entities.iter().map(line).collect()
        };
        assert_eq!(
            shown(place("api.example.com", false).entities()),
            [
                "Domain:com in ",
                "Domain:example.com in Domain:com",
                "Domain:api.example.com in Domain:example.com",
                "Host:api.example.com in Domain:api.example.com Label:egress",
            ]
        );
        assert_eq!(shown(place("localhost", false).entities()).len(), 2);
        assert_eq!(
            shown(place("10.0.0.1", true).entities()),
            ["Host:10.0.0.1 in Label:egress"]
        );
    }
}
