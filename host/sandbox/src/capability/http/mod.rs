//! HTTP requests: decided again for each redirect, and sent only by [`tollgate_egress`].

mod act;
mod effect;
mod error;
pub(crate) mod headers;
mod operation;
mod placement;
mod redirect;
mod request;
pub(crate) mod wasi;
pub(crate) mod wit;

pub use act::{Destination, HttpAct, OutboundRequest};
pub(crate) use error::HttpError;
pub(crate) use operation::fetch;
use placement::{Credential, SecretPlacement};
pub(crate) use request::{FetchRequest, FetchResponse};

/// The most bytes of a request's body, and of a response's, decoded.
pub(crate) const MAX_BODY: usize = tollgate_egress::MAX_BODY;
/// The most redirects of one request.
pub(crate) const MAX_REDIRECTS: u8 = 10;
/// The most secrets in one request.
pub(crate) const MAX_CREDENTIALS: usize = 8;
