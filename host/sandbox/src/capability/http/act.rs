use std::{collections::BTreeSet, sync::Arc};

/// A component's request to send one HTTP request: a redirect is another.
#[derive(Debug, Clone)]
pub struct HttpAct {
    /// Such as `GET`.
    pub method: String,
    /// Where it goes.
    pub destination: Destination,
    /// The URL without its query, for records.
    pub url: String,
    /// The path, normalised; never the query.
    pub path: String,
    /// What is sent.
    pub request: Arc<OutboundRequest>,
    /// Labels that the operator says its response adds to the run, besides those of the destination.
    pub taints: BTreeSet<String>,
}

/// Where a request goes, with what is known about that.
#[derive(Debug, Clone)]
pub struct Destination {
    /// A name in lower case and ASCII, or an address.
    pub host: String,
    /// Whether [`host`](Self::host) is an address.
    pub is_address: bool,
    /// Whether it has an address in a private network; assumed until its name is resolved.
    pub is_private: bool,
    /// `http` or `https`.
    pub scheme: String,
    /// The port, also where the URL leaves it out.
    pub port: u16,
    /// Labels that the operator gave the host.
    pub labels: BTreeSet<String>,
}

/// What is sent, but for the values of secrets.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// The method.
    pub method: String,
    /// The URL with its query.
    pub url: String,
    /// Header fields that the component set.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// Names of secrets, and where each goes.
    pub secrets: Vec<(String, String)>,
}
