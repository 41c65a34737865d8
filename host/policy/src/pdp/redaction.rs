//! Forbids of a call with `@redact`: they apply to arguments that are not redacted yet.
//!
//! Whether arguments are redacted is read from the request itself, so a replay of a recorded request gives the
//! same answer.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_model::{
    redaction::redact,
    request::{Action, ActionContext, Request},
};

use super::Pdp;
use crate::tool_input::ToolInput;

/// The arguments of a call.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a> {
    value: &'a Value,
    /// Absent for a resource, whose only argument is its URI.
    input: Option<&'a ToolInput>,
}

impl Pdp {
    /// The call with the values at these pointers redacted; `None` if one of them leads nowhere, or the tool does not
    /// take what is left.
    #[must_use]
    pub fn redacted(&self, request: &Request, pointers: &BTreeSet<String>) -> Option<Request> {
        let arguments = self.arguments(request)?;
        let redacted = arguments.redacted(pointers)?;
        arguments.input?.check(&redacted).ok()?;
        let mut request = request.clone();
        if let ActionContext::Call { input, .. } = &mut request.context {
            *input = redacted;
        }
        Some(request)
    }

    /// The arguments, if the request is a call.
    pub(super) fn arguments<'a>(&'a self, request: &'a Request) -> Option<Arguments<'a>> {
        let ActionContext::Call { input: value, .. } = &request.context else {
            return None;
        };
        let input = match &request.action {
            Action::Call(tool) => self.tool(tool),
            Action::GetPrompt => self.prompt(&request.resource.id),
            _ => None,
        };
        Some(Arguments { value, input })
    }
}

impl Arguments<'_> {
    /// Whether each of these pointers finds something that can be redacted, or what the schema lets be absent.
    pub(super) fn can_be_redacted(&self, pointers: &BTreeSet<String>) -> bool {
        self.redacted(pointers).is_some()
    }

    /// Whether redaction at these pointers would change nothing.
    pub(super) fn are_redacted(&self, pointers: &BTreeSet<String>) -> bool {
        self.redacted(pointers).as_ref() == Some(self.value)
    }

    fn redacted(&self, pointers: &BTreeSet<String>) -> Option<Value> {
        let mut value = self.value.clone();
        let may_be_absent =
            |path: &[String]| self.input.is_some_and(|input| input.declares_member(path));
        redact(&mut value, pointers, &may_be_absent).ok()?;
        Some(value)
    }
}
