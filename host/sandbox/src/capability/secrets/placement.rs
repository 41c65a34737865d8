//! Where a secret goes in a request.
//!
//! The guest names a place, typed; the host never searches for placeholders. The value is put in after
//! everything was decided, into what goes on the wire and nothing else.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::{Fault, headers};
use crate::secrets::Secret;

/// A secret that a guest asks for, and where it wants it.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Credential {
    /// The secret's name.
    pub(in crate::sandbox) secret: String,
    /// Where it goes.
    pub(in crate::sandbox) place: Place,
}

/// Where a secret goes.
#[derive(Debug, Clone)]
pub(in crate::sandbox) enum Place {
    /// The field `authorization`, as a bearer token.
    Bearer,
    /// The field of this name.
    Header(String),
    /// The query parameter of this name.
    Query(String),
    /// At this JSON pointer in the body.
    JsonPointer(String),
}

/// What goes on the wire.
pub(super) struct Wire {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Zeroizing<Vec<u8>>>,
}

impl Place {
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self, Self::JsonPointer(_))
    }

    /// Whether the place makes sense in this request, before anything is decided.
    pub(super) fn check(&self, headers: &HeaderMap, body: Option<&[u8]>) -> Result<(), Fault> {
        let invalid = |how: String| Err(Fault::Invalid(how));
        match self {
            Self::Bearer | Self::Header(_) => {
                let name = self.field()?;
                if headers::is_hosts_own(name.as_str()) {
                    return invalid(format!("no secret goes into the header field `{name}`"));
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

    fn field(&self) -> Result<HeaderName, Fault> {
        match self {
            Self::Header(name) => HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Fault::Invalid("a secret's header field has no valid name".into())),
            _ => Ok(AUTHORIZATION),
        }
    }

    /// Put the value there.
    pub(super) fn fill(&self, wire: &mut Wire, secret: &Secret) -> Result<(), Fault> {
        let unfit = || {
            Fault::Failed(format!(
                "the secret `{}` does not fit where it is to go",
                secret.name()
            ))
        };
        match self {
            Self::Bearer | Self::Header(_) => {
                let prefix: &[u8] = if matches!(self, Self::Bearer) {
                    b"Bearer "
                } else {
                    b""
                };
                let whole = Zeroizing::new([prefix, secret.value()].concat());
                let mut value = HeaderValue::from_bytes(&whole).map_err(|_| unfit())?;
                value.set_sensitive(true);
                wire.headers.insert(self.field()?, value);
            }
            Self::Query(name) => {
                let value = std::str::from_utf8(secret.value()).map_err(|_| unfit())?;
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
                let value = std::str::from_utf8(secret.value()).map_err(|_| unfit())?;
                let mut document = document(wire.body.as_ref().map(|body| body.as_slice()))?;
                put(&mut document, pointer, value.to_owned())?;
                let body = serde_json::to_vec(&document).map_err(|_| unfit())?;
                wire.body = Some(Zeroizing::new(body));
            }
        }
        Ok(())
    }
}

fn document(body: Option<&[u8]>) -> Result<Value, Fault> {
    serde_json::from_slice(body.unwrap_or_default())
        .map_err(|_| Fault::Invalid("a secret is to go into the body, which is not JSON".into()))
}

/// Set what a JSON pointer names. What holds it must be there.
fn put(document: &mut Value, pointer: &str, text: String) -> Result<(), Fault> {
    let nowhere = || Fault::Invalid("a secret's JSON pointer leads nowhere in the body".into());
    let (above, last) = pointer.rsplit_once('/').ok_or_else(nowhere)?;
    let last = last.replace("~1", "/").replace("~0", "~");
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
    use super::*;

    fn wire(url: &str, body: Option<&str>) -> Wire {
        Wire {
            url: Url::parse(url).unwrap(),
            headers: HeaderMap::new(),
            body: body.map(|body| Zeroizing::new(body.as_bytes().to_vec())),
        }
    }

    fn filled(place: Place, url: &str, body: Option<&str>) -> Result<Wire, Fault> {
        let mut wire = wire(url, body);
        let secret = Secret::new("key", b"s3cr3t &value").unwrap();
        place.check(&wire.headers, body.map(str::as_bytes))?;
        place.fill(&mut wire, &secret)?;
        Ok(wire)
    }

    #[test]
    fn a_secret_goes_where_it_is_meant_to() {
        let bearer = filled(Place::Bearer, "https://a/", None).unwrap();
        let value = &bearer.headers["authorization"];
        assert_eq!(value.as_bytes(), b"Bearer s3cr3t &value");
        assert!(value.is_sensitive() && !format!("{value:?}").contains("s3cr3t"));
        let header = filled(Place::Header("X-Api-Key".into()), "https://a/", None).unwrap();
        assert_eq!(header.headers["x-api-key"].as_bytes(), b"s3cr3t &value");
        let query = filled(Place::Query("key".into()), "https://a/?key=old&b=1", None).unwrap();
        assert_eq!(query.url.as_str(), "https://a/?b=1&key=s3cr3t+%26value");
        let body = |body, pointer: &str| {
            filled(Place::JsonPointer(pointer.into()), "https://a/", Some(body))
        };
        let text = |wire: Wire| String::from_utf8(wire.body.unwrap().to_vec()).unwrap();
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
        assert!(refused(Place::Header("host".into()), None));
        assert!(refused(Place::Header("Proxy-Authorization".into()), None));
        assert!(refused(Place::Header("a b".into()), None));
        assert!(refused(Place::Query(String::new()), None));
        for (pointer, body) in [
            ("", "{}"),
            ("/a/b", "{}"),
            ("/a/0", r#"{"a":[]}"#),
            ("/a/b", r#"{"a":1}"#),
            ("a", "{}"),
            ("/a", "no json"),
        ] {
            assert!(
                refused(Place::JsonPointer(pointer.into()), Some(body)),
                "{pointer} in {body}"
            );
        }
        assert!(refused(Place::JsonPointer("/a".into()), None));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("mine"));
        assert!(Place::Bearer.check(&headers, None).is_err());
    }
}
