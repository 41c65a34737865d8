//! How policies read `context.approval`.
//!
//! Escalation is plain Cedar: a denied request is decided again as if it were approved, and if that allows
//! it, it waits for an approval. This is sound only if more approval never denies more. So a policy may use
//! `context.approval` only in a few forms, and only where more approval helps.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::policy::PolicyJson;
use tollgate_model::entity::{Kind, NAMESPACE};

/// What one policy requires of an approval.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ApprovalUse {
    /// Roles that it names.
    pub(crate) roles: BTreeSet<String>,
    /// Numbers of approvers that it names.
    pub(crate) counts: BTreeSet<u64>,
}

impl ApprovalUse {
    /// Whether the policy reads `context.approval` at all.
    pub(crate) fn reads(&self) -> bool {
        !self.roles.is_empty() || !self.counts.is_empty()
    }
}

/// The polarity of an expression: whether making it true helps the policy to apply.
#[derive(Clone, Copy, PartialEq)]
enum Polarity {
    Helps,
    Hinders,
    Unclear,
}

impl Polarity {
    fn flipped(self) -> Self {
        match self {
            Self::Helps => Self::Hinders,
            Self::Hinders => Self::Helps,
            Self::Unclear => Self::Unclear,
        }
    }
}

/// What a policy, in Cedar's JSON form, requires of an approval; or why its use is not allowed.
pub(crate) fn analyse(policy: &PolicyJson) -> Result<ApprovalUse, &'static str> {
    let permit = policy.get("effect").and_then(Value::as_str) == Some("permit");
    let mut analysis = Analysis {
        permit,
        found: ApprovalUse::default(),
    };
    let conditions = policy.get("conditions").and_then(Value::as_array);
    for condition in conditions.map(Vec::as_slice).unwrap_or_default() {
        let unless = condition.get("kind").and_then(Value::as_str) == Some("unless");
        let polarity = if unless {
            Polarity::Hinders
        } else {
            Polarity::Helps
        };
        analysis.expression(condition.get("body").unwrap_or(&Value::Null), polarity)?;
    }
    Ok(analysis.found)
}

struct Analysis {
    permit: bool,
    found: ApprovalUse,
}

impl Analysis {
    fn expression(&mut self, e: &Value, polarity: Polarity) -> Result<(), &'static str> {
        if let Some(atom) = atom(e)? {
            let wanted = if self.permit {
                Polarity::Helps
            } else {
                Polarity::Hinders
            };
            if polarity != wanted {
                return Err("reads `context.approval` where an approval could make it deny more");
            }
            match atom {
                Atom::Roles(roles) => self.found.roles.extend(roles),
                Atom::Count(n) => drop(self.found.counts.insert(n)),
            }
            return Ok(());
        }
        match e {
            Value::Object(node) => {
                for (operator, operands) in node {
                    self.node(operator, operands, polarity)?;
                }
                Ok(())
            }
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.expression(item, Polarity::Unclear)),
            _ => Ok(()),
        }
    }

    fn node(
        &mut self,
        operator: &str,
        operands: &Value,
        polarity: Polarity,
    ) -> Result<(), &'static str> {
        let operand = |name: &str| operands.get(name).unwrap_or(&Value::Null);
        match operator {
            "!" => self.expression(operand("arg"), polarity.flipped()),
            "&&" | "||" => {
                self.expression(operand("left"), polarity)?;
                self.expression(operand("right"), polarity)
            }
            "if-then-else" => {
                self.expression(operand("if"), Polarity::Unclear)?;
                self.expression(operand("then"), polarity)?;
                self.expression(operand("else"), polarity)
            }
            "Value" => Ok(()),
            "Var" if operands == "context" => {
                Err("uses `context` as a whole, and with it `context.approval`")
            }
            "." | "has" if is_context(operand("left")) => {
                if operand("attr") == "approval" {
                    Err("uses `context.approval` in a form that cannot be analysed")
                } else {
                    Ok(())
                }
            }
            _ => match operands {
                Value::Object(operands) => operands
                    .values()
                    .try_for_each(|o| self.expression(o, Polarity::Unclear)),
                other => self.expression(other, Polarity::Unclear),
            },
        }
    }
}

enum Atom {
    Roles(Vec<String>),
    Count(u64),
}

/// The expression as one of the allowed uses of `context.approval`, if it is one.
fn atom(e: &Value) -> Result<Option<Atom>, &'static str> {
    let of = |operator: &str| {
        e.get(operator).map(|o| {
            (
                o.get("left").unwrap_or(&Value::Null),
                o.get("right").unwrap_or(&Value::Null),
            )
        })
    };
    if let Some((left, right)) = of("contains")
        && is_approval(left, "roles")
    {
        let role = role(right)
            .ok_or("compares `context.approval.roles` with something other than a literal role")?;
        return Ok(Some(Atom::Roles(vec![role])));
    }
    if let Some((left, right)) = of("containsAll").or_else(|| of("containsAny"))
        && is_approval(left, "roles")
    {
        let roles = right.get("Set").and_then(Value::as_array);
        let roles: Option<Vec<String>> = roles.and_then(|roles| roles.iter().map(role).collect());
        return match roles {
            Some(roles) if !roles.is_empty() => Ok(Some(Atom::Roles(roles))),
            _ => Err("compares `context.approval.roles` with something other than literal roles"),
        };
    }
    if let Some((left, right)) = of(">=")
        && is_approval(left, "count")
    {
        return match right.get("Value").and_then(Value::as_u64) {
            Some(n @ 1..=16) => Ok(Some(Atom::Count(n))),
            _ => Err(
                "compares `context.approval.count` with something other than a number from 1 to 16",
            ),
        };
    }
    Ok(None)
}

fn is_context(e: &Value) -> bool {
    e.get("Var").is_some_and(|v| v == "context")
}

fn is_approval(e: &Value, attribute: &str) -> bool {
    let field = |e: &Value, name: &str| {
        e.get(".")
            .filter(|o| o.get("attr").is_some_and(|a| a == name))
            .and_then(|o| o.get("left"))
            .cloned()
    };
    field(e, attribute)
        .and_then(|e| field(&e, "approval"))
        .is_some_and(|e| is_context(&e))
}

fn role(e: &Value) -> Option<String> {
    let entity = e.get("Value")?.get("__entity")?;
    let ty = format!("{NAMESPACE}::{}", Kind::Role.name());
    (entity.get("type")?.as_str()? == ty).then(|| entity.get("id")?.as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests;
