use std::sync::Arc;

use crate::capability::http::{Destination, OutboundRequest};

/// A component's request to have a secret attached to one HTTP request.
#[derive(Debug, Clone)]
pub struct SecretAct {
    /// The secret's name.
    pub secret: String,
    /// Where the HTTP request goes.
    pub destination: Destination,
    /// The path of its URL, normalised; never the query.
    pub path: String,
    /// The HTTP request, but for the values of secrets.
    pub request: Arc<OutboundRequest>,
}
