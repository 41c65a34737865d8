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
                if headers::is_host_only(name.as_str()) {
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
mod tests;
