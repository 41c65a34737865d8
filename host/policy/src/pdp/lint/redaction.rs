//! Pointers of `@redact` that lead nowhere: at which no tool that the policy is about takes a text, or which no output
//! schema has.

use cedar_policy_core::ast;
use serde_json::Value;
use tollgate_model::{
    entity::{Kind, Uid},
    request::Action,
};

use super::{RequestSpace, within};
use crate::{
    cedar_value,
    policy::{Diagnostic, Level, LoadedPolicy},
    schema_path::{DeadEnd, dead_end},
};

impl RequestSpace<'_> {
    /// A warning for each pointer that can never be redacted.
    pub(super) fn useless_pointers(&self, policy: &LoadedPolicy) -> Vec<Diagnostic> {
        if policy.redact.is_empty() {
            return Vec::new();
        }
        let cedar: &ast::Policy = policy.cedar.as_ref();
        let constraint = cedar.action_constraint();
        let actions = self.pdp.actions.iter();
        let about = actions.filter(|(_, action)| self.is_of(constraint, action));
        let names: Vec<&str> = about.map(|(name, _)| name.as_str()).collect();
        if names == [Action::ReturnResult.id()] {
            return self.useless_in_results(policy);
        }
        let inputs: Vec<_> = names
            .iter()
            .filter_map(|name| self.pdp.tool(name))
            .collect();
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

    /// The same for results, if each tool that the policy is about has an output schema.
    fn useless_in_results(&self, policy: &LoadedPolicy) -> Vec<Diagnostic> {
        let cedar: &ast::Policy = policy.cedar.as_ref();
        let resource = cedar.resource_constraint();
        let tools = self.pdp.tools.keys().filter(|name| {
            let uid = cedar_value::entity(&Uid::new(Kind::Tool, name.as_str()));
            uid.is_some_and(|uid| within(resource.as_inner(), &uid, &self.entities))
        });
        let schema = |name| self.pdp.checked.output_schemas.get(name);
        let schemas: Option<Vec<&Value>> = tools.map(schema).collect();
        let schemas = schemas.unwrap_or_default();
        let id = &policy.determining.policy.id;
        let useless = policy.redact.iter().filter_map(|pointer| {
            let lost = |schema: &&Value| dead_end(schema, pointer);
            let lost: Option<Vec<DeadEnd>> = schemas.iter().map(lost).collect();
            let lost = lost?.into_iter().next()?;
            Some(policy.diagnostic(
                Level::Warning,
                "policy::useless-redaction",
                format!(
                    "policy `{id}` redacts `{pointer}`, which the output schema has not: there is no `{}`. Such a result \
                     is withheld",
                    lost.segment
                ),
                match lost.nearest() {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "correct the pointer: `tollgate tools show NAME` has the output schema".into(),
                },
            ))
        });
        useless.collect()
    }
}
