//! Header fields that a guest may send.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use tollgate_model::text::printable;

use super::HttpError;

/// The most header fields of one request.
const MAX_FIELDS: usize = 64;
/// The most bytes of all fields of one request.
const MAX_BYTES: usize = 32 << 10;

/// Fields that the host sets, or that concern the connection and would allow request smuggling.
const HOST_ONLY_FIELDS: &[&str] = &[
    "accept-encoding",
    "baggage",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Whether a guest may not set a field.
pub(crate) fn is_host_only(name: &str) -> bool {
    HOST_ONLY_FIELDS.contains(&name) || name.starts_with("proxy-")
}

/// The header fields of a guest's request.
pub(crate) fn parse_guest_headers(fields: &[(String, String)]) -> Result<HeaderMap, HttpError> {
    let invalid = |how: String| Err(HttpError::Invalid(how));
    if fields.len() > MAX_FIELDS {
        return invalid(format!("there are more than {MAX_FIELDS} header fields"));
    }
    if fields
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum::<usize>()
        > MAX_BYTES
    {
        return invalid(format!("the header is larger than {} KiB", MAX_BYTES >> 10));
    }
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return invalid(format!(
                "`{}` is not the name of a header field",
                printable(name, 80)
            ));
        };
        if is_host_only(parsed.as_str()) {
            return invalid(format!(
                "the header field `{parsed}` is the host's own; leave it out"
            ));
        }
        let Ok(value) = HeaderValue::from_bytes(value.trim().as_bytes()) else {
            return invalid(format!(
                "the value of the header field `{parsed}` has control characters"
            ));
        };
        map.append(parsed, value);
    }
    Ok(map)
}

/// Removes fields that must not follow a redirect to another origin.
pub(crate) fn leave_origin(fields: &mut HeaderMap) {
    fields.remove(header::AUTHORIZATION);
    fields.remove(header::COOKIE);
}

/// Removes fields about a body that is no longer sent.
pub(crate) fn without_body(fields: &mut HeaderMap) {
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LANGUAGE,
        header::CONTENT_LOCATION,
    ] {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests;
