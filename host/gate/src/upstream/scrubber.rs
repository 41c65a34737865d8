//! Secrets in what a server says.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::CallResult;
use crate::{
    secrets::Vault,
    tool::{Content, ResourceBody},
};

/// Removes the secrets that a server was sent from its output: the only place where its text enters.
#[derive(Debug, Clone)]
pub(super) struct Scrubber {
    sent: Arc<BTreeSet<String>>,
    secrets: Arc<Vault>,
}

impl Scrubber {
    /// For a server that is sent these secrets.
    pub(super) fn new(sent: &Arc<BTreeSet<String>>, secrets: &Arc<Vault>) -> Self {
        Self {
            sent: Arc::clone(sent),
            secrets: Arc::clone(secrets),
        }
    }

    /// Reads the secrets, so that they are known.
    pub(super) async fn prepare(&self) {
        if !self.sent.is_empty() {
            self.secrets.know(self.sent.iter()).await;
        }
    }

    pub(super) fn text(&self, text: &str) -> String {
        self.secrets.scrub_text(text)
    }

    pub(super) fn call_result(&self, result: CallResult) -> CallResult {
        if self.sent.is_empty() && !self.secrets.has_issued() {
            return result;
        }
        match result {
            CallResult::Returned { content, failed } => CallResult::Returned {
                content: content.into_iter().map(|part| self.part(part)).collect(),
                failed,
            },
            CallResult::Refused { code, message } => CallResult::Refused {
                code,
                message: self.text(&message),
            },
            CallResult::Unusable(problem) => CallResult::Unusable(self.text(&problem)),
            CallResult::NotSent(why) => CallResult::NotSent(self.text(&why)),
            CallResult::NotTaken(why) => CallResult::NotTaken(self.text(&why)),
            CallResult::Lost(cause) => CallResult::Lost(self.text(&cause)),
            stopped @ CallResult::Stopped(_) => stopped,
        }
    }

    fn part(&self, part: Content) -> Content {
        match part {
            Content::Text { text } => Content::Text {
                text: self.text(&text),
            },
            Content::Image { data, media_type } => Content::Image {
                data: self.secrets.scrub(data),
                media_type: self.media_type(&media_type),
            },
            Content::Resource { mut resource } => {
                resource.uri = self.text(&resource.uri);
                resource.media_type = resource.media_type.map(|text| self.media_type(&text));
                resource.body = match resource.body {
                    ResourceBody::Text(text) => ResourceBody::Text(self.text(&text)),
                    ResourceBody::Blob(bytes) => ResourceBody::Blob(self.secrets.scrub(bytes)),
                };
                Content::Resource { resource }
            }
            Content::Structured(value) => Content::Structured(self.value(value)),
        }
    }

    /// A media type with a secret in it is not valid.
    fn media_type(&self, text: &str) -> String {
        match self.text(text) {
            clean if clean == text => clean,
            _ => "application/octet-stream".into(),
        }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.value(item));
                Value::Array(items.collect())
            }
            Value::Object(fields) => {
                let scrub = |(key, value): (String, Value)| (self.text(&key), self.value(value));
                Value::Object(fields.into_iter().map(scrub).collect())
            }
            Value::Number(number) => {
                let text = number.to_string();
                match self.text(&text) {
                    clean if clean == text => Value::Number(number),
                    clean => Value::String(clean),
                }
            }
            plain @ (Value::Null | Value::Bool(_)) => plain,
        }
    }
}

#[cfg(test)]
mod tests;
