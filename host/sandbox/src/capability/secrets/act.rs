use std::sync::Arc;

use crate::capability::outbound::{Destination, OutboundRequest};

/// A component's request to attach a secret to one HTTP request.
#[derive(Debug, Clone)]
pub struct SecretAct {
    /// The secret's name.
    pub secret: String,
    /// The destination of the HTTP request.
    pub destination: Destination,
    /// The path of its URL, normalised; never the query.
    pub path: String,
    /// The HTTP request, without the values of secrets.
    pub request: Arc<OutboundRequest>,
}
