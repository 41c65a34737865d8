//! Placement of a secret in a request.
//!
//! The guest names a typed placement; the host never searches for placeholders. The value is inserted after
//! all decisions, and only into the request on the wire.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use zeroize::Zeroizing;

use tollgate_egress::WireRequest;
use tollgate_model::canonical::unescape_segment;

use super::{HttpError, headers};
use crate::port::SecretValue;

/// A secret that a guest wants to attach, and its placement.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// The secret's name.
    pub(crate) secret: String,
    /// Its placement.
    pub(crate) placement: SecretPlacement,
}

/// The placement of a secret.
#[derive(Debug, Clone)]
pub(crate) enum SecretPlacement {
    /// The field `authorization`, as a bearer token.
    Bearer,
    /// The field of this name.
    Header(String),
    /// The query parameter of this name.
    Query(String),
    /// At this JSON pointer in the body.
    JsonPointer(String),
}

impl SecretPlacement {
    pub(crate) fn is_in_body(&self) -> bool {
        matches!(self, Self::JsonPointer(_))
    }

    /// Whether the placement is possible in this request, before anything is decided.
    pub(crate) fn check(&self, headers: &HeaderMap, body: Option<&[u8]>) -> Result<(), HttpError> {
        let invalid = |how: String| Err(HttpError::Invalid(how));
        match self {
            Self::Bearer | Self::Header(_) => {
                let name = self.field()?;
                if headers::is_hosts_own(name.as_str()) {
                    return invalid(format!("a secret cannot go into the header field `{name}`"));
                }
                if headers.contains_key(&name) {
                    return invalid(format!(
                        "the header field `{name}` is there already, where a secret goes"
                    ));
                }
            }
            Self::Query(name) if name.is_empty() || name.len() > 256 => {
                return invalid("a secret's query parameter has no name, or too long a one".into());
            }
            Self::Query(_) => {}
            Self::JsonPointer(pointer) => {
                let mut document = document(body)?;
                put(&mut document, pointer, String::new())?;
            }
        }
        Ok(())
    }

    fn field(&self) -> Result<HeaderName, HttpError> {
        match self {
            Self::Header(name) => HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                HttpError::Invalid("a secret's header field has no valid name".into())
            }),
            _ => Ok(AUTHORIZATION),
        }
    }

    /// Inserts the value.
    pub(crate) fn fill(
        &self,
        wire: &mut WireRequest,
        secret: &SecretValue,
    ) -> Result<(), HttpError> {
        let unfit = || {
            HttpError::Failed(format!(
                "the secret `{}` does not fit where it is to go",
                secret.name
            ))
        };
        match self {
            Self::Bearer | Self::Header(_) => {
                let prefix: &[u8] = if matches!(self, Self::Bearer) {
                    b"Bearer "
                } else {
                    b""
                };
                let whole = Zeroizing::new([prefix, secret.bytes.as_slice()].concat());
                let mut value = HeaderValue::from_bytes(&whole).map_err(|_| unfit())?;
                value.set_sensitive(true);
                wire.headers.insert(self.field()?, value);
            }
            Self::Query(name) => {
                let value = std::str::from_utf8(&secret.bytes).map_err(|_| unfit())?;
                let others: Vec<(String, String)> = wire
                    .url
                    .query_pairs()
                    .into_owned()
                    .filter(|(key, _)| key != name)
                    .collect();
                wire.url
                    .query_pairs_mut()
                    .clear()
                    .extend_pairs(others)
                    .append_pair(name, value);
            }
            Self::JsonPointer(pointer) => {
                let value = std::str::from_utf8(&secret.bytes).map_err(|_| unfit())?;
                let mut document = document(wire.body.as_ref().map(|body| body.as_slice()))?;
                put(&mut document, pointer, value.to_owned())?;
                let body = serde_json::to_vec(&document).map_err(|_| unfit())?;
                wire.body = Some(Zeroizing::new(body));
            }
        }
        Ok(())
    }
}

fn document(body: Option<&[u8]>) -> Result<Value, HttpError> {
    serde_json::from_slice(body.unwrap_or_default()).map_err(|_| {
        HttpError::Invalid("a secret is to go into the body, which is not JSON".into())
    })
}

