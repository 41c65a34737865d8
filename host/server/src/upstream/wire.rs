//! Messages of a server, matched with what it was asked.
//!
//! What a server answers to a call or a listing is handed on as it is, as a [`Reply`]: a typed reading would lose the
//! whole of it for one odd part. An answer that cannot be read ends its request at once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, CustomRequest, CustomResult,
    ErrorCode, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerRequest,
    ServerResult,
};
use serde_json::{Map, Value, json};

use super::mend::{Outline, mend};

/// The method by which a server asks a person.
pub(super) const ELICITATION: &str = "elicitation/create";

/// The outcome of a request whose answer is passed on unparsed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// The `result` of the answer.
    Answer(Value),
    /// There was an answer that cannot be read: why.
    Unusable(String),
    /// No answer comes any more: why.
    Lost(String),
}

impl Reply {
    fn into_result(self) -> ServerResult {
        let (key, value) = match self {
            Self::Answer(value) => ("answer", value),
            Self::Unusable(why) => ("unusable", why.into()),
            Self::Lost(why) => ("lost", why.into()),
        };
        ServerResult::CustomResult(CustomResult::new(Value::Object(Map::from_iter([(
            key.to_owned(),
            value,
        )]))))
    }

    /// The reply in the result of a request that was [sent](Wire::sent) as one of a raw kind.
    pub(super) fn of(result: ServerResult) -> Option<Self> {
        let ServerResult::CustomResult(CustomResult(Value::Object(members))) = result else {
            return None;
        };
        let (key, value) = members.into_iter().next()?;
        let text = |value: Value| value.as_str().map(str::to_owned);
        match key.as_str() {
            "answer" => Some(Self::Answer(value)),
            "unusable" => text(value).map(Self::Unusable),
            "lost" => text(value).map(Self::Lost),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its answer is a [`Reply`].
    Raw,
    /// Its answer is read here, as the protocol has it.
    Typed,
}

/// The requests of one connection that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Wire(Mutex<HashMap<RequestId, Kind>>);

impl Wire {
    fn pending<T>(&self, f: impl FnOnce(&mut HashMap<RequestId, Kind>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remember that this message is sent; its id, if it is a request.
    pub(super) fn sent(&self, message: &ClientJsonRpcMessage) -> Option<RequestId> {
        match message {
            JsonRpcMessage::Request(request) => {
                let kind = match request.request {
                    ClientRequest::CallToolRequest(_)
                    | ClientRequest::GetPromptRequest(_)
                    | ClientRequest::ReadResourceRequest(_)
                    | ClientRequest::ListToolsRequest(_)
                    | ClientRequest::ListPromptsRequest(_)
                    | ClientRequest::ListResourcesRequest(_)
                    | ClientRequest::ListResourceTemplatesRequest(_) => Kind::Raw,
                    _ => Kind::Typed,
                };
                self.pending(|pending| pending.insert(request.id.clone(), kind));
                Some(request.id.clone())
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.forget(id);
                }
                None
            }
            _ => None,
        }
    }

    /// No answer to this request is expected any more.
    pub(super) fn forget(&self, id: &RequestId) {
        self.pending(|pending| pending.remove(id));
    }

    /// End a request that gets no answer. Nothing if it has one already.
    pub(super) fn end(&self, id: &RequestId, reply: Reply) -> Option<ServerJsonRpcMessage> {
        let (id, kind) = self.take(id)?;
        Some(match (kind, reply) {
            (Kind::Raw, reply) => ServerJsonRpcMessage::response(reply.into_result(), id),
            (Kind::Typed, Reply::Answer(_)) => return None,
            (Kind::Typed, Reply::Unusable(why) | Reply::Lost(why)) => {
                ServerJsonRpcMessage::error(ErrorData::internal_error(why, None), Some(id))
            }
        })
    }

    /// The messages in these bytes. What is none is left out, unless it is the answer to a request: then that ends.
    pub(super) fn read(&self, bytes: &[u8]) -> Vec<ServerJsonRpcMessage> {
        self.read_for(None, bytes)
    }

    /// The same, where the bytes can only be about the request `own`.
    pub(super) fn read_for(
        &self,
        own: Option<&RequestId>,
        bytes: &[u8],
    ) -> Vec<ServerJsonRpcMessage> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').trim();
        match serde_json::from_str(&mend(text)) {
            Ok(Value::Array(batch)) => {
                let messages = batch.into_iter();
                messages.filter_map(|value| self.message(value)).collect()
            }
            Ok(value) => self.message(value).into_iter().collect(),
            Err(_) => {
                let outline = Outline::of(text);
                if outline.has_method {
                    return Vec::new();
                }
                let own = own.filter(|_| text.starts_with('{')).cloned();
                let ended = (outline.id.or(own))
                    .and_then(|id| self.end(&id, Reply::Unusable("the answer is not JSON".into())));
                ended.into_iter().collect()
            }
        }
    }

    /// The request with this id, however the server writes it.
    fn take(&self, id: &RequestId) -> Option<(RequestId, Kind)> {
        self.pending(|pending| {
            if let Some(found) = pending.remove_entry(id) {
                return Some(found);
            }
            match id {
                RequestId::String(text) => {
                    pending.remove_entry(&RequestId::Number(text.parse().ok()?))
                }
                RequestId::Number(_) => None,
            }
        })
    }

    fn message(&self, value: Value) -> Option<ServerJsonRpcMessage> {
        let Value::Object(mut message) = value else {
            return None;
        };
        message.insert("jsonrpc".into(), "2.0".into());
        if message.get("method").is_some_and(|method| method == ELICITATION) {
            return elicitation(&mut message);
        }
        if message.get("method").is_some_and(Value::is_string) {
            mend_progress_token(&mut message);
            message.retain(|_, value| !value.is_null());
            return serde_json::from_value(Value::Object(message)).ok();
        }
        let id = request_id(message.get("id")?)?;
        match (message.remove("error"), message.remove("result")) {
            (Some(error), _) if !error.is_null() => {
                let (id, _) = self.take(&id)?;
                Some(ServerJsonRpcMessage::error(error_of(&error), Some(id)))
            }
            (_, Some(result)) => self.answer(&id, result),
            _ => self.end(
                &id,
                Reply::Unusable("the answer has neither a result nor an error".into()),
            ),
        }
    }

    fn answer(&self, id: &RequestId, mut result: Value) -> Option<ServerJsonRpcMessage> {
        let (id, kind) = self.take(id)?;
        if kind == Kind::Raw {
            let result = Reply::Answer(result).into_result();
            return Some(ServerJsonRpcMessage::response(result, id));
        }
        mend_handshake(&mut result);
        let read = serde_json::from_value(json!({"jsonrpc": "2.0", "id": id, "result": result}));
        Some(read.unwrap_or_else(|_| {
            let error = ErrorData::internal_error("the answer does not fit the request", None);
            ServerJsonRpcMessage::error(error, Some(id))
        }))
    }
}

/// A question to a person, with its parameters as the server wrote them: a typed reading would lose the keywords that
/// it does not know.
fn elicitation(message: &mut Map<String, Value>) -> Option<ServerJsonRpcMessage> {
    let id = request_id(message.get("id")?)?;
    let request = CustomRequest::new(ELICITATION, message.remove("params"));
    let request = ServerRequest::CustomRequest(request);
    Some(ServerJsonRpcMessage::request(request, id))
}

fn request_id(value: &Value) -> Option<RequestId> {
    match value {
        Value::String(text) => Some(RequestId::String(text.as_str().into())),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0);
            let number = number.as_i64().or(whole.map(|n| n as i64))?;
            Some(RequestId::Number(number))
        }
        _ => None,
    }
}

