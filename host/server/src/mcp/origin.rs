//! Where a call belongs: its run, its caller's trace, its conversation and session.
//!
//! All of it comes from the caller and proves nothing; the gate keys runs by tenant and principal too.
//! What is in `params._meta` comes before HTTP headers.

use http::HeaderMap;
use rmcp::model::{ErrorData, RequestMetaObject};
use serde_json::{Map, Value};
use tollgate::{config::RequestChannel, enforce::UserRequest, identity::RunKey};
use tollgate_model::{
    ids::{RunId, SpanId, TokenId},
    record::{Arrival, Origin, TraceLink},
    text::percent_decoded,
};

/// The key of `_meta` that names the run, and the header that does.
const RUN_META: &str = "dev.tollgate/run";
const RUN_HEADER: &str = "tollgate-run";
/// The key of `_meta` that says by what the caller names the call in its own trace.
const CALL_META: &str = "gen_ai.tool.call.id";
/// The key of `_meta` that tells what the user asks for.
const REQUEST_META: &str = "dev.tollgate/user-request";
/// The header that does.
const REQUEST_HEADER: &str = "tollgate-user-request";
/// Bytes of a user's request in the header, decoded.
const MAX_REQUEST: usize = 16 << 10;
/// Keys of baggage that name the conversation.
const CONVERSATION: &[&str] = &["gen_ai.conversation.id", "session.id"];
/// Characters of a name.
const MAX_NAME: usize = 128;
/// Characters of `tracestate` that must be passed on (W3C Trace Context, section 3.3.1.5).
const MAX_STATE: usize = 512;
/// Bytes of `baggage` that must be passed on (W3C Baggage, section 3.3.2).
const MAX_BAGGAGE: usize = 8192;

/// Where a call belongs, and by which token it comes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The token of the gate by which the caller is known; the one who authenticates sets it.
    pub(super) token: Option<TokenId>,
    pub(crate) run: RunKey,
    /// Whether the request named no run, so that it belongs to the session's.
    pub(super) is_session: bool,
    pub(crate) origin: Origin,
    /// How a call of it reached the gate; the protocol's version is the connection's to say.
    pub(crate) arrival: Arrival,
    /// What the user asks for, as the client tells it.
    pub(crate) user_requests: Vec<UserRequest>,
    /// What an upstream server is sent along with a call of it.
    pub(crate) meta: Map<String, Value>,
}

/// Where a request belongs. `session` is the protocol's, or the process's over stdio.
///
/// # Errors
/// A run's name that is none, or a user's request in the header that cannot be read.
pub(crate) fn place(
    meta: &RequestMetaObject,
    headers: Option<&HeaderMap>,
    session: Option<String>,
    conversation_keys: &[String],
) -> Result<Place, ErrorData> {
    let header = |name: &str| {
        headers
            .and_then(|h| h.get(name))
            .and_then(|v| v.to_str().ok())
    };
    let in_meta = meta.get_traceparent().and_then(traceparent);
    let in_header = header("traceparent").and_then(traceparent);
    let (context, state) = match in_meta {
        Some(context) => (Some(context), meta.get_tracestate()),
        None => (in_header, header("tracestate")),
    };
    let other = in_header.filter(|other| context.is_some_and(|context| context != *other));
    let baggage = meta.get_baggage().or_else(|| header("baggage"));
    let named = match meta.get(RUN_META) {
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => return Err(no_name()),
        None => header(RUN_HEADER),
    };
    let run = match (context, named, &session) {
        (Some((trace, _)), _, _) => RunKey::Traced(trace),
        (None, Some(name), _) if is_name(name) => RunKey::Named(name.into()),
        (None, Some(_), _) => return Err(no_name()),
        (None, None, Some(session)) => RunKey::Named(format!("session:{session}")),
        (None, None, None) => RunKey::Ambient,
    };
    let in_meta = conversation_keys
        .iter()
        .find_map(|key| meta.get(key).and_then(Value::as_str));
    let conversation = in_meta
        .map(str::to_owned)
        .or_else(|| baggage.and_then(conversation_in))
        .filter(|id| is_plain(id));
    let state = state.filter(|state| context.is_some() && state.len() <= MAX_STATE);
    let mut passed = meta.0.0.clone();
    // An upstream server must not learn about conversations, so these keys are not passed on.
    passed.retain(|key, _| !conversation_keys.contains(key) && key != REQUEST_META);
    for (key, value) in [("tracestate", state), ("baggage", baggage)] {
        passed.remove(key);
        let value = value.filter(|value| value.len() <= MAX_BAGGAGE);
        passed.extend(value.map(|value| (key.to_owned(), value.into())));
    }
    let id = meta.get(CALL_META).and_then(Value::as_str);
    let is_session = context.is_none() && named.is_none();
    Ok(Place {
        token: None,
        run,
        is_session,
        origin: Origin {
            conversation,
            parent: context.map(|(_, span)| span),
            session,
            state: state.map(str::to_owned),
            trace: context.map(|(trace, _)| trace),
        },
        arrival: Arrival {
            id: id.filter(|id| is_plain(id)).map(str::to_owned),
            link: other.map(|(trace, span)| TraceLink { span, trace }),
            mcp: None,
        },
        user_requests: told(meta, headers)?,
        meta: passed,
    })
}

