//! Questions of upstream servers to people: MCP's elicitation.
//!
//! A server asks for the fields of a form, or that a page is opened. Nothing of it is trusted: it is read strictly and
//! within limits before it is decided, and what a person gives is checked against the form before it is sent.

mod field;
mod form;
mod open;
mod page;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tollgate_model::record::{ElicitationAction, ElicitationMode};

pub(crate) use self::open::{OpenElicitations, ElicitationGuard};
pub use self::{
    field::{FieldView, OptionView},
    form::{Form, InputError},
    page::Page,
};
use crate::text::printable;

/// The most bytes of the text that the person reads.
const MAX_MESSAGE: usize = 4 << 10;

/// Why a question is not carried. The text is for the server and the operator, and quotes nothing of the question but
/// names of fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ElicitationError(pub(crate) String);

impl ElicitationError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

/// What a person is asked for.
#[derive(Debug, Clone)]
pub enum RequestedInput {
    /// Values of fields, which the server gets.
    Form(Form),
    /// To open a page of the server's. What happens there does not pass the gate.
    Page(Page),
}

/// A question of an upstream server.
#[derive(Debug, Clone)]
pub struct Elicitation {
    /// The server's words to the person.
    pub message: String,
    /// What it asks for.
    pub input: RequestedInput,
}

/// What the server gets.
#[derive(Debug, Clone, PartialEq)]
pub struct ElicitationAnswer {
    /// What the person did.
    pub action: ElicitationAction,
    /// The values of the form's fields, canonical; only of an accepted form.
    pub content: Option<Map<String, Value>>,
}

impl ElicitationAnswer {
    /// An answer without content.
    #[must_use]
    pub fn without_content(action: ElicitationAction) -> Self {
        Self {
            action,
            content: None,
        }
    }

    /// MCP's `ElicitResult`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.content {
            Some(content) => json!({ "action": self.action, "content": content }),
            None => json!({ "action": self.action }),
        }
    }
}

/// A question as a person sees it: all texts with control and bidirectional characters escaped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ElicitationView {
    /// The server's words.
    pub message: String,
    /// The form's fields; empty for a page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldView>,
    /// The page; absent for a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Elicitation {
    /// Reads the parameters of `elicitation/create`.
    ///
    /// # Errors
    /// [`ElicitationError`]: it is malformed, or beyond the forms of MCP or the limits.
    pub fn parse(params: &Value) -> Result<Self, ElicitationError> {
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        let message = text("message").ok_or_else(|| ElicitationError::new("it has no message"))?;
        if message.len() > MAX_MESSAGE {
            let problem = format!("its message is longer than {MAX_MESSAGE} bytes");
            return Err(ElicitationError(problem));
        }
        let input = match params.get("mode") {
            None => RequestedInput::Form(form_of(params)?),
            Some(mode) if mode == "form" => RequestedInput::Form(form_of(params)?),
            Some(mode) if mode == "url" => {
                let url = text("url").ok_or_else(|| ElicitationError::new("it has no URL"))?;
                RequestedInput::Page(Page::parse(url)?)
            }
            Some(_) => {
                let problem = "its mode is neither `form` nor `url`";
                return Err(ElicitationError::new(problem));
            }
        };
        Ok(Self {
            message: message.to_owned(),
            input,
        })
    }

    /// All of it, as [`Elicitation::parse`] reads it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.input {
            RequestedInput::Form(form) => json!({
                "message": self.message,
                "mode": ElicitationMode::Form,
                "requestedSchema": form.schema(),
            }),
            RequestedInput::Page(page) => json!({
                "message": self.message,
                "mode": ElicitationMode::Url,
                "url": page.url(),
            }),
        }
    }

    /// How it is answered.
    #[must_use]
    pub fn mode(&self) -> ElicitationMode {
        match &self.input {
            RequestedInput::Form(_) => ElicitationMode::Form,
            RequestedInput::Page(_) => ElicitationMode::Url,
        }
    }

    /// The form, if it is one.
    #[must_use]
    pub fn form(&self) -> Option<&Form> {
        match &self.input {
            RequestedInput::Form(form) => Some(form),
            RequestedInput::Page(_) => None,
        }
    }

    /// The page, if it is one.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        match &self.input {
            RequestedInput::Form(_) => None,
            RequestedInput::Page(page) => Some(page),
        }
    }

    /// A summary without the server's words.
    #[must_use]
    pub fn summary(&self) -> String {
        match &self.input {
            RequestedInput::Form(form) => match form.len() {
                1 => "a form with 1 field".into(),
                fields => format!("a form with {fields} fields"),
            },
            RequestedInput::Page(page) => format!("a page of {}", page.host()),
        }
    }

    /// As a person sees it.
    #[must_use]
    pub fn view(&self) -> ElicitationView {
        ElicitationView {
            message: printable(&self.message, usize::MAX),
            fields: self.form().map(Form::view).unwrap_or_default(),
            url: self.page().map(|page| page.url().to_owned()),
        }
    }
}

fn form_of(params: &Value) -> Result<Form, ElicitationError> {
    let schema = params.get("requestedSchema");
    Form::parse(schema.ok_or_else(|| ElicitationError::new("it has no `requestedSchema`"))?)
}

#[cfg(test)]
mod tests;