/// Sets the target of a JSON pointer. Its parent must exist.
fn put(document: &mut Value, pointer: &str, text: String) -> Result<(), HttpError> {
    let nowhere = || HttpError::Invalid("a secret's JSON pointer leads nowhere in the body".into());
    let (above, last) = pointer.rsplit_once('/').ok_or_else(nowhere)?;
    let last = unescape_segment(last);
    match document.pointer_mut(above).ok_or_else(nowhere)? {
        Value::Object(members) => {
            members.insert(last, Value::String(text));
            Ok(())
        }
        Value::Array(items) => {
            let index: usize = last.parse().map_err(|_| nowhere())?;
            *items.get_mut(index).ok_or_else(nowhere)? = Value::String(text);
            Ok(())
        }
        _ => Err(nowhere()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Method;
    use url::Url;

    use super::*;

    fn wire(url: &str, body: Option<&str>) -> WireRequest {
        WireRequest {
            method: Method::GET,
            url: Url::parse(url).unwrap(),
            headers: HeaderMap::new(),
            body: body.map(|body| Zeroizing::new(body.as_bytes().to_vec())),
        }
    }

    fn filled(
        placement: SecretPlacement,
        url: &str,
        body: Option<&str>,
    ) -> Result<WireRequest, HttpError> {
        let mut wire = wire(url, body);
        let secret = SecretValue {
            name: "key".into(),
            bytes: Zeroizing::new(b"s3cr3t &value".to_vec()),
            version: String::new(),
        };
        placement.check(&wire.headers, body.map(str::as_bytes))?;
        placement.fill(&mut wire, &secret)?;
        Ok(wire)
    }

    #[test]
    fn a_secret_goes_where_it_is_meant_to() {
        let bearer = filled(SecretPlacement::Bearer, "https://a/", None).unwrap();
        let value = &bearer.headers["authorization"];
        assert_eq!(value.as_bytes(), b"Bearer s3cr3t &value");
        assert!(value.is_sensitive() && !format!("{value:?}").contains("s3cr3t"));
        let header = filled(
            SecretPlacement::Header("X-Api-Key".into()),
            "https://a/",
            None,
        )
        .unwrap();
        assert_eq!(header.headers["x-api-key"].as_bytes(), b"s3cr3t &value");
        let query = filled(
            SecretPlacement::Query("key".into()),
            "https://a/?key=old&b=1",
            None,
        )
        .unwrap();
        assert_eq!(query.url.as_str(), "https://a/?b=1&key=s3cr3t+%26value");
        let body = |body, pointer: &str| {
            filled(
                SecretPlacement::JsonPointer(pointer.into()),
                "https://a/",
                Some(body),
            )
        };
        let text = |wire: WireRequest| String::from_utf8(wire.body.unwrap().to_vec()).unwrap();
        assert_eq!(
            text(body(r#"{"auth":{}}"#, "/auth/token").unwrap()),
            r#"{"auth":{"token":"s3cr3t &value"}}"#
        );
        assert_eq!(
            text(body(r#"{"a/b":[1,"x"]}"#, "/a~1b/1").unwrap()),
            r#"{"a/b":[1,"s3cr3t &value"]}"#
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |place, body| filled(place, "https://a/", body).is_err();
        assert!(refused(SecretPlacement::Header("host".into()), None));
        assert!(refused(
            SecretPlacement::Header("Proxy-Authorization".into()),
            None
        ));
        assert!(refused(SecretPlacement::Header("a b".into()), None));
        assert!(refused(SecretPlacement::Query(String::new()), None));
        for (pointer, body) in [
            ("", "{}"),
            ("/a/b", "{}"),
            ("/a/0", r#"{"a":[]}"#),
            ("/a/b", r#"{"a":1}"#),
            ("a", "{}"),
            ("/a", "no json"),
        ] {
            assert!(
                refused(SecretPlacement::JsonPointer(pointer.into()), Some(body)),
                "{pointer} in {body}"
            );
        }
        assert!(refused(SecretPlacement::JsonPointer("/a".into()), None));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("mine"));
        assert!(SecretPlacement::Bearer.check(&headers, None).is_err());
    }
}
