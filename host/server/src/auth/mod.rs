//! Who calls, over HTTP: OAuth 2.1 access tokens and API tokens. Identity comes from here alone, never from what a client says about itself.

use tollgate::pip::Caller;

/// Who makes a request: what authentication puts into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The caller.
    pub caller: Caller,
}
