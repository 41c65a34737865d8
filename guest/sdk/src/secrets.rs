//! Secrets that the operator granted to this component, by name. Their values stay in the host, which
//! attaches them to requests ([`Request::bearer`](crate::http::Request::bearer) and the like).

#[cfg(target_family = "wasm")]
use crate::bindings::tollgate::adapter::secrets as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::secrets as host;

/// Whether the operator granted this component a secret of this name. Whether it may be used is decided
/// request by request.
#[must_use]
pub fn exists(name: &str) -> bool {
    host::exists(name)
}
