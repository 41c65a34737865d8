//! A policy's annotations, and whether the gate can use the policy.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy, PolicyId};
use cedar_policy_core::ast;

use super::{Diagnostic, Level, LoadedPolicy, Mode, location::Location, nearest};
use crate::policy::approval_analysis::{self, ApprovalUse};
use tollgate_model::{
    canonical::{self, Sha256Digest},
    decision::{DeterminingPolicy, PolicyRef, Severity},
    request::Action,
};

const ANNOTATIONS: &[&str] = &[
    "id", "owner", "reason", "severity", "mode", "redact", "budget",
];

/// Facts that a budget may limit.
const BUDGETS: &[&str] = &["calls", "denials", "errors", "elapsed", "tokens", "cost"];

/// Reads policies one by one, and collects diagnostics.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) said: Vec<Diagnostic>,
}

impl Reader {
    /// The policy with its annotations, unless one of them is invalid.
    pub(super) fn policy(&mut self, place: Location<'_>, policy: &Policy) -> Option<LoadedPolicy> {
        let id = self.id(place, policy)?;
        let before = self.said.len();
        let owner = self.owner(place, id, policy);
        let severity = self.severity(place, id, policy.annotation("severity"));
        let mode = self.mode(place, id, policy.annotation("mode"));
        let redact = self.redact(place, id, policy);
        self.warn_of_unknown(place, id, policy);
        let budget = self.budget(place, id, policy);
        let reason = self.reason(place, id, policy);
        let body = match policy.to_json() {
            Ok(json) => json,
            Err(e) => {
                self.said
                    .push(place.error("policy::form", e.to_string(), "rewrite it"));
                return None;
            }
        };
        let approval = self.approval(place, id, policy, &body);
        if approval.reads() && !redact.is_empty() {
            self.said.push(place.error(
                "policy::redact",
                format!("policy `{id}` has an `@redact` and reads `context.approval`"),
                "write two policies: one that redacts, and one that asks for an approval",
            ));
        }
        let since = self.said.get(before..).unwrap_or_default();
        if since.iter().any(|d| d.level == Level::Error) {
            return None;
        }
        let (line, column) = place.source.line_and_column(place.offset);
        let digest = Sha256Digest::of(&canonical::to_canonical(&body).unwrap_or_default());
        Some(LoadedPolicy {
            determining: DeterminingPolicy {
                budget,
                owner,
                policy: PolicyRef {
                    digest,
                    id: id.to_owned(),
                },
                reason,
            },
            mode,
            severity,
            redact,
            approval,
            effect: policy.effect(),
            file: place.source.file.name.clone(),
            line,
            column,
            offset: place.offset,
            length: place.length,
            condition: AsRef::<ast::Policy>::as_ref(policy).condition(),
            cedar: policy.new_id(PolicyId::new(id)),
        })
    }

    fn id<'p>(&mut self, place: Location<'_>, policy: &'p Policy) -> Option<&'p str> {
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            self.said.push(place.error(
                "policy::missing-id",
                "this policy has no `@id`",
                "add a line such as @id(\"refunds-need-finance\") above it",
            ));
            return None;
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        if id.len() <= 100 && id.bytes().all(legal) {
            return Some(id);
        }
        self.said.push(place.error(
            "policy::illegal-id",
            format!("`{}` is not a policy id", id.escape_debug()),
            &match id.chars().find(|c| c.is_alphanumeric() && !c.is_ascii()) {
                Some(c) => format!(
                    "`{c}` (U+{:04X}) is not an ASCII letter, although it may look like one; use ASCII letters, digits, `-`, \
                     `_`, `.` and `/`",
                    u32::from(c)
                ),
                None => "use at most 100 ASCII letters, digits, `-`, `_`, `.` and `/`".into(),
            },
        ));
        None
    }

    fn owner(&mut self, place: Location<'_>, id: &str, policy: &Policy) -> String {
        let owner = policy.annotation("owner").unwrap_or("");
        if owner.is_empty() {
            self.said.push(place.error(
                "policy::missing-owner",
                format!("policy `{id}` has no `@owner`"),
                "name who is responsible for it, such as @owner(\"security\")",
            ));
        }
        owner.to_owned()
    }

    fn mode(&mut self, place: Location<'_>, id: &str, text: Option<&str>) -> Mode {
        let Some(name) = text else {
            return Mode::default();
        };
        Mode::from_name(name).unwrap_or_else(|| {
            let shown = name.escape_debug();
            self.said.push(place.error(
                "policy::mode",
                format!("policy `{id}` has the unknown mode `{shown}`"),
                "use @mode(\"shadow\"), or leave it out to enforce the policy",
            ));
            Mode::default()
        })
    }

    fn warn_of_unknown(&mut self, place: Location<'_>, id: &str, policy: &Policy) {
        for (name, _) in policy.annotations() {
            if ANNOTATIONS.contains(&name) {
                continue;
            }
            let help = match nearest(name, ANNOTATIONS.iter().copied()) {
                Some(near) => format!("did you mean `@{near}`?"),
                None => "remove it".into(),
            };
            self.said.push(place.warning(
                "policy::unknown-annotation",
                format!("policy `{id}` has the annotation `@{name}`, which means nothing here"),
                &help,
            ));
        }
    }

