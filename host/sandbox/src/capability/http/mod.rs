//! HTTP requests: decided again for each redirect, and sent only by [`tollgate_egress`].

mod act;
mod effect;
mod error;
mod headers;
mod operation;
mod placement;
mod redirect;
mod request;
pub(crate) mod wasi;
pub(crate) mod wit;

pub use super::outbound::{Destination, OutboundRequest};
pub use act::HttpAct;
use error::HttpError;
use operation::fetch;
use placement::{Credential, SecretPlacement};
use request::{FetchRequest, FetchResponse};

use super::secrets::SecretAct;
use crate::port::Authorize;

/// What requests need of the gate.
pub trait HttpPolicy: Authorize<HttpAct> + Authorize<SecretAct> {}

impl<P: Authorize<HttpAct> + Authorize<SecretAct> + ?Sized> HttpPolicy for P {}

/// The most bytes of a request's body, and of a response's, decoded.
pub(crate) const MAX_BODY: usize = tollgate_egress::MAX_BODY;
/// The most redirects of one request.
pub(crate) const MAX_REDIRECTS: u8 = 10;
/// The most secrets in one request.
pub(crate) const MAX_CREDENTIALS: usize = 8;
