//! Doors to what reads clients' messages and headers, for fuzz targets.

use http::{HeaderMap, Method};
use rmcp::model::RequestMetaObject;
use serde_json::{Map, Value};
use tollgate::identity::RunKey;

use super::{
    origin,
    raw::{self, RawMessage},
};

/// What a typed reading does not tell of a message.
#[derive(Debug)]
pub struct Message {
    /// The arguments of a call, as text.
    pub arguments: Option<String>,
    /// Why it is not taken.
    pub problem: Option<String>,
    /// Its id.
    pub id: Option<Value>,
}

/// Read a message.
#[must_use]
pub fn message(bytes: &[u8]) -> Message {
    let read = RawMessage::read(bytes);
    Message {
        arguments: read.arguments.map(|arguments| arguments.0.to_string()),
        problem: read.problem,
        id: read.id,
    }
}

/// Whether a client with these headers takes an answer to a POST.
#[must_use]
pub fn accepts(headers: &HeaderMap) -> bool {
    raw::accepted(&Method::POST, headers).is_some()
}

/// Where a call belongs.
#[derive(Debug)]
pub struct Place {
    /// Its run: a name, or `trace:` and an id.
    pub run: String,
    /// The conversation.
    pub conversation: Option<String>,
    /// `tracestate`.
    pub state: Option<String>,
    /// What upstream servers are sent.
    pub meta: Map<String, Value>,
}

/// Where a call with this `_meta` and these headers belongs.
///
/// # Errors
/// Why it cannot be said.
pub fn place(meta: Value, headers: &HeaderMap) -> Result<Place, String> {
    let meta: RequestMetaObject = serde_json::from_value(meta).map_err(|e| e.to_string())?;
    let keys = ["dev.tollgate/conversation".to_owned()];
    let place = origin::place(&meta, Some(headers), None, &keys);
    let place = place.map_err(|error| error.message.to_string())?;
    Ok(Place {
        run: match place.run {
            RunKey::Traced(trace) => format!("trace:{trace}"),
            RunKey::Id(id) => format!("id:{id}"),
            RunKey::Named(name) => name,
            RunKey::Ambient => String::new(),
        },
        conversation: place.origin.conversation,
        state: place.origin.state,
        meta: place.meta,
    })
}
