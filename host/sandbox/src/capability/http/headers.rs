//! Header fields: which a guest may send, and what it sees of those that come back.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Fault;

/// Fields of one request.
const MAX_FIELDS: usize = 64;
/// Bytes of all fields of one request.
const MAX_BYTES: usize = 32 << 10;

/// Fields that the host sets, or that concern the connection and so would let a guest say where one
/// request ends and the next begins, or to whom it goes.
const HOSTS_OWN: &[&str] = &[
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

/// Fields of a response that say how it was sent, which the guest does not see.
const OF_THE_CONNECTION: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether a guest may not set a field.
pub(in crate::sandbox) fn is_hosts_own(name: &str) -> bool {
    HOSTS_OWN.contains(&name) || name.starts_with("proxy-")
}

/// The fields that a guest asks for.
pub(super) fn of_guest(fields: &[(String, String)]) -> Result<HeaderMap, Fault> {
    let invalid = |how: String| Err(Fault::Invalid(how));
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
                "`{}` is no name of a header field",
                crate::text::printable(name, 80)
            ));
        };
        if is_hosts_own(parsed.as_str()) {
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

/// Take away what a redirect to another origin must not carry.
pub(super) fn leave_origin(fields: &mut HeaderMap) {
    fields.remove(header::AUTHORIZATION);
    fields.remove(header::COOKIE);
}

/// Take away what describes a body that is no longer sent.
pub(super) fn without_body(fields: &mut HeaderMap) {
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LANGUAGE,
        header::CONTENT_LOCATION,
    ] {
        fields.remove(name);
    }
}

/// The fields of a response as the guest sees them, but for secrets.
pub(super) fn of_response(fields: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    fields
        .iter()
        .filter(|(name, _)| {
            !OF_THE_CONNECTION.contains(name) && !name.as_str().starts_with("proxy-")
        })
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// A field's value as text: UTF-8, or else ISO 8859-1 (RFC 9110, section 5.5), without control characters.
pub(super) fn text(value: Vec<u8>) -> String {
    let text = String::from_utf8(value)
        .unwrap_or_else(|e| e.into_bytes().into_iter().map(char::from).collect());
    text.chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn what_is_the_hosts_own_is_refused_in_any_case() {
        for name in [
            "Host",
            "CONTENT-LENGTH",
            "Transfer-Encoding",
            "connection",
            "Proxy-Authorization",
            "TraceParent",
            "TE",
        ] {
            assert!(
                matches!(of_guest(&field(name, "x")), Err(Fault::Invalid(_))),
                "{name}"
            );
        }
        assert!(of_guest(&field("Authorization", "Basic eDp5")).is_ok());
    }

    #[test]
    fn no_field_smuggles_another() {
        for (name, value) in [
            ("a", "b\r\nhost: evil"),
            ("a\r\nhost", "x"),
            ("a", "b\nc"),
            ("a", "\0"),
            ("a b", "c"),
            ("", "x"),
        ] {
            assert!(
                matches!(of_guest(&field(name, value)), Err(Fault::Invalid(_))),
                "{name:?}: {value:?}"
            );
        }
        let many: Vec<_> = (0..65).map(|n| (format!("x-{n}"), String::new())).collect();
        assert!(of_guest(&many).is_err());
        assert!(of_guest(&field("a", &"x".repeat(40_000))).is_err());
    }

    #[test]
    fn values_are_text_without_control_characters() {
        assert_eq!(text("größe".into()), "größe");
        assert_eq!(text(vec![b'g', 0xf6, b'e']), "göe");
        assert_eq!(text(b"a\x1b[31m\tb\x80".to_vec()), "a [31m\tb ");
    }
}
