//! An HTTP request as policy sees it: what `http` sends, and what `secrets` are attached to.

use std::collections::BTreeSet;

/// The destination of a request, with the known facts about it.
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
    /// The port, even if the URL omits it.
    pub port: u16,
    /// Labels that the operator gave the host.
    pub labels: BTreeSet<String>,
}

/// A request without the values of secrets.
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
    /// Names of secrets, and their placements.
    pub secrets: Vec<(String, String)>,
}
