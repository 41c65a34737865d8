use std::{collections::BTreeSet, sync::Arc};

use super::{Destination, OutboundRequest};

/// A component's HTTP request; each redirect is another one.
#[derive(Debug, Clone)]
pub struct HttpAct {
    /// Such as `GET`.
    pub method: String,
    /// The destination.
    pub destination: Destination,
    /// The URL without its query, for records.
    pub url: String,
    /// The path, normalised; never the query.
    pub path: String,
    /// The whole request.
    pub request: Arc<OutboundRequest>,
    /// Labels that its response adds to the run according to the operator, besides those of the
    /// destination.
    pub taints: BTreeSet<String>,
}
