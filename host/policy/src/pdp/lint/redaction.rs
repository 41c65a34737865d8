//! Pointers of `@redact` at which no tool that the policy is about takes a text.

use cedar_policy_core::ast;

use super::RequestSpace;
use crate::policy::{Diagnostic, Level, LoadedPolicy};

impl RequestSpace<'_> {
    /// A warning for each pointer that can never be redacted: the policy denies such calls.
    pub(super) fn useless_pointers(&self, policy: &LoadedPolicy) -> Vec<Diagnostic> {
        let cedar: &ast::Policy = policy.cedar.as_ref();
        let constraint = cedar.action_constraint();
        let actions = self.pdp.actions.iter();
        let about = actions.filter(|(_, action)| self.is_of(constraint, action));
        let inputs: Vec<_> = about.filter_map(|(name, _)| self.pdp.tool(name)).collect();
        if inputs.is_empty() {
            return Vec::new();
        }
        let useless = policy
            .redact
            .iter()
            .filter(|pointer| !inputs.iter().any(|input| input.can_be_redacted(pointer)));
        let id = &policy.determining.policy.id;
        useless
            .map(|pointer| {
                policy.diagnostic(
                    Level::Warning,
                    "policy::useless-redaction",
                    format!(
                        "policy `{id}` redacts `{pointer}`, where no tool that it is about takes a text: it denies \
                         the call instead"
                    ),
                    "correct the pointer: `tollgate tools show NAME` has the arguments",
                )
            })
            .collect()
    }
}
