//! Doors to what reads servers' messages, for fuzz targets.

use std::{collections::BTreeMap, sync::Arc};

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientJsonRpcMessage, ClientRequest, JsonRpcMessage,
    ListToolsRequest, PingRequest, RequestId,
};
use serde_json::Value;
use tollgate::{secrets::Vault, tool::Feature, upstream::CallResult};

use super::{
    content,
    http::fuzzing as http,
    mend,
    sse::Parser,
    wire::{Reply, Wire},
};

/// A text without what a JSON parser refuses although its meaning is plain.
#[must_use]
pub fn mend(text: &str) -> String {
    mend::mend(text).into_owned()
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type.
    pub name: String,
    /// Its data.
    pub data: Vec<u8>,
    /// The id of the last event that has one.
    pub id: Option<Arc<str>>,
    /// The pause before connecting again, in milliseconds.
    pub retry: Option<u64>,
}

/// The events of a stream that comes in these pieces and then ends; nothing if one is too large.
#[must_use]
pub fn events(pieces: &[&[u8]]) -> Option<Vec<Event>> {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(parser.feed(piece).ok()?);
    }
    events.extend(parser.finish());
    let public = events.into_iter().map(|event| Event {
        name: event.name,
        data: event.data,
        id: event.id,
        retry: event.retry,
    });
    Some(public.collect())
}

/// The requests of `ids` that these messages answer: a call, a listing and a ping by turns.
#[must_use]
pub fn wire(messages: &[&[u8]], ids: &[i64]) -> Vec<String> {
    let wire = Wire::default();
    for id in ids {
        let request = match id % 3 {
            1 => ClientRequest::CallToolRequest(CallToolRequest::new(CallToolRequestParams::new(
                "t",
            ))),
            2 => ClientRequest::ListToolsRequest(ListToolsRequest::default()),
            _ => ClientRequest::PingRequest(PingRequest::default()),
        };
        wire.sent(&ClientJsonRpcMessage::request(
            request,
            RequestId::Number(*id),
        ));
    }
    let read = messages.iter().flat_map(|bytes| wire.read(bytes));
    read.filter_map(|message| match message {
        JsonRpcMessage::Response(response) => Some(response.id.to_string()),
        JsonRpcMessage::Error(error) => error.id.map(|id| id.to_string()),
        _ => None,
    })
    .collect()
}

/// The result of a call that was answered with this.
#[must_use]
pub fn content(result: Value) -> CallResult {
    content::ending(
        Feature::Tool,
        Some(Reply::Answer(result)),
        None,
        &Vault::new(&BTreeMap::new()),
    )
}

/// What an answer that refuses a request means.
#[derive(Debug)]
pub struct Refusal {
    /// In the gate's words.
    pub why: String,
    /// In the server's.
    pub said: Option<String>,
    /// Whether the server has surely done nothing.
    pub nothing_was_done: bool,
    /// Whether the next call begins a new session.
    pub session_lost: bool,
}

/// What an answer that refuses a request means. Nothing where `status` is not one.
#[must_use]
pub fn refusal(
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
    in_session: bool,
) -> Option<Refusal> {
    let error = http::refusal(status, headers, body, in_session)?;
    Some(Refusal {
        nothing_was_done: error.delivery != http::UNKNOWN,
        why: error.why,
        said: error.said,
        session_lost: error.session_lost,
    })
}
