//! The HTTP client for an issuer's keys and for the approvals webhook.
//!
//! It trusts Mozilla's roots and `[network] trust`. It uses no proxy and follows no redirects, and every request
//! has a time and size limit.

use std::time::Duration;

use reqwest::{Client, redirect};
use tollgate::gate::Gate;
use url::Url;

/// A client whose requests end within `patience`.
pub(crate) fn client(gate: &Gate, patience: Duration) -> Result<Client, String> {
    Client::builder()
        .tls_backend_preconfigured((**gate.executors().network.tls()).clone())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(patience)
        .timeout(patience)
        .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| told(&e))
}

/// Fetches `url`; fails beyond `limit` bytes.
pub(crate) async fn get(client: &Client, url: Url, limit: usize) -> Result<Vec<u8>, String> {
    let mut response = client.get(url).send().await.map_err(|e| told(&e))?;
    if !response.status().is_success() {
        return Err(format!("it was answered with status {}", response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|e| told(&e))? {
        if bytes.len() + piece.len() > limit {
            return Err(format!("the answer has more than {limit} bytes"));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// The error as text, without the URL, which may contain a secret.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_builder() {
        "the request cannot be made"
    } else {
        "the connection broke"
    };
    what.to_owned()
}