/// An error as its server words it, without its data.
fn error_of(error: &Value) -> ErrorData {
    let code = error.get("code").and_then(Value::as_i64);
    let code = code.and_then(|code| i32::try_from(code).ok());
    let message = match error.get("message").unwrap_or(error) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ErrorData::new(
        code.map_or(ErrorCode::INTERNAL_ERROR, ErrorCode),
        message,
        None,
    )
}

/// Tokens of this gate are numbers; some servers answer with text.
fn mend_progress_token(message: &mut Map<String, Value>) {
    let token = message
        .get_mut("params")
        .and_then(|params| params.get_mut("progressToken"));
    if let Some(token) = token
        && let Some(number) = token.as_str().and_then(|text| text.parse::<i64>().ok())
    {
        *token = number.into();
    }
}

/// What servers write in their first answer where an object or nothing is meant.
fn mend_handshake(result: &mut Value) {
    let Value::Object(members) = result else {
        return;
    };
    members.retain(|_, value| !value.is_null());
    if !members.contains_key("protocolVersion") {
        return;
    }
    let capabilities = members.entry("capabilities").or_insert(json!({}));
    match capabilities {
        Value::Object(capabilities) => {
            capabilities.retain(|_, value| !matches!(value, Value::Null | Value::Bool(false)));
            for value in capabilities.values_mut().filter(|value| !value.is_object()) {
                *value = json!({});
            }
        }
        other => *other = json!({}),
    }
    let info = members.entry("serverInfo").or_insert(json!({}));
    let text = |key: &str| match info.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "unknown".into(),
    };
    *info = json!({"name": text("name"), "version": text("version")});
}

#[cfg(test)]
mod tests;
