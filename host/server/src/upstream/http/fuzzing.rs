//! A door to what reads refusals, for fuzz targets.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tollgate::secrets::Vault;

use super::error::{Delivery, HttpError, Refusal};

/// The delivery of a request that the server may have carried out.
pub(in super::super) const UNKNOWN: Delivery = Delivery::Unknown;

/// What an answer that refuses a request means. Nothing where `status` is not one.
pub(in super::super) fn refusal(
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
    in_session: bool,
) -> Option<HttpError> {
    let status = StatusCode::from_u16(status).ok()?;
    let named = headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?))
    });
    let headers: HeaderMap = named.collect();
    let refusal = Refusal {
        status,
        headers: &headers,
        body,
        in_session,
        credentials: "look at the secret `key`",
        secrets: &Vault::new(&BTreeMap::new()),
    };
    Some(refusal.error())
}