    fn budget(&mut self, place: Location<'_>, id: &str, policy: &Policy) -> Option<String> {
        let budget = policy.annotation("budget")?;
        if policy.effect() == Effect::Permit || !BUDGETS.contains(&budget) {
            self.said.push(place.error(
                "policy::budget",
                format!("policy `{id}` has a `@budget` that means nothing"),
                &format!(
                    "put it on a forbid, and name what is used up: {}",
                    BUDGETS.join(", ")
                ),
            ));
        }
        Some(budget.to_owned())
    }

    fn reason(&mut self, place: Location<'_>, id: &str, policy: &Policy) -> String {
        let reason = policy.annotation("reason").unwrap_or("");
        if reason.is_empty() && policy.effect() == Effect::Forbid {
            self.said.push(place.warning(
                "policy::missing-reason",
                format!("policy `{id}` forbids without an `@reason`"),
                "say why, for the agent and the approver who will read it",
            ));
        }
        reason.to_owned()
    }

    /// How the policy's body, as JSON, reads `context.approval`.
    fn approval(
        &mut self,
        place: Location<'_>,
        id: &str,
        policy: &Policy,
        body: &serde_json::Value,
    ) -> ApprovalUse {
        let approval = match approval_analysis::analyse(body) {
            Ok(approval) => approval,
            Err(problem) => {
                self.said.push(place.error(
                    "policy::approval",
                    format!("policy `{id}` {problem}"),
                    "use context.approval.roles.contains(…), .containsAll([…]) or .containsAny([…]) with literal \
                     roles, or context.approval.count >= n: in `unless` of a forbid, or `when` of a permit",
                ));
                ApprovalUse::default()
            }
        };
        if approval.reads() && may_be_capability(policy) {
            self.said.push(place.warning(
                "policy::approval-in-mid-call",
                format!("policy `{id}` reads `context.approval` but applies to what a component asks for in mid-call: the call ends there as pending, with what it has done by then, and runs again from the beginning once that is approved"),
                "ask on the call itself where you can, before anything is done: action in Tollgate::Action::\"call\"",
            ));
        }
        approval
    }

    fn severity(&mut self, place: Location<'_>, id: &str, text: Option<&str>) -> Severity {
        let Some(name) = text else {
            return Severity::default();
        };
        Severity::from_name(name).unwrap_or_else(|| {
            let shown = name.escape_debug();
            self.said.push(place.error(
                "policy::severity",
                format!("policy `{id}` has the unknown severity `{shown}`"),
                "use low, medium, high or critical",
            ));
            Severity::default()
        })
    }

    fn redact(&mut self, place: Location<'_>, id: &str, policy: &Policy) -> BTreeSet<String> {
        let Some(text) = policy.annotation("redact") else {
            return BTreeSet::new();
        };
        let pointers: BTreeSet<String> = text.split_whitespace().map(str::to_owned).collect();
        let well_formed = !pointers.is_empty() && pointers.iter().all(|p| p.starts_with('/'));
        if policy.effect() == Effect::Permit || !can_be_redacted(policy) || !well_formed {
            self.said.push(place.error(
                "policy::redact",
                format!("policy `{id}` has an `@redact` that cannot work"),
                "put it on a forbid with JSON pointers such as @redact(\"/customer/email /customer/iban\"), for \
                 results with action == Tollgate::Action::\"return_result\", for arguments with the action of a tool \
                 or action in Tollgate::Action::\"call\"",
            ));
        }
        pointers
    }
}

/// Whether the policy is about results only, or about calls with arguments only.
fn can_be_redacted(policy: &Policy) -> bool {
    let is_call = |uid: &cedar_policy::EntityUid| {
        let id = uid.id().unescaped();
        let fixed = Action::FIXED.iter().find(|action| action.id() == id);
        fixed.is_none_or(|action| *action == Action::GetPrompt)
    };
    match policy.action_constraint() {
        cedar_policy::ActionConstraint::Any => false,
        cedar_policy::ActionConstraint::Eq(uid) => {
            uid.id().unescaped() == Action::ReturnResult.id() || is_call(&uid)
        }
        cedar_policy::ActionConstraint::In(uids) => uids.iter().all(is_call),
    }
}

/// Whether a policy names an action that a component requests from its host. A policy that names no action
/// at all is meant for calls, and a server's question interrupts no call.
fn may_be_capability(policy: &Policy) -> bool {
    let capability = |uid: &cedar_policy::EntityUid| {
        let id = uid.id();
        let mut fixed = Action::FIXED
            .iter()
            .filter(|action| action.is_capability() && **action != Action::ElicitInput);
        fixed.any(|action| action.id() == id.unescaped())
    };
    match policy.action_constraint() {
        cedar_policy::ActionConstraint::Any => false,
        cedar_policy::ActionConstraint::Eq(uid) => capability(&uid),
        cedar_policy::ActionConstraint::In(uids) => uids.iter().any(capability),
    }
}
