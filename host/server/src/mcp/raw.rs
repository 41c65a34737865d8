//! Requests as their clients wrote them, before anything merges or drops a member.
//!
//! The arguments of a call go to the gate as text: a key that occurs twice is refused there, and recorded.

use std::{fmt, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, json, value::RawValue};
use tollgate::text::printable;

use crate::limits::MAX_BODY;

/// The arguments of a call, as text.
#[derive(Debug, Clone)]
pub(super) struct RawArguments(pub(super) Arc<str>);

/// What a typed reading does not tell of a message.
#[derive(Debug, Default)]
pub(super) struct RawMessage {
    /// The arguments, of a call that has some.
    pub(super) arguments: Option<RawArguments>,
    /// Why the message is not taken.
    pub(super) problem: Option<String>,
    /// Its id, of any JSON type.
    pub(super) id: Option<Value>,
}

/// The members of an object, in order; also those of one name.
struct Members<'m>(Vec<(String, &'m RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        d.deserialize_map(Pairs)
    }
}

impl<'m> Members<'m> {
    fn get(&self, name: &str) -> Option<&'m RawValue> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| *value)
    }

    /// The first name that occurs twice.
    fn twice(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let pair = names.windows(2).find(|pair| pair.first() == pair.last());
        pair.and_then(|pair| pair.first().copied())
    }
}

impl RawMessage {
    /// What there is to say about a message. Nothing, if it is none.
    pub(super) fn read(message: &[u8]) -> Self {
        let Ok(members) = serde_json::from_slice::<Members<'_>>(message) else {
            return Self::default();
        };
        let parsed = |name: &str| {
            let value = members.get(name)?;
            serde_json::from_str::<Value>(value.get()).ok()
        };
        let id = parsed("id");
        let (arguments, problem) = match parsed("method") {
            None => (None, None),
            Some(method) => match &id {
                // Some clients give notifications an id that is null.
                Some(Value::Null) if is_notification(&method) => (None, None),
                Some(id) if !id.is_string() && !id.is_i64() => {
                    let what = "the id of a request is text or an integer";
                    (None, Some(what.to_owned()))
                }
                _ => arguments(&members, &method),
            },
        };
        Self {
            arguments,
            problem,
            id,
        }
    }
}

fn is_notification(method: &Value) -> bool {
    let method = method.as_str().unwrap_or_default();
    method.starts_with("notifications/")
}

fn arguments(members: &Members<'_>, method: &Value) -> (Option<RawArguments>, Option<String>) {
    let twice = |pointer: &str, name: &str| {
        let name = printable(name, 80);
        Some(format!(
            "`{pointer}/{name}` occurs twice: remove one of them"
        ))
    };
    if let Some(name) = members.twice() {
        return (None, twice("", name));
    }
    // What policies see of a request.
    let decided = ["tools/call", "prompts/get", "resources/read"];
    let is_decided = decided.iter().any(|known| method == known);
    let params = members.get("params").filter(|_| is_decided);
    let params = params.and_then(|params| serde_json::from_str::<Members<'_>>(params.get()).ok());
    let Some(params) = params else {
        return (None, None);
    };
    if let Some(name) = params.twice() {
        return (None, twice("/params", name));
    }
    let arguments = params.get("arguments").map(RawValue::get);
    let arguments = arguments.filter(|text| text.trim_start().starts_with('{'));
    (arguments.map(|text| RawArguments(text.into())), None)
}

/// The error for arguments that are not an object; `None` if they can be read as one.
pub(super) fn no_object(arguments: &Value) -> Option<String> {
    let kind = match arguments {
        Value::Null | Value::Object(_) => return None,
        // Some languages have one form for an empty list and an empty object.
        Value::Array(items) if items.is_empty() => return None,
        Value::Array(_) => "a list",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
    };
    Some(format!(
        "Not called: `arguments` is {kind} and must be an object, such as {{\"name\": \"value\"}}. Pass the object \
         itself, not its text."
    ))
}

/// Keep what a typed reading would lose, and accept what a client means by its headers.
pub(crate) async fn as_written(request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let accepted = accepted(&parts.method, &parts.headers);
    if let Some(accepted) = accepted {
        let accepted = HeaderValue::from_static(accepted);
        parts.headers.insert(header::ACCEPT, accepted);
    }
    if parts.method != Method::POST {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let raw = RawMessage::read(&body);
    if let Some(problem) = raw.problem {
        let error = json!({"code": -32600, "message": problem});
        let answer = json!({"jsonrpc": "2.0", "id": raw.id, "error": error});
        return (StatusCode::BAD_REQUEST, Json(answer)).into_response();
    }
    if let Some(arguments) = raw.arguments {
        parts.extensions.insert(arguments);
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// What stands for a client's `Accept`: both types, where it takes one of them or anything. Nothing, where it takes
/// neither.
pub(super) fn accepted(method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    let posts = method == Method::POST;
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
            let refused = parameters.split(';').any(|parameter| {
                let weight = parameter.trim().strip_prefix("q=");
                weight.is_some_and(|q| q.trim().parse::<f64>().is_ok_and(|q| q == 0.0))
            });
            (!refused).then(|| kind.trim().to_ascii_lowercase())
        })
        .peekable();
    if ranges.peek().is_none() && !headers.contains_key(header::ACCEPT) {
        return posts.then_some("application/json, text/event-stream");
    }
    let fits = |range: String| {
        matches!(range.as_str(), "*/*" | "text/*" | "text/event-stream")
            || posts && matches!(range.as_str(), "application/*" | "application/json")
    };
    match (ranges.any(fits), posts) {
        (true, true) => Some("application/json, text/event-stream"),
        (true, false) => Some("text/event-stream"),
        (false, _) => None,
    }
}

#[cfg(test)]
mod tests;