/// What is wrong with a name that is none.
pub(crate) const NO_NAME: &str = "no name: use 1 to 128 visible ASCII characters, and neither `trace:` nor \
                                  `session:` before them";

fn no_name() -> ErrorData {
    let message = format!("the run in `{RUN_META}` (or the header Tollgate-Run) is {NO_NAME}");
    ErrorData::invalid_params(message, None)
}

/// What the client tells of the user's request.
fn told(
    meta: &RequestMetaObject,
    headers: Option<&HeaderMap>,
) -> Result<Vec<UserRequest>, ErrorData> {
    let in_meta = meta.get(REQUEST_META).and_then(Value::as_str);
    let in_meta = in_meta.map(|text| UserRequest {
        channel: RequestChannel::Mcp,
        text: text.to_owned(),
    });
    let in_header = headers.map(told_in_header).transpose()?.flatten();
    Ok(in_meta.into_iter().chain(in_header).collect())
}

/// What the header tells: UTF-8, in which other characters than visible ASCII and spaces are percent-encoded.
fn told_in_header(headers: &HeaderMap) -> Result<Option<UserRequest>, ErrorData> {
    let Some(value) = headers.get(REQUEST_HEADER) else {
        return Ok(None);
    };
    let text = value.to_str().ok().and_then(percent_decoded);
    let text = text.filter(|text| text.len() <= MAX_REQUEST).ok_or_else(|| {
        let message = format!(
            "the header Tollgate-User-Request is not percent-encoded UTF-8 of at most {MAX_REQUEST} bytes"
        );
        ErrorData::invalid_params(message, None)
    })?;
    Ok(Some(UserRequest {
        channel: RequestChannel::Header,
        text,
    }))
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A run's name, and none of those that are made here.
pub(crate) fn is_name(text: &str) -> bool {
    is_plain(text) && !text.starts_with("trace:") && !text.starts_with("session:")
}

/// Trace and span of a `traceparent` (W3C Trace Context, section 3.2). Any flag is accepted, and of a
/// later version what this one knows.
fn traceparent(text: &str) -> Option<(RunId, SpanId)> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str| {
        text.len() == 2
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if !hex(version) || version == "ff" || !hex(flags) {
        return None;
    }
    if version == "00" && parts.next().is_some() {
        return None;
    }
    let (trace, span): (RunId, SpanId) = (trace.parse().ok()?, span.parse().ok()?);
    let nil = trace.as_bytes() == &[0; 16] || span.as_bytes() == &[0; 8];
    (!nil).then_some((trace, span))
}

/// The conversation that `baggage` names (W3C Baggage, section 3.3.1).
fn conversation_in(baggage: &str) -> Option<String> {
    let members = || {
        baggage.split(',').filter_map(|member| {
            let pair = member.split(';').next()?;
            let (key, value) = pair.split_once('=')?;
            Some((key.trim(), value.trim()))
        })
    };
    CONVERSATION
        .iter()
        .find_map(|wanted| members().find(|(key, _)| key == wanted))
        .map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests;
